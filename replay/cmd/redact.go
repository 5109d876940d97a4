package cmd

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/redact"
	"github.com/tiebreakhq/tiebreak/replay/whole"
)

// checkRedact reports flags of convert that say nothing without another. A secret that a script left empty is none of a history
// that is to be written as it is.
func checkRedact(fs *flag.FlagSet) error {
	given := make(map[string]bool)
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case given["redact"] && fs.Lookup("redact").Value.String() == "":
		return hinted{errors.New("-redact wants the file of a secret"), "see tiebreak help convert"}
	case given["redact"]:
		return nil
	}
	for _, name := range []string{"rules", "memory"} {
		if given[name] {
			return hinted{fmt.Errorf("convert takes -%s with -redact", name), "see tiebreak help convert"}
		}
	}
	return nil
}

// maxSecret is how long a secret may be: what is longer is another file than was meant.
const maxSecret = 4096

// readSecret reads the file of -redact, of which nothing is ever said but how long it is.
func readSecret(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	secret, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	switch {
	case err != nil:
		return nil, err
	case len(secret) > maxSecret:
		return nil, fmt.Errorf("%s is no secret: it has more than %d bytes", name, maxSecret)
	case len(secret) < redact.MinSecret:
		return nil, hinted{fmt.Errorf("the secret in %s has %d bytes, and it takes %d", name, len(secret), redact.MinSecret), "as in: head -c 32 /dev/urandom > " + name}
	}
	return secret, nil
}

// rereadable reports an input that can't be read several times, or is the secret.
func rereadable(sources []history.Source, secret string) error {
	for _, s := range sources {
		info, err := os.Stat(s.Name)
		switch {
		case s.Name == "-", err == nil && s.Format != history.Replica && !info.Mode().IsRegular():
			return hinted{fmt.Errorf("%s can't be read several times, as -redact does", s.Name), "write it to a file first"}
		case err != nil:
			return err
		case s.Format == history.Replica:
			return hinted{fmt.Errorf("%s may be written to while -redact reads it several times", s.Name), "convert it to a file first"}
		case resolved(s.Name) == resolved(secret):
			return fmt.Errorf("%s is the secret, and no history", s.Name)
		}
	}
	return nil
}

// redaction is one history on its way to another that decides alike.
type redaction struct {
	c        *command
	in       *input
	sources  []history.Source
	form     history.Format
	name     string // of the output, which says how it is packed
	redactor *redact.Redactor
	summary  redact.Summary
	written  int64
}

// redact writes the history that the sources are with its values hidden.
func (c *command) redact(in *input, keyFile string, sources []history.Source, form history.Format, file string) (int, error) {
	table, err := c.parseTable(in)
	if err != nil {
		return 0, err
	}
	secret, err := readSecret(keyFile)
	if err != nil {
		return 0, fmt.Errorf("-redact: %w", err)
	}
	if err := rereadable(sources, keyFile); err != nil {
		return 0, err
	}
	r := redaction{c: c, in: in, sources: sources, form: form, name: file}
	if r.redactor, err = redact.New(table, secret); err != nil {
		return 0, fmt.Errorf("-redact: %w", err)
	}
	if file == "" || file == "-" {
		return r.write(table, c.out)
	}
	out, err := create(file, append(namesOf(sources), keyFile, in.tables[0]))
	if err != nil {
		return 0, fmt.Errorf("convert: %w", err)
	}
	status, err := r.write(table, out.Writer)
	if err != nil {
		out.discard()
		return 0, err
	}
	return status, c.commitRecords(out, file, r.written, status)
}

