package replay

import (
	"cmp"
	"math"
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
	last  *told // that was asked for
}

type told struct {
	code     finding.Code
	count    int64
	examples []finding.Finding // the lowest; up to twice MaxExamples, so that sorting is rare
	full     bool              // there are MaxExamples, and none that is found above bound will be among them
	bound    finding.Place
}

// wants counts a finding and reports whether it may be among those that are kept, which it is for keep to take. Nobody
// need put into words what nobody will read.
func (t *tally) wants(code finding.Code, at finding.Place) bool {
	c := t.of(code)
	c.count++
	return c.wants(at)
}

func (c *told) wants(at finding.Place) bool { return !c.full || at.Compare(c.bound) <= 0 }

// keep takes a finding that was counted as an example.
func (t *tally) keep(f finding.Finding) { t.add(f, 0) }

// tell counts a finding and takes it as an example.
func (t *tally) tell(f finding.Finding) { t.add(f, 1) }

func (t *tally) of(code finding.Code) *told {
	if t.last != nil && t.last.code == code {
		return t.last
	}
	if t.codes == nil {
		t.codes = make(map[finding.Code]*told)
	}
	c := t.codes[code]
	if c == nil {
		c = &told{code: code}
		t.codes[code] = c
	}
	t.last = c
	return c
}

// add counts n findings of which f is the example.
func (t *tally) add(f finding.Finding, n int64) {
	c := t.of(f.Code)
	c.add(n)
	if !c.wants(f.Place) {
		return
	}
	f.Key, f.Field = strings.Clone(f.Key), strings.Clone(f.Field) // they may point into a chunk of input
	c.examples = append(c.examples, f)
	if len(c.examples) >= 2*MaxExamples {
		c.cut()
	}
}

func (c *told) cut() {
	slices.SortFunc(c.examples, compareFindings)
	c.examples = c.examples[:min(len(c.examples), MaxExamples)]
	if c.full = len(c.examples) == MaxExamples; c.full {
		c.bound = c.examples[MaxExamples-1].Place
	}
}

func compareFindings(a, b finding.Finding) int {
	return cmp.Or(a.Place.Compare(b.Place), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Field, b.Field),
		cmp.Compare(a.Code, b.Code), cmp.Compare(a.Detail, b.Detail))
}

// count counts n findings of a code without an example.
func (t *tally) count(code finding.Code, n int64) { t.of(code).add(n) }

// add counts n more. A history can name more operations that are missing than an int64 counts: then it is the most.
func (c *told) add(n int64) {
	if c.count += n; c.count < 0 {
		c.count = math.MaxInt64
	}
}

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
