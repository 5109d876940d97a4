package replica_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

const rules = `
nodes ap-south < eu-west < us-east
ledger/*  *      refuse
stock/*   count  counter
cart/*    items  add-wins
*         *      lww
`

var start = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC).UnixNano()

// world is physical time that all replicas of a test share.
type world struct{ now int64 }

func (w *world) source() int64 { w.now += 1000; return w.now }

func options(node clock.Node, w *world) replica.Options {
	return replica.Options{Node: node, Table: merge.MustParseTable(rules), Source: w.source}
}

func open(t testing.TB, dir string, opt replica.Options) *replica.Replica {
	t.Helper()
	r, err := replica.Open(dir, opt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func three(t testing.TB, dirs bool) (w *world, ap, eu, us *replica.Replica) {
	w = &world{now: start}
	dir := func() string {
		if dirs {
			return t.TempDir()
		}
		return ""
	}
	return w, open(t, dir(), options("ap-south", w)), open(t, dir(), options("eu-west", w)), open(t, dir(), options("us-east", w))
}

// from returns an ask that reaches a replica directly.
func from(r *replica.Replica, asker clock.Node) func([]byte) ([]byte, error) {
	return func(request []byte) ([]byte, error) { return r.Serve(asker, request), nil }
}

func name(r *replica.Replica) clock.Node { return r.Status().Node }

func pull(t testing.TB, to, of *replica.Replica) {
	t.Helper()
	require.NoError(t, to.Pull(name(of), from(of, name(to))))
}

// meet has all replicas get everything from all.
func meet(t testing.TB, all ...*replica.Replica) {
	t.Helper()
	for range 3 {
		for _, to := range all {
			for _, of := range all {
				if to != of {
					pull(t, to, of)
				}
			}
		}
	}
}

// shows returns the whole visible state as text.
func shows(r *replica.Replica) string {
	s := ""
	r.Cells(func(key string, c merge.NamedCell) bool {
		s += fmt.Sprintf("%s %s = %s\n", key, c.Name, c.Value())
		return true
	})
	return s
}

func requireEqual(t testing.TB, all ...*replica.Replica) {
	t.Helper()
	for _, r := range all[1:] {
		require.Equal(t, shows(all[0]), shows(r))
		require.Equal(t, all[0].Seen().String(), r.Seen().String())
	}
}

func set(t testing.TB, r *replica.Replica, key, field, text string) replica.Receipt {
	t.Helper()
	receipt, err := r.Set(key, field, value.Text(text))
	require.NoError(t, err)
	return receipt
}

func add(t testing.TB, r *replica.Replica, key string, n int64) {
	t.Helper()
	_, err := r.Write(replica.Write{Key: key, Kind: merge.Add, Fields: []merge.Field{{Name: "count", Value: value.Int(n)}}})
	require.NoError(t, err)
}

// busy has a replica write until stop is called, and returns when it does.
func busy(t testing.TB, r *replica.Replica) (stop func()) {
	var stopped atomic.Bool
	var group sync.WaitGroup
	group.Go(func() {
		for !stopped.Load() {
			_, err := r.Counter("stock/lamp", "count").Add(1)
			assert.NoError(t, err)
		}
	})
	return func() {
		stopped.Store(true)
		group.Wait()
	}
}

func TestWritesOfAllRegionsEndUpEverywhere(t *testing.T) {
	for _, disk := range []bool{false, true} {
		_, ap, eu, us := three(t, disk)
		set(t, us, "orders/1", "status", "paid")
		add(t, us, "stock/lamp", 10)
		meet(t, ap, eu, us)
		add(t, eu, "stock/lamp", -2)
		add(t, ap, "stock/lamp", -3)
		set(t, eu, "orders/1", "status", "shipped")
		meet(t, ap, eu, us)
		requireEqual(t, ap, eu, us)
		require.Equal(t, value.Value(`"shipped"`), us.Get("orders/1", "status"))
		require.Equal(t, value.Value("5"), ap.Get("stock/lamp", "count"))
	}
}

func TestBatchesMayComeTwiceAndOutOfOrder(t *testing.T) {
	_, ap, eu, us := three(t, false)
	set(t, us, "a", "", "1")
	first := us.Since(ap.Seen())
	set(t, us, "b", "", "2")
	both := us.Since(clock.Up("us-east", 1))
	_, err := ap.Apply("us-east", both) // the second alone: it waits
	require.NoError(t, err)
	require.Equal(t, value.Value(""), ap.Get("b", ""))
	require.Equal(t, 1, ap.Status().Held)
	for range 2 {
		_, err = ap.Apply("us-east", first)
		require.NoError(t, err)
		_, err = ap.Apply("us-east", both)
		require.NoError(t, err)
	}
	require.Equal(t, value.Value(`"2"`), ap.Get("b", ""))
	require.Equal(t, int64(2), ap.Status().Applied)
	pull(t, eu, us)
	requireEqual(t, ap, eu, us)
}

func TestWhatWasAcknowledgedIsThereAfterOpening(t *testing.T) {
	w := &world{now: start}
	dir := t.TempDir()
	r := open(t, dir, options("us-east", w))
	for i := range 100 {
		set(t, r, fmt.Sprintf("orders/%d", i%10), "status", fmt.Sprint(i))
		add(t, r, "stock/lamp", 1)
		if i == 50 {
			require.NoError(t, r.Maintain())
		}
	}
	was, seen := shows(r), r.Seen().String()
	require.NoError(t, r.Close())
	r = open(t, dir, options("us-east", w))
	require.Equal(t, was, shows(r))
	require.Equal(t, seen, r.Seen().String())
	// And after a snapshot with nothing behind it.
	require.NoError(t, r.Maintain())
	require.NoError(t, r.Close())
	r = open(t, dir, options("us-east", w))
	require.Equal(t, was, shows(r))
	eu := open(t, "", options("eu-west", w))
	pull(t, eu, r)
	requireEqual(t, r, eu)
}

func TestADirectoryIsOpenOnce(t *testing.T) {
	w, dir := &world{now: start}, t.TempDir()
	open(t, dir, options("us-east", w))
	_, err := replica.Open(dir, options("us-east", w))
	require.ErrorIs(t, err, segment.ErrLocked)
}

func TestADirectoryOfAnotherTableOrNodeIsRefused(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		w, dir := &world{now: start}, t.TempDir()
		r := open(t, dir, options("us-east", w))
		set(t, r, "a", "", "1")
		if snapshot {
			require.NoError(t, r.Maintain())
		}
		require.NoError(t, r.Close())
		other := options("us-east", w)
		other.Table = merge.MustParseTable("nodes ap-south < eu-west < us-east\n* * fww\n")
		_, err := replica.Open(dir, other)
		require.ErrorIs(t, err, replica.ErrTable)
		other.Was = merge.MustParseTable("nodes ap-south < eu-west < us-east\n* * max\n")
		_, err = replica.Open(dir, other)
		require.ErrorIs(t, err, replica.ErrTable)
		// Without a snapshot a directory did not know whose it is, and wrote on under any name.
		_, err = replica.Open(dir, options("eu-west", w))
		require.ErrorIs(t, err, replica.ErrNode)
		require.ErrorContains(t, err, `the directory is that of "us-east", not of "eu-west"`)
		r = open(t, dir, options("us-east", w))
		backup := t.TempDir()
		require.NoError(t, r.Backup(backup))
		require.NoError(t, open(t, backup, options("us-east", w)).Close())
		_, err = replica.Open(backup, options("eu-west", w)) // as any incarnation
		require.ErrorIs(t, err, replica.ErrNode)
		require.Equal(t, clock.Node("us-east~2"), open(t, backup, options("us-east", w)).Status().Incarnation)
	}
}

// The table of all three changes: another region is declared, and what is decided about orders. Each goes over in its own time,
// and what each wrote before and after is everywhere in the end, as the new table has it.
func TestATableIsRolledOutMemberByMember(t *testing.T) {
	was := merge.MustParseTable(rules)
	is := merge.MustParseTable(strings.Replace(strings.Replace(rules, "eu-west <", "eu-west < sa-east <", 1), "*         *", "orders/*  *  fww\n*  *", 1))
	for _, maintained := range []bool{false, true} {
		w := &world{now: start}
		dirs := map[clock.Node]string{"ap-south": t.TempDir(), "eu-west": t.TempDir(), "us-east": t.TempDir()}
		at := func(node clock.Node, moved bool) *replica.Replica {
			opt := options(node, w)
			opt.Members = was.Nodes
			if opt.Table = was; moved {
				opt.Table, opt.Was = is, was
			}
			return open(t, dirs[node], opt)
		}
		ap, eu, us := at("ap-south", false), at("eu-west", false), at("us-east", false)
		for i, r := range []*replica.Replica{us, eu, ap} {
			set(t, r, "orders/1", "status", fmt.Sprint("old ", i))
			add(t, r, "stock/lamp", 1)
			meet(t, ap, eu, us)
		}
		require.Equal(t, value.Value(`"old 2"`), eu.Get("orders/1", "status"))
		if maintained {
			for _, r := range []*replica.Replica{ap, eu, us} {
				require.NoError(t, r.Maintain())
				require.Zero(t, r.Status().Retained)
			}
		}
		require.NoError(t, us.Close())
		us = at("us-east", true)
		require.Equal(t, value.Value(`"old 0"`), us.Get("orders/1", "status"))
		require.Equal(t, value.Value("3"), us.Get("stock/lamp", "count"))
		_, err := eu.Apply("us-east", us.Since(eu.Seen()))
		require.ErrorContains(t, err, "rule_mismatch")
		require.ErrorContains(t, us.Pull("eu-west", from(eu, "us-east")), "rule_mismatch")
		add(t, us, "stock/lamp", 1)
		add(t, eu, "stock/lamp", 1)
		set(t, eu, "orders/1", "status", "later")
		require.NoError(t, us.Close())
		us = at("us-east", true) // said again, it changes nothing
		for _, node := range []clock.Node{"eu-west", "ap-south"} {
			r := map[clock.Node]*replica.Replica{"eu-west": eu, "ap-south": ap}[node]
			require.NoError(t, r.Close())
		}
		ap, eu = at("ap-south", true), at("eu-west", true)
		meet(t, ap, eu, us)
		requireEqual(t, ap, eu, us)
		require.Equal(t, value.Value(`"old 0"`), ap.Get("orders/1", "status"))
		require.Equal(t, value.Value("5"), ap.Get("stock/lamp", "count"))
		for _, r := range []*replica.Replica{ap, eu, us} {
			require.NoError(t, r.Maintain())
		}
		equal, err := us.Audit("eu-west", from(eu, "us-east"))
		require.NoError(t, err)
		require.True(t, equal)
		require.NoError(t, us.Close()) // nobody need say from where it came any more
		opt := options("us-east", w)
		opt.Table = is
		open(t, dirs["us-east"], opt)
	}
}

func TestATableIsNotChangedWhereTheLogNoLongerReaches(t *testing.T) {
	w := &world{now: start}
	_, ap, eu, us := three(t, true)
	dir := t.TempDir()
	require.NoError(t, ap.Close())
	ap = open(t, dir, options("ap-south", w))
	set(t, us, "orders/1", "status", "paid")
	meet(t, eu, us)
	for _, r := range []*replica.Replica{eu, us} {
		require.NoError(t, r.Enter(crdt.Epoch{Number: 2, Members: []clock.Node{"eu-west", "us-east"}}))
	}
	meet(t, eu, us)
	require.NoError(t, us.Maintain())
	require.NoError(t, us.Enter(crdt.Epoch{Number: 3, Members: []clock.Node{"ap-south", "eu-west", "us-east"}}))
	require.NoError(t, ap.Enter(crdt.Epoch{Number: 3, Members: []clock.Node{"ap-south", "eu-west", "us-east"}}))
	pull(t, ap, us) // as state
	require.NoError(t, ap.Close())
	opt := options("ap-south", w)
	opt.Was, opt.Table = opt.Table, merge.MustParseTable(rules+"\nunique orders/* status\n")
	ap = open(t, dir, opt) // for what a rule says of the key is the same
	require.Equal(t, value.Value(`"paid"`), ap.Get("orders/1", "status"))
	require.NoError(t, ap.Close())
	opt.Was, opt.Table = opt.Table, merge.MustParseTable("nodes ap-south < eu-west < us-east\n* * fww\n")
	_, err := replica.Open(dir, opt)
	require.ErrorIs(t, err, replica.ErrTable)
	require.ErrorContains(t, err, `"orders/1"`)
	opt.Table, opt.Was = opt.Was, nil
	open(t, dir, opt) // nothing has changed
}

func TestARequestIsCarriedOutOnce(t *testing.T) {
	w, dir := &world{now: start}, t.TempDir()
	r := open(t, dir, options("us-east", w))
	write := replica.Write{Key: "stock/lamp", Kind: merge.Add, Fields: []merge.Field{{Name: "count", Value: "5"}}, Request: "req-1"}
	first, err := r.Write(write)
	require.NoError(t, err)
	require.False(t, first.Repeated)
	for _, reopen := range []string{"", "log", "snapshot"} {
		if reopen == "snapshot" {
			require.NoError(t, r.Maintain())
		}
		if reopen != "" {
			require.NoError(t, r.Close())
			r = open(t, dir, options("us-east", w))
		}
		again, err := r.Write(write)
		require.NoError(t, err)
		require.True(t, again.Repeated)
		require.Equal(t, first.Dot, again.Dot)
		require.Equal(t, first.Stamp, again.Stamp)
	}
	require.Equal(t, value.Value("5"), r.Get("stock/lamp", "count"))
}

// A write that one which goes on from a backup got back from a peer was carried out again under its request, until it was
// opened anew.
func TestARequestThatCameBackIsNotCarriedOutAgain(t *testing.T) {
	w := &world{now: start}
	two := func(node clock.Node) replica.Options {
		opt := options(node, w)
		opt.Members = []clock.Node{"eu-west", "us-east"}
		return opt
	}
	us, eu, backup := open(t, t.TempDir(), two("us-east")), open(t, "", two("eu-west")), t.TempDir()
	add(t, us, "stock/lamp", 10)
	require.NoError(t, us.Backup(backup))
	first, err := us.Counter("stock/lamp", "count").Once("order 7").Add(-1)
	require.NoError(t, err)
	_, err = eu.Counter("stock/lamp", "count").Once("order 8").Add(-1) // of another replica's requests nothing is known
	require.NoError(t, err)
	pull(t, eu, us)
	require.NoError(t, us.Close())
	us = open(t, backup, two("us-east"))
	pull(t, us, eu)
	again, err := us.Counter("stock/lamp", "count").Once("order 7").Add(-1)
	require.NoError(t, err)
	require.True(t, again.Repeated)
	require.Equal(t, first.Dot, again.Dot)
	require.Equal(t, first.Stamp, again.Stamp)
	require.Equal(t, value.Value("8"), us.Get("stock/lamp", "count"))
	other, err := us.Counter("stock/lamp", "count").Once("order 8").Add(-1)
	require.NoError(t, err)
	require.False(t, other.Repeated)
}

func TestALostWriteIsAnEventEverywhere(t *testing.T) {
	w := &world{now: start}
	var mu sync.Mutex
	told := make(map[clock.Node][]string)
	watch := func(node clock.Node) *replica.Replica {
		opt := options(node, w)
		opt.Observe = func(e replica.Event) {
			mu.Lock()
			defer mu.Unlock()
			told[node] = append(told[node], e.Kind.String()+" "+e.Loser.Dot.String()+" to "+e.Winner.Dot.String())
		}
		return open(t, "", opt)
	}
	eu, us := watch("eu-west"), watch("us-east")
	set(t, eu, "orders/1", "status", "paid")
	set(t, us, "orders/1", "status", "cancelled")
	pull(t, eu, us)
	pull(t, us, eu)
	requireEqual(t, eu, us)
	require.Equal(t, []string{"lost eu-west:1 to us-east:1"}, told["eu-west"])
	require.Equal(t, told["eu-west"], told["us-east"])
	require.Equal(t, int64(1), us.Status().Lost)

	set(t, us, "orders/1", "status", "refunded") // which has seen both
	pull(t, eu, us)
	require.Len(t, told["eu-west"], 1)
}

// The writer was not told that a user's own rule had chosen the value of another one; whoever had the winner first was told of a
// loss where both had written the same, and not what the loser was where fields are decided together.
func TestALossIsToldAlikeOnBothSides(t *testing.T) {
	longest := merge.Custom{Name: "longest", Merge: func(a, b value.Value) value.Value {
		if len(a) > len(b) {
			return a
		}
		return b
	}}
	for _, rule := range []string{"a lww", "a longest", "a,b lww together", "a,b longest together", "a,b highest a", "a delete-wins", "a prefer 1 > 22"} {
		t.Run(rule, func(t *testing.T) {
			w := &world{now: start}
			told := make(map[clock.Node][]string)
			watch := func(node clock.Node) *replica.Replica {
				opt := options(node, w)
				opt.Table = merge.MustParseTable("nodes eu-west < us-east\nk "+rule+"\n* * lww\n", longest)
				opt.Observe = func(e replica.Event) {
					told[node] = append(told[node], fmt.Sprint(e.Kind, e.Field, e.Loser, e.Winner, e.Verdict.By))
				}
				return open(t, "", opt)
			}
			eu, us := watch("eu-west"), watch("us-east")
			write := func(r *replica.Replica, a value.Value) {
				_, err := r.Write(replica.Write{Key: "k", Fields: []merge.Field{{Name: "a", Value: a}, {Name: "b", Value: "3"}}})
				require.NoError(t, err)
			}
			write(eu, "1")
			write(us, "22")
			pull(t, eu, us)
			pull(t, us, eu)
			requireEqual(t, eu, us)
			require.Len(t, told["eu-west"], 1)
			require.Equal(t, told["eu-west"], told["us-east"])
			require.Equal(t, int64(1), eu.Status().Lost)
			require.Equal(t, int64(1), us.Status().Lost)
		})
	}
}

func TestAPanicOfAnOwnRuleIsTold(t *testing.T) {
	rule := merge.Custom{Name: "broken", Merge: func(a, b value.Value) value.Value { panic("no") }}
	var told []replica.Event
	w := &world{now: start}
	opt := options("us-east", w)
	opt.Table = merge.MustParseTable("nodes eu-west < us-east\n* * broken", rule)
	opt.Observe = func(e replica.Event) { told = append(told, e) }
	us := open(t, "", opt)
	opt.Node, opt.Observe = "eu-west", nil
	eu := open(t, "", opt)
	set(t, us, "k", "f", "1")
	set(t, eu, "k", "f", "2")
	pull(t, us, eu)
	require.Len(t, told, 1)
	require.Equal(t, finding.RulePanic, told[0].Code)
	require.Equal(t, "no", told[0].Verdict.Panicked)
}

func TestCriticalKeysTellASplitBrain(t *testing.T) {
	w := &world{now: start}
	var codes []string
	opt := options("us-east", w)
	opt.Observe = func(e replica.Event) { codes = append(codes, string(e.Code)) }
	us, eu := open(t, "", opt), open(t, "", options("eu-west", w))
	set(t, us, "ledger/1", "balance", "1")
	set(t, eu, "ledger/1", "balance", "2")
	pull(t, us, eu)
	require.Equal(t, []string{"split_brain"}, codes)
	reading, err := us.Read("ledger/1", "balance", 0)
	require.NoError(t, err)
	require.True(t, reading.Conflicted)
}

func TestAWriteToACriticalKeyAsksTheQuorum(t *testing.T) {
	opt := options("us-east", &world{now: start})
	no := errors.New("eu-west is away")
	opt.Quorum = func(key string) error { return no }
	r := open(t, "", opt)
	_, err := r.Set("ledger/1", "balance", "1")
	require.ErrorIs(t, err, no)
	require.Equal(t, value.Value(""), r.Get("ledger/1", "balance"))
	set(t, r, "orders/1", "status", "paid")
}

// The quorum was asked about a delete of a whole record only where the record as a value of its own is critical.
func TestADeleteOfARecordWithACriticalFieldAsksTheQuorum(t *testing.T) {
	for _, table := range []string{"ledger/* balance refuse\n* * lww\n", "ledger/* balance,limit refuse together\n* * lww\n", "orders/* * lww\n* * refuse\n"} {
		opt := replica.Options{Node: "us", Table: merge.MustParseTable(table), Source: (&world{now: start}).source}
		var no error
		opt.Quorum = func(key string) error { return no }
		r := open(t, "", opt)
		set(t, r, "ledger/1", "balance", "100")
		set(t, r, "orders/1", "balance", "100")
		no = errors.New("eu-west is away")
		_, err := r.DeleteRecord("ledger/1")
		require.ErrorIs(t, err, no)
		require.NotEmpty(t, r.Get("ledger/1", "balance"))
		_, err = r.DeleteRecord("orders/1")
		require.NoError(t, err)
		require.Empty(t, r.Get("orders/1", "balance"))
	}
}

func TestAReadSaysHowFreshItIs(t *testing.T) {
	w, ap, eu, us := three(t, true)
	_, err := us.Read("a", "", time.Minute)
	require.ErrorIs(t, err, replica.ErrStale)
	set(t, eu, "a", "", "1")
	meet(t, ap, eu, us)
	reading, err := us.Read("a", "", time.Second)
	require.NoError(t, err)
	require.Equal(t, value.Value(`"1"`), reading.Value)
	w.now += int64(time.Minute)
	pull(t, us, ap)
	reading, err = us.Read("a", "", time.Second)
	require.ErrorIs(t, err, replica.ErrStale)
	require.Equal(t, clock.Node("eu-west"), reading.Oldest)
	pull(t, us, eu)
	_, err = us.Read("a", "", time.Second)
	require.NoError(t, err)
}

// What an earlier incarnation had written, before the backup or after it, was counted as being here when it was not.
func TestOneThatGoesOnFromABackupIsNotFreshBeforeItsWritesAreHere(t *testing.T) {
	w, ap, eu, us := three(t, true)
	backup, opt := t.TempDir(), options("us-east", w)
	set(t, us, "a", "f", "1")
	set(t, us, "b", "f", "1")
	require.NoError(t, us.Backup(backup))
	set(t, us, "b", "f", "2")
	pull(t, eu, us)
	require.NoError(t, us.Close())
	opt.BatchBytes = 1
	us = open(t, backup, opt)
	isFresh := func(r *replica.Replica) bool {
		require.Equal(t, clock.Node("us-east"), r.Fresh()[2].Node)
		return !r.Fresh()[2].UpTo.IsZero()
	}
	tell := func() {
		_, err := ap.Apply("us-east", us.Since(ap.Seen()))
		require.NoError(t, err)
	}

	// Before it has caught up nobody knows what it wrote, itself included.
	for range 3 {
		tell()
	}
	require.Equal(t, "{us-east:1-2}", ap.Seen().String())
	require.False(t, isFresh(ap))
	require.False(t, isFresh(us))
	pull(t, us, ap)
	_, err := us.Apply("eu-west", eu.Since(us.Seen()))
	require.NoError(t, err)
	_, err = us.Read("b", "f", time.Minute)
	require.ErrorIs(t, err, replica.ErrStale)
	require.ErrorIs(t, err, replica.ErrRestored)
	require.ErrorContains(t, err, "eu-west")
	pull(t, us, eu)
	_, err = us.Read("b", "f", time.Minute)
	require.NoError(t, err)
	require.True(t, isFresh(us))

	// After that what it has is all there is, whichever incarnation wrote it.
	b := us.Since(clock.Vector{})
	require.Equal(t, clock.Dot{Node: "us-east", Seq: 3}, b.Last)
	fresh := open(t, "", options("ap-south", w))
	for n := range 3 {
		require.False(t, isFresh(fresh), n)
		_, err := fresh.Apply("us-east", us.Since(fresh.Seen()))
		require.NoError(t, err)
	}
	require.True(t, isFresh(fresh))
	tell()
	require.True(t, isFresh(ap))
	set(t, us, "b", "f", "3")
	require.Equal(t, clock.Dot{Node: "us-east~2", Seq: 1}, us.Since(clock.Vector{}).Last)
}

// In memory a batch promised that nothing was missing up to now, while what was written had not been taken into the state.
func TestABatchPromisesNothingThatIsOnItsWay(t *testing.T) {
	opt := options("us-east", &world{now: start})
	opt.Source = nil
	us := open(t, "", opt)
	stop := busy(t, us)
	var promised []replica.Batch
	for range 2000 {
		promised = append(promised, us.Since(us.Seen()))
	}
	stop()
	stamps := make(map[uint64]clock.Timestamp)
	for seen, more := (clock.Vector{}), true; more; {
		b := us.Since(seen)
		more = b.More
		for _, p := range b.Ops {
			op, err := merge.DecodeOp(p.Op, merge.Limits{})
			require.NoError(t, err)
			stamps[op.Dot.Seq] = op.Stamp.Time
			seen.Add(op.Dot)
		}
	}
	for _, b := range promised {
		if next, ok := stamps[b.Last.Seq+1]; ok {
			require.True(t, b.Now.Before(next), "%s was promised, %s came", b.Now, next)
		}
	}
}

func TestARefusedBatchChangesNothing(t *testing.T) {
	w, _, eu, us := three(t, false)
	set(t, us, "a", "", "1")
	good := us.Since(eu.Seen())
	state, seen := shows(eu), eu.Seen().String()
	for name, bad := range map[string]func() (clock.Node, replica.Batch){
		"source_mismatch": func() (clock.Node, replica.Batch) { return "ap-south", good },
		"rule_mismatch":   func() (clock.Node, replica.Batch) { b := good; b.Table = "other"; return "us-east", b },
		"bad_syntax": func() (clock.Node, replica.Batch) {
			b := good
			b.Ops = append(b.Ops[:1:1], replica.Packet{Op: []byte{1, 2, 3}})
			return "us-east", b
		},
		"clock_ahead": func() (clock.Node, replica.Batch) {
			b := good
			b.Now.Wall += int64(time.Hour)
			return "us-east", b
		},
	} {
		source, b := bad()
		_, err := eu.Apply(source, b)
		require.ErrorIs(t, err, replica.ErrRefused, name)
		require.ErrorContains(t, err, name)
		require.Equal(t, state, shows(eu))
		require.Equal(t, seen, eu.Seen().String())
	}
	_, err := eu.Apply("us-east", good)
	require.NoError(t, err)
	require.Greater(t, len(eu.Status().Refused), 3)
	_ = w
}

func TestWhatEveryMemberHasIsForgottenAndANewcomerTakesOverState(t *testing.T) {
	w, ap, eu, us := three(t, true)
	for i := range 300 {
		add(t, us, "stock/lamp", 1)
		set(t, eu, fmt.Sprintf("orders/%d", i), "status", "paid")
	}
	meet(t, ap, eu, us)
	for _, r := range []*replica.Replica{ap, eu, us} {
		require.NoError(t, r.Maintain())
		require.Zero(t, r.Status().Retained)
	}
	requireEqual(t, ap, eu, us)

	// ap-south loses its disk.
	require.NoError(t, ap.Close())
	ap = open(t, t.TempDir(), options("ap-south", w))
	pull(t, ap, us)
	meet(t, ap, eu, us)
	requireEqual(t, ap, eu, us)
	add(t, ap, "stock/lamp", -1)
	meet(t, ap, eu, us)
	requireEqual(t, ap, eu, us)
	require.Equal(t, value.Value("299"), us.Get("stock/lamp", "count"))
	for _, r := range []*replica.Replica{ap, eu, us} { // and nobody takes anybody for a copy
		require.Equal(t, name(r), r.Status().Incarnation)
		require.Empty(t, r.Status().Refused)
	}
}

// One that has no peers never acknowledged what it had, and kept all of its log.
func TestAReplicaAloneForgetsWhatItHas(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		opt := options("us-east", &world{now: start})
		opt.Members, opt.KeepBytes = []clock.Node{"us-east"}, -1
		us := open(t, dir, opt)
		for range 100 {
			add(t, us, "stock/lamp", 1)
		}
		require.Equal(t, 100, us.Status().Retained)
		require.NoError(t, us.Maintain())
		require.Zero(t, us.Status().Retained)
		add(t, us, "stock/lamp", 1)
		if dir != "" {
			require.NoError(t, us.Close())
			us = open(t, dir, opt)
		}
		require.Equal(t, value.Value("101"), us.Get("stock/lamp", "count"))
	}
}

