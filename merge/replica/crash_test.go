package replica_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/fuzz/faultfs"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

var images = flag.Int("images", 600, "crash images at each point of a run")

// scripted is a run of one replica on a disk that keeps everything it was asked to do.
type scripted struct {
	disk  *faultfs.Disk
	acked []ack // in their order
	given int64 // counts every increment that was ever asked for
}

// ack says that by an operation of the disk the counter was at least at total, and a number of ours was given to peers.
type ack struct {
	disk  int
	total int64 // acknowledged increments, all of different powers of two
	dot   uint64
}

// run writes, takes what a peer wrote, takes snapshots, and stops at the first error.
func (s *scripted) run(t testing.TB, peer *replica.Replica, w *world, steps int) error {
	opt := options("us-east", w)
	opt.FS = s.disk
	r, err := replica.Open("dir", opt)
	if err != nil {
		return err
	}
	defer func() { _ = r.Close() }()
	total := int64(0)
	for i := range steps {
		amount := int64(1) << i
		switch {
		case i%5 == 3: // somebody else's
			var b replica.Batch
			add(t, peer, "stock/lamp", amount)
			s.given |= amount
			b = peer.Since(r.Seen())
			if _, err := r.Apply("eu-west", b); err != nil {
				return err
			}
		default:
			s.given |= amount
			_, err := r.Write(replica.Write{Key: "stock/lamp", Kind: merge.Add, Request: fmt.Sprint("req-", i),
				Fields: []merge.Field{{Name: "count", Value: value.Int(amount)}}})
			if err != nil {
				return err
			}
		}
		total |= amount
		s.acked = append(s.acked, ack{s.disk.Operations(), total, r.Seen().Max("us-east")})
		if i%7 == 6 {
			if err := r.Maintain(); err != nil {
				return err
			}
		}
		if i == 9 {
			if err := r.Enter(crdt.Epoch{Number: 2, Members: []clock.Node{"eu-west", "us-east"}}); err != nil {
				return err
			}
			require.NoError(t, peer.Enter(crdt.Epoch{Number: 2, Members: []clock.Node{"eu-west", "us-east"}}))
		}
	}
	return nil
}

func total(r *replica.Replica) int64 {
	d, err := r.Get("stock/lamp", "count").Decimal()
	if err != nil {
		return 0
	}
	n, _ := d.Int64()
	return n
}

// print stands for what a disk holds and for what was acknowledged by then.
func (s *scripted) print(disk *faultfs.Disk, after int) (sum [32]byte) {
	h := sha256.New()
	contents := disk.Contents()
	for _, name := range slices.Sorted(maps.Keys(contents)) {
		fmt.Fprintf(h, "%q %d\n%s\n", name, len(contents[name]), contents[name])
	}
	fmt.Fprint(h, s.promised(after))
	return [32]byte(h.Sum(nil))
}

// promised returns the last acknowledgement before so many operations of the disk.
func (s *scripted) promised(after int) (last ack) {
	for _, a := range s.acked {
		if a.disk <= after {
			last = a
		}
	}
	return last
}

// recovered opens what a crash has left and holds it to what was acknowledged by then.
func (s *scripted) recovered(disk *faultfs.Disk, after int) error {
	last := s.promised(after)
	opt := options("us-east", &world{now: start + 1e12})
	opt.FS = disk
	r, err := replica.Open("dir", opt)
	if err != nil {
		return err
	}
	got := total(r)
	switch {
	case got&last.total != last.total:
		return fmt.Errorf("acknowledged writes are lost: %b of %b", got, last.total)
	case got&^s.given != 0:
		return fmt.Errorf("writes that nobody made: %b of %b", got, s.given)
	case r.Seen().Max("us-east") < last.dot:
		return fmt.Errorf("operation %d was seen by others, and the last is %d", last.dot, r.Seen().Max("us-east"))
	}
	// It goes on, and what it writes now is not hidden by what was left.
	amount := int64(1) << 40
	_, err = r.Write(replica.Write{Key: "stock/lamp", Kind: merge.Add, Fields: []merge.Field{{Name: "count", Value: value.Int(amount)}}})
	if err := errors.Join(err, r.Close()); err != nil {
		return err
	}
	if r, err = replica.Open("dir", opt); err != nil {
		return err
	}
	if again := total(r); again != got+amount {
		return fmt.Errorf("%b when opened again, not %b", again, got+amount)
	}
	return r.Close()
}

func TestNoCrashLosesAnAcknowledgedWriteOrMakesOneUp(t *testing.T) {
	s := &scripted{disk: &faultfs.Disk{Sector: 64}}
	w := &world{now: start}
	peer := open(t, "", options("eu-west", w))
	steps := 20
	if testing.Short() {
		steps = 8
	}
	require.NoError(t, s.run(t, peer, w, steps))
	n, most := 0, *images
	opened := make(map[[32]byte]bool)
	if testing.Short() {
		most = 20
	}
	for image := range s.disk.Images(faultfs.Crashes{PerPoint: most}) {
		n++
		what := s.print(image.Disk, image.After)
		if opened[what] { // two crashes that leave the same, of which the same was promised
			continue
		}
		opened[what] = true
		require.NoError(t, s.recovered(image.Disk, image.After), image)
	}
	t.Logf("%d images at %d points, %d of them different", n, s.disk.Operations(), len(opened))
	require.Greater(t, n, 300)
}

func TestAFailingDiskAcknowledgesNothingThatIsNotOnIt(t *testing.T) {
	for _, fault := range []faultfs.Fault{faultfs.EIO, faultfs.NoSpace, faultfs.Short, faultfs.Crash} {
		for n, done := 0, false; !done; n++ {
			disk := &faultfs.Disk{Fault: faultfs.At(n, fault), Forgets: n%2 == 0}
			s := &scripted{disk: disk}
			w := &world{now: start}
			peer := open(t, "", options("eu-west", w))
			err := s.run(t, peer, w, 12)
			done = err == nil && disk.Operations() <= n
			if err != nil && !errors.Is(err, faultfs.ErrCrashed) {
				require.NotEmpty(t, err.Error())
			}
			after := disk.PowerCut()
			require.NoError(t, s.recovered(after, disk.Operations()), "fault %d at operation %d", fault, n)
		}
	}
}

func TestTheCrashTestNoticesADiskThatLies(t *testing.T) {
	s := &scripted{disk: &faultfs.Disk{Sector: 64, Fault: func(op faultfs.Op) faultfs.Fault {
		if op.Kind == faultfs.Sync && op.N > 40 {
			return faultfs.Lie
		}
		return faultfs.None
	}}}
	w := &world{now: start}
	require.NoError(t, s.run(t, open(t, "", options("eu-west", w)), w, 20))
	noticed := 0
	for image := range s.disk.Images(faultfs.Crashes{PerPoint: 5}) {
		if s.recovered(image.Disk, image.After) != nil {
			noticed++
		}
	}
	require.NotZero(t, noticed)
}
