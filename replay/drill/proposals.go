package drill

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// Proposal is what to do about a gap that a drill has shown.
type Proposal struct {
	Gap  string `json:"gap"`
	Do   string `json:"do"`
	Line int    `json:"line,omitempty"` // of the script
}

// propose turns gaps into proposals.
func (w *world) propose(r *Result) {
	add := func(line int, do, gap string, args ...any) {
		p := Proposal{Gap: fmt.Sprintf(gap, args...), Do: do, Line: line}
		if !slices.Contains(r.Proposals, p) {
			r.Proposals = append(r.Proposals, p)
		}
	}
	for _, c := range r.Checks {
		switch {
		case c.Untried != "" && !c.Passed:
			add(c.Line, "mend its class or keys, or say that it may be so, by \"or idle\" behind the limit", "%q could measure nothing: %s", c.Check, c.Untried)
		case c.Passed:
		case r.calm != nil && c.Calm != nil && r.calm.check(c.Line).failed():
			add(c.Line, "mend the check, or the day, before the incidents: what they add can't show in it",
				"%q fails without the incidents too", c.Check)
		case c.Rollback == "":
			add(c.Line, "say what to do when it fails, as in: else rollback heal", "%q failed and has no rollback", c.Check)
		case c.Final > c.Value:
			add(c.Line, "roll back sooner, by a stricter check, or by another rollback",
				"%q failed at %s, and rose from %s to %s after the rollback", c.Check, c.At, c.Measure.Text(c.Value), c.Measure.Text(c.Final))
		}
	}
	for _, t := range r.Timers {
		switch {
		case !t.Ran:
			add(t.Line, "mend the script, or check why the event did not come", "%q never ran", t.Timer)
		case t.Untried != "" && !t.Met:
			add(t.Line, "mend its class or keys, or say that it may be so, by \"or idle\" behind the limit", "%q could measure nothing: %s", t.Timer, t.Untried)
		case !t.Met && w.script.narrow():
			add(t.Line, "give the links more bandwidth, the timer more time, or the drill less load", "%q was missed", t.Timer)
		case !t.Met:
			add(t.Line, "give the timer more time, or find out what takes it: the links have no bandwidth that could be more", "%q was missed", t.Timer)
		case t.Deadline > t.Began && t.Took > time.Duration(t.Deadline-t.Began)*4/5:
			do := "find out what it will be with more load: see the limit"
			if !w.script.narrow() {
				do = "give the timer more time, or give the links their bandwidth, to find out what it will be with more load"
			}
			add(t.Line, do, "%q was met with less than a fifth of its time left", t.Timer)
		}
	}
	w.proposeForClasses(r, add)
	for _, l := range r.Links {
		if l.Left > 0 {
			add(0, "heal every cut and start every region before the script ends",
				"%d writes were still on the way from %s to %s at the end", l.Left, l.From, l.To)
		}
	}
	held := int64(0)
	for _, o := range r.AtOdds {
		held = max(held, o.Held)
	}
	if r.Mixed {
		add(0, "finish the change of the table, or take it back, before the script ends", "regions end under different rule tables")
	}
	if held > 0 {
		add(0, "bring the table to every region within the time for which writes may be stuck, and stop the writes of critical classes meanwhile",
			"up to %s writes were held back between two regions with different rule tables", layout.Number(held))
	}
	if n := r.Totals[Unknown]; n > 0 {
		add(0, "let the callers try again under the same id, or read before they do: the write may be in force",
			"%d writes were made whose clients never got an answer%s", n, r.without(Unknown))
	}
	if n := r.Totals[Vanished]; n > 0 {
		add(0, "let writes be acknowledged by two regions, or keep a log beside the backups",
			"a restart from a backup lost %d acknowledged writes that nobody else had", n)
	}
	if n := r.Totals[Hidden]; n > 0 {
		add(0, "ask whether these writers would have acted otherwise: the drill replays what they did",
			"%d writers had seen what the drill hid from them%s", n, r.without(Hidden))
	}
	for _, name := range w.script.named {
		if w.script.region(name) < 0 && !slices.Contains(w.t.nodes, clock.Node(name)) {
			add(0, "check its name", "the script names %s, which writes and reads nothing in this history", quote(name))
		}
	}
	for _, st := range w.script.Steps {
		if st.Do.Kind == Tell && st.Owner == "" {
			add(st.Line, "name one, as in: owner \"support\"", "the step %s has no owner", quote(st.Do.A))
		}
	}
	if len(w.script.Checks) == 0 && len(w.script.Timers) == 0 {
		add(0, "say what must hold, as in: check lost == 0", "the drill has no checks and no timers, so it can't fail")
	}
}