// What all have is forgotten, so that nobody can say any more whether an operation that comes again is the same. It is set aside.
func TestALateOperationBelowTheHorizonIsSetAsideAndNotResurrected(t *testing.T) {
	w, ap, _, us := three(t, false)
	var told []replica.Event
	opt := options("eu-west", w)
	opt.Observe = func(e replica.Event) { told = append(told, e) }
	eu := open(t, "", opt)
	set(t, us, "orders/1", "status", "paid")
	old := us.Since(clock.Vector{})
	_, err := us.Delete("orders/1", "status")
	require.NoError(t, err)
	meet(t, ap, eu, us)
	require.NoError(t, eu.Maintain())
	told = nil
	verdicts, err := eu.Apply("us-east", old)
	require.NoError(t, err)
	require.Empty(t, verdicts)
	require.True(t, eu.Get("orders/1", "status").IsAbsent())
	require.Len(t, told, 1)
	require.Equal(t, replica.Late, told[0].Kind)
	require.Equal(t, finding.BelowGCHorizon, told[0].Code)
	require.Equal(t, "orders/1", told[0].Op.Key) // for whoever wants to look into it
	require.Equal(t, map[finding.Code]int64{finding.BelowGCHorizon: 1}, eu.Status().Refused)
	requireEqual(t, eu, us)
}

