package replica_test

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

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

// trio is three replicas, of which us-east is on a disk.
type trio struct {
	w          *world
	disk       *faultfs.Disk
	ap, eu, us *replica.Replica
	acked      []value.Value
}

func newTrio(t testing.TB) *trio {
	c := &trio{w: &world{now: start}, disk: new(faultfs.Disk)}
	c.ap, c.eu = open(t, "", c.options("ap-south")), open(t, "", c.options("eu-west"))
	require.NoError(t, c.open())
	c.write(t, c.eu)
	c.write(t, c.ap)
	c.write(t, c.us)
	meet(t, c.ap, c.eu, c.us)
	c.write(t, c.eu)
	c.write(t, c.us)
	pull(t, c.eu, c.us)
	return c
}

func (c *trio) options(node clock.Node) replica.Options {
	opt := options(node, c.w)
	opt.Table = merge.MustParseTable("nodes ap-south < eu-west < us-east\nstock/* count counter\n* * append\n")
	if node == "us-east" {
		opt.FS = c.disk
	}
	return opt
}

func (c *trio) open() (err error) {
	c.us, err = replica.Open("dir", c.options("us-east"))
	return err
}

// write appends a value that no other write has, and counts it.
func (c *trio) write(t testing.TB, r *replica.Replica) {
	v := value.Int(int64(len(c.acked)))
	_, err := r.Entries("k", "f").Append(v)
	require.NoError(t, err)
	c.acked = append(c.acked, v)
	add(t, r, "stock/lamp", 1)
}

// goOn has us-east go on from a disk.
func (c *trio) goOn(t testing.TB, disk *faultfs.Disk) {
	c.disk = disk
	require.NoError(t, c.open())
}

// backup returns a disk that holds a backup of us-east in place of it.
func (c *trio) backup(t testing.TB) *faultfs.Disk {
	require.NoError(t, c.us.Backup("backup"))
	disk := new(faultfs.Disk)
	for name, data := range c.disk.Contents() {
		if filepath.Dir(name) == "backup" {
			disk.Put(filepath.Join("dir", filepath.Base(name)), data)
		}
	}
	return disk
}

// fold has all forget what all have.
func (c *trio) fold(t testing.TB) {
	for _, r := range []*replica.Replica{c.ap, c.eu, c.us} {
		require.NoError(t, r.Maintain())
	}
	meet(t, c.ap, c.eu, c.us)
}

// starts are the ways in which us-east goes over to the state of another, up to where it does, and that.
var starts = []struct {
	name  string
	until func(testing.TB, *trio)
	does  func(*trio) error
}{
	{"rebuilt by hand", func(t testing.TB, c *trio) { c.write(t, c.us) }, func(c *trio) error { return c.us.Rebuild("eu-west", from(c.eu, "us-east")) }},
	{"a copy that wrote", func(t testing.TB, c *trio) {
		copied := c.disk.PowerCut()
		c.write(t, c.us)
		pull(t, c.eu, c.us)
		c.goOn(t, copied)
		c.write(t, c.us)
		c.write(t, c.us)
	}, (*trio).pullsFromEU},
	{"a copy that wrote less than is folded", func(t testing.TB, c *trio) {
		meet(t, c.ap, c.eu, c.us)
		copied := c.disk.PowerCut()
		c.write(t, c.us)
		c.write(t, c.us)
		meet(t, c.ap, c.eu, c.us)
		c.fold(t)
		c.goOn(t, copied)
		c.write(t, c.us)
	}, (*trio).pullsFromEU},
	{"who took the writes of a copy", func(t testing.TB, c *trio) {
		ap, old := c.options("ap-south"), new(faultfs.Disk)
		ap.FS, ap.Members = old, []clock.Node{"ap-south", "eu-west", "us-east"}
		c.ap = open(t, "dir", ap)
		pull(t, c.ap, c.us)
		copied := old.PowerCut()
		c.write(t, c.ap)
		pull(t, c.eu, c.ap)
		ap.FS = copied
		c.ap = open(t, "dir", ap)
		c.write(t, c.ap)
		pull(t, c.us, c.ap)
		c.write(t, c.us) // having seen what is void
		pull(t, c.ap, c.eu)
	}, func(c *trio) error { return c.us.Pull("ap-south", from(c.ap, "us-east")) }},
	{"a new disk", func(t testing.TB, c *trio) {
		meet(t, c.ap, c.eu, c.us)
		c.fold(t)
		c.goOn(t, new(faultfs.Disk))
	}, (*trio).pullsFromEU},
	{"a new disk that wrote", func(t testing.TB, c *trio) {
		meet(t, c.ap, c.eu, c.us)
		c.fold(t)
		c.goOn(t, new(faultfs.Disk))
		c.write(t, c.us)
	}, (*trio).pullsFromEU},
	{"a backup", func(t testing.TB, c *trio) {
		disk := c.backup(t)
		c.write(t, c.us)
		pull(t, c.eu, c.us)
		c.goOn(t, disk)
	}, (*trio).pullsFromEU},
	{"a backup with what waits for the state of another", func(t testing.TB, c *trio) {
		meet(t, c.ap, c.eu, c.us)
		disk := c.backup(t)
		c.write(t, c.ap)
		meet(t, c.ap, c.eu, c.us)
		c.fold(t)
		c.write(t, c.eu)
		c.goOn(t, disk)
		_, err := c.us.Apply("eu-west", c.eu.Since(c.us.Seen()))
		require.ErrorIs(t, err, replica.ErrBehind)
		require.NotZero(t, c.us.Status().Held)
	}, func(c *trio) error { return c.us.Pull("ap-south", from(c.ap, "us-east")) }},
}

