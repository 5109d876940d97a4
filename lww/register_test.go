package lww_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt/law"
	"github.com/tiebreakhq/tiebreak/lww"
)

// alphabet is every register of a few versions, times, nodes (two declared, two not, none), kinds and values.
func alphabet() []lww.Register[int] {
	var all []lww.Register[int]
	for _, version := range []uint64{0, 1} {
		for _, time := range []clock.Timestamp{{}, {Wall: 1}, {Wall: 1, Logical: 1}} {
			for _, node := range []clock.Node{"", "b", "a", "y", "x"} {
				for _, value := range []int{0, 1} {
					for _, deleted := range []bool{false, true} {
						all = append(all, lww.Register[int]{
							Stamp:   lww.Stamp{Version: version, Time: time, Node: node},
							Deleted: deleted,
							Value:   value,
						})
					}
				}
			}
		}
	}
	return all
}

// Antisymmetric, transitive, 0 only for identical registers: over all triples of 120 registers, under all orders, those
// that leave rungs out among them, and whether sets or deletes win a tie.
func TestCompareIsATotalOrder(t *testing.T) {
	all := alphabet()
	for i, order := range append(slices.Clone(orders), shortOrders...) {
		ladder := lww.Ladder{Order: order, Nodes: clock.Nodes{"b", "a"}, SetsWin: i%2 == 1}
		table := make([][]int, len(all))
		for i, a := range all {
			table[i] = make([]int, len(all))
			for j, b := range all {
				c, by := lww.Compare(&ladder, a, b)
				table[i][j] = cmp.Compare(c, 0)
				require.Equal(t, a == b, c == 0, "%v, %v", a, b)
				require.Equal(t, c == 0, by == lww.Same)
				again, byAgain := lww.CompareFunc(&ladder, a, b, cmp.Compare[int])
				require.True(t, c == again && by == byAgain)
			}
		}
		for i := range all {
			for j := range all {
				if table[i][j] != -table[j][i] {
					t.Fatalf("%v: %v and %v are not antisymmetric", order, all[i], all[j])
				}
				for k := range all {
					if table[i][j] <= 0 && table[j][k] <= 0 && table[i][k] > 0 {
						t.Fatalf("%v: %v, %v, %v are not transitive", order, all[i], all[j], all[k])
					}
				}
			}
		}
	}
}

func TestMergeKeepsTheLaws(t *testing.T) {
	all := alphabet()
	for _, order := range orders {
		ladder := lww.Ladder{Order: order, Nodes: clock.Nodes{"b", "a"}}
		merge := func(a, b lww.Register[int]) lww.Register[int] {
			kept, _ := lww.Merge(&ladder, a, b)
			return kept
		}
		same := func(a, b lww.Register[int]) bool { return a == b }
		var some []lww.Register[int] // every third of the alphabet: no two orders of it are alike
		for i := 0; i < len(all); i += 3 {
			some = append(some, all[i])
		}
		require.NoError(t, law.Check(merge, same, some...), "%v", order)
		require.NoError(t, law.Converge(law.System[lww.Register[int], lww.Register[int]]{Apply: merge, Merge: merge, Equal: same},
			all[7], all[18], all[23], all[64], all[65]))
	}
}

// One node id on two writers: other libraries keep the one that came first, and their replicas stay apart.
func TestEqualStampsConvergeAndSayThatTheValueDecided(t *testing.T) {
	stamp := lww.Stamp{Version: 3, Time: clock.Timestamp{Wall: 5}, Node: "eu"}
	a := lww.Register[string]{Stamp: stamp, Value: "2"}
	b := lww.Register[string]{Stamp: stamp, Value: "3-after-restore"}
	here, why := lww.Merge(&lww.Ladder{}, a, b)
	there, _ := lww.Merge(&lww.Ladder{}, b, a)
	assert.Equal(t, here, there)
	assert.Equal(t, lww.Value, why.By)
}

// Times 0, 3 and 6 within a tolerance of 5: any grouping must keep 6.
func TestNothingIsATieThatIsNotEqual(t *testing.T) {
	ladder := lww.Ladder{Nodes: clock.Nodes{"ap", "eu", "us"}}
	write := func(wall int64, node clock.Node) lww.Register[string] {
		return lww.Register[string]{Stamp: lww.Stamp{Time: clock.Timestamp{Wall: wall}, Node: node}}
	}
	a, b, c := write(0, "us"), write(3, "eu"), write(6, "ap")
	ab, _ := lww.Merge(&ladder, a, b)
	bc, _ := lww.Merge(&ladder, b, c)
	left, _ := lww.Merge(&ladder, ab, c)
	right, _ := lww.Merge(&ladder, a, bc)
	assert.Equal(t, c, left)
	assert.Equal(t, c, right)
}

// Against a zero Register, which stands for "never written", such a write may lose by its value; against nothing it can't.
func TestWriteWithoutAnyStampIsKeptWhereNothingWas(t *testing.T) {
	m := lww.Map[string, int]{}
	_, why := lww.Set(&lww.Ladder{}, m, "k", lww.Stamp{}, -5)
	assert.Equal(t, -1, why.Order)
	v, ok := m.Get("k")
	assert.True(t, ok)
	assert.Equal(t, -5, v)
}

func TestSetsWinTiesWhereTheLadderSaysSo(t *testing.T) {
	set, gone := lww.Register[int]{Value: 1}, lww.Register[int]{Deleted: true}
	for setsWin, want := range map[bool]lww.Register[int]{false: gone, true: set} {
		ladder := lww.Ladder{SetsWin: setsWin}
		for _, pair := range [][2]lww.Register[int]{{set, gone}, {gone, set}} {
			kept, why := lww.Merge(&ladder, pair[0], pair[1])
			require.Equal(t, want, kept)
			require.Equal(t, lww.Kind, why.By)
		}
	}
}

// A caller's order may take two spellings for one value: then nothing decides, and each side keeps what it has.
func TestOfTwoValuesThatTheOrderDoesNotTellApartTheOwnIsKept(t *testing.T) {
	fold := func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }
	stamp := lww.Stamp{Version: 1, Node: "eu"}
	a, b := lww.Register[string]{Stamp: stamp, Value: "Yes"}, lww.Register[string]{Stamp: stamp, Value: "yes"}
	for _, r := range []struct{ ours, theirs lww.Register[string] }{{a, b}, {b, a}} {
		kept, why := lww.MergeFunc(&lww.Ladder{}, r.ours, r.theirs, fold)
		assert.Equal(t, r.ours, kept)
		assert.Equal(t, lww.Verdict{}, why)

		m := lww.Map[string, string]{"k": r.ours}
		lww.MergeMapFunc(&lww.Ladder{}, m, lww.Map[string, string]{"k": r.theirs}, fold, nil)
		assert.Equal(t, r.ours, m["k"])
	}
}