// The bound of the clock is on disk with the operations, in the log and in snapshots.
func TestStampsGoOnWhenTheClockWentBackBetweenTwoRuns(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		w, dir := &world{now: start}, t.TempDir()
		r := open(t, dir, options("us-east", w))
		before := set(t, r, "a", "", "1")
		said := r.Since(clock.Vector{}).Now // "these are all up to now": nothing may be stamped earlier from here on
		if snapshot {
			require.NoError(t, r.Maintain())
		}
		require.NoError(t, r.Close())
		w.now -= int64(time.Hour)
		r = open(t, dir, options("us-east", w))
		after := set(t, r, "a", "", "2")
		require.True(t, before.Stamp.Time.Before(after.Stamp.Time))
		require.False(t, after.Stamp.Time.Before(said), "%s was promised, %s came", said, after.Stamp.Time)
		require.Equal(t, value.Value(`"2"`), r.Get("a", ""))
	}
}

// The bound was not restored where it had passed when the replica was opened: set back after that, its clock stamped what a
// receiver had been told that it had.
func TestNothingIsStampedEarlierThanWasPromisedWhenTheClockGoesBackAfterOpening(t *testing.T) {
	for _, snapshot := range []bool{false, true} {
		w, dir := &world{now: start}, t.TempDir()
		us, eu := open(t, dir, options("us-east", w)), open(t, "", options("eu-west", w))
		set(t, us, "a", "", "1")
		w.now += int64(time.Second)
		_, err := eu.Apply("us-east", us.Since(eu.Seen()))
		require.NoError(t, err)
		if snapshot {
			require.NoError(t, us.Maintain())
		}
		require.NoError(t, us.Close())
		w.now += int64(time.Second)
		us = open(t, dir, options("us-east", w))
		w.now -= int64(3 * time.Second)
		later := set(t, us, "a", "", "2")
		require.True(t, eu.Fresh()[2].UpTo.Before(later.Stamp.Time), "%s was promised, %s came", eu.Fresh()[2].UpTo, later.Stamp.Time)
	}
}

