package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// runFloor does a part of what the dry run does, and nothing else, so that its cost shows.
func runFloor(what, file string) error {
	switch what {
	case "read", "unpack":
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		if what == "read" {
			return drain(f)
		}
		return unpack(f, file)
	case "parse":
		_, err := history.Scan([]history.Source{history.File(file)}, history.Options{}, func(b *history.Batch) error {
			b.Recycle()
			return nil
		})
		return err
	}
	return fmt.Errorf("there is no floor %q: want read, unpack or parse", what)
}

// unpack unpacks a file, compressed as its name says, by the same library as the dry run.
func unpack(f io.Reader, name string) error {
	switch {
	case strings.HasSuffix(name, ".zst"):
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
		defer z.Close()
		return drain(z)
	case strings.HasSuffix(name, ".gz"):
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		return errors.Join(drain(z), z.Close())
	}
	return fmt.Errorf("%s is not compressed", name)
}

func drain(r io.Reader) error {
	buf := make([]byte, 128<<10)
	for {
		if _, err := r.Read(buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