func (w *world) proposeForClasses(r *Result, add func(line int, do, gap string, args ...any)) {
	for _, c := range w.classes {
		if n := c.tally[splitIndex]; n > 0 {
			do := fmt.Sprintf("write %s by quorum", c.Name)
			if c.Writes.Kind == Some && 2*c.Writes.Regions > len(w.script.Regions) { // two sides have a region in common
				do = "let a region that came back from a backup catch up with all others before it is asked: it has forgotten what a quorum had"
			}
			add(c.Line, do, "two sides both wrote %d keys of class %s", n, c.Name)
		}
		if n := c.tally[refusedIndex]; n > 0 && c.Writes.Kind == Some {
			add(c.Line, "tell the callers how they are to wait or degrade, or let fewer regions suffice",
				"%d writes of class %s were refused%s", n, c.Name,
				r.withoutInClass(c.Name, func(c *ClassSum) int64 { return c.Counts[Refused] }, n))
		}
		if n := c.doomed; n > 0 {
			add(c.Line, fmt.Sprintf("read %s by quorum where it matters", c.Name),
				"%d reads of class %s showed writes that were lost later%s", n, c.Name,
				r.withoutInClass(c.Name, func(c *ClassSum) int64 { return c.Doomed }, n))
		}
		if n := c.regressed; n > 0 {
			add(c.Line, fmt.Sprintf("let the reads of %s be of a session", c.Name),
				"%d reads of class %s showed less than their session had seen before%s", n, c.Name,
				r.withoutInClass(c.Name, func(c *ClassSum) int64 { return c.Regressed }, n))
		}
	}
	prefers := make([]*preference, 0, len(w.prefers))
	for _, p := range w.prefers {
		prefers = append(prefers, p)
	}
	slices.SortFunc(prefers, func(a, b *preference) int {
		return cmp.Or(cmp.Compare(a.class, b.class), cmp.Compare(a.region, b.region))
	})
	for _, p := range prefers {
		add(0, fmt.Sprintf("let the reads of %s ask a quorum, and fail without one", p.class),
			"readers of class %s in %s asked for fresh values and got those of their own region while it was cut off: %d reads, up to %s behind, from %s",
			p.class, p.region, p.reads, durationOf(p.age), Moment(p.first))
	}
	if n := r.Totals[Lost]; n > 0 {
		proposeForLost(r, n, add)
	}
}

// proposeForLost says what to look at for what was lost: at the line that decided most of it, or most of what came with the incidents.
// What the day loses by itself is not theirs.
func proposeForLost(r *Result, n int64, add func(line int, do, gap string, args ...any)) {
	losses, of := r.losses, "them"
	if r.calm != nil {
		losses, of = r.ofIncidents(), "what came with the incidents"
	}
	if len(losses) == 0 {
		add(0, "it is not for the incidents to answer for: the day loses the same by itself, and a dry run says by which rules",
			"%d acknowledged writes were lost, the same without the incidents", n)
		return
	}
	by := make(map[int]int)
	table, worst := "", 0
	for _, l := range losses {
		if l.line == 0 { // with a restart, which is told
			continue
		}
		by[l.line]++
		if table = l.table; by[l.line] > by[worst] || by[l.line] == by[worst] && l.line < worst {
			worst = l.line
		}
	}
	if worst == 0 {
		return
	}
	gap := fmt.Sprintf("%d acknowledged writes were lost%s", n, r.without(Lost))
	if r.calm != nil {
		gap += fmt.Sprintf("; %d of them with the incidents alone", len(losses))
	}
	add(0, fmt.Sprintf("look at line %d of %s, which decides most of %s: would another rule combine them?", worst, table, of), "%s", gap)
}

// ofIncidents returns what is not lost on the calm day.
func (r *Result) ofIncidents() (losses []loss) {
	type key struct {
		play  int32
		field string
	}
	calm := make(map[key]bool, len(r.calm.losses))
	for _, l := range r.calm.losses {
		calm[key{l.play, l.field}] = true
	}
	for _, l := range r.losses {
		if !calm[key{l.play, l.field}] {
			losses = append(losses, l)
		}
	}
	return losses
}
