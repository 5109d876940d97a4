package reads

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
)

// act is one operation of a small history: a write, or a read of one of them or of nothing.
type act struct {
	start, end int64
	saw        int // of a read: the number of the write among the acts, from 1; 0 for nothing
	version    int // of a write that others may have the version of too; of a read, that it saw some write of it
	read       bool
	deletes    bool   // of a write
	want       string // of a read; strong when empty
	session    string
	at         int64 // its time, when it is told
	other      bool  // writes another field
	had        []int // of a write: the writes that its writer had seen, by their numbers among the acts, from 1
}

func (a act) String() string {
	what := "write"
	if a.read {
		what = "read of " + strconv.Itoa(a.saw)
	}
	if a.deletes {
		what = "delete"
	}
	return fmt.Sprintf("%s [%d,%d]", what, a.start, a.end)
}

var lastWins = merge.MustParseTable("* * lww")

// registerOf makes the register of acts, each write by a node of its own. Versions rise in their order, or fall.
func registerOf(acts []act, falling bool, skew int64) (*check, *register) {
	return registerUnder(lastWins, acts, falling, skew)
}

func registerUnder(table *merge.Table, acts []act, falling bool, skew int64) (*check, *register) {
	k := &replay.KeyOperations{Key: "k"}
	var list []*replay.Read
	for i, a := range acts {
		at := finding.Place{File: "h", Line: int64(i + 1)}
		if a.read {
			r := &replay.Read{Place: at, Want: cmp.Or(a.want, "strong"), Start: a.start, End: a.end, Time: a.at, NotFound: a.saw == 0, Session: a.session}
			switch {
			case a.saw > 0 && a.version > 0:
				r.SawVersion, r.HasSawVersion = uint64(a.version), true
			case a.saw > 0:
				r.Saw = strconv.Itoa(a.saw)
			}
			list = append(list, r)
			continue
		}
		node := clock.Node(fmt.Sprintf("n%02d", i))
		k.Nodes = append(k.Nodes, node)
		version := uint64(1000 + i)
		if falling {
			version = uint64(2000 - i)
		}
		if a.version > 0 {
			version = uint64(a.version)
		}
		o := replay.Operation{Op: merge.Op{Key: "k", ID: strconv.Itoa(i + 1), Stamp: lww.Stamp{Version: version, Node: node}}, Place: at, Node: len(k.Nodes) - 1, Call: replay.Call{Start: a.start, End: a.end, Session: a.session}}
		o.Stamp.Time.Wall = a.at
		if a.deletes {
			o.Kind = merge.Delete
		} else {
			o.Fields = []merge.Field{{Name: "f", Value: value.Text(o.ID)}}
			if a.other {
				o.Fields[0].Name = "g"
			}
		}
		k.Ops = append(k.Ops, o)
	}
	for i := range k.Ops {
		o := &k.Ops[i]
		o.Low = make([]int32, len(k.Nodes))
		for _, had := range acts[o.Place.Line-1].had {
			of := slices.IndexFunc(k.Ops, func(other replay.Operation) bool { return other.ID == strconv.Itoa(had) })
			o.Low[k.Ops[of].Node] = 1
		}
	}
	c := newCheck(table, &Options{Skew: time.Duration(skew)})
	c.past.begin(k)
	g := newRegister(k, &c.past, "f", list, c)
	c.lost = make([]replay.Count, len(k.Ops)) // which is nobody's business here
	c.register(k, g)
	return c, g
}

// sees reports whether a read may be of a state: of nothing (0), or of what one of the acts wrote.
func sees(acts []act, a act, state int) bool {
	switch {
	case state == 0 || a.saw == 0:
		return a.saw == state || state > 0 && acts[state-1].deletes
	case a.version > 0:
		return acts[state-1].version == a.version
	}
	return a.saw == state
}

