package crdt

import (
	"flag"
	"fmt"
	"maps"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"

	"github.com/tiebreakhq/tiebreak/clock"
)

var logRuns = flag.Int("logs", 300, "how many random clusters of logs are tried")

// site is a replica of the simulation: a log, what was applied, and a disk.
type site struct {
	member, node clock.Node // node is the incarnation it writes under
	log          *Log[string]
	applied      map[clock.Dot]bool
	adopted      bool // it may write
	gone         bool

	stored   []Operation[string] // every operation that was delivered here
	snapshot image               // as old as may be
	backup   image               // older still, and no disk with it
}

// image is a snapshot of the log and of the state that belongs to it.
type image struct {
	log     []byte
	applied map[clock.Dot]bool
}

func (s *site) image() image { return image{must(s.log.Encode(nil)), maps.Clone(s.applied)} }

type message struct {
	from, to *site
	epoch    uint64
	op       Operation[string]
}

// logWorld is replicas of which every operation says all that its writer had seen, so that it can be told whether what is
// delivered had seen what is forgotten.
type logWorld struct {
	r     *rand.Rand
	sites []*site
	epoch Epoch
	sent  []message
	cut   map[[2]clock.Node]bool
}

func (w *logWorld) limits() LogLimits {
	if w.r.Intn(2) == 0 {
		return LogLimits{Held: 12}
	}
	return LogLimits{}
}

func (w *logWorld) join(member clock.Node) *site {
	s := &site{member: member, node: member, log: &Log[string]{Limits: w.limits()}, applied: map[clock.Dot]bool{}}
	s.snapshot, s.backup = s.image(), s.image()
	w.sites = append(w.sites, s)
	return s
}

func (w *logWorld) live() (live []*site) {
	for _, s := range w.sites {
		if !s.gone {
			live = append(live, s)
		}
	}
	return live
}

func (w *logWorld) writers() []*site {
	return slices.DeleteFunc(w.live(), func(s *site) bool { return !s.adopted })
}

// agree makes the next epoch of those who live, with the nodes closed that no live site writes under. When somebody is
// lost, it may be with him that operations were which an earlier epoch counted on.
func (w *logWorld) agree(isLoss bool) {
	e := Epoch{Number: w.epoch.Number + 1 + uint64(w.r.Intn(2))}
	if !isLoss {
		e.Lost = w.epoch.Lost.Clone()
	}
	open := map[clock.Node]bool{}
	for _, s := range w.live() {
		e.Members = append(e.Members, s.node)
		open[s.node] = true
	}
	for _, s := range w.live() {
		for node, run := range s.log.Seen().Runs() {
			if !open[node] {
				e.Lost.AddUp(node, run.Last)
			}
		}
	}
	w.epoch = e
}

// deliver applies what a log has handed out.
func (w *logWorld) deliver(s *site, ops []Operation[string]) error {
	for _, op := range ops {
		had := op.After.Clone()
		had.AddUp(op.Dot.Node, op.Dot.Seq-1)
		if s.applied[op.Dot] {
			return fmt.Errorf("%s: %s is delivered twice", s.node, op.Dot)
		}
		for node, run := range had.Runs() {
			if d := (clock.Dot{Node: node, Seq: run.Last}); !s.applied[d] {
				return fmt.Errorf("%s: %s is delivered before %s", s.node, op.Dot, d)
			}
		}
		if !had.Covers(s.log.Horizon()) {
			return fmt.Errorf("%s: %s had seen %s, and the horizon is %s", s.node, op.Dot, had, s.log.Horizon())
		}
		s.applied[op.Dot] = true
		s.stored = append(s.stored, op)
	}
	return nil
}

func (w *logWorld) enter(s *site) error {
	if err := s.log.Enter(w.epoch); err != nil {
		return fmt.Errorf("%s: %w", s.node, err)
	}
	s.snapshot = s.image()
	return w.adoptAll()
}

func (w *logWorld) enterAll() error {
	for _, s := range w.live() {
		if err := w.enter(s); err != nil {
			return err
		}
	}
	return nil
}

// adoptAll has those who joined take over a state, once all have entered the epoch.
func (w *logWorld) adoptAll() error {
	for _, s := range w.live() {
		if s.log.Epoch().Number != w.epoch.Number {
			return nil
		}
	}
	for _, s := range w.live() {
		if !s.adopted {
			from := w.writers()
			if err := w.copyState(from[w.r.Intn(len(from))], s); err != nil {
				return err
			}
			s.adopted = true
		}
	}
	return nil
}

func (w *logWorld) copyState(from, to *site) error {
	maps.Copy(to.applied, from.applied)
	ops, err := to.log.Adopt(from.log.Seen().Clone())
	if err != nil {
		return fmt.Errorf("%s from %s: %w", to.node, from.node, err)
	}
	if err := w.deliver(to, ops); err != nil {
		return err
	}
	to.snapshot = to.image()
	return nil
}

