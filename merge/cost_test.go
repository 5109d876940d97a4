package merge

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// allocated returns how many bytes a function allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// unseen returns operations of two nodes none of whose writers had seen another's.
func unseen(n int, make func(i int) Op) []Op {
	ops := []Op{}
	for i := range n {
		op := make(i)
		op.Key = "k"
		op.Dot = clock.Dot{Node: clock.Node([]string{"eu", "us"}[i%2]), Seq: uint64(i + 1)}
		op.Stamp = lww.Stamp{Time: clock.Timestamp{Wall: int64(1 + i*7919%n)}, Node: op.Dot.Node}
		ops = append(ops, op)
	}
	return ops
}

// Each write to a cell of many that had not seen each other made a copy of all and sorted them: 4,096 took 1.9 GB.
func TestLiveWritesAreNotCopiedAndSortedForEachThatComes(t *testing.T) {
	const n = 4096
	for _, rule := range []string{"keep-all", "union", "refuse", "delete-wins", "update-wins"} {
		t.Run(rule, func(t *testing.T) {
			table := MustParseTable("* * " + rule)
			ops := unseen(n, func(i int) Op {
				return Op{Fields: []Field{{Name: "f", Value: value.Value(fmt.Sprintf("[%d]", i))}}}
			})
			s := NewState(table)
			apply := func(ops []Op) {
				for i := range ops {
					_, err := s.Apply(ops[i])
					require.NoError(t, err)
				}
			}
			assert.Less(t, allocated(func() { apply(ops) }), uint64(3072*n))

			// Each of the next has seen the greatest, and takes its place.
			greatestFirst := s.keys["k"].cells.First().cell
			f := greatestFirst.more.(*live).frontier(table.Rules[0])
			var next []Op
			for i := range f.Len() {
				w, _ := f.At(i)
				op := ops[i]
				op.Dot.Seq += n
				op.Stamp.Time.Wall = 1
				op.Seen = clock.Vector{}
				op.Seen.Add(w.Dot)
				next = append(next, op)
			}
			assert.Less(t, allocated(func() { apply(next) }), uint64(4096*n))
			assert.Equal(t, n, greatestFirst.more.(*live).register.Len())
		})
	}
}

// What many live writes show is what a fold of them all shows, whenever one asks.
func TestManyLiveWritesShowWhatAFrontierOfThemDoes(t *testing.T) {
	for _, rule := range []string{"keep-all", "union", "refuse", "delete-wins", "update-wins"} {
		t.Run(rule, func(t *testing.T) {
			table := MustParseTable("* * " + rule)
			var all []Op
			for i, op := range unseen(120, func(i int) Op {
				return Op{Kind: Kind(i % 5 / 4), Fields: []Field{{Name: "f", Value: value.Value(fmt.Sprintf("[%d]", i%50))}}}
			}) {
				if i > 60 { // it has seen the greatest of some
					op.Seen.Add(all[i*31%60].Dot)
				}
				all = append(all, op)
			}
			s, half := NewState(table), NewState(table)
			for i := range all {
				of := s
				if i%7 == 6 {
					of = half // comes with a merge
				}
				_, err := of.Apply(all[i])
				require.NoError(t, err)
				if i%30 == 29 {
					require.NoError(t, s.Merge(half))
				}
				cell := &s.keys["k"].cells.First().cell
				l := cell.more.(*live)
				f := table.Rules[0].Frontier(l.register.Values())
				assert.Equal(t, f.Value(), cell.Value())
				w, ok := f.Write()
				was, wasOK := cell.Write()
				assert.Equal(t, ok, wasOK)
				assert.Equal(t, w, was)
				for j := range all[:i+1] {
					claims := table.Claims(&all[j], nil)
					w := claims[0].Write()
					assert.Equal(t, f.Judge(&w), l.judge(table.Rules[0], &claims[0]))
				}
			}
			assert.Greater(t, s.keys["k"].cells.First().cell.more.(*live).register.Len(), 3*fewWrites)
		})
	}
}

// moves counts what is elsewhere than when it was last asked. It is to be told all that there is, each by its name.
type moves[K comparable, T any] map[K]*T