// write hides the values of the history, proves that this changes no decision, and only then writes it. The whole of it is in a
// temporary file meanwhile.
func (r *redaction) write(table *merge.Table, to *bufio.Writer) (status int, err error) {
	r.in.memory.limit()
	first := &converter{c: r.c, each: redact.Bare} // it says what there is to say of records
	learned, err := r.learn(first)
	if err != nil {
		return 0, err
	}
	r.in.memory.limitBeside(learned.Memory)
	original, err := r.read(&converter{c: r.c, quiet: true})
	if err != nil {
		return 0, err
	}
	defer original.Close()
	hidden, remove, err := whole.Temp("")
	if err != nil {
		return 0, fmt.Errorf("-redact: %w", err)
	}
	defer func() {
		_ = hidden.Close()
		_ = remove()
	}()
	kept, err := r.hide(original, hidden)
	if err != nil {
		return 0, fmt.Errorf("-redact: %w", err)
	}
	text, err := contents(hidden)
	if err != nil {
		return 0, fmt.Errorf("-redact: %w", err)
	}
	if _, err := io.Copy(to, text); err != nil {
		return 0, fmt.Errorf("convert: %w", err)
	}
	r.c.show.done()
	for _, line := range r.summary.Lines(table) {
		r.c.note("%s", line)
	}
	if n := learned.Dependent; n.Count > 0 {
		r.c.note("winners depend on values in %s", n)
	}
	if len(kept) > 0 {
		r.c.note("kept as is, for it would be decided otherwise: %s", redact.NamesOf(kept))
	}
	return first.status(r.in), nil
}

// learn lets the redactor learn what is in the history.
func (r *redaction) learn(v *converter) (redact.Learned, error) {
	bare, err := r.read(v)
	if err != nil {
		return redact.Learned{}, err
	}
	defer bare.Close()
	return r.redactor.Learn(bare)
}

// read reads the history as it is converted: what is written later has the same records in the same places.
func (r *redaction) read(v *converter) (*replay.History, error) {
	from, to := io.Pipe()
	done := make(chan error, 1)
	go func() {
		w := bufio.NewWriter(to)
		err := v.convert(r.in, r.sources, w, "", history.Msgpack)
		if err == nil {
			err = w.Flush()
		}
		_ = to.CloseWithError(err)
		done <- err
	}()
	h, err := r.collect(func() (io.ReadCloser, error) { return from, nil }, history.Msgpack)
	_ = from.Close()
	if converted := <-done; converted != nil && !errors.Is(converted, io.ErrClosedPipe) {
		err = converted
	}
	return h, err
}

// collect reads a history that was converted. Two of them share the memory.
func (r *redaction) collect(open func() (io.ReadCloser, error), form history.Format) (*replay.History, error) {
	source := history.Source{Name: "history", Region: r.sources[0].Region, Format: form, Open: open}
	return replay.Collect([]history.Source{source}, history.Options{Memory: r.in.memory.history() / 2})
}

// hide writes the history with its values hidden to a file, and proves that it is decided as the original is. It returns the keys
// that had to be left as they are for that.
func (r *redaction) hide(original *replay.History, to *os.File) (kept []string, err error) {
	for {
		keys, same, err := r.attempt(original, to)
		switch {
		case err != nil || same:
			return kept, err
		case len(keys) == 0 || kept != nil:
			return nil, errors.New("with its values hidden the history would be decided otherwise, so there is no output")
		}
		kept = keys
		r.redactor.Keep(keys)
	}
}

// attempt is hide, once.
func (r *redaction) attempt(original *replay.History, to *os.File) (keys []string, same bool, err error) {
	if err := to.Truncate(0); err != nil {
		return nil, false, err
	}
	if _, err := to.Seek(0, io.SeekStart); err != nil {
		return nil, false, err
	}
	r.summary = make(redact.Summary)
	w := bufio.NewWriter(to)
	v := &converter{c: r.c, quiet: true, each: func(rec *history.Record) { r.redactor.Record(rec, r.summary) }}
	if err := v.convert(r.in, r.sources, w, r.name, r.form); err != nil {
		return nil, false, err
	}
	if err := w.Flush(); err != nil {
		return nil, false, err
	}
	r.written = v.written
	h, err := r.collect(func() (io.ReadCloser, error) { return contents(to) }, r.form)
	if err != nil {
		return nil, false, err
	}
	defer h.Close()
	return r.redactor.Compare(original, h)
}

// contents reads a file from its start, and leaves it open.
func contents(file *os.File) (io.ReadCloser, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.NewSectionReader(file, 0, info.Size())), nil
}