// Each life of a replica added a lead to the one that it had got from the last, until peers refused what it wrote (clock_ahead).
func TestShortLivesDoNotPushTheClockAhead(t *testing.T) {
	for _, drift := range []time.Duration{0, 20 * time.Millisecond} {
		w, dir := &world{now: start}, t.TempDir()
		opt, of := options("us-east", w), options("eu-west", w)
		opt.MaxDrift, of.MaxDrift = drift, drift
		eu := open(t, "", of)
		promised := clock.Timestamp{}
		for range 20 {
			us := open(t, dir, opt)
			receipt := set(t, us, "a", "", "1")
			require.True(t, promised.Before(receipt.Stamp.Time))
			require.Less(t, receipt.Stamp.Time.Wall-w.now, int64(300*time.Millisecond))
			b := us.Since(eu.Seen())
			require.False(t, b.Now.Before(promised))
			promised = b.Now
			_, err := eu.Apply("us-east", b)
			require.NoError(t, err)
			_, err = eu.Read("a", "", 0)
			require.NoError(t, err)
			require.Less(t, w.now-eu.Fresh()[2].UpTo.Wall, int64(time.Millisecond)) // it is as fresh as can be
			require.NoError(t, us.Close())
			w.now += int64(5 * time.Millisecond)
		}
	}
}

