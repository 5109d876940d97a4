package replica_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// nested returns arrays in one another.
func nested(depth int) value.Value {
	v := value.Int(1)
	for range depth {
		v = value.Array(v)
	}
	return v
}

// requireRefused holds an error to be that of a batch or a write that was refused for a reason.
func requireRefused(t testing.TB, err error, code finding.Code) {
	t.Helper()
	require.ErrorIs(t, err, replica.ErrRefused)
	var why *replica.RefusedError
	require.ErrorAs(t, err, &why)
	require.Equal(t, code, why.Refusals[0].Code)
}

// A value within the limits of the gate, and beyond those by which operations are read, was acknowledged, and neither this
// replica after a restart nor a peer could read it.
func TestWhatPeersCouldNotReadIsNotWritten(t *testing.T) {
	members := make([]value.Member, 10_001)
	for i := range members {
		members[i] = value.Member{Name: fmt.Sprint(i), Value: "1"}
	}
	most, more := value.Object(members[1:]...), value.Object(members...)
	w, dir := &world{now: start}, t.TempDir()
	opt := options("us-east", w)
	opt.Gate.Value = 12 << 20
	opt.Limits.Bytes, opt.Limits.Entries = 10<<20, 30
	us := open(t, dir, opt)
	write := func(fields ...merge.Field) error {
		_, err := us.Write(replica.Write{Key: "k", Fields: fields})
		return err
	}
	of := func(v value.Value) merge.Field { return merge.Field{Name: "f", Value: v} }
	many := make([]merge.Field, 11)
	for i := range many {
		many[i] = merge.Field{Name: fmt.Sprint(i), Value: "1"}
	}
	requireRefused(t, write(of(nested(65))), finding.TooDeep)
	requireRefused(t, write(merge.Field{Name: "f", Value: "1", Before: nested(65)}), finding.TooDeep)
	requireRefused(t, write(of(more)), finding.TooLarge)
	requireRefused(t, write(of(value.Text(strings.Repeat("x", 9<<20)))), finding.TooLarge)
	requireRefused(t, write(of(value.Text(strings.Repeat("x", 11<<20)))), finding.TooLarge)
	requireRefused(t, write(many...), finding.TooLarge)
	require.Zero(t, us.Status().Written)
	require.NoError(t, write(of(nested(64))))
	require.NoError(t, write(of(most)))
	require.NoError(t, write(of(value.Text(strings.Repeat("x", 8<<20-2)))))
	require.NoError(t, write(many[1:]...))

	eu := open(t, t.TempDir(), options("eu-west", w))
	pull(t, eu, us)
	requireEqual(t, us, eu)
	require.NoError(t, us.Close())
	us = open(t, dir, opt)
	requireEqual(t, us, eu)
}

// What came in under wider limits than those of a reader's default made the directory one that could not be opened.
func TestWhatIsInTheLogIsReadWhateverItsSize(t *testing.T) {
	for _, maintained := range []bool{false, true} {
		w, dirs := &world{now: start}, [2]string{t.TempDir(), t.TempDir()}
		wide, narrow := [2]replica.Options{options("us-east", w), options("eu-west", w)}, [2]replica.Options{options("us-east", w), options("eu-west", w)}
		for i := range wide {
			wide[i].Limits.Value = value.Limits{Depth: 1000, Bytes: 10 << 20}
			wide[i].Gate.Value = 12 << 20
		}
		us, eu := open(t, dirs[0], wide[0]), open(t, dirs[1], wide[1])
		_, err := us.Set("k", "deep", nested(1000))
		require.NoError(t, err)
		receipt, err := us.Write(replica.Write{Key: "k", Fields: []merge.Field{{Name: "long", Value: value.Text(strings.Repeat("x", 9<<20))}}, Request: "1"})
		require.NoError(t, err)
		pull(t, eu, us)
		if maintained {
			require.NoError(t, us.Maintain())
			require.NoError(t, eu.Maintain())
		}
		was := shows(us)
		for i, r := range []*replica.Replica{us, eu} {
			require.NoError(t, r.Close())
			r = open(t, dirs[i], narrow[i])
			require.Equal(t, was, shows(r))
			if i == 0 {
				again, err := r.Write(replica.Write{Key: "k", Fields: []merge.Field{{Name: "long", Value: "1"}}, Request: "1"})
				require.NoError(t, err)
				require.True(t, again.Repeated)
				require.Equal(t, receipt.Stamp, again.Stamp)
			}
			for e, err := range replica.History(nil, dirs[i]) {
				require.NoError(t, err, e.Sequence)
			}
			require.NoError(t, r.Close())
		}
	}
}

// An increment that no counter counts was acknowledged, and the counter stayed as it was.
func TestAnIncrementThatIsNotCountedIsRefused(t *testing.T) {
	us := open(t, "", options("us-east", &world{now: start}))
	of := func(whole, fraction int) crdt.Decimal {
		d, err := crdt.ParseDecimal("1" + strings.Repeat("0", whole-1) + "." + strings.Repeat("0", fraction-1) + "1")
		require.NoError(t, err)
		return d
	}
	const most = merge.MaxIncrementDigits
	for _, d := range []crdt.Decimal{of(most+1, 1), of(1, most+1)} {
		_, err := us.Counter("stock/lamp", "count").AddDecimal(d)
		requireRefused(t, err, finding.TooLarge)
	}
	require.Zero(t, us.Status().Written)
	_, err := us.Counter("stock/lamp", "count").AddDecimal(of(most, most))
	require.NoError(t, err)
	count, err := us.Counter("stock/lamp", "count").Value()
	require.NoError(t, err)
	require.Equal(t, of(most, most).String(), count.String())
}

