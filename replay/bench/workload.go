package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
)

// workload says what history to make. Equal workloads make equal bytes.
type workload struct {
	writes int     // distinct ones
	keys   int     // that may be written
	zipf   float64 // exponent of the choice of keys, below 1; 0 chooses all alike

	conflicts  float64 // share of writes that take the version that another node has just taken
	ties       float64 // share of those that take its time too
	duplicates float64 // share of writes that are delivered again
	counters   float64 // share of writes that add to a counter
	hot        float64 // share of writes that go to one key
	deletes    float64 // share of writes to other keys that delete the record
	reads      float64 // for each write; of keys that are no counters

	regions int // that write, each of which has a feed; 0 for one history of all

	form  form
	mixed bool // members stand in a different order on each line
	seen  seen // how native lines say what their writers had seen
	seed  uint64
}

// The nodes of every workload, lowest first.
var nodes = [...]string{"ap-south", "eu-west", "us-east"}

// begin is when a workload begins, in nanoseconds since 1970.
const begin = int64(1_750_000_000_000_000_000)

// How far a history is from the order of its writes: lines change places within a window, and come again up to so many
// lines later.
const (
	window = 4096
	late   = 200_000
)

// write is one write of a workload.
type write struct {
	key     int
	add     bool
	gone    bool  // it deletes the record
	value   int64 // of which its text is made, or what it adds
	node    int
	seq     int64
	version int64
	time    int64
	seen    [len(nodes)]int64 // up to which number of each node its writer had seen; of the other nodes alone
}

// read is one read of a workload, which saw the write of a node and number, or nothing.
type read struct {
	key     int
	want    string
	saw     dot
	node    int // that answered
	time    int64
	session int
}

// wants are what reads are promised, one as often as the other.
var wants = [...]string{"strong", "session", "bounded:1s", "eventual"}

// stale is the share of reads that see the write before the last one.
const stale = 0.01

// past is what the generator remembers of a key.
type past struct {
	version int32
	node    int8
	tied    bool
	time    int64
	last    [2]dot // the writes to it, the last one first; for reads
}

type dot struct {
	node int
	seq  int64
}

// again is a write that is to come again once so many lines have been written, and after those that wait before it.
type again struct {
	at int
	write
}

// generate writes the history.
func (w *workload) generate(to io.Writer) error {
	out := bufio.NewWriterSize(to, 1<<20)
	r := newRand(w.seed)
	choose := w.chooser(r)
	keys := make([]past, w.keys)
	var seqs [len(nodes)]int64
	var known [len(nodes)][len(nodes)]int64 // by node, what it has seen of the others
	now := begin
	counters := int(w.counters * float64(w.keys))

	var line []byte
	written := 0
	put := func(one *write) error {
		line = w.append(line[:0], one, r)
		written++
		_, err := out.Write(line)
		return err
	}
	var waiting []again
	held := make([]write, 0, window)
	emit := func(one write) error {
		if r.Float64() < w.duplicates {
			waiting = append(waiting, again{written + r.IntN(late), one})
		}
		if err := put(&one); err != nil {
			return err
		}
		for len(waiting) > 0 && waiting[0].at <= written {
			if err := put(&waiting[0].write); err != nil {
				return err
			}
			waiting = waiting[1:]
		}
		return nil
	}
	for range w.writes {
		one := write{key: choose(), node: r.IntN(len(nodes)), value: r.Int64N(1 << 40)}
		now += 1 + r.Int64N(2_000_000)
		one.time = now
		k := &keys[one.key]
		one.add = one.key < counters
		one.gone = !one.add && w.deletes > 0 && r.Float64() < w.deletes
		if k.version > 0 && r.Float64() < w.conflicts {
			one.node = (int(k.node) + 1 + r.IntN(len(nodes)-1)) % len(nodes)
			if k.tied = !k.tied && r.Float64() < w.ties; k.tied { // twice in a row could give a node two writes of one stamp
				one.time = k.time
			}
		} else {
			k.version, k.tied = k.version+1, false
		}
		k.node, k.time = int8(one.node), one.time
		if w.seen != "" && r.IntN(len(nodes)) == 0 { // another node has told all that it knows
			from := (one.node + 1 + r.IntN(len(nodes)-1)) % len(nodes)
			of := known[from]
			of[from] = seqs[from]
			for n, up := range of {
				known[one.node][n] = max(known[one.node][n], up)
			}
			known[one.node][one.node] = 0
		}
		one.seen = known[one.node]
		seqs[one.node]++
		one.version, one.seq = int64(k.version), seqs[one.node]
		k.last = [2]dot{{one.node, one.seq}, k.last[0]}
		for left := w.reads; left > 0 && r.Float64() < left; left-- {
			look := read{key: choose(), want: wants[r.IntN(len(wants))], node: r.IntN(len(nodes)), time: now + called + 1, session: r.IntN(1000)}
			if look.key < counters {
				continue
			}
			if look.saw = keys[look.key].last[0]; r.Float64() < stale {
				look.saw = keys[look.key].last[1]
			}
			line = look.append(line[:0])
			if _, err := out.Write(line); err != nil {
				return err
			}
		}
		if len(held) < window {
			held = append(held, one)
			continue
		}
		i := r.IntN(window)
		one, held[i] = held[i], one
		if err := emit(one); err != nil {
			return err
		}
	}
	for _, one := range held {
		if err := emit(one); err != nil {
			return err
		}
	}
	for i := range waiting {
		if err := put(&waiting[i].write); err != nil {
			return err
		}
	}
	return out.Flush()
}