// Without a bound on drift a stamp at the end of time moves no clock when it comes. When the log was read again it stood for all
// stamps, which left no time to issue, or forgot what had been issued.
func TestAStampAtTheEndOfTimeDoesNotMoveTheClockAfterARestart(t *testing.T) {
	for _, maintained := range []bool{false, true} {
		opt := options("us-east", &world{now: start})
		opt.MaxDrift = -1
		dir := t.TempDir()
		us := open(t, dir, opt)
		far := clock.Timestamp{Wall: start + int64(24*365*time.Hour)}
		for i, at := range []clock.Timestamp{far, {Wall: clock.MaxWall}} {
			op := merge.Op{
				Key: fmt.Sprint(i), Fields: []merge.Field{{Name: "f", Value: "1"}}, Dot: clock.Dot{Node: "eu-west", Seq: uint64(i + 1)},
				Stamp: lww.Stamp{Time: at, Node: "eu-west"},
			}
			bytes, err := op.AppendBinary(nil)
			require.NoError(t, err)
			_, err = us.Apply("eu-west", replica.Batch{Source: "eu-west", Table: us.Table().Fingerprint(), Epoch: 1, Ops: []replica.Packet{{Op: bytes}}})
			require.NoError(t, err)
		}
		last := set(t, us, "a", "", "1")
		require.True(t, far.Before(last.Stamp.Time))
		for range 2 {
			if maintained {
				require.NoError(t, us.Maintain())
			}
			require.NoError(t, us.Close())
			us = open(t, dir, opt)
			next := set(t, us, "a", "", "2")
			require.True(t, last.Stamp.Time.Before(next.Stamp.Time))
			require.Less(t, next.Stamp.Time.Wall, far.Wall+int64(time.Hour))
			last = next
		}
	}
}

func TestABackupGoesOnAsANewIncarnation(t *testing.T) {
	w, ap, eu, us := three(t, true)
	add(t, us, "stock/lamp", 10)
	meet(t, ap, eu, us)
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, us.Backup(backup))
	add(t, us, "stock/lamp", 1) // after the backup, seen by eu-west alone
	pull(t, eu, us)
	require.NoError(t, us.Close())

	us = open(t, backup, options("us-east", w))
	require.Equal(t, clock.Node("us-east~2"), us.Status().Incarnation)
	// It does not write before it has what it once had. It knows that when it is opened again, too.
	_, err := us.Set("a", "", "1")
	require.ErrorIs(t, err, replica.ErrRestored)
	require.ErrorContains(t, err, "ap-south eu-west")
	require.NoError(t, us.Close())
	us = open(t, backup, options("us-east", w))
	pull(t, us, ap)
	_, err = us.Set("a", "", "1")
	require.ErrorIs(t, err, replica.ErrRestored)
	pull(t, us, eu)
	require.NoError(t, us.Close())
	us = open(t, backup, options("us-east", w))
	add(t, us, "stock/lamp", 100)
	meet(t, ap, eu, us)
	requireEqual(t, ap, eu, us)
	require.Equal(t, value.Value("111"), ap.Get("stock/lamp", "count"))
	require.NoError(t, us.Close())
	us = open(t, backup, options("us-east", w))
	require.Equal(t, clock.Node("us-east~2"), us.Status().Incarnation)
	requireEqual(t, ap, eu, us)
}

// A replica once took itself for a copy when a peer had got more of it while the answer to its question was on the way.
func TestWhoWritesWhileItAsksIsNoCopy(t *testing.T) {
	_, _, eu, us := three(t, true)
	add(t, us, "stock/lamp", 1)
	require.NoError(t, us.Pull("eu-west", func(request []byte) ([]byte, error) {
		add(t, us, "stock/lamp", 1)
		pull(t, eu, us)
		return eu.Serve("us-east", request), nil
	}))
	require.Equal(t, clock.Node("us-east"), us.Status().Incarnation)
	add(t, us, "stock/lamp", 1)
}

func TestACopyOfTheDirectoryIsFoundOutAndHealed(t *testing.T) {
	for _, writes := range []bool{false, true} { // before it meets anybody
		w := &world{now: start}
		dir, old := t.TempDir(), t.TempDir()
		eu, us := open(t, t.TempDir(), options("eu-west", w)), open(t, dir, options("us-east", w))
		add(t, us, "stock/lamp", 10)
		meet(t, eu, us)
		require.NoError(t, us.Close())
		require.NoError(t, os.CopyFS(old, os.DirFS(dir)))
		us = open(t, dir, options("us-east", w))
		add(t, us, "stock/lamp", 1)
		add(t, us, "stock/lamp", 1)
		pull(t, eu, us)
		require.NoError(t, us.Close())

		var restored []replica.Event
		opt := options("us-east", w)
		opt.Observe = func(e replica.Event) {
			if e.Kind == replica.Restored {
				restored = append(restored, e)
			}
		}
		us = open(t, old, opt)
		want, again := "12", int64(0)
		if writes {
			add(t, us, "stock/lamp", 60)
			add(t, us, "stock/lamp", 40)
			want, again = "112", 2
		}
		meet(t, us, eu)
		requireEqual(t, eu, us)
		require.Equal(t, value.Value(want), eu.Get("stock/lamp", "count"))
		require.Equal(t, clock.Node("us-east~2"), us.Status().Incarnation)
		require.Len(t, restored, 1)
		require.Equal(t, again, restored[0].Count)
		was := shows(us)
		require.NoError(t, us.Close())
		us = open(t, old, options("us-east", w))
		require.Equal(t, was, shows(us))
	}
}

