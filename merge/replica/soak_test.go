package replica_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

var (
	soakFor  = flag.Duration("soak", 0, "how long TestSoak runs; 0 is not at all")
	soakRate = flag.Int("soakrate", 300, "writes a second in each of its three regions")
)

// soaked is one region of a soak: a replica on disk that is closed and opened again now and then.
type soaked struct {
	mu   sync.RWMutex // held for writing while it is opened again
	r    *replica.Replica
	dir  string
	opt  replica.Options
	away atomic.Bool // nothing gets through to it
}

// minute is a line of the table that a soak prints.
type minute struct {
	rss, heap, disk     float64 // MiB
	goroutines          int
	writes              int
	p50, p99, max       time.Duration
	retained, keys      int
	conflicts, refusals int64
}

// TestSoak runs three regions on disk for -soak, under load: writes of every kind of rule to 6,000 keys, exchange ten times a
// second, a region cut off for a minute of every ten, another one closed and opened in every seventh. It prints a line a
// minute. When the first quarter is over, memory must be flat: neither the heap after a collection nor the resident memory of
// the last quarter may exceed that of the second quarter by more than a tenth, median against median, nor may the disk or the
// number of goroutines. In the end all regions are equal.
//
//	go test ./merge/replica -run TestSoak -soak 1h -timeout 2h -v
//
// The table of a run is in testdata/soak.txt.
func TestSoak(t *testing.T) {
	if *soakFor == 0 {
		t.Skip("only with -soak")
	}
	table := merge.MustParseTable(`nodes ap-south < eu-west < us-east
ledger/*  *      refuse
stock/*   count  counter
cart/*    items  add-wins
flag/*    *      enable-wins
both/*    *      keep-all
*         *      lww
`)
	var regions []*soaked
	for _, node := range table.Nodes {
		s := &soaked{dir: t.TempDir(), opt: replica.Options{
			Node: node, Table: table, SnapshotBytes: 1 << 20, KeepBytes: 16 << 20, Requests: 10_000,
		}}
		r, err := replica.Open(s.dir, s.opt)
		require.NoError(t, err)
		s.r = r
		regions = append(regions, s)
	}
	begun := time.Now()
	over := func() bool { return time.Since(begun) > *soakFor }
	var tookMu sync.Mutex
	var took []time.Duration
	var group sync.WaitGroup
	const writers = 8
	for i, s := range regions {
		for w := range writers {
			group.Go(func() {
				chance := rand.New(rand.NewPCG(uint64(i), uint64(w)))
				tick := time.NewTicker(time.Second * writers / time.Duration(*soakRate))
				defer tick.Stop()
				for !over() {
					<-tick.C
					s.mu.RLock()
					before := time.Now()
					_, err := s.r.Write(soakWrite(chance))
					tookMu.Lock()
					took = append(took, time.Since(before))
					tookMu.Unlock()
					s.mu.RUnlock()
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		group.Go(func() { // it gets what the others wrote, and remembers no more than it must
			tick := time.NewTicker(100 * time.Millisecond)
			defer tick.Stop()
			for !over() {
				<-tick.C
				for _, other := range regions {
					if other != s && !s.away.Load() && !other.away.Load() {
						if err := s.pull(other); err != nil {
							t.Error(err)
							return
						}
					}
				}
			}
		})
	}
	var lines []minute
	last := begun
	for n := 1; !over(); n++ {
		time.Sleep(min(time.Minute, *soakFor/8, max(0, *soakFor-time.Since(begun))))
		regions[2].away.Store(n%10 == 5)
		if n%7 == 3 {
			s := regions[n%3]
			s.mu.Lock()
			require.NoError(t, s.r.Close())
			r, err := replica.Open(s.dir, s.opt) // and no Cleanup, which would keep it
			require.NoError(t, err)
			s.r = r
			s.mu.Unlock()
		}
		tookMu.Lock()
		latest := took
		took = nil
		tookMu.Unlock()
		m := measure(t, regions, latest)
		if n == 1 {
			t.Logf("%6s %7s %9s %8s %8s %10s %8s %8s %8s %9s %6s %9s %8s", "min", "rss/MiB", "heap/MiB", "disk/MiB",
				"gorout.", "writes/s", "p50/ms", "p99/ms", "max/ms", "retained", "keys", "conflicts", "refused")
		}
		ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
		t.Logf("%6.1f %7.1f %9.2f %8.1f %8d %10.0f %8.1f %8.1f %8.1f %9d %6d %9d %8d", time.Since(begun).Minutes(), m.rss, m.heap, m.disk,
			m.goroutines, float64(m.writes)/time.Since(last).Seconds(), ms(m.p50), ms(m.p99), ms(m.max), m.retained, m.keys, m.conflicts, m.refusals)
		last = time.Now()
		lines = append(lines, m)
	}
	group.Wait()
	requireFlat(t, lines)
	regions[2].away.Store(false)
	var all []*replica.Replica
	for _, s := range regions {
		all = append(all, s.r)
	}
	meet(t, all...)
	requireEqual(t, all...)
}

func soakWrite(chance *rand.Rand) replica.Write {
	key := strconv.Itoa(chance.IntN(1000))
	set := func(key, field string, v value.Value) replica.Write {
		return replica.Write{Key: key, Fields: []merge.Field{{Name: field, Value: v}}, Request: strconv.FormatUint(chance.Uint64(), 36)}
	}
	switch chance.IntN(7) {
	case 0:
		w := set("stock/"+key, "count", value.Int(int64(chance.IntN(9)-4)))
		w.Kind = merge.Add
		return w
	case 1:
		w := set("cart/"+key, "items", value.Int(int64(chance.IntN(20))))
		w.Kind = []merge.Kind{merge.Insert, merge.Remove}[chance.IntN(2)]
		return w
	case 2:
		return set("flag/"+key, "on", value.Bool(chance.IntN(2) == 0))
	case 3:
		return set("both/"+key, "note", value.Int(int64(chance.IntN(100))))
	case 4:
		return set("ledger/"+key, "balance", value.Int(int64(chance.IntN(100))))
	case 5:
		return replica.Write{Key: "orders/" + key, Kind: merge.Delete}
	}
	return set("orders/"+key, "status", value.Text("status "+strconv.Itoa(chance.IntN(100))))
}

func (s *soaked) pull(other *soaked) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	err := s.r.Pull(other.opt.Node, func(request []byte) ([]byte, error) {
		if !other.mu.TryRLock() { // it is being opened
			return nil, errAway
		}
		defer other.mu.RUnlock()
		return other.r.Serve(s.opt.Node, request), nil
	})
	if errors.Is(err, errAway) {
		return nil
	}
	return err
}

var errAway = errors.New("away")

// measure has everybody wait: what is allocated while memory is collected would count as if it were kept. It has all audited,
// so that their digests, 2.6 MiB for each, are there from the first minute on.
func measure(t *testing.T, regions []*soaked, took []time.Duration) (m minute) {
	for _, s := range regions {
		s.mu.Lock()
		defer s.mu.Unlock()
	}
	for i, s := range regions {
		other := regions[(i+1)%len(regions)]
		equal, err := s.r.Audit(other.opt.Node, from(other.r, s.opt.Node))
		if err != nil || !equal {
			t.Errorf("audit of %s by %s: %v %v", other.opt.Node, s.opt.Node, equal, err)
		}
	}
	for _, s := range regions {
		status := s.r.Status()
		m.retained += status.Retained
		m.keys = status.Keys
		m.conflicts += status.Conflicts
		for _, n := range status.Refused {
			m.refusals += n
		}
		_ = filepath.WalkDir(s.dir, func(_ string, d fs.DirEntry, err error) error {
			if err == nil {
				if info, err := d.Info(); err == nil {
					m.disk += float64(info.Size()) / (1 << 20)
				}
			}
			return nil
		})
	}
	slices.Sort(took)
	if n := len(took); n > 0 {
		m.writes, m.p50, m.p99, m.max = n, took[n/2], took[n*99/100], took[n-1]
	}
	m.goroutines = runtime.NumGoroutine()
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := bytes.Fields(statm); len(f) > 1 {
			pages, _ := strconv.Atoi(string(f[1]))
			m.rss = float64(pages*os.Getpagesize()) / (1 << 20)
		}
	}
	runtime.GC()
	runtime.GC() // and what had to be finished off first
	var mem runtime.MemStats
	runtime.ReadMemStats(&mem)
	m.heap = float64(mem.HeapAlloc) / (1 << 20)
	return m
}

// requireFlat compares the last quarter with the second.
func requireFlat(t *testing.T, all []minute) {
	quarter := len(all) / 4
	if quarter == 0 {
		t.Fatal("too short to say anything")
	}
	early, late := all[quarter:2*quarter], all[len(all)-quarter:]
	for _, of := range []struct {
		what string
		get  func(minute) float64
	}{
		{"heap", func(m minute) float64 { return m.heap }},
		{"resident memory", func(m minute) float64 { return m.rss }},
		{"disk", func(m minute) float64 { return m.disk }},
		{"goroutines", func(m minute) float64 { return float64(m.goroutines) }},
	} {
		median := func(ms []minute) float64 {
			var v []float64
			for _, m := range ms {
				v = append(v, of.get(m))
			}
			slices.Sort(v)
			return v[len(v)/2]
		}
		was, is := median(early), median(late)
		t.Logf("%s: %.1f in the second quarter, %.1f in the last", of.what, was, is)
		if is > was*1.1 {
			t.Errorf("%s is not flat: %.1f in the second quarter, %.1f in the last", of.what, was, is)
		}
	}
}