// chooser returns what chooses the key of the next write.
func (w *workload) chooser(r *rand.Rand) func() int {
	choose := func() int { return r.IntN(w.keys) }
	if w.zipf > 0 {
		choose = zipf(r, w.keys, w.zipf)
	}
	if w.hot == 0 {
		return choose
	}
	return func() int {
		if r.Float64() < w.hot {
			return w.keys - 1
		}
		return choose()
	}
}

// zipf chooses from n by a power law with an exponent from 0 to 1 (not included), by inverting the integral of it, which
// is off by little and costs no table. The ranks are scattered over the keys, so that the most frequent are not
// neighbours.
func zipf(r *rand.Rand, n int, exponent float64) func() int {
	top := math.Pow(float64(n)+1, 1-exponent) - 1
	step := scatter(n)
	return func() int {
		rank := int(math.Pow(r.Float64()*top+1, 1/(1-exponent))) - 1
		return int(uint64(min(max(rank, 0), n-1)) * step % uint64(n))
	}
}

// scatter returns a number without a common divisor with n, about 0.618 of it.
func scatter(n int) uint64 {
	step := max(uint64(float64(n)*0.618), 1)
	for gcd(step, uint64(n)) > 1 {
		step++
	}
	return step
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// check returns what is wrong with a workload.
func (w *workload) check() error {
	switch {
	case w.writes < 1 || w.keys < 1:
		return fmt.Errorf("%d writes to %d keys: want at least one of each", w.writes, w.keys)
	case w.reads < 0 || w.reads > 0 && w.form != native:
		return fmt.Errorf("-reads %v: want a number from 0, and native lines", w.reads)
	case w.seen != "" && w.form != native:
		return fmt.Errorf("-seen %s: only native lines say what their writers had seen", w.seen)
	case w.zipf < 0 || w.zipf >= 1:
		return fmt.Errorf("-zipf %v: want an exponent from 0 up to 1", w.zipf)
	}
	if w.regions != 0 {
		if err := w.checkRegions(); err != nil {
			return err
		}
	}
	for _, share := range []float64{w.conflicts, w.ties, w.duplicates, w.counters, w.deletes, w.hot} {
		if share < 0 || share > 1 {
			return fmt.Errorf("%v is no share: want 0 to 1", share)
		}
	}
	return nil
}

// newRand returns what all chance of a workload comes from.
func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