func (w *logWorld) write(s *site) error {
	d := s.log.Seen().Next(s.node)
	op := Operation[string]{Dot: d, After: s.log.Seen().Clone(), Size: 10, Payload: d.String()}
	copy(op.Sum[:], d.String())
	arrival, ops := s.log.Apply(s.member, op)
	if arrival != Delivered {
		return fmt.Errorf("%s: its own %s is %s", s.node, d, arrival)
	}
	return w.deliver(s, ops)
}

// receive is what a gate and a log do with a message.
func (w *logWorld) receive(m message) error {
	if m.to.gone || !m.to.adopted || m.epoch != m.to.log.Epoch().Number {
		return nil
	}
	wasThere := m.to.applied[m.op.Dot]
	arrival, ops := m.to.log.Apply(m.from.member, m.op)
	switch {
	case arrival == Invalid, arrival == Reused, wasThere != (arrival == Duplicate || arrival == BelowHorizon) && arrival != Duplicate:
		return fmt.Errorf("%s: %s is %s", m.to.node, m.op.Dot, arrival)
	}
	return w.deliver(m.to, ops)
}

// exchange sends all that a peer lacks, or a copy of the state.
func (w *logWorld) exchange(from, to *site) error {
	if from == to || from.log.Epoch().Number != to.log.Epoch().Number || !from.adopted || !to.adopted {
		return nil
	}
	if !from.log.Reaches(to.log.Seen()) {
		return w.copyState(from, to)
	}
	for op := range from.log.Since(to.log.Seen().Clone()) {
		if err := w.receive(message{from, to, from.log.Epoch().Number, op}); err != nil {
			return err
		}
	}
	return nil
}

func (w *logWorld) step(kind int) error {
	r := w.r
	live, writers := w.live(), w.writers()
	s, peer := live[r.Intn(len(live))], live[r.Intn(len(live))]
	isCut := w.cut[[2]clock.Node{s.node, peer.node}]
	switch {
	case kind < 30:
		return w.write(writers[r.Intn(len(writers))])
	case kind < 50: // some operations go on their way
		if isCut || !s.adopted {
			return nil
		}
		for op := range s.log.Since(peer.log.Seen()) {
			for range r.Intn(3) { // dropped, sent, sent twice
				w.sent = append(w.sent, message{s, peer, s.log.Epoch().Number, op})
			}
		}
	case kind < 90: // one arrives, whichever
		for range 4 {
			if len(w.sent) == 0 {
				return nil
			}
			i := r.Intn(min(20, len(w.sent)))
			m := w.sent[i]
			if r.Intn(8) > 0 {
				w.sent = slices.Delete(w.sent, i, i+1)
			}
			if err := w.receive(m); err != nil {
				return err
			}
		}
	case kind < 100:
		if !isCut {
			return w.exchange(s, peer)
		}
	case kind < 120: // what a member has is on its disk
		if s.adopted && !isCut && s.log.Epoch().Number == peer.log.Epoch().Number {
			return peer.log.Acknowledge(s.member, s.log.Seen())
		}
	case kind < 128:
		s.log.Compact()
	case kind < 132:
		s.snapshot = s.image()
	case kind < 134:
		s.backup = s.image()
	case kind < 140: // a restart, from a snapshot that may be stale
		return w.restart(s)
	case kind < 146:
		w.cut[[2]clock.Node{s.node, peer.node}] = !isCut
	case kind < 150:
		clear(w.cut)
	case kind < 153:
		if len(live) < 8 && len(w.sites) < 14 {
			w.join(clock.Node(fmt.Sprintf("n%d", len(w.sites))))
			w.agree(false)
		}
	case kind < 156: // one leaves, after it has passed on what it has, and others have caught up with its epoch
		if len(writers) < 3 || !s.adopted {
			return nil
		}
		if err := w.enterAll(); err != nil {
			return err
		}
		if peer == s {
			return nil
		}
		if err := w.exchange(s, peer); err != nil {
			return err
		}
		s.gone = true
		w.agree(false)
	case kind < 159: // one is lost; the survivors agree and enter at once
		if len(writers) < 3 || !s.adopted {
			return nil
		}
		s.gone = true
		w.agree(true)
		return w.enterAll()
	case kind < 161: // one is lost, and goes on from an old backup under another name
		if len(writers) < 3 || !s.adopted || s.log.Epoch().Number == 0 {
			return nil
		}
		_, again := s.node.Incarnation()
		log := &Log[string]{Limits: w.limits()}
		if err := log.Decode(s.backup.log, Limits{}); err != nil {
			return err
		}
		s.log, s.applied, s.stored, s.adopted = log, map[clock.Dot]bool{}, nil, false
		s.gone = true // while the others say what they have
		w.agree(true)
		s.gone = false
		maps.Copy(s.applied, s.backup.applied)
		s.node = clock.Node(fmt.Sprintf("%s~%d", s.member, again+1))
		w.epoch.Members = append(w.epoch.Members, s.node)
		if log.Enter(w.epoch) != nil { // the backup has what nobody else has: it starts with nothing
			s.log, s.applied = &Log[string]{Limits: w.limits()}, map[clock.Dot]bool{}
		}
		s.snapshot = s.image()
		s.backup = s.snapshot
		return w.enterAll()
	default: // entering late
		return w.enter(s)
	}
	return nil
}

