package gen

import (
	"slices"

	"github.com/leanovate/gopter"
)

// What is generated is built from rows of small numbers, each number read as one of a few choices with the simplest first. So
// one shrinker fits all: leave out rows, then lower numbers. gopter's own shrinkers are lost behind a Map, and don't go
// through structs.
type row [8]uint16

// plan is the rows of what was generated: one for each write, and one for each thing that goes wrong.
type plan [2][]row

const (
	writing = iota
	failing
)

// place is the number of a failing row that says at which write it happens.
const place = 1

// reader reads the numbers of a row in turn.
type reader struct {
	row  *row
	read int
}

// pick returns the next number as one of n choices, and writes it back as that, so that numbers which mean the same are
// not tried again.
func (r *reader) pick(n int) int {
	number := &r.row[r.read]
	*number %= uint16(n)
	r.read++
	return int(*number)
}

// end clears the numbers that nobody read.
func (r *reader) end() { clear(r.row[r.read:]) }

// built generates values that are made from plans with up to most rows of each kind. build must read all rows to their
// end, and planOf return them.
func built[T any](most [2]int, build func(plan) T, planOf func(T) plan) gopter.Gen {
	shrinker := func(v any) gopter.Shrink {
		p := planOf(v.(T))
		return listed(editsOf(p), func(e edit) T { return build(e.apply(p)) })
	}
	return func(params *gopter.GenParameters) *gopter.GenResult {
		var p plan
		for kind := range p {
			p[kind] = make([]row, params.Rng.Intn(most[kind]+1))
			for i := range p[kind] {
				for j := range p[kind][i] {
					p[kind][i][j] = uint16(params.Rng.Intn(1 << 16))
				}
				if kind == writing && i > 0 && params.Rng.Intn(4) > 0 {
					p[kind][i][0] = p[kind][i-1][0] // the same key again, or writes would rarely meet
				}
			}
		}
		return gopter.NewGenResult(build(p), shrinker)
	}
}

// listed is the shrink of what is made of each item of a list.
func listed[E, T any](list []E, of func(E) T) gopter.Shrink {
	return func() (any, bool) {
		if len(list) == 0 {
			return nil, false
		}
		first := list[0]
		list = list[1:]
		return of(first), true
	}
}

// edit makes a plan simpler. It leaves rows out, and may set one number to zero in all that are left, for times that tie have
// to be lowered together when what held them up goes; or it lowers one number of one row.
type edit struct {
	kind, at, drop int
	zero           bool
	number         int
	to             uint16
}

func (e edit) apply(p plan) plan {
	for kind := range p {
		p[kind] = slices.Clone(p[kind])
	}
	if e.drop == 0 && !e.zero {
		p[e.kind][e.at][e.number] = e.to
		return p
	}
	p[e.kind] = slices.Delete(p[e.kind], e.at, e.at+e.drop)
	if e.kind == writing {
		for i := range p[failing] { // what goes wrong goes wrong with the same writes
			at := int(p[failing][i][place])
			p[failing][i][place] = uint16(at - min(e.drop, max(0, at-e.at)))
		}
	}
	for i := range p[e.kind] {
		if e.zero {
			p[e.kind][i][e.number] = 0
		}
	}
	return p
}

// editsOf returns all ways to make a plan simpler, the boldest first.
func editsOf(p plan) (edits []edit) {
	for kind, rows := range p {
		for drop := len(rows); drop > 0; drop /= 2 {
			for at := 0; at+drop <= len(rows); at += drop {
				edits = append(edits, edit{kind: kind, at: at, drop: drop})
			}
		}
	}
	for number := range len(row{}) {
		if slices.ContainsFunc(p[writing], func(r row) bool { return r[number] > 0 }) {
			edits = append(edits, edit{kind: writing, zero: true, number: number})
		}
	}
	for at := range p[writing] {
		for number := range len(row{}) {
			edits = append(edits, edit{kind: writing, at: at, drop: 1, zero: true, number: number})
		}
	}
	for kind, rows := range p {
		for at, r := range rows {
			for number, v := range r {
				for to := range min(v, 8) {
					edits = append(edits, edit{kind: kind, at: at, number: number, to: to})
				}
				if v > 8 {
					edits = append(edits, edit{kind: kind, at: at, number: number, to: v / 2},
						edit{kind: kind, at: at, number: number, to: v - 1})
				}
			}
		}
	}
	return edits
}
