package drill

import (
	"fmt"
	"io"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
)

// The lines of a runbook that [Audit] reads again.
const (
	runbookScript   = "script fingerprint: "
	runbookTable    = "table fingerprint: "
	runbookTopology = "topology fingerprint: "
)

// Runbook writes a drill as steps for people, in Markdown: who does what and when, what must hold, by when, and what to do
// when it does not. It ends with the fingerprints of the script, the table and the topology, for [Audit].
func Runbook(w io.Writer, s *Script, table *merge.Table) error {
	p := newPage(true)
	p.Heading("Runbook: " + s.Name)
	p.Line("The times are those of the drill. In an incident, count from the first step.")
	p.Title("Where")
	for _, r := range s.Regions {
		nodes := make([]string, len(r.Nodes))
		for i, n := range r.Nodes {
			nodes[i] = string(n)
		}
		apart := ""
		if r.Apart {
			apart = ", each with a replica of its own, " + r.Local.String() + " from the others"
		}
		p.Item(r.Name + ": " + strings.Join(nodes, ", ") + apart)
	}
	if len(s.Classes) > 0 {
		p.Title("Promised")
	}
	for _, c := range s.Classes {
		keys := make([]string, len(c.Keys))
		for i, k := range c.Keys {
			keys[i] = string(k)
		}
		p.Item(fmt.Sprintf("%s (%s): reads %s, writes %s", c.Name, strings.Join(keys, " "), c.Reads, c.Writes))
	}
	var rows [][]string
	for i, st := range s.Steps {
		rollback := ""
		if c := st.Do.Check; c != nil && c.Rollback != nil {
			rollback = c.Rollback.String()
		}
		who := st.Owner
		if st.Handoff {
			who = orNobody(who) + ", who is told"
		}
		what := st.Do.String()
		if st.Do.Kind == Tell {
			what = st.Do.A
		}
		rows = append(rows, []string{fmt.Sprint(i + 1), st.At.String(), who, what, rollback, "[ ]"})
	}
	if len(rows) > 0 {
		p.Title("Steps")
		p.filled([]string{">step", "time", "who", "what", "if it fails", "done"}, rows)
	}
	if len(s.Checks)+len(s.Timers) > 0 {
		p.Title("Must hold")
		rows = nil
		add := func(what string, rollback *Action, owner string) {
			otherwise := ""
			if rollback != nil {
				otherwise = rollback.String()
			}
			rows = append(rows, []string{what, owner, otherwise})
		}
		for i := range s.Checks {
			c := &s.Checks[i]
			add(strings.TrimPrefix(c.String(), "check "), c.Rollback, c.Owner)
		}
		for i := range s.Timers {
			t := &s.Timers[i]
			add(t.String(), t.Rollback, t.Owner)
		}
		p.filled([]string{"what", "who watches", "otherwise"}, rows)
	}
	p.Title("Made from")
	p.Item(fmt.Sprintf("%s, %s%s", s.File, runbookScript, s.Fingerprint()))
	p.Item(fmt.Sprintf("%s, %s%s", table.File, runbookTable, table.Fingerprint()))
	p.Item(runbookTopology + s.topology())
	return p.To(w)
}

// topology returns a fingerprint of the regions, links and classes alone.
func (s *Script) topology() string {
	part := Script{}
	for _, l := range s.lines {
		switch word, _, _ := strings.Cut(l, " "); word {
		case "region", "link", "class", "timeout":
			part.lines = append(part.lines, l)
		}
	}
	return part.Fingerprint()
}

// Audit compares a runbook with the script and the table as they are now, and says what has changed since it was written;
// nothing when it is up to date. It knows a runbook by its fingerprints, whatever people have written into it.
func Audit(runbook string, s *Script, table *merge.Table) []string {
	var stale []string
	for _, part := range []struct{ mark, now, changed string }{
		{runbookTable, table.Fingerprint(), "the rule table decides differently now"},
		{runbookTopology, s.topology(), "regions, links or classes have changed"},
		{runbookScript, s.Fingerprint(), "the script has changed"},
	} {
		_, after, found := strings.Cut(runbook, part.mark)
		was, _, _ := strings.Cut(strings.TrimSpace(after), "\n")
		was = strings.TrimSpace(was)
		switch {
		case !found:
			stale = append(stale, fmt.Sprintf("the runbook has no line with its %q", strings.TrimSuffix(part.mark, ": ")))
		case was != part.now:
			stale = append(stale, fmt.Sprintf("%s: %.8s then, %.8s now", part.changed, was, part.now))
		}
	}
	return stale
}