func (w *logWorld) restart(s *site) error {
	if !s.adopted {
		return nil
	}
	was := s.log.Seen().Clone()
	log := &Log[string]{Limits: w.limits()}
	if err := log.Decode(s.snapshot.log, Limits{}); err != nil {
		return fmt.Errorf("%s: %w", s.node, err)
	}
	if again := must(log.Encode(nil)); string(again) != string(s.snapshot.log) {
		return fmt.Errorf("%s: %x is encoded as %x", s.node, s.snapshot.log, again)
	}
	stored := s.stored
	s.log, s.applied, s.stored = log, maps.Clone(s.snapshot.applied), slices.Clone(stored)
	shuffled := slices.Clone(stored)
	w.r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	rest, err := log.Retain(shuffled)
	if err != nil {
		return fmt.Errorf("%s: %w", s.node, err)
	}
	for _, op := range stored { // in the order of the disk
		if !slices.ContainsFunc(rest, func(r Operation[string]) bool { return r.Dot == op.Dot }) {
			continue
		}
		arrival, ops := log.Apply(s.member, op)
		if arrival != Delivered {
			return fmt.Errorf("%s: %s of the disk is %s", s.node, op.Dot, arrival)
		}
		for _, op := range ops {
			s.applied[op.Dot] = true
		}
	}
	if !log.Seen().Equal(was) {
		return fmt.Errorf("%s: seen %s, and %s after a restart", s.node, was, log.Seen())
	}
	return nil
}

// heal lets all enter the last epoch and exchange all they have, until they agree on what can be forgotten: everything.
func (w *logWorld) heal() error {
	if err := w.enterAll(); err != nil {
		return err
	}
	live := w.live()
	union := map[clock.Dot]bool{}
	for _, s := range live {
		maps.Copy(union, s.applied)
	}
	for range 3 {
		for _, from := range live {
			for _, to := range live {
				if err := w.exchange(from, to); err != nil {
					return err
				}
			}
		}
	}
	for _, s := range live {
		if !maps.Equal(s.applied, union) {
			return fmt.Errorf("%s has %d operations, all have %d", s.node, len(s.applied), len(union))
		}
		if !s.log.Seen().Equal(live[0].log.Seen()) {
			return fmt.Errorf("%s has seen %s, %s %s", s.node, s.log.Seen(), live[0].node, live[0].log.Seen())
		}
		if n := len(s.log.Waiting().Sources); n > 0 || !s.log.Waiting().Missing.IsEmpty() {
			return fmt.Errorf("%s waits for %s", s.node, s.log.Waiting().Missing)
		}
	}
	for _, s := range live {
		for _, from := range live {
			if err := s.log.Acknowledge(from.member, from.log.Seen()); err != nil {
				return err
			}
		}
		s.log.Compact()
		if n, bytes := s.log.Retained(); n != 0 || bytes != 0 || !s.log.Horizon().Equal(s.log.Seen()) {
			return fmt.Errorf("%s keeps %d operations of %d bytes above %s, of %s", s.node, n, bytes, s.log.Horizon(), s.log.Seen())
		}
	}
	return nil
}

func runLogs(size int, seed int64, steps []uint8) error {
	w := &logWorld{r: rand.New(rand.NewSource(seed)), cut: map[[2]clock.Node]bool{}}
	for i := range size {
		w.join(clock.Node(fmt.Sprintf("n%d", i))).adopted = true
	}
	w.agree(false)
	if err := w.enterAll(); err != nil {
		return err
	}
	for i, kind := range steps {
		if err := w.step(int(kind) % 170); err != nil {
			return fmt.Errorf("step %d (%d): %w", i, kind, err)
		}
	}
	if err := w.heal(); err != nil {
		return fmt.Errorf("at last: %w", err)
	}
	return nil
}

func TestClustersOfLogsDeliverEverythingOnceAndForgetOnlyWhatAllHave(t *testing.T) {
	parameters := gopter.DefaultTestParametersWithSeed(1)
	parameters.MinSuccessfulTests = *logRuns
	if testing.Short() {
		parameters.MinSuccessfulTests = 50
	}
	parameters.MaxSize = 400
	properties := gopter.NewProperties(parameters)
	properties.Property("logs agree", prop.ForAll(func(size int, seed int64, steps []uint8) string {
		if err := runLogs(size, seed, steps); err != nil {
			return fmt.Sprintf("%v\nsize %d, seed %d, steps %v", err, size, seed, steps)
		}
		return ""
	}, gen.IntRange(3, 8), gen.Int64(), gen.SliceOf(gen.UInt8())))
	var report strings.Builder
	if !properties.Run(gopter.NewFormatedReporter(true, 160, &report)) {
		t.Error(report.String())
	}
}