// keep returns some of the acts, numbered anew. What is read of them is kept.
func keep(acts []act, wanted func(a act) bool) []act {
	var kept []act
	number := make([]int, len(acts)+1)
	for i, a := range acts {
		if wanted(a) {
			kept = append(kept, a)
			number[i+1] = len(kept)
		}
	}
	for i := range kept {
		if kept[i].read && kept[i].saw > 0 {
			kept[i].saw = number[kept[i].saw]
		}
	}
	return kept
}

// legal tries all orders of the acts: the definition, and nothing else.
func legal(acts []act) bool {
	var try func(done uint, state int) bool
	try = func(done uint, state int) bool {
		if done == 1<<len(acts)-1 {
			return true
		}
	next:
		for i, a := range acts {
			if done&(1<<i) != 0 {
				continue
			}
			for j, b := range acts {
				if done&(1<<j) == 0 && j != i && b.end < a.start {
					continue next
				}
			}
			after := state
			switch {
			case !a.read:
				after = i + 1
			case sees(acts, a, state):
			default:
				continue next
			}
			if try(done|1<<i, after) {
				return true
			}
		}
		return false
	}
	return try(0, 0)
}

// strong reports whether an act is one that is to be in one order with others: a write or a strong read.
func (a act) strong() bool { return !a.read || a.want == "" }

// agree holds the two checks and the definition to each other.
func agree(acts []act, falling bool) error {
	_, g := registerOf(acts, falling, 0)
	want := legal(keep(acts, act.strong))
	if found := g.search(); (found == Ordered) != want || found == TooHard {
		return fmt.Errorf("%v: an order exists: %v, the search says %d", acts, want, found)
	}
	good, sure := true, true
	var rest []act
	at := 0
	for _, a := range acts {
		if !a.read {
			rest = append(rest, a)
			continue
		}
		v := g.reads[at].Verdict
		at++
		switch {
		case !a.strong():
			rest = append(rest, act{read: true, saw: -1})
		case v.Outcome == Fine:
			rest = append(rest, a)
			continue
		case v.Outcome == CannotTell && v.Reason != ClockContradict && v.Reason != Ambiguous:
			return fmt.Errorf("%v: every time is known, and yet nobody can tell: %s", acts, v.Reason)
		case v.Outcome == CannotTell && v.Reason == Ambiguous && !slices.ContainsFunc(acts, func(a act) bool { return a.deletes || a.version > 0 }):
			return fmt.Errorf("%v: what each read saw is known, and yet nobody can tell", acts)
		case v.Outcome == CannotTell && v.Reason == Ambiguous:
			sure = false
			rest = append(rest, a)
		case v.Outcome == Stale && v.miss == nil:
			return fmt.Errorf("%v: stale without a witness", acts)
		default:
			good = false
			rest = append(rest, act{start: a.start, end: a.end, read: true, saw: -1})
		}
	}
	if good != want && (sure || !good) {
		return fmt.Errorf("%v: an order exists: %v, and the zones say %v", acts, want, good)
	}
	// Without the reads that are to blame there is an order.
	kept := keep(rest, func(a act) bool { return a.saw >= 0 })
	if sure && !legal(kept) {
		return fmt.Errorf("%v: without the reads to blame, %v, there is still no order", acts, kept)
	}
	return nil
}

// shapes calls each with every way in which n operations can write, read a write or find nothing.
func shapes(n int, each func(acts []act)) {
	acts := make([]act, n)
	var fill func(i int)
	fill = func(i int) {
		if i == n {
			for _, a := range acts {
				if a.saw > 0 && acts[a.saw-1].read {
					return
				}
			}
			each(acts)
			return
		}
		acts[i] = act{}
		fill(i + 1)
		for saw := range n + 1 {
			if saw != i+1 {
				acts[i] = act{read: true, saw: saw}
				fill(i + 1)
			}
		}
	}
	fill(0)
}