// An operation that fits no record of the log stopped the replica that wrote it, and the one that got it from a peer without a
// disk.
func TestAnOperationThatFitsNoRecordIsRefused(t *testing.T) {
	w := &world{now: start}
	large := func(bytes int) []merge.Field {
		fields := make([]merge.Field, 3)
		for i := range fields {
			fields[i] = merge.Field{Name: fmt.Sprint(i), Value: value.Text(strings.Repeat("x", bytes/3))}
		}
		return fields
	}
	us := open(t, t.TempDir(), options("us-east", w))
	_, err := us.Write(replica.Write{Key: "k", Fields: large(18 << 20)})
	requireRefused(t, err, finding.TooLarge)
	require.NotErrorIs(t, err, replica.ErrBroken)
	_, err = us.Write(replica.Write{Key: "k", Fields: large(16<<20 - 100)})
	require.NoError(t, err)
	require.NoError(t, us.Health())

	// A signature counts too, wherever it comes from.
	opt := options("us-east", w)
	opt.Sign = func([]byte) []byte { return make([]byte, 4096) }
	us = open(t, "", opt)
	_, err = us.Write(replica.Write{Key: "k", Fields: large(16<<20 - 3000)})
	requireRefused(t, err, finding.TooLarge)
	_, err = us.Write(replica.Write{Key: "k", Fields: large(16<<20 - 5000)})
	require.NoError(t, err)

	eu := open(t, t.TempDir(), options("eu-west", w))
	b := us.Since(eu.Seen())
	b.Ops = []replica.Packet{{Op: b.Ops[0].Op, Signature: make([]byte, 6000)}}
	_, err = eu.Apply("us-east", b)
	requireRefused(t, err, finding.TooLarge)
	require.NoError(t, eu.Health())
	require.True(t, eu.Seen().IsEmpty())
	pull(t, eu, us)
	requireEqual(t, eu, us)
}

// The gate measures a batch as it comes, and what was written was measured without what surrounds the texts: a peer refused it
// for ever, and batches larger than the gate lets in.
func TestNoBatchIsLargerThanTheGateLetsIn(t *testing.T) {
	w := &world{now: start}
	at := func(node clock.Node) *replica.Replica {
		opt := options(node, w)
		opt.Gate.BatchBytes = 10_000
		return open(t, "", opt)
	}
	us, eu := at("us-east"), at("eu-west")
	_, err := us.Set("k", "f", value.Text(strings.Repeat("x", 9_990)))
	requireRefused(t, err, finding.TooLarge)
	for range 3 {
		set(t, us, "k", "f", strings.Repeat("x", 9_800))
		for range 30 {
			set(t, us, "k", "f", strings.Repeat("x", 900))
		}
	}
	pull(t, eu, us)
	requireEqual(t, us, eu)
}

// Batches larger than the gate lets in where it has no limit of its own were made all the same: no peer ever took one.
func TestBatchesKeepToTheGatesOwnLimit(t *testing.T) {
	w := &world{now: start}
	opt := options("us-east", w)
	opt.BatchBytes = 2 * merge.DefaultBatchBytes
	us, eu := open(t, "", opt), open(t, "", options("eu-west", w))
	for i := range 6 {
		set(t, us, fmt.Sprint(i), "", strings.Repeat("x", merge.DefaultValueBytes-2))
	}
	pull(t, eu, us)
	requireEqual(t, us, eu)
}

// What an operation may have was asked of whole keys too, and of fields that are decided together: who had to take over the
// state of a key of many operations, or of long ones, never could.
func TestStateIsTakenOverWhateverAnOperationMayHave(t *testing.T) {
	w := &world{now: start}
	at := func(node clock.Node) *replica.Replica {
		opt := options(node, w)
		opt.Table = merge.MustParseTable("nodes ap-south < eu-west < us-east\nprofile/* a,b lww together\n* * append\n")
		opt.Limits.Bytes, opt.Limits.Entries = 1000, 30
		opt.Limits.Value.Bytes, opt.Limits.Value.Depth = 300, 8
		return open(t, "", opt)
	}
	ap, eu, us := at("ap-south"), at("eu-west"), at("us-east")
	for i := range 100 {
		_, err := us.Entries("log", "l").Append(value.Int(int64(i)))
		require.NoError(t, err)
	}
	long := value.Text(strings.Repeat("x", 290))
	_, err := us.Write(replica.Write{Key: "profile/1", Fields: []merge.Field{{Name: "a", Value: long}, {Name: "b", Value: long}}})
	require.NoError(t, err)
	_, err = us.Write(replica.Write{Key: "profile/2", Fields: []merge.Field{{Name: "a", Value: nested(8)}, {Name: "b", Value: nested(8)}}})
	require.NoError(t, err)
	meet(t, ap, eu, us)
	require.NoError(t, us.Maintain())
	require.Zero(t, us.Status().Retained)
	eu = at("eu-west")
	pull(t, eu, us)
	requireEqual(t, us, eu)
	require.NoError(t, eu.Rebuild("us-east", from(us, "eu-west")))
	requireEqual(t, us, eu)
}
