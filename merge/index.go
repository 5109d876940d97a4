package merge

import (
	"iter"
	"slices"
	"sort"
	"strings"
)

// index finds those of several patterns that match a text without trying all of them. They stand under what their texts begin
// with, up to the first star: a pattern is tried only where a text begins with that. The nodes are in the order of their heads.
type index struct {
	patterns []pattern
	nodes    []indexNode
}

type indexNode struct {
	head   string
	outer  int   // the node of the longest other head that this one begins with, -1 when there is none
	places []int // of the patterns, ascending
}

// newIndex returns the index of the patterns that things have.
func newIndex[T any](things []T, patternOf func(T) pattern) index {
	var x index
	at := make(map[string]int)
	for i, thing := range things {
		p := patternOf(thing)
		x.patterns = append(x.patterns, p)
		n, ok := at[p.head()]
		if !ok {
			n = len(x.nodes)
			at[p.head()], x.nodes = n, append(x.nodes, indexNode{head: p.head()})
		}
		x.nodes[n].places = append(x.nodes[n].places, i)
	}
	slices.SortFunc(x.nodes, func(a, b indexNode) int { return strings.Compare(a.head, b.head) })
	nodes := x.nodes
	for i := range nodes {
		x.nodes = nodes[:i]
		nodes[i].outer = x.find(nodes[i].head)
	}
	x.nodes = nodes
	return x
}

// find returns the node of the longest head that a text begins with, -1 when there is none. The outer nodes are those of all others.
// Between a head and a text that begins with it, in the order of texts, everything begins with that head: so the last node that is
// not after the text is the one that is looked for, or is inside of it.
func (x *index) find(text string) int {
	i := sort.Search(len(x.nodes), func(i int) bool { return x.nodes[i].head > text }) - 1
	for i >= 0 && !strings.HasPrefix(text, x.nodes[i].head) {
		i = x.nodes[i].outer
	}
	return i
}

// under gives the places of all patterns that may match a text, in no order.
func (x *index) under(text string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for n := x.find(text); n >= 0; n = x.nodes[n].outer {
			for _, i := range x.nodes[n].places {
				if !yield(i) {
					return
				}
			}
		}
	}
}

// match appends the places of the patterns that match a text, ascending, to none.
func (x *index) match(places []int, text string) []int {
	for i := range x.under(text) {
		if x.patterns[i].match(text) {
			places = append(places, i)
		}
	}
	slices.Sort(places)
	return places
}