// intervals calls each with every order in which n operations can begin and end, the first before the second and so on: any
// other is one of these by another name.
func intervals(n int, each func(ends [][2]int64)) {
	spans := make([][2]int64, n)
	var place func(at int64)
	place = func(at int64) {
		if at > int64(2*n) {
			each(spans)
			return
		}
		for i := range spans {
			for side := range 2 {
				if spans[i][side] == 0 && (side == 1 && spans[i][0] > 0 || side == 0 && (i == 0 || spans[i-1][0] > 0)) {
					spans[i][side] = at
					place(at + 1)
					spans[i][side] = 0
				}
			}
		}
	}
	place(1)
}

func TestEveryHistoryOfFourOperationsIsJudgedAlikeInThreeWays(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and one goroutine")
	}
	count, wrong := 0, 0
	for n := 1; n <= 4; n++ {
		shapes(n, func(acts []act) {
			intervals(n, func(ends [][2]int64) {
				for i := range acts {
					acts[i].start, acts[i].end = ends[i][0], ends[i][1]
				}
				count++
				if !legal(acts) {
					wrong++
				}
				for _, falling := range []bool{false, true} {
					if err := agree(acts, falling); err != nil {
						t.Fatal(err)
					}
				}
				for i := range acts {
					if acts[i].read && count>>i%2 == 0 {
						acts[i].want = "eventual"
					}
				}
				if err := agree(acts, false); err != nil {
					t.Fatal(err)
				}
				for i := range acts {
					acts[i].want = ""
				}
			})
		})
	}
	t.Logf("%d histories, %d of them not linearizable", count, wrong)
	require.Greater(t, wrong, count/10)
}

// TestChecksAgreeOnRandomHistories has longer histories, with times that are equal, with deletes, of which a read that found
// nothing may have seen any, with versions that several writes have, and with reads that were promised less, which are of no order.
// A delete and a version that came after the read were taken for what it saw, and a strong read was stale because an eventual one
// had seen something else.
func TestChecksAgreeOnRandomHistories(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and one goroutine")
	}
	for name, mixed := range map[string]mix{"writes": {}, "deletes": {deletes: true}, "versions": {versions: true}, "levels": {levels: true},
		"all": {true, true, true}} {
		t.Run(name, func(t *testing.T) {
			p := gopter.DefaultTestParameters()
			p.MinSuccessfulTests = 3000
			properties := gopter.NewProperties(p)
			properties.Property("the search, the zones and the definition agree", prop.ForAll(func(raw []uint16, wide int64) string {
				if err := agree(actsOf(raw, wide, mixed), raw[0]%2 == 0); err != nil {
					return err.Error()
				}
				return ""
			}, gen.SliceOfN(7, gen.UInt16()), gen.Int64Range(1, 9)))
			properties.TestingRun(t)
		})
	}
}

// mix is what there is in histories beside writes that can be told apart, and strong reads.
type mix struct{ deletes, versions, levels bool }

// actsOf reads acts out of numbers. Reads see what was written around the time when they began, mostly.
func actsOf(raw []uint16, wide int64, mixed mix) []act {
	acts := make([]act, len(raw))
	for i, n := range raw {
		start := int64(n%16) + 1
		acts[i] = act{start: start, end: start + int64(n>>4)%wide, read: n>>8%3 > 0, deletes: mixed.deletes && n>>10%3 == 0}
		if mixed.versions && !acts[i].read {
			acts[i].version = 1 + int(n>>10%3)
		}
	}
	for i := range acts {
		a := &acts[i]
		if !a.read {
			continue
		}
		a.deletes = false
		if mixed.levels {
			a.want = []string{"", "", "eventual", "quorum", "bounded:3ns"}[i*7%5]
		}
		if mixed.deletes && raw[i]>>13%3 == 0 {
			continue // it found nothing
		}
		for back := range acts {
			j := (i + int(raw[i]>>12) + back) % len(acts)
			if w := acts[j]; !w.read && !w.deletes && w.start <= a.end {
				a.saw = j + 1
				if raw[i]>>14 > 0 {
					a.version = w.version
				}
				break
			}
		}
	}
	return acts
}
