package replay

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// MaxExamples is how many findings of a code a report shows. All are counted.
const MaxExamples = 10

// tally counts findings by code and keeps the first few of each, in the order of their places, whatever the order in
// which they are told. Tallies join.
type tally struct {
	codes map[finding.Code]*told
}

type told struct {
	count    int64
	examples []finding.Finding // the lowest; up to twice MaxExamples, so that sorting is rare
	sorted   bool
}

func (t *tally) tell(f finding.Finding) { t.add(f, 1) }

func (t *tally) of(code finding.Code) *told {
	if t.codes == nil {
		t.codes = make(map[finding.Code]*told)
	}
	c := t.codes[code]
	if c == nil {
		c = &told{}
		t.codes[code] = c
	}
	return c
}

// add counts n findings of which f is the example.
func (t *tally) add(f finding.Finding, n int64) {
	c := t.of(f.Code)
	c.count += n
	if len(c.examples) >= MaxExamples && c.sorted && compareFindings(f, c.examples[MaxExamples-1]) >= 0 {
		return
	}
	f.Key, f.Field = strings.Clone(f.Key), strings.Clone(f.Field) // they may point into a chunk of input
	c.examples, c.sorted = append(c.examples, f), false
	if len(c.examples) >= 2*MaxExamples {
		c.cut()
	}
}

func (c *told) cut() {
	slices.SortFunc(c.examples, compareFindings)
	c.examples, c.sorted = c.examples[:min(len(c.examples), MaxExamples)], true
}

func compareFindings(a, b finding.Finding) int {
	return cmp.Or(a.Place.Compare(b.Place), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Field, b.Field),
		cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
}

// count counts n findings of a code without an example.
func (t *tally) count(code finding.Code, n int64) { t.of(code).count += n }

func (t *tally) join(o *tally) {
	for code, c := range o.codes {
		for _, f := range c.examples {
			t.add(f, 0)
		}
		t.count(code, c.count)
	}
}

// list returns the findings by code.
func (t *tally) list() []Finding {
	var list []Finding
	for code, c := range t.codes {
		c.cut()
		list = append(list, Finding{Code: code, Count: c.count, Examples: slices.Clone(c.examples)})
	}
	slices.SortFunc(list, func(a, b Finding) int { return cmp.Compare(a.Code, b.Code) })
	return list
}
