package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"runtime/pprof"
	"strings"

	"github.com/tiebreakhq/tiebreak/replay/cmd"
)

// profile writes where the dry run of all forms spends its time, for the compiler: see the package's doc.
func (c *comparison) profile(name string) error {
	return c.within(func() error {
		all, err := c.formContenders()
		if err != nil {
			return err
		}
		var told bytes.Buffer
		if err := pprof.StartCPUProfile(&told); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
		for range c.rounds {
			for _, one := range all {
				if one.args[0] == c.ours && cmd.Tiebreak(nil, io.Discard, os.Stderr, one.args[1:]) != 0 {
					return errors.New(one.name + " failed")
				}
			}
		}
		pprof.StopCPUProfile()
		nameless, err := withoutPath(&told)
		if err != nil {
			return err
		}
		return os.WriteFile(name, nameless, 0o666)
	})
}

// withoutPath returns a profile without the path of this program, which says nothing to anybody else.
func withoutPath(profile io.Reader) ([]byte, error) {
	in, err := gzip.NewReader(profile)
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	path, err := os.Executable()
	if err != nil {
		return nil, err
	}
	plain = bytes.ReplaceAll(plain, []byte(path), []byte(strings.Repeat("-", len(path)))) // of the same length, which stands before it
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err = w.Write(plain)
	err = errors.Join(err, w.Close())
	return out.Bytes(), err
}
