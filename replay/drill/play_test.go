package drill_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/drill"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// site is a service as one might write it: it keeps its state by the fold, and sends what it writes to the other site in the
// background, again and again while nobody answers.
type site struct {
	name  string
	other *site
	delay time.Duration

	mu    sync.Mutex
	state *merge.State
	seq   uint64
	cut   bool
	log   *strings.Builder // what it wrote, as a history
}

func (s *site) write(t *testing.T, key, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seq++
	now := time.Now().UnixNano()
	op := merge.Op{Key: key, Kind: merge.Set, Fields: []merge.Field{{Name: "f", Value: value.Text(text)}},
		Stamp: lww.Stamp{Time: clock.Timestamp{Wall: now}, Node: clock.Node(s.name)},
		ID:    fmt.Sprintf("%s:%d", s.name, s.seq), Dot: clock.Dot{Node: clock.Node(s.name), Seq: s.seq}}
	_, err := s.state.Apply(op)
	require.NoError(t, err)
	fmt.Fprintf(s.log, `{"key":%q,"field":"f","value":%q,"node":%q,"time":%d,"id":%q}`+"\n", key, text, s.name, now, op.ID)
	go func() {
		for !s.send(op) {
			time.Sleep(time.Second)
		}
	}()
}

// send delivers an operation, and reports whether the link carried it.
func (s *site) send(op merge.Op) bool {
	time.Sleep(s.delay)
	s.mu.Lock()
	cut := s.cut
	s.mu.Unlock()
	if cut {
		return false
	}
	s.other.mu.Lock()
	defer s.other.mu.Unlock()
	_, err := s.other.state.Apply(op)
	return err == nil
}

// A service's own code takes part in a drill: the script cuts it off by the clock, in a bubble in which the hours take no
// time; and the simulation of the history that it leaves agrees with what became of it.
func TestAServiceTakesPartInADrill(t *testing.T) {
	script := drill.MustParseScript(`
		region eu = eu
		region us = us
		link * 80ms
		at 12:00 cut eu us for 20m owner "network"
	`)
	table := merge.MustParseTable("nodes eu < us\n* * lww")
	var log strings.Builder
	var eu, us *site
	synctest.Test(t, func(t *testing.T) {
		eu = &site{name: "eu", delay: 80 * time.Millisecond, state: merge.NewState(table), log: &log}
		us = &site{name: "us", delay: 80 * time.Millisecond, state: merge.NewState(table), log: &log, other: eu}
		eu.other = us
		go script.Play(func(a drill.Action, over bool) {
			if a.Kind == drill.Cut {
				for _, s := range []*site{eu, us} {
					s.mu.Lock()
					s.cut = !over
					s.mu.Unlock()
				}
			}
		})
		time.Sleep(11*time.Hour + 59*time.Minute)
		eu.write(t, "cart/1", "before")
		time.Sleep(6 * time.Minute)
		us.write(t, "cart/1", "ours")
		time.Sleep(time.Minute)
		eu.write(t, "cart/1", "theirs")
		time.Sleep(time.Second)
		require.NotEqual(t, state(eu), state(us), "they are apart")
		time.Sleep(time.Hour)
		synctest.Wait()
		require.Equal(t, state(eu), state(us), "and agree after the heal")
	})

	traffic, err := drill.Collect([]history.Source{history.Reader("service", strings.NewReader(log.String()))}, history.Options{})
	require.NoError(t, err)
	lines := map[string]string{}
	r, err := drill.Run(script, table, traffic, drill.Options{State: func(region string, l replay.StateLine) {
		lines[region] += fmt.Sprintf("%s %s %s\n", l.Key, l.Field, l.Value)
	}})
	require.NoError(t, err)
	require.EqualValues(t, 1, r.Totals[drill.Lost])
	require.Equal(t, lines["eu"], state(eu))
	require.Equal(t, lines["us"], state(us))
}

func state(s *site) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for key, c := range s.state.Cells() {
		fmt.Fprintf(&b, "%s %s %s\n", key, c.Name, c.Value())
	}
	return b.String()
}
