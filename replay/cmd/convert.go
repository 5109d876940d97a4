package cmd

import (
	"bufio"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

func (c *command) convert(args []string) (int, error) {
	var in input
	var to, file, secret string
	fs := flag.NewFlagSet("convert", flag.ContinueOnError)
	in.reading(fs)
	fs.StringVar(&secret, "redact", "", "")
	fs.Var(&in.tables, "rules", "")
	fs.Var(&in.memory, "memory", "")
	fs.StringVar(&to, "to", "", "")
	fs.StringVar(&file, "o", "", "")
	var err error
	if in.names, err = parse(fs, args); err != nil {
		return 0, err
	}
	if err := in.check(); err != nil {
		return 0, err
	}
	if err := checkRedact(fs); err != nil {
		return 0, err
	}
	form, err := formOf(to, file)
	if err != nil {
		return 0, err
	}
	histories, partials, err := c.sources(&in)
	switch {
	case err != nil:
		return 0, err
	case len(partials) > 0:
		return 0, hinted{fmt.Errorf("%s is a partial, which run, why and diff read", partials[0].Name), "convert what it was made of"}
	case slices.ContainsFunc(histories, func(s history.Source) bool { return s.Region != histories[0].Region }):
		if in.origin != "" {
			return 0, hinted{errors.New("one output can't hold the exports of several regions"), "run on the exports: only beside the export where it began is a write that arrived left out"}
		}
		return 0, hinted{errors.New("one output can't hold the exports of several regions"), "convert each into a file of its own, and name the regions again when you run"}
	}
	in.memory.limit()
	if secret != "" {
		return c.redact(&in, secret, histories, form, file)
	}
	if file == "" || file == "-" {
		v := &converter{c: c}
		if err := v.convert(&in, histories, c.out, "", form); err != nil {
			return v.status(&in), err
		}
		return v.status(&in), nil
	}
	out, err := create(file, namesOf(histories))
	if err != nil {
		return 0, fmt.Errorf("convert: %w", err)
	}
	v := &converter{c: c}
	if err := v.convert(&in, histories, out.Writer, file, form); err != nil {
		out.discard()
		return 0, err
	}
	status := v.status(&in)
	return status, c.commitRecords(out, file, v.written, status)
}

// commitRecords puts an output of records in its place. When there are none because of trouble, it is none.
func (c *command) commitRecords(out *output, file string, written int64, status int) error {
	if written == 0 && status == exitTrouble {
		out.discard()
		c.note("%s is not written: no record could be", file)
		return nil
	}
	if err := out.commit(); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	c.note("%s: %s written", file, layout.Plural(written, "record"))
	return nil
}

// formOf returns the form to write: what -to says, else what the name of the output says.
func formOf(to, file string) (history.Format, error) {
	switch f := history.Format(to); f {
	case history.Native, history.Msgpack:
		return f, nil
	case "":
		name := strings.TrimSuffix(strings.TrimSuffix(file, ".gz"), ".zst")
		if strings.HasSuffix(name, ".msgpack") {
			return history.Msgpack, nil
		}
		return history.Native, nil
	}
	return "", hinted{fmt.Errorf("-to: there is no form %q", to), "native or msgpack"}
}

// converter writes records in the order in which their inputs hold them.
type converter struct {
	c        *command
	out      *watched
	written  int64
	left     map[string]int64 // what has no place in the native form, and is none of its business, by its noun
	odd      int64            // records that the native form can't hold
	nodeless bool             // one of these, because nothing says where it began
	inputs   []replay.Input   // for what was set aside
	region   string           // of the source at hand
	strange  int64            // writes that began in a region of which no export is read
	loose    int64            // records of a region's export that keeps no order

	each  func(*history.Record) // changes a record before it is written; nil for none
	quiet bool                  // about records
	told  map[finding.Code]int  // how many records of a code, or of none, it had something to say of
}

// convert reads all sources and writes them; name says how to pack them.
func (v *converter) convert(in *input, sources []history.Source, to *bufio.Writer, name string, form history.Format) error {
	packed, err := packer(to, name)
	if err != nil {
		return err
	}
	v.c.show = newProgress(v.c.stderr, sources)
	defer v.c.show.done()
	v.out = &watched{w: packed}
	w := history.NewWriter(v.out, form)
	v.left = make(map[string]int64)
	var rows history.Stats
	for _, s := range sources {
		// One source at a time, so that the output has an order and memory is bounded by the chunks of one.
		v.region = s.Region
		queue := chunks{each: func(b *history.Batch) error { return v.write(w, b) }}
		stats, err := history.Scan([]history.Source{s}, in.scan(v.c.show), queue.add)
		rows.Origins, rows.NoOrigin = rows.Origins+stats.Origins, rows.NoOrigin+stats.NoOrigin
		if err != nil {
			return fmt.Errorf("convert: %w", err)
		}
	}
	if err := in.checkOrigin(rows); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	if err := packed.Close(); err != nil {
		return fmt.Errorf("convert: %w", err)
	}
	return nil
}

// packer packs as the extension of a name says.
func packer(to io.Writer, name string) (io.WriteCloser, error) {
	switch {
	case strings.HasSuffix(name, ".gz"):
		return gzip.NewWriter(to), nil
	case strings.HasSuffix(name, ".zst"):
		return zstd.NewWriter(to, zstd.WithEncoderConcurrency(1))
	}
	return plain{to}, nil
}

// watched remembers that its writer failed, which tells such an error from one about a record.
type watched struct {
	w   io.Writer
	err error
}

func (w *watched) Write(b []byte) (int, error) {
	n, err := w.w.Write(b)
	w.err = err
	return n, err
}

// plain is a writer with a Close that does nothing.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

// chunks puts batches, which come in any order, into the order of their chunks.
type chunks struct {
	mu   sync.Mutex
	next int
	wait map[int]*history.Batch
	each func(b *history.Batch) error
}

func (q *chunks) add(b *history.Batch) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.wait == nil {
		q.wait = make(map[int]*history.Batch)
	}
	q.wait[b.Chunk] = b
	for {
		b, ok := q.wait[q.next]
		if !ok {
			return nil
		}
		delete(q.wait, q.next)
		q.next++
		if err := q.each(b); err != nil {
			return err
		}
		b.Recycle() // what was written of it are bytes of their own
	}
}

