package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/replay/history"
)

// runFloor does a part of what the dry run does, and nothing else, so that its cost shows.
func runFloor(what, file string) error {
	switch what {
	case "read":
		f, err := os.Open(file)
		if err != nil {
			return err
		}
		defer f.Close()
		buf := make([]byte, 1<<20)
		for {
			if _, err := f.Read(buf); err == io.EOF {
				return nil
			} else if err != nil {
				return err
			}
		}
	case "parse":
		_, err := history.Scan([]history.Source{history.File(file)}, history.Options{}, func(b *history.Batch) error {
			b.Recycle()
			return nil
		})
		return err
	}
	return fmt.Errorf("there is no floor %q: want read or parse", what)
}
