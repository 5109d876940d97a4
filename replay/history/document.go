package history

import (
	"errors"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// document is where one JSON text stands in a chunk. It may span lines and share one with others.
type document struct {
	start, end int
	line       int64
	item       int // among those that begin on its line, from 2; 0 for the first
}

// documents reads a chunk of JSON documents with an importer.
func (p *parser) documents(c *chunk, out *Batch) {
	strays := c.strays
	for i, d := range c.documents {
		for ; len(strays) > 0 && strays[0].after <= i; strays = strays[1:] {
			out.Aside = append(out.Aside, strays[0].Finding)
		}
		at := finding.Place{File: c.name, Line: d.line, Item: d.item}
		doc, err := p.doc.Parse(c.data[d.start:d.end:d.end], p.opt.Limits)
		if err != nil {
			var bad *value.Error
			if errors.As(err, &bad) {
				out.aside(at, bad.Code, "byte %d of the document: %s", bad.Offset+1, bad.Detail)
			}
			continue
		}
		first := len(out.Records)
		if doc.Kind() == value.KindArray {
			for e := range doc.Elements() {
				at.Item++
				c.importer.decode(e, at, p.opt, out)
			}
		} else {
			c.importer.decode(doc, at, p.opt, out)
		}
		p.admit(first, out)
	}
	for _, s := range strays {
		out.Aside = append(out.Aside, s.Finding)
	}
}