// A copy of the directory of us-east wrote under numbers that were taken, and a third region got that from it, before the
// copy met anybody who could tell.
func TestWhoTookWritesOfACopyIsHealedByItsOwner(t *testing.T) {
	for _, order := range []string{"the copy finds out first", "the others meet it first"} {
		w := &world{now: start}
		var told []string
		opt := options("ap-south", w)
		opt.Observe = func(e replica.Event) {
			if e.Kind == replica.Reused {
				told = append(told, string(e.Code))
			}
		}
		dir, old := t.TempDir(), t.TempDir()
		ap, eu, us := open(t, t.TempDir(), opt), open(t, t.TempDir(), options("eu-west", w)), open(t, dir, options("us-east", w))
		add(t, us, "stock/lamp", 1)
		meet(t, ap, eu, us)
		require.NoError(t, us.Close())
		require.NoError(t, os.CopyFS(old, os.DirFS(dir)))
		us = open(t, dir, options("us-east", w))
		add(t, us, "stock/lamp", 10) // acknowledged, and seen by eu-west
		pull(t, eu, us)
		require.NoError(t, us.Close())

		us = open(t, old, options("us-east", w))
		add(t, us, "stock/lamp", 100) // under the number of the 10, and seen by ap-south
		add(t, us, "stock/lamp", 1000)
		pull(t, ap, us)
		add(t, ap, "stock/lamp", 10_000)
		if order == "the others meet it first" {
			add(t, us, "stock/lamp", 100_000)
			require.ErrorIs(t, eu.Pull("us-east", from(us, "eu-west")), replica.ErrRefused)
			_, err := eu.Apply("us-east", us.Since(eu.Seen()))
			require.ErrorIs(t, err, replica.ErrRefused) // pushed, it is no better
			require.Equal(t, value.Value("11"), eu.Get("stock/lamp", "count"))
			add(t, us, "stock/lamp", -100_000)
		}
		pull(t, us, eu)
		require.Equal(t, clock.Node("us-east~2"), us.Status().Incarnation)
		pull(t, eu, us)
		pull(t, ap, eu) // which is told, and goes on with what is not in question
		pull(t, ap, us)
		require.Contains(t, told, "op_id_reused")
		meet(t, ap, eu, us)
		requireEqual(t, ap, eu, us)
		require.Equal(t, value.Value("11111"), ap.Get("stock/lamp", "count"), order)
		require.Equal(t, clock.Node("us-east~2"), us.Status().Incarnation)
		require.Equal(t, clock.Node("ap-south~2"), ap.Status().Incarnation) // it had written after having seen what is void
		for _, r := range []*replica.Replica{ap, eu, us} {
			require.NoError(t, r.Maintain())
		}
		meet(t, ap, eu, us)
		requireEqual(t, ap, eu, us)
	}
}

func TestWhoTookWritesOfACopyThatIsLostIsRebuiltByHand(t *testing.T) {
	w := &world{now: start}
	dir, old := t.TempDir(), t.TempDir()
	ap, eu, us := open(t, t.TempDir(), options("ap-south", w)), open(t, t.TempDir(), options("eu-west", w)), open(t, dir, options("us-east", w))
	add(t, us, "stock/lamp", 1)
	meet(t, ap, eu, us)
	require.NoError(t, us.Close())
	require.NoError(t, os.CopyFS(old, os.DirFS(dir)))
	us = open(t, dir, options("us-east", w))
	add(t, us, "stock/lamp", 10)
	pull(t, eu, us)
	us = open(t, old, options("us-east", w))
	add(t, us, "stock/lamp", 100)
	pull(t, ap, us)
	require.NoError(t, us.Close())
	add(t, ap, "stock/lamp", 1000)
	meet(t, ap, eu)
	require.NotEqual(t, shows(eu), shows(ap))
	require.NoError(t, ap.Rebuild("eu-west", from(eu, "ap-south")))
	meet(t, ap, eu)
	requireEqual(t, ap, eu)
	require.Equal(t, value.Value("1011"), eu.Get("stock/lamp", "count"))
}

// What is folded depends on when each was maintained, so those that nobody maintains again once all is quiet were never compared,
// though they went on to exchange.
func TestStatesAreComparedInQuietWhoeverWasMaintained(t *testing.T) {
	w := &world{now: start}
	told := 0
	at := func(node clock.Node) *replica.Replica {
		opt := options(node, w)
		opt.Observe = func(e replica.Event) {
			if e.Kind == replica.Diverged {
				told++
			}
		}
		return open(t, "", opt)
	}
	ap, eu, us := at("ap-south"), at("eu-west"), at("us-east")
	all := []*replica.Replica{ap, eu, us}
	for _, r := range all { // each is maintained at another time
		for _, writes := range all {
			add(t, writes, "stock/lamp", 1)
		}
		meet(t, all...)
		require.NoError(t, r.Maintain())
	}
	quiet := w.now
	for range 4 {
		w.now += int64(time.Minute)
		meet(t, all...)
	}
	for _, r := range all {
		for _, p := range r.Status().Peers {
			require.Greater(t, p.Audited.Wall, quiet, "%s of %s", name(r), p.Node)
		}
		require.Zero(t, r.Status().Retained)
	}
	require.Zero(t, told)
	op := merge.Op{Key: "a", Fields: []merge.Field{{Name: "f", Value: "9"}}, Dot: clock.Dot{Node: "us-east", Seq: 1}}
	op.Stamp = lww.Stamp{Time: clock.Timestamp{Wall: w.now}, Node: "us-east"}
	eu.Spoil(op)
	for range 2 {
		w.now += int64(time.Minute)
		meet(t, all...)
	}
	require.NotZero(t, told)
}

// Who took over state has parts of it as they were later than what it counts as seen, and folded further: before it had caught up it
// compared that with a peer, and told of a split brain that was none.
func TestAStateThatWasTakenOverIsComparedOnceItIsOfOneMoment(t *testing.T) {
	for _, restarts := range []bool{false, true} {
		w, ap, eu, us := three(t, true)
		add(t, us, "stock/lamp", 1)
		meet(t, ap, eu, us)
		for _, r := range []*replica.Replica{ap, eu, us} {
			require.NoError(t, r.Maintain())
		}
		before := eu.Since(eu.Seen())
		require.NotEmpty(t, before.Digest)

		var told []replica.Event
		opt, dir := options("us-east", w), t.TempDir()
		opt.Observe = func(e replica.Event) { told = append(told, e) }
		us = open(t, dir, opt)
		require.NoError(t, us.Pull("eu-west", func(question []byte) ([]byte, error) {
			if question[2] == 3 { // for records
				add(t, eu, "stock/lamp", 1)
			}
			return eu.Serve("us-east", question), nil
		}))
		require.Equal(t, replica.Transferred, told[len(told)-1].Kind)
		require.Equal(t, value.Value("2"), us.Get("stock/lamp", "count"))
		require.Equal(t, before.Seen.String(), us.Seen().String())
		if restarts {
			require.NoError(t, us.Close())
			us = open(t, dir, opt)
		}
		for range 2 {
			_, err := us.Apply("eu-west", before)
			require.NoError(t, err)
			pull(t, us, ap)
			require.NoError(t, us.Maintain())
		}
		require.Zero(t, us.Status().Peers[1].Audited)
		meet(t, ap, eu, us)
		for _, r := range []*replica.Replica{ap, eu, us} {
			require.NoError(t, r.Maintain())
		}
		w.now += int64(time.Minute)
		meet(t, ap, eu, us)
		require.NotZero(t, us.Status().Peers[1].Audited)
		for _, e := range told {
			require.NotEqual(t, replica.Diverged, e.Kind)
		}
	}
}