func (m moves[K, T]) count(all iter.Seq2[K, *T]) (n int) {
	for name, at := range all {
		if was := m[name]; was != nil && was != at {
			n++
		}
		m[name] = at
	}
	return n
}

// mostMoved is how many may be elsewhere after a change: those of a block, which has as many more as memory is rounded up by.
const mostMoved = 128

// Each new field of a record moved the cells of all fields whose names come after its own.
func TestANewFieldMovesFewOfTheOthers(t *testing.T) {
	const n = 1000
	table := MustParseTable("* * lww")
	names := rand.New(rand.NewSource(1)).Perm(n)
	write := func(s *State, name int) {
		_, err := s.Apply(Op{Key: "k", Fields: []Field{{Name: fmt.Sprint(name), Value: "1"}}})
		require.NoError(t, err)
	}
	bytesOf := func(s *State) []byte {
		data, err := s.AppendRecord(nil, "k")
		require.NoError(t, err)
		return data
	}
	inOrder := NewState(table)
	for _, name := range slices.SortedFunc(slices.Values(names), func(a, b int) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) }) {
		write(inOrder, name)
	}
	for how, take := range map[string]func(s *State, name int){
		"applied": write,
		"merged": func(s *State, name int) {
			other := NewState(table)
			write(other, name)
			require.NoError(t, s.Merge(other))
		},
		"read": func(s *State, name int) {
			other := NewState(table)
			write(other, name)
			_, changed, err := s.MergeRecord(bytesOf(other), Limits{})
			require.NoError(t, err)
			require.True(t, changed)
		},
	} {
		for start, made := range map[string]func(half *State) *State{
			"from none": func(*State) *State { return NewState(table) },
			"from many that were read": func(half *State) *State {
				s := NewState(table)
				_, _, err := s.MergeRecord(bytesOf(half), Limits{})
				require.NoError(t, err)
				return s
			},
			"from many that were carried": func(half *State) *State {
				s := NewState(table)
				require.True(t, s.Carry(half, "k"))
				return s
			},
		} {
			t.Run(how+" "+start, func(t *testing.T) {
				half := NewState(table)
				for _, name := range names[:n/2] {
					write(half, name)
				}
				s := made(half)
				cells := make(moves[string, Cell])
				for _, name := range names[len(slices.Collect(s.Record("k"))):] {
					take(s, name)
					require.LessOrEqual(t, cells.count(func(yield func(string, *Cell) bool) {
						for c := range s.Record("k") {
							if !yield(c.Name, c.Cell) {
								return
							}
						}
					}), mostMoved)
				}
				require.Equal(t, bytesOf(inOrder), bytesOf(s))
			})
		}
	}
}

// Each delete of a record that had not seen the others sorted them all, and copied two of them for each comparison.
func TestDeletesOfARecordAreNotSortedForEachThatComes(t *testing.T) {
	const n = 1024
	s := NewState(MustParseTable("* * keep-all"))
	ops := unseen(n, func(int) Op { return Op{Kind: Delete} })
	assert.Less(t, allocated(func() {
		for i := range ops {
			_, err := s.Apply(ops[i])
			require.NoError(t, err)
		}
	}), uint64(2048*n))
	assert.Equal(t, n, s.keys["k"].deletes.Len())
}

// Each delete of a record moved all that stood after it: here those of the other node.
func TestANewDeleteOfARecordMovesFewOfTheOthers(t *testing.T) {
	s := NewState(MustParseTable("* * keep-all"))
	deletes := make(moves[clock.Dot, Op])
	for _, op := range unseen(1024, func(int) Op { return Op{Kind: Delete} }) {
		_, err := s.Apply(op)
		require.NoError(t, err)
		require.LessOrEqual(t, deletes.count(func(yield func(clock.Dot, *Op) bool) {
			s.keys["k"].deletes.All(func(d *Op) bool { return yield(d.Dot, d) })
		}), mostMoved)
	}
}

