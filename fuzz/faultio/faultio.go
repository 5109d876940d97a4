// Package faultio has a reader and a writer that fail at one place and work at all others, for the tests of encoders and
// decoders: an error that is not looked at where it comes would be lost.
package faultio

import (
	"errors"
	"io"
)

// Err is how both fail.
var Err = errors.New("made to fail")

// Writer fails at one write, counted from 1, and takes all others. After them, minus its value is how many a Writer(0) took.
type Writer int

func (w *Writer) Write(b []byte) (int, error) {
	if *w--; *w == 0 {
		return 0, Err
	}
	return len(b), nil
}

// Reader returns a reader that fails once, after some bytes, and goes on with the rest as if nothing had been.
func Reader(before, after []byte) io.Reader { return &reader{before, after} }

type reader struct{ before, after []byte }

func (r *reader) Read(b []byte) (int, error) {
	if len(r.before) > 0 {
		n := copy(b, r.before)
		r.before = r.before[n:]
		return n, nil
	}
	r.before, r.after = r.after, nil
	return 0, Err
}
