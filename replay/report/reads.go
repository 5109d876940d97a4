package report

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/layout"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// readsOf writes what the reads of a history were: by level, what is remarkable, and the worst of them as a story.
func readsOf(p *layout.Page, r *reads.Report, next Next) {
	if r == nil || r.Reads == 0 {
		return
	}
	p.Title("Reads, as recorded")
	p.Table(ReadsTable(r))
	for i, text := range ReadsNotes(r) {
		if i == 0 && p.Markdown {
			p.Line("")
		}
		p.Note(text)
	}
	if len(r.Worst) == 0 {
		return
	}
	p.Line("")
	story := ReadStory(&r.Worst[0])
	if p.Markdown {
		p.Verbatim("", story...)
		story = nil
	}
	for _, l := range story {
		text := strings.TrimLeft(l, " ")
		indent := "  " + l[:len(l)-len(text)]
		p.Wrapped(indent, indent+"    ", text)
	}
	if next != nil {
		p.Command("  ", "Its writes", next(r.Worst[0].Key, r.Worst[0].Field))
	}
}

// StaleReads returns the stale reads as a finding; nil when there are none.
func StaleReads(r *reads.Report) *replay.Finding {
	stale, _ := r.Sum()
	if stale == 0 {
		return nil
	}
	f := &replay.Finding{Code: finding.StaleRead, Count: stale}
	for i := range r.Worst {
		c := &r.Worst[i]
		detail := "a " + c.Level + " read"
		if c.Read.Replica != "" {
			detail += ", answered by " + strconv.Quote(c.Read.Replica) + ","
		}
		if c.Age > 0 {
			detail += " was " + about(c.Age) + " and " + layout.Plural(c.Behind, "version") + " behind"
		} else {
			detail += " was behind"
		}
		if c.Missed != nil {
			detail += ": it missed the write at " + c.Missed.Place.String()
		}
		f.Examples = append(f.Examples, finding.Finding{Code: finding.StaleRead, Place: c.Read.Place, Key: c.Key, Field: c.Field, Detail: detail})
	}
	return f
}

// ReadsTable returns the counts of reads by level.
func ReadsTable(r *reads.Report) *layout.Table {
	tab := &layout.Table{Columns: layout.Heads("level", ">reads", ">fine", ">STALE", ">cannot tell", ">behind", ">p50 / p99 / max", ">versions")}
	for _, l := range r.Levels {
		age := "-"
		if l.Behind > 0 {
			age = about(l.Age.P50) + " / " + about(l.Age.P99) + " / " + about(l.Age.Max)
		}
		tab.Row(l.Level, layout.Number(l.Reads), layout.Dashed(l.Fine), layout.Dashed(l.Stale), layout.Dashed(l.CannotTell),
			layout.Dashed(l.Behind), age, layout.Dashed(l.Versions))
	}
	return tab
}

// about writes a duration to three digits or so.
func about(d time.Duration) string {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		if d >= 10*unit || d <= -10*unit {
			return d.Round(unit / 10).String()
		}
	}
	return d.String()
}