// write writes the records of a batch.
func (v *converter) write(w *history.Writer, b *history.Batch) error {
	input := replay.Input{Codes: make(map[finding.Code]int64), Writes: int64(len(b.Records)), SetAside: int64(len(b.Aside))}
	for _, f := range b.Aside {
		input.Codes[f.Code]++
		v.say(f.Code, f)
	}
	if n := b.Counts[finding.DuplicateOp]; n > 0 { // other counts are of what is written
		v.left["repeat"] += n
		input.Watermarks = n
	}
	v.inputs = append(v.inputs, input)
	v.strange += b.Strange
	for i := range b.Records {
		rec := &b.Records[i]
		switch rec.Kind {
		case history.Snapshot:
			v.left["snapshot row"]++
			continue
		case history.Watermark:
			v.left["watermark"]++
			continue
		case history.Arrival:
			v.left["repeat"]++
			continue
		}
		if v.each != nil {
			v.each(rec)
		}
		switch err := w.Write(rec); {
		case err == nil:
			v.written++
			if rec.Region != v.region {
				v.loose++
			}
		case v.out.err != nil:
			return err
		default: // the record can't be written, and others can
			v.odd++
			v.nodeless = v.nodeless || rec.Node == ""
			v.say("", err)
		}
	}
	return nil
}

// say tells what is wrong with a record: of the first few of a code, for they are counted in the end.
func (v *converter) say(code finding.Code, what any) {
	if v.quiet {
		return
	}
	if v.told == nil {
		v.told = make(map[finding.Code]int)
	}
	if v.told[code]++; v.told[code] <= replay.MaxExamples {
		v.c.note("%v", what)
	}
}

// status says what was not written and returns the exit status.
func (v *converter) status(in *input) int {
	untold := int64(0)
	for _, n := range v.told {
		untold += int64(max(n-replay.MaxExamples, 0))
	}
	if untold > 0 {
		v.c.note("%s like these", layout.Plural(untold, "more record"))
	}
	for _, what := range slices.Sorted(maps.Keys(v.left)) {
		v.c.note("left out: %s", layout.Plural(v.left[what], what))
	}
	if v.strange > 0 {
		v.c.note("%s of other regions: beside the exports of those they would count twice, so run on the exports", layout.Plural(v.strange, "write"))
	}
	if v.loose > 0 {
		v.c.note("%s of an export that keeps no order: name the output without -region when you run", layout.Plural(v.loose, "record"))
	}
	trouble := v.c.aside(in, v.inputs)
	if v.odd > 0 {
		err := fmt.Errorf("left out: %s that the native form can't hold", layout.Plural(v.odd, "record"))
		if v.nodeless {
			err = hinted{err, "-origin or -region says where a write began"}
		}
		v.c.say(err)
		trouble = true
	}
	if trouble {
		return exitTrouble
	}
	return exitDone
}
