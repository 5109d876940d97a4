package redact

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
)

// Count is what became of values. Null and what is absent are not counted: they stay.
type Count struct {
	Hashed int64
	Ranked int64
	Kept   int64 // as they are
}

// String returns "3 values hashed, 2 ranked, 1 kept as is", without what there is none of.
func (c Count) String() string {
	var parts []string
	for _, p := range []struct {
		n    int64
		what string
	}{{c.Hashed, "hashed"}, {c.Ranked, "ranked"}, {c.Kept, "kept as is"}} {
		if p.n == 0 {
			continue
		}
		noun := ""
		if len(parts) == 0 {
			noun = "values "
			if p.n == 1 {
				noun = "value "
			}
		}
		parts = append(parts, fmt.Sprintf("%d %s%s", p.n, noun, p.what))
	}
	return strings.Join(parts, ", ")
}

// Summary counts what became of values by the line of the table that says so: that of their rule, or of a check that keeps
// them as they are.
type Summary map[int]Count

func (s Summary) add(line int, c Count) {
	sum := s[line]
	sum.Hashed, sum.Ranked, sum.Kept = sum.Hashed+c.Hashed, sum.Ranked+c.Ranked, sum.Kept+c.Kept
	s[line] = sum
}

// Lines returns the summary as text, in the order of the table: "shop.tb:4: stock/* count counter: 3 values kept as is".
func (s Summary) Lines(table *merge.Table) []string {
	texts := make(map[int]string)
	for _, l := range table.Lines() {
		texts[l.Line] = l.Text
	}
	var lines []string
	for _, line := range slices.Sorted(maps.Keys(s)) {
		lines = append(lines, fmt.Sprintf("%s:%d: %s: %s", table.File, line, texts[line], s[line]))
	}
	return lines
}

// Names are some keys: how many there are, and the first of them by name.
type Names struct {
	Count int
	First []string // up to [MaxNames]
}

// MaxNames is how many keys are named.
const MaxNames = 10

func (n *Names) add(key string) {
	n.Count++
	at, _ := slices.BinarySearch(n.First, key)
	if at < MaxNames {
		n.First = slices.Insert(n.First, at, strings.Clone(key))
		n.First = n.First[:min(len(n.First), MaxNames)]
	}
}

// NamesOf returns the names of keys.
func NamesOf(keys []string) Names {
	var n Names
	for _, key := range keys {
		n.add(key)
	}
	return n
}

// String returns "2 keys: a, b", and how many more there are.
func (n Names) String() string {
	noun := "keys"
	if n.Count == 1 {
		noun = "key"
	}
	text := fmt.Sprintf("%d %s: %s", n.Count, noun, strings.Join(n.First, ", "))
	if more := n.Count - len(n.First); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