// ReadsNotes says what is remarkable about reads, a sentence or two each.
func ReadsNotes(r *reads.Report) []string {
	var notes []string
	note := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	told := mostStale(r.Preferred)
	for _, f := range told {
		split := ""
		if f.Split > 0 {
			split = " " + layout.Plural(f.Split, "key") + " of them " + wasOrWere(f.Split) + " written on both sides meanwhile: a split brain."
		}
		showed := "It showed nothing new of " + namesOf(f.Missed) + "."
		if len(f.Wrote) > 0 {
			which := "which"
			if len(f.Wrote) < len(f.Missed) {
				which = "and " + namesOf(f.Wrote)
			}
			showed = "All that time it showed nothing new of " + namesOf(f.Missed) + ", " + which +
				" went on writing: this is what a service does that prefers its own replica under a cut."
		}
		note("%s answered %s from its own replica %s that %s promised better, and %s of them %s stale, by up to %s. %s%s",
			name(f.Replica), layout.Plural(f.Reads, "read"), between(f.From, f.To), wasOrWere(f.Reads), layout.Number(f.Stale), wasOrWere(f.Stale),
			about(f.Age), showed, split)
	}
	if more := int64(len(r.Preferred) - len(told)); more > 0 {
		note("%s more like that, with no more stale reads each: -json tells all.", layout.Plural(more, "time"))
	}
	if r.OneIn > 0 {
		note("Replicas that answered by themselves were looked for in the reads of one key in %s, for there are more than are kept at once (-memory keeps more).", layout.Number(r.OneIn))
	}
	if n := r.Registers; n.NoOrder > 0 {
		note("%s with strong reads: %s not linearizable.", capital(layout.Plural(n.Ordered+n.NoOrder+n.TooHard, "key")), layout.Number(n.NoOrder))
	}
	if r.Lost.Max > 0 {
		note("Reads of writes that are lost in the end: %s.", Between(r.Lost))
	}
	if n := r.Sessions; n.OutOfOrder > 0 {
		note("%s of the %s that sessions made after they had read or written the key lose to what they had made or seen: %s.",
			layout.Number(n.OutOfOrder), layout.Plural(n.Checked, "write"), r.Unordered.Place.String()+" is the first")
	}
	if r.Alone > 0 {
		note("%s asked for a quorum and %s answered by no majority of the replicas that the reads name.", capital(layout.Plural(r.Alone, "read")), wasOrWere(r.Alone))
	}
	return notes
}

