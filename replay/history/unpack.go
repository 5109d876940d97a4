package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// packing names how a source is compressed; "" is not at all.
type packing string

var magics = []struct {
	name  packing
	magic []byte
}{
	{"gzip", []byte{0x1f, 0x8b}},
	{"zstd", []byte{0x28, 0xb5, 0x2f, 0xfd}},
}

// zstdWindow is the most memory that a zstd frame may ask for.
const zstdWindow = 128 << 20

// input is one source while it is read: counted, unpacked, and bounded.
type input struct {
	stored   *countingReader
	unpacked io.Reader
	close    func()
	packing  packing
	bytes    int64 // unpacked so far
	opt      *Options
}

// countingReader counts what a source holds as it is stored, and keeps the error that is the source's own fault.
type countingReader struct {
	r     io.Reader
	bytes int64
	err   error
	told  func(n int)
}

func (c *countingReader) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.bytes += int64(n)
	c.told(n)
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// newInput finds out by its first bytes whether a source is compressed. Gzip members and zstd frames that follow one
// another are one input.
func newInput(r io.Reader, opt *Options, told func(n int)) (*input, *problem, error) {
	in := &input{stored: &countingReader{r: r, told: told}, opt: opt, close: func() {}}
	buffered := bufio.NewReaderSize(in.stored, 64<<10)
	start, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, nil, err
	}
	in.unpacked = buffered
	for _, m := range magics {
		if bytes.HasPrefix(start, m.magic) {
			in.packing = m.name
		}
	}
	switch in.packing {
	case "gzip":
		z, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, in.broken(err), in.stored.err
		}
		in.unpacked = z
	case "zstd":
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil {
			return nil, in.broken(err), in.stored.err
		}
		in.unpacked, in.close = z, z.Close
	}
	return in, nil, nil
}

// fill reads until b is full or the input ends, and says which by eof. A problem is the end of what can be read; an
// error is one of the machine, not of the data.
func (in *input) fill(b []byte) (n int, eof bool, bad *problem, err error) {
	for n < len(b) {
		m, err := in.unpacked.Read(b[n:])
		n += m
		in.bytes += int64(m)
		if bad := in.excess(); bad != nil {
			return n, true, bad, nil
		}
		if err == io.EOF {
			return n, true, nil, nil
		}
		if err != nil {
			if in.stored.err != nil || in.packing == "" {
				return n, true, nil, err
			}
			return n, true, in.broken(err), nil
		}
	}
	return n, false, nil, nil
}

// excess returns a problem when the input is larger than the options allow.
func (in *input) excess() *problem {
	most, ratio := in.opt.MaxBytes, in.opt.MaxRatio
	if most <= 0 {
		most = DefaultMaxBytes
	}
	if ratio <= 0 {
		ratio = DefaultMaxRatio
	}
	switch {
	case in.bytes > most:
		return newProblem(finding.TooLarge, "more than %d bytes unpacked: what follows is not read", most)
	case in.packing != "" && in.bytes > freeBytes && in.bytes/ratio > in.stored.bytes:
		return newProblem(finding.TooLarge, "unpacks to more than %d times its size: what follows is not read", ratio)
	}
	return nil
}

// freeBytes is how much a source may unpack to whatever its ratio: small files of one repeated record reach any.
const freeBytes = 16 << 20

// broken returns the problem of a compressed source that can't be unpacked.
func (in *input) broken(err error) *problem {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return newProblem(finding.TruncatedInput, "the input ends inside a %s stream", in.packing)
	}
	what := err.Error()
	if errors.Is(err, gzip.ErrHeader) {
		what = "what follows is no gzip member"
	}
	return newProblem(finding.BadSyntax, "%s: %s: what follows is not read", in.packing, what)
}

// wrap adds the name of the source to an error of the machine.
func wrap(name string, err error) error { return fmt.Errorf("read %s: %w", name, err) }