func TestStatesThatDifferAreFoundInTheNormalExchange(t *testing.T) {
	w := &world{now: start}
	var told []replica.Event
	watched := func(node clock.Node) replica.Options {
		opt := options(node, w)
		opt.AuditEvery = time.Second
		opt.Observe = func(e replica.Event) {
			if e.Kind == replica.Diverged {
				told = append(told, e)
			}
		}
		return opt
	}
	eu, us := open(t, "", watched("eu-west")), open(t, "", watched("us-east"))
	for range 3 {
		set(t, us, "a", "", "1")
		set(t, eu, "b", "", "2")
		meet(t, eu, us)
		w.now += int64(time.Minute)
	}
	require.Empty(t, told)
	for _, p := range us.Status().Peers {
		require.Equal(t, p.Node == "eu-west", !p.Audited.IsZero())
	}
	op, err := merge.DecodeOp(us.Since(clock.Vector{}).Ops[0].Op, merge.Limits{})
	require.NoError(t, err)
	op.Fields[0].Value = "9"
	op.Stamp.Time.Wall += int64(time.Hour)
	eu.Spoil(op)
	w.now += int64(time.Minute)
	for range 2 {
		told = nil
		_, err = eu.Apply("us-east", us.Since(eu.Seen()))
		require.NoError(t, err)
		require.Len(t, told, 1)
		pull(t, us, eu)
		require.Len(t, told, 2)
		require.Equal(t, "split_brain", string(told[0].Code))
		pull(t, us, eu) // not again so soon
		require.Len(t, told, 2)
		w.now += int64(time.Minute)
	}
	require.NoError(t, eu.Rebuild("us-east", from(us, "eu-west")))
	told = nil
	pull(t, us, eu)
	pull(t, eu, us)
	require.Empty(t, told)
	requireEqual(t, eu, us)
	require.Equal(t, clock.Node("eu-west"), eu.Status().Incarnation)
}

func TestAMemberThatIsLostNoLongerHoldsTheOthersBack(t *testing.T) {
	_, ap, eu, us := three(t, true)
	set(t, ap, "a", "", "1")
	pull(t, eu, ap)
	for range 10 {
		set(t, us, "b", "", "2")
	}
	meet(t, eu, us)
	require.NoError(t, eu.Maintain())
	require.NotZero(t, eu.Status().Retained)
	next := crdt.Epoch{Number: 2, Members: []clock.Node{"eu-west", "us-east"}, Lost: clock.Up("ap-south", 1)}
	require.NoError(t, us.Enter(next))
	require.Error(t, us.Pull("eu-west", from(eu, "us-east"))) // which is still in the first
	require.NoError(t, eu.Enter(next))
	meet(t, eu, us)
	for _, r := range []*replica.Replica{eu, us} {
		require.NoError(t, r.Maintain())
		require.Zero(t, r.Status().Retained)
	}
}

// What one survivor alone had of a lost member stayed with it, and what it wrote itself from then on was held at the others
// for ever, while every pull said that all was well.
func TestWhatOneSurvivorAloneHasOfALostMemberReachesTheOthers(t *testing.T) {
	for _, pushed := range []bool{false, true} {
		_, ap, eu, us := three(t, true)
		set(t, ap, "a", "", "1")
		pull(t, us, ap)
		var lost clock.Vector
		for _, r := range []*replica.Replica{eu, us} {
			upTo, err := r.Stop("ap-south")
			require.NoError(t, err)
			lost.Merge(upTo)
		}
		_, err := eu.Apply("us-east", us.Relay(eu.Seen()))
		require.ErrorIs(t, err, replica.ErrRefused) // nobody said that us-east may hand on what a member wrote
		for _, r := range []*replica.Replica{eu, us} {
			require.NoError(t, r.Enter(crdt.Epoch{Number: 2, Members: []clock.Node{"eu-west", "us-east"}, Lost: lost}))
		}
		set(t, us, "b", "", "2")
		if pushed {
			_, err := eu.Apply("us-east", us.Since(eu.Seen()))
			require.NoError(t, err)
		} else {
			pull(t, eu, us)
		}
		require.Equal(t, value.Value(`"1"`), eu.Get("a", ""))
		require.Equal(t, value.Value(`"2"`), eu.Get("b", ""))
		require.Zero(t, eu.Status().Held)
		meet(t, eu, us)
		requireEqual(t, eu, us)
		for _, r := range []*replica.Replica{eu, us} {
			require.NoError(t, r.Maintain())
			require.Zero(t, r.Status().Retained)
		}
	}
}

// Nobody may make up what a lost member wrote beyond what is known to be lost.
func TestNoMoreOfALostMemberIsTakenThanWasLost(t *testing.T) {
	_, ap, eu, us := three(t, false)
	set(t, ap, "a", "", "1")
	pull(t, us, ap)
	pull(t, eu, ap)
	set(t, ap, "a", "", "2")
	more := ap.Since(us.Seen())
	for _, r := range []*replica.Replica{eu, us} {
		require.NoError(t, r.Enter(crdt.Epoch{Number: 2, Members: []clock.Node{"eu-west", "us-east"}, Lost: clock.Up("ap-south", 1)}))
	}
	b := us.Since(eu.Seen())
	b.Ops = more.Ops
	_, err := eu.Apply("us-east", b)
	require.ErrorIs(t, err, replica.ErrRefused)
	require.Equal(t, value.Value(`"1"`), eu.Get("a", ""))
}

// A member that goes on from a backup after it was lost and closed is named by its incarnation in the next epoch. It was taken for a
// stranger then, and never heard.
func TestAMemberThatWasLostComesBackAsAnotherIncarnation(t *testing.T) {
	w := &world{now: start}
	opt := func(node clock.Node) replica.Options {
		return replica.Options{Node: node, Table: merge.MustParseTable("nodes eu < us\nstock/* count counter\n* * lww"), Source: w.source}
	}
	us, eu, backup := open(t, t.TempDir(), opt("us")), open(t, t.TempDir(), opt("eu")), t.TempDir()
	add(t, us, "stock/1", 10)
	require.NoError(t, us.Backup(backup))
	pull(t, eu, us)
	add(t, us, "stock/1", 1000) // which nobody ever sees
	require.NoError(t, us.Close())
	lost, err := eu.Stop("us")
	require.NoError(t, err)
	require.NoError(t, eu.Enter(crdt.Epoch{Number: 2, Members: []clock.Node{"eu"}, Lost: lost}))
	add(t, eu, "stock/1", 1)

	us = open(t, backup, opt("us"))
	require.Equal(t, clock.Node("us~2"), us.Status().Incarnation)
	require.Error(t, eu.Enter(crdt.Epoch{Number: 3, Members: []clock.Node{"eu", "us"}, Lost: lost}))
	back := crdt.Epoch{Number: 3, Members: []clock.Node{"eu", "us~2"}, Lost: lost}
	require.NoError(t, eu.Enter(back))
	require.NoError(t, us.Enter(back))
	_, err = us.Set("a", "", "1")
	require.ErrorIs(t, err, replica.ErrRestored)
	pull(t, us, eu)
	add(t, us, "stock/1", 1)
	meet(t, eu, us)
	requireEqual(t, eu, us)
	require.Equal(t, value.Value("12"), eu.Get("stock/1", "count"))
	for _, r := range []*replica.Replica{eu, us} {
		_, err := r.Read("stock/1", "count", time.Minute)
		require.NoError(t, err)
		require.NoError(t, r.Maintain())
		require.Zero(t, r.Status().Retained)
		require.Len(t, r.Status().Peers, 1)
		require.Zero(t, r.Status().Peers[0].Backlog)
		require.Equal(t, []clock.Node{"eu", "us"}, []clock.Node{r.Fresh()[0].Node, r.Fresh()[1].Node})
	}
	require.Equal(t, clock.Node("us"), eu.Status().Peers[0].Node)
	require.NotZero(t, eu.Status().Peers[0].UpTo)
	_, err = eu.Apply("us", us.Since(eu.Seen()))
	require.NoError(t, err)
}

func TestHealthTestsTheDisk(t *testing.T) {
	r := open(t, t.TempDir(), options("us-east", &world{now: start}))
	require.NoError(t, r.Health())
	require.NoError(t, r.Close())
	require.ErrorIs(t, r.Health(), replica.ErrClosed)
}