// Whatever was merged into a settled record settled all its cells anew, which for a set takes memory for a moment: a thousand merges into
// a record of as many took 70 MB.
func TestOnlyTheCellsThatAMergeBringsAreSettled(t *testing.T) {
	const n = 1024
	s := NewState(MustParseTable("* * add-wins"))
	s.Settle(clock.Up("eu", n))
	merge := func(first int) {
		for i := range n {
			other := NewState(s.table)
			_, err := other.Apply(Op{Key: "k", Kind: Insert, Dot: clock.Dot{Node: "us", Seq: uint64(first + i)}, Fields: []Field{{Name: fmt.Sprint(i), Value: "1"}}})
			require.NoError(t, err)
			require.NoError(t, s.Merge(other))
		}
	}
	assert.Less(t, allocated(func() { merge(1) }), uint64(8192*n))
	assert.Less(t, allocated(func() { merge(1 + n) }), uint64(8192*n))
	assert.Equal(t, n, s.keys["k"].cells.Len())
}

// Each delete of a record was compared with all that were there, and these with it: 8,192 that had not seen each other took 3.4 s.
func TestADeleteOfARecordThatNoneHadSeenIsComparedWithThoseThatItHasSeen(t *testing.T) {
	const n = 1024
	deletes := unseen(n, func(int) Op { return Op{Kind: Delete} })
	for i := range n / 2 { // these have seen one each, with a lesser claim or a greater
		deletes[n/2+i].Seen.Add(deletes[i*7%(n/2)].Dot)
	}
	s := NewState(MustParseTable("* * keep-all"))
	s.Settle(clock.Up("ap", 1))
	asked := 0
	count := func(*Op) bool { asked++; return false }
	for _, op := range deletes {
		if k := s.keys["k"]; k != nil {
			k.askOfSeers(&op, count)
			k.askOfSeen(&op, count)
			k.askOfSeen(&Op{Seen: *k.settled}, count)
		}
		_, err := s.Apply(op)
		require.NoError(t, err)
	}
	assert.Less(t, asked, n, "but for the first few, each asked of one at most")
	assert.Less(t, s.keys["k"].deletes.Len(), n)
	assert.Greater(t, s.keys["k"].deletes.Len(), n/2)
}

// What is left of deletes is what is left where each is compared with all, in whatever order they come.
func TestManyDeletesOfARecordLeaveThoseThatNoOtherCovers(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	for _, rules := range []string{"* * keep-all", "* f append\n* * keep-all", "* f prefer-node eu\n* g fww\n* * keep-all", "* * lww"} {
		table := MustParseTable("nodes eu < us\n" + rules)
		for range 20 {
			deletes := unseen(100, func(i int) Op { return Op{Kind: Delete} })
			for i := range deletes {
				for range random.Intn(3) {
					deletes[i].Seen.Merge(deletes[random.Intn(i+1)].Seen)
					deletes[i].Seen.Add(deletes[random.Intn(i+1)].Dot)
				}
				if i%10 == 9 {
					deletes[i].Dot = deletes[i-2].Dot // it had two writers
				}
				if i%20 == 0 && rules != "* * lww" {
					deletes[i].Dot = clock.Dot{}
				}
			}
			s := NewState(table)
			rules := s.rulesOf("k")
			var left []Op
			for _, i := range random.Perm(len(deletes)) {
				op := deletes[i]
				_, err := s.Apply(op)
				require.NoError(t, err)
				if !slices.ContainsFunc(left, func(d Op) bool { return rules.covers(&d, &op) }) {
					left = append(slices.DeleteFunc(left, func(d Op) bool { return rules.covers(&op, &d) }), op)
				}
			}
			if !rules.dots {
				require.Equal(t, 1, s.keys["k"].deletes.Len())
				continue
			}
			slices.SortFunc(left, func(a, b Op) int { return compareDeletes(&a, &b) })
			var kept []Op
			for d := range s.keys["k"].deletes.All {
				kept = append(kept, *d)
			}
			require.Greater(t, len(kept), fewDeletes)
			require.Len(t, kept, len(left))
			for i := range left {
				require.Zero(t, compareDeletes(&left[i], &kept[i]))
			}
		}
	}
}
