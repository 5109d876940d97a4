package replay

import (
	"bufio"
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// FuzzLoad reads the inside of a partial, which a checksum and compression would hide from a fuzzer. Whatever the bytes,
// it is refused, or it runs and can be saved and loaded again.
func FuzzLoad(f *testing.F) {
	ops := simulate(7, 30, []string{"map", "list", "nothing"})
	var lines []string
	for _, o := range ops {
		lines = append(lines, o.line(ops))
	}
	lines = append(lines, `{"key":"r","fields":{"a":1,"b":2},"before":{"a":0,"b":2},"node":"us","tx":"t","base":1,"time":"5.7"}`, `{"key":`,
		`{"op":"read","key":"r","field":"a","want":"strong","saw":"us:1","start":5,"end":7,"session":"s","served_by":"eu"}`,
		`{"op":"read","key":"r","saw":null}`, `{"key":"r","value":1,"node":"us","id":"us:77","start":5,"end":7,"session":"s"}`)
	for _, text := range []string{"", lines[0], strings.Join(lines, "\n")} {
		h, err := Collect([]history.Source{sourceOf("h", text)}, history.Options{Reads: true})
		if err != nil {
			f.Fatal(err)
		}
		var saved bytes.Buffer
		if err := h.Save(&saved); err != nil {
			f.Fatal(err)
		}
		z, err := zstd.NewReader(bytes.NewReader(saved.Bytes()[len(partialMagic)+1:]))
		if err != nil {
			f.Fatal(err)
		}
		inside, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(inside[:len(inside)-4])
	}
	table := merge.MustParseTable("nodes ap < eu < us\nk/0 * keep-all\nr * lww together\n* * lww\nunique * f")
	f.Fuzz(func(t *testing.T, inside []byte) {
		h := newHistory(nil, history.Options{Reads: true, Memory: -1})
		l := newLoader(h)
		if l.into(l.inside(&summed{r: bufio.NewReader(bytes.NewReader(inside))}, nil)) != nil {
			return
		}
		report := toJSON(t, h.Run(table, Options{Workers: 1}))
		reads := saysOfReads(t, h)
		var saved bytes.Buffer
		if err := h.Save(&saved); err != nil {
			t.Fatal(err)
		}
		again, err := Load(&saved, history.Options{Reads: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := toJSON(t, again.Run(table, Options{Workers: 1})); got != report {
			t.Fatalf("another report:\n%s\n%s", got, report)
		}
		if got := saysOfReads(t, again); got != reads {
			t.Fatalf("other reads:\n%s\n%s", got, reads)
		}
	})
}
