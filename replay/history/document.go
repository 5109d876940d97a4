package history

import (
	"errors"
	"slices"
	"sync"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// document is where one JSON text stands in a chunk. It may span lines and share one with others.
type document struct {
	start, end int
	line       int64
	item       int // among those that begin on its line, from 2; 0 for the first
	fit        value.Fit
}

// documents is those of a chunk.
type documents struct {
	list []document
	fits []uint32 // what their fits are in
}

var documentLists = sync.Pool{New: func() any { return new(documents) }}

// newDocuments returns an empty list with room for n.
func newDocuments(n int) *documents {
	d := documentLists.Get().(*documents)
	d.list, d.fits = slices.Grow(d.list[:0], n), d.fits[:0]
	return d
}

func (d *documents) all() []document {
	if d == nil {
		return nil
	}
	return d.list
}

// documents reads a chunk of JSON documents with an importer. The list of them is used again.
func (p *parser) documents(c *chunk, out *Batch) {
	strays := c.strays
	for i, d := range c.documents.all() {
		for ; len(strays) > 0 && strays[0].after <= i; strays = strays[1:] {
			out.Aside = append(out.Aside, strays[0].Finding)
		}
		at := finding.Place{File: c.name, Line: d.line, Item: d.item}
		doc, err := p.doc.ParseFit(c.data[d.start:d.end:d.end], p.opt.Limits, d.fit)
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
	if c.documents != nil {
		documentLists.Put(c.documents)
		c.documents = nil
	}
}