func (c *trio) pullsFromEU() error { return c.us.Pull("eu-west", from(c.eu, "us-east")) }

// heals has all meet, until nobody has yet to find out, and holds them to what was acknowledged.
func (c *trio) heals(t testing.TB) {
	c.w.now += int64(time.Hour)
	all := []*replica.Replica{c.ap, c.eu, c.us}
	for round, clean := 0, 0; clean < 2; round++ {
		var refused error
		for _, to := range all {
			for _, of := range all {
				if to != of {
					refused = errors.Join(refused, to.Pull(name(of), from(of, name(to))))
				}
			}
		}
		if clean++; refused != nil {
			clean = 0
		}
		require.Less(t, round, 6, "%v", refused)
	}
	for range 2 {
		requireEqual(t, c.ap, c.eu, c.us)
		entries, err := c.us.Entries("k", "f").All()
		require.NoError(t, err)
		require.ElementsMatch(t, c.acked, entries)
		count, err := c.us.Counter("stock/lamp", "count").Value()
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(len(c.acked)), count.String())
		require.NoError(t, c.us.Close()) // and it is so when it is opened again
		require.NoError(t, c.open())
	}
}

// A kill between what was written to the log and the snapshot that it depends on left a directory that could never be opened:
// "operation eu-west:1 is held". And one whose disk failed just then went on to say that it had what was not there.
func TestAReplicaThatIsKilledWhileItStartsOverOpensAndLosesNothing(t *testing.T) {
	step := 1
	if testing.Short() {
		step = 5
	}
	for _, s := range starts {
		t.Run(s.name, func(t *testing.T) {
			for n, done := 0, false; !done; n += step {
				for i, how := range []string{"killed", "without power", "killed twice"} {
					if i == 2 && n%3 != 0 {
						break
					}
					c := newTrio(t)
					s.until(t, c)
					first := c.disk.Operations()
					done = true
					c.disk.Fault = func(op faultfs.Op) faultfs.Fault {
						if op.N < first+n {
							return faultfs.None
						}
						done = false
						return faultfs.Crash
					}
					if err := s.does(c); done {
						require.NoError(t, err)
					}
					said := c.us.Since(clock.Vector{}).Seen
					said.Merge(c.us.Seen())
					c.disk.Fault = nil
					c.disk.Restart()
					switch how {
					case "killed twice":
						c.disk.Fault = faultfs.From(c.disk.Operations()+n%4, faultfs.Crash)
						_ = c.open()
						c.disk.Fault = nil
						c.disk.Restart()
					case "without power":
						c.disk = c.disk.PowerCut()
					}
					require.NoError(t, c.open(), "%s at operation %d", how, n)
					require.True(t, c.us.Seen().Covers(said), "%s at operation %d: said that it had %s, and has %s", how, n, said, c.us.Seen())
					c.heals(t)
				}
			}
		})
	}
}
