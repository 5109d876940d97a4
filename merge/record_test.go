package merge

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// onlyStamps are rules that look at stamps alone.
var onlyStamps = MustParseTable("nodes a < b < c\n* x fww\n* y prefer-node b > a\n* z max\n* * lww")

// Deletes of the record by writers that say anything of what they have seen, and of which some gave a dot twice, do the
// same to a field that was there before as to one that comes after them: one is forgotten only if others do all its work.
func TestADeleteIsForgottenOnlyIfOthersDoItsWork(t *testing.T) {
	for seed := range uint64(500) {
		r := rand.New(rand.NewPCG(seed, 0))
		table := fieldRules
		if r.IntN(4) == 0 {
			table = onlyStamps
		}
		rule := table.Rules[r.IntN(len(table.Rules))]
		var made [3]uint64
		next := func(kind Kind) Op {
			n := r.IntN(3)
			made[n]++
			op := Op{Key: "k", Kind: kind, Dot: clock.Dot{Node: nodeNames[n], Seq: made[n]}, ID: fmt.Sprint(made),
				Stamp: lww.Stamp{Version: r.Uint64N(2), Time: clock.Timestamp{Wall: 1 + r.Int64N(3)}, Node: nodeNames[n]}}
			for o, node := range nodeNames {
				for seq := uint64(1); seq <= 3; seq++ {
					if r.IntN(3) == 0 && (o != n || seq < made[n]) {
						op.Seen.Add(clock.Dot{Node: node, Seq: seq})
					}
				}
			}
			return op
		}
		var ops []Op
		for range 2 + r.IntN(2) {
			ops = append(ops, next(Delete))
			if r.IntN(4) == 0 { // its node had two writers
				twin := ops[len(ops)-1]
				twin.ID, twin.Stamp.Version, twin.Stamp.Time.Wall = twin.ID+"'", r.Uint64N(2), 1+r.Int64N(3)
				ops = append(ops, twin)
			}
		}
		for range 1 + r.IntN(2) {
			op := next(Set)
			v := value.Int(r.Int64N(2))
			if rule.family == flags {
				v = value.Bool(r.IntN(2) == 0)
			}
			op.Fields = []Field{field(rule.fields[0].text, v, "0")}
			ops = append(ops, op)
		}
		apply := func(order []int) string {
			s := NewState(table)
			for _, i := range order {
				applyAll(t, s, []Op{ops[i], ops[i]})
			}
			data, err := s.AppendRecord(nil, "k")
			require.NoError(t, err)
			return fmt.Sprintf("%v %q", shownAll(s), data)
		}
		before := r.Perm(len(ops)) // the field is written first
		for at, i := range before {
			if len(ops[i].Fields) > 0 {
				copy(before[1:at+1], before[:at])
				before[0] = i
				break
			}
		}
		want := apply(before)
		for range 4 {
			if got := apply(r.Perm(len(ops))); got != want {
				require.Equal(t, want, got, "seed %d\n%+v", seed, ops)
			}
		}
	}
}