func TestManyGoroutinesShareTheDisk(t *testing.T) {
	dir := t.TempDir()
	opt := options("us-east", &world{now: start})
	opt.Source = nil
	r := open(t, dir, opt)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				_, err := r.Write(replica.Write{Key: "stock/lamp", Kind: merge.Add, Fields: []merge.Field{{Name: "count", Value: "1"}}})
				require.NoError(t, err)
			}
		})
	}
	group.Wait()
	require.Equal(t, value.Value("400"), r.Get("stock/lamp", "count"))
	require.NoError(t, r.Close())
	r = open(t, dir, opt)
	require.Equal(t, value.Value("400"), r.Get("stock/lamp", "count"))
}

func TestWhatPeersWouldRefuseIsNotWritten(t *testing.T) {
	w, _, eu, us := three(t, false)
	_, err := us.Set(strings.Repeat("k", 5000), "", "1")
	require.ErrorIs(t, err, replica.ErrRefused)
	_, err = us.Set("a", "", "not JSON")
	require.Error(t, err)
	set(t, us, "a", "", "1")
	pull(t, eu, us)
	requireEqual(t, eu, us)
	_ = w
}

func TestOnlyWhatIsSignedByItsWriterMerges(t *testing.T) {
	w := &world{now: start}
	signed := func(node clock.Node, key string) *replica.Replica {
		opt := options(node, w)
		opt.Sign = func(op []byte) []byte { return append([]byte(key), byte(len(op))) }
		opt.Verify = func(writer clock.Node, op, signature []byte) bool {
			return string(signature) == string(append([]byte("key of "+string(writer)), byte(len(op))))
		}
		return open(t, "", opt)
	}
	eu, us, thief := signed("eu-west", "key of eu-west"), signed("us-east", "key of us-east"), signed("us-east", "guess")
	set(t, us, "a", "", "1")
	pull(t, eu, us)
	set(t, thief, "a", "", "2")
	set(t, thief, "a", "", "3")
	_, err := eu.Apply("us-east", thief.Since(eu.Seen()))
	require.ErrorIs(t, err, replica.ErrRefused)
	require.Equal(t, value.Value(`"1"`), eu.Get("a", ""))
}

// A signature that was made where the one before it had been was kept for both operations.
func TestSignaturesMayBeMadeInOnePlace(t *testing.T) {
	w := &world{now: start}
	mac := func(op []byte) hash.Hash { m := hmac.New(sha256.New, []byte("key")); m.Write(op); return m }
	opt := options("us-east", w)
	var place []byte
	opt.Sign = func(op []byte) []byte { place = mac(op).Sum(place[:0]); return place }
	us := open(t, "", opt)
	opt = options("eu-west", w)
	opt.Verify = func(_ clock.Node, op, signature []byte) bool { return hmac.Equal(mac(op).Sum(nil), signature) }
	eu := open(t, "", opt)
	set(t, us, "a", "", "1")
	set(t, us, "a", "", "2")
	_, err := eu.Apply("us-east", us.Since(eu.Seen()))
	require.NoError(t, err)
	requireEqual(t, us, eu)
}

// A directory or a batch laid out as by another version of this package is refused, and its log and snapshot
// are left as they are.
func TestAnotherLayoutIsRefused(t *testing.T) {
	for _, another := range []struct {
		name   string
		change func(tuple []byte)

		says, saysOfSnapshot string
	}{
		{"version", func(tuple []byte) { tuple[1]++ }, "a batch of version 3, known is 2", "a snapshot of version 5, known is 4"},
		{"an earlier version and fewer parts", func(tuple []byte) { tuple[0]--; tuple[1]-- }, "a batch of version 1, known is 2", "a snapshot of version 3, known is 4"},
		{"fewer parts", func(tuple []byte) { tuple[0]-- }, "a batch: not an array of", "a snapshot: not an array of"},
	} {
		w, dir := &world{now: start}, t.TempDir()
		r := open(t, dir, options("us-east", w))
		set(t, r, "a", "", "1")
		since := r.Since(clock.Vector{})
		batch, err := since.AppendBinary(nil)
		require.NoError(t, err)
		another.change(batch)
		_, err = replica.DecodeBatch(batch)
		require.ErrorContains(t, err, another.says, another.name)

		require.NoError(t, r.Maintain())
		set(t, r, "a", "", "2")
		require.NoError(t, r.Close())
		log, _, err := segment.Open(dir, segment.Options{})
		require.NoError(t, err)
		at, in, err := log.Snapshot()
		require.NoError(t, err)
		snapshot, err := io.ReadAll(in)
		require.NoError(t, err)
		require.NoError(t, in.Close())
		for record, err := range log.From(at) {
			require.NoError(t, err)
			at = record.Position
		}
		another.change(snapshot[4:]) // behind the length of the head
		require.NoError(t, log.WriteSnapshot(at, func(out io.Writer) error {
			_, err := out.Write(snapshot)
			return err
		}))
		require.NoError(t, log.Close())
		before := files(t, dir)
		_, err = replica.Open(dir, options("us-east", w))
		require.ErrorContains(t, err, "read snapshot", another.name)
		require.ErrorContains(t, err, another.saysOfSnapshot, another.name)
		require.True(t, maps.Equal(before, files(t, dir)), another.name)
	}
}

var rewrite = flag.Bool("rewrite", false, "write testdata/layouts.txt anew")

// Bytes of a version are laid out the same way for ever. Whoever changes a layout moves its version and then writes the file
// anew: go test ./merge/replica -run TestALayoutMovesWithItsVersion -rewrite
func TestALayoutMovesWithItsVersion(t *testing.T) {
	w, dir := &world{now: start}, t.TempDir()
	us, eu := open(t, dir, options("us-east", w)), open(t, "", options("eu-west", w))
	set(t, eu, "orders/1", "status", "paid")
	pull(t, us, eu)
	w.now += 1000
	_, err := us.Write(replica.Write{Key: "orders/1", Fields: []merge.Field{{Name: "status", Value: value.Text("sent")}}, Request: "r1"})
	require.NoError(t, err)
	add(t, us, "stock/lamp", 2)
	since := us.Since(clock.Vector{})
	batch, err := since.AppendBinary(nil)
	require.NoError(t, err)
	got := fmt.Sprintf("batch %x\n", batch)
	ask := func(request []byte) ([]byte, error) {
		answer := us.Serve("eu-west", request)
		got += fmt.Sprintf("question %x\nanswer %x\n", request, answer)
		return answer, nil
	}
	require.NoError(t, eu.Pull("us-east", ask))
	_, err = eu.Audit("us-east", ask)
	require.NoError(t, err)
	require.NoError(t, eu.Rebuild("us-east", ask))
	require.NoError(t, us.Maintain())
	require.NoError(t, us.Close())
	log, _, err := segment.Open(dir, segment.Options{})
	require.NoError(t, err)
	for record, err := range log.From(segment.Position{}) {
		require.NoError(t, err)
		got += fmt.Sprintf("record %x\n", record.Body)
	}
	_, in, err := log.Snapshot()
	require.NoError(t, err)
	snapshot, err := io.ReadAll(in)
	require.NoError(t, err)
	got += fmt.Sprintf("snapshot %x\n", snapshot)
	require.NoError(t, errors.Join(in.Close(), log.Close()))

	name := filepath.Join("testdata", "layouts.txt")
	if *rewrite {
		require.NoError(t, os.WriteFile(name, []byte(got), 0o644))
	}
	want, err := os.ReadFile(name)
	require.NoError(t, err)
	require.Equal(t, string(want), got, "a layout has changed: move its version, then write the file anew")
}

// files returns the log and the snapshots in a directory, by name.
func files(t *testing.T, dir string) map[string]string {
	all := make(map[string]string)
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		if e.Name() == "synced" || e.Name() == "lock" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
		all[e.Name()] = string(b)
	}
	return all
}
