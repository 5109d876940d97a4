package drill

import (
	"github.com/tiebreakhq/tiebreak/replay/reads"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

// Promise returns what a read of a key that wants nothing is held to when the history is judged as it was recorded: what the
// script says of the key's class. Local is [reads.Eventual], and a number of regions [reads.Quorum].
func (s *Script) Promise(key string) reads.Level {
	at := s.classOf(key)
	if at < 0 {
		return reads.Level{}
	}
	switch l := s.Classes[at].Reads; l.Kind {
	case Some:
		return reads.Level{Kind: reads.Quorum}
	case Bounded:
		return reads.Level{Kind: reads.Bounded, Bound: l.Bound}
	case Session:
		return reads.Level{Kind: reads.Session}
	}
	return reads.Level{}
}

// recorded writes what the reads of the history were on the day itself, without any drill.
func (p *page) recorded(r *reads.Report) {
	if r == nil || r.Reads == 0 {
		return
	}
	p.Title("Reads, as recorded")
	p.Table(report.ReadsTable(r))
	p.Line("")
	for _, text := range append(report.ReadsNotes(r), report.ReadsUntold(r)...) {
		p.Item(text)
	}
	if len(r.Worst) > 0 {
		p.Line("")
		for _, text := range report.ReadStory(&r.Worst[0]) {
			p.Item(text)
		}
	}
}