// mostStale returns a few of the times in which replicas answered by themselves, those with most stale reads, by time.
func mostStale(all []reads.Preference) []reads.Preference {
	const few = 5
	told := slices.Clone(all)
	slices.SortStableFunc(told, func(a, b reads.Preference) int { return cmp.Compare(b.Stale, a.Stale) })
	told = told[:min(len(told), few)]
	slices.SortStableFunc(told, func(a, b reads.Preference) int { return a.From.Compare(b.From) })
	return told
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// reasons say why nobody can tell.
var reasons = map[reads.Reason]string{
	reads.NoSaw:           "nothing says what was seen (saw)",
	reads.UnknownWrite:    "the write that was seen is not in the history",
	reads.OtherField:      "the write that was seen did not change the field that was read",
	reads.NoStart:         "nothing says when the read began (start)",
	reads.NoSession:       "no session is named",
	reads.NoTime:          "a write that may have been missed has no time",
	reads.NoReadTime:      "nothing says when its session read what it may have missed",
	reads.NotAcknowledged: "nothing says when a write that may have been missed was acknowledged (its end, or -lag)",
	reads.WithinSkew:      "the times are closer than clocks or digits allow to tell",
	reads.Ambiguous:       "what was seen may be one of several writes",
	reads.Inverted:        "the rule puts a write before one whose writer had seen it",
	reads.ClockContradict: "the read ended before the write that it saw began, so the clocks can't be right",
	reads.TooMany:         "too many writes were made at once",
	reads.BeyondLimit:     "the key has more operations, reads or nodes than are kept at once (-memory keeps more)",
}

// ReadsUntold says of which reads nobody can tell what they were, and why.
func ReadsUntold(r *reads.Report) []string {
	var notes []string
	for _, u := range r.Untold {
		at := ""
		for i := range r.Examples {
			if e := &r.Examples[i]; e.Reason == u.Reason {
				at = "; the first is at " + e.Read.Place.String()
			}
		}
		notes = append(notes, fmt.Sprintf("Of %s nobody can tell whether %s stale: %s%s.", layout.Plural(u.Reads, "read"), itOrThey(u.Reads), reasons[u.Reason], at))
	}
	if r.Skew > 0 {
		notes = append(notes, "Times of reads and writes are compared with a tolerance of "+about(r.Skew)+": that far the clocks may differ.")
	} else if stale, _ := r.Sum(); stale > 0 {
		notes = append(notes, "The clocks of those who read and those who wrote are taken to agree: no record shows otherwise. State by how much they may differ with -skew.")
	}
	return notes
}

func itOrThey(n int64) string {
	if n == 1 {
		return "it was"
	}
	return "they were"
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.999999999") }

func seconds(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

// between says that something was so between two moments, in as many digits as tell them apart.
func between(from, to time.Time) string {
	switch {
	case from.Equal(to):
		return "at " + moment(from)
	case seconds(from) == seconds(to):
		return "between " + moment(from) + " and " + moment(to)
	}
	return "between " + seconds(from) + " and " + seconds(to)
}

func namesOf(all []string) string {
	names := make([]string, len(all))
	for i, n := range all {
		names[i] = name(n)
	}
	return list(names, "and")
}

// ReadStory tells why one read is judged as it is, as lines: the fewest writes and reads that it takes, and what follows.
func ReadStory(c *reads.Case) []string {
	var lines []string
	line := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	line("Let:")
	saw, missed := "nothing", ""
	switch {
	case c.Saw != nil:
		saw = "W1"
		line("  W1 = %s", writeText(c.Saw))
	case c.Read.Saw != "":
		saw = name(c.Read.Saw)
		if c.Read.ByVersion {
			saw = "version " + saw
		}
	}
	if c.Missed != nil {
		missed = "W1"
		if c.Saw != nil {
			missed = "W2"
		}
		line("  %s = %s", missed, writeText(c.Missed))
	}
	read := fmt.Sprintf("  R = %s: read of %s, %s", c.Read.Place.String(), cellName(c.Key, c.Field), c.Level)
	if !c.Read.Start.IsZero() {
		read += ", began " + moment(c.Read.Start)
	}
	if c.Read.Replica != "" {
		read += ", answered by " + name(c.Read.Replica)
	}
	if c.Read.Session != "" {
		read += ", session " + name(c.Read.Session)
	}
	line("%s, saw %s", read, saw)
	if c.Outcome != reads.Stale {
		line("Then: nobody can tell whether R is stale: %s.", reasons[c.Reason])
		return lines
	}
	then := "Then: "
	switch s := c.Shown; {
	case s == nil:
	case c.How == reads.OwnWrite:
		then += "the session of R had made " + missed + " before. "
	case c.How == reads.OwnRead:
		then += "the session of R had seen " + missed + " before, at " + s.Place.String() + ". "
	case strings.HasPrefix(c.Level, "bounded:"):
		then += missed + " was acknowledged longer than " + strings.TrimPrefix(c.Level, "bounded:") + " before R began. "
	default:
		then += missed + " was in place before R began: " + shownText(s, missed) + ". "
	}
	switch c.How {
	case reads.HadSeen:
		then += "The writer of W2 had seen W1. "
	case reads.Before:
		then += "And W1 was in place before W2 began: " + shownText(c.Older, "W1") + ". "
	case reads.ByRule, reads.OwnWrite, reads.OwnRead:
		if c.Saw != nil {
			then += "By the rule W2 beats W1. "
		}
	}
	behind := ""
	if c.Age > 0 {
		behind = ", " + about(c.Age) + " and " + layout.Plural(c.Behind, "version") + " behind"
	}
	line("%sR is stale%s.", then, behind)
	return lines
}

func writeText(w *reads.WriteRef) string {
	text := w.Place.String() + ": "
	if w.ID != "" {
		text += name(w.ID) + ", "
	}
	if w.Deleted {
		text += "a delete "
	} else {
		text += "a write "
	}
	text += "by " + name(w.Node)
	if w.Version > 0 {
		text += fmt.Sprintf(", version %d", w.Version)
	}
	switch {
	case !w.Start.IsZero() && !w.End.IsZero():
		text += ", from " + moment(w.Start) + " to " + w.End.Format("15:04:05.999999999")
	case !w.Time.IsZero():
		text += ", at " + moment(w.Time)
	}
	return text
}

// shownText says what shows that a write was in place.
func shownText(s *reads.Shown, of string) string {
	if s == nil {
		return "it was acknowledged"
	}
	ended := ""
	if !s.End.IsZero() {
		ended = " at " + s.End.Format("15:04:05.999999999")
	}
	switch s.By {
	case "itself":
		return "it was acknowledged" + ended
	case "read":
		return "the read at " + s.Place.String() + " saw it and ended" + ended
	}
	return "the writer of " + s.Place.String() + " had seen it, and that was in place" + ended
}
