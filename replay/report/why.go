package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// Why writes why a key ended as it did, for people: of each field, what was written, and what became of it and by which
// reason. Runs of writes that share a fate are told as one. next, when not empty, is the command to run next.
func Why(w io.Writer, s *replay.Story, next string) error {
	p := &layout.Page{}
	for i := range s.Fields {
		if i > 0 {
			p.Line("")
		}
		newPlot(&s.Fields[i]).tell(p, s)
	}
	if len(s.Findings) > 0 {
		p.Title("Findings")
		for rest := s.Findings; len(rest) > 0; {
			f, alike := rest[0], 1
			for alike < len(rest) && rest[alike].Code == f.Code && rest[alike].Field == f.Field && rest[alike].Detail == f.Detail {
				alike++
			}
			rest = rest[alike:]
			place, text := f.Place.String(), string(f.Code)+": "
			if alike > 1 {
				place += " and others"
			}
			if f.Field != "" && len(s.Fields) > 1 {
				text += name(f.Field) + ": "
			}
			p.Wrapped("  ", "    ", place+": "+text+f.Detail)
		}
	}
	if next != "" {
		var lines []string
		for _, f := range s.Fields {
			lines = append(lines, strconv.Itoa(f.Line))
		}
		p.Title("Next: change line " + list(slices.Compact(lines), "or") + " in a copy of the table and see what that alters")
		p.Item(next)
	}
	return p.To(w)
}

// few is up to how many writes that share a fate are told one by one.
const few = 3

// plot is the story of a field, put in order for telling.
type plot struct {
	field *replay.FieldStory
	byID  map[string]*replay.Step
	day   string // of all its writes, "" when they are of several
	crowd map[*replay.Step]*crowd
	lost  []*crowd
	gone  []*crowd // overwritten
	alive []*crowd // combined
	held  []*crowd // refused
	kept  []*replay.Step
}

// crowd is writes of one node that share a fate.
type crowd struct {
	steps   []*replay.Step
	told    bool         // one by one
	closest *replay.Step // of many lost ones, the one that lost by least: it stands for them and is told itself
}

func newPlot(f *replay.FieldStory) *plot {
	p := &plot{field: f, byID: make(map[string]*replay.Step), crowd: make(map[*replay.Step]*crowd)}
	for i := range f.Writes {
		p.byID[f.Writes[i].Name] = &f.Writes[i]
	}
	// Of several crowds each is told one by one if it holds a write that another's fate turns on.
	needed := make(map[string]bool)
	crowds := make(map[string]*crowd)
	join := func(to *[]*crowd, s *replay.Step, fate string) {
		key := s.Outcome + "\x00" + string(s.Node) + "\x00" + fate
		c := crowds[key]
		if c == nil {
			c = &crowd{}
			crowds[key] = c
			*to = append(*to, c)
		}
		c.steps = append(c.steps, s)
		p.crowd[s] = c
	}
	for i := range f.Writes {
		s := &f.Writes[i]
		switch s.Outcome {
		case merge.Kept.String():
			p.kept = append(p.kept, s)
		case merge.Combined.String():
			join(&p.alive, s, "")
		case merge.Refused.String():
			join(&p.held, s, strconv.FormatBool(s.Unsure))
		case merge.Overwritten.String():
			by := p.overwriter(s)
			if by != nil {
				needed[by.Name] = true
				join(&p.gone, s, by.Name)
			} else {
				join(&p.gone, s, "")
			}
		default:
			needed[s.Against] = true
			join(&p.lost, s, s.Against+"\x00"+s.By+"\x00"+strconv.FormatBool(s.Unsure)+p.between(s))
		}
	}
	for _, all := range [][]*crowd{p.lost, p.gone, p.alive, p.held} {
		for _, c := range all {
			c.told = len(c.steps) <= few || slices.ContainsFunc(c.steps, func(s *replay.Step) bool { return needed[s.Name] })
		}
	}
	for _, c := range p.lost {
		if !c.told {
			c.single(p)
		}
	}
	p.day = day(f.Writes)
	return p
}

// single takes the write that lost by least out of a crowd, to be told itself.
func (c *crowd) single(p *plot) {
	c.closest = slices.MinFunc(c.steps, func(a, b *replay.Step) int { return cmp.Compare(a.Margin, b.Margin) })
	c.steps = slices.DeleteFunc(c.steps, func(s *replay.Step) bool { return s == c.closest })
	delete(p.crowd, c.closest)
}

// overwriter returns the write that a writer who had seen s put in its place: one that is not itself overwritten, if
// there is one, and else the last.
func (p *plot) overwriter(s *replay.Step) *replay.Step {
	var best *replay.Step
	for i := range p.field.Writes {
		o := &p.field.Writes[i]
		if slices.Contains(s.Replaced, o.Name) && (best == nil || rank(o) >= rank(best)) {
			best = o
		}
	}
	return best
}

func rank(s *replay.Step) int {
	switch s.Outcome {
	case merge.Kept.String():
		return 2
	case merge.Overwritten.String():
		return 0
	}
	return 1
}

// between says what is known of a lost write and the one that beat it.
func (p *plot) between(s *replay.Step) string {
	o := p.byID[s.Against]
	switch {
	case o == nil:
		return ""
	case slices.Contains(s.Saw, o.Name) && s.By == lww.Rank.String():
		return "The writer of " + s.Name + " had seen " + o.Name + ": the rule keeps it all the same."
	case slices.Contains(s.Saw, o.Name) && (s.By == lww.Kind.String() || s.By == lww.Value.String()):
		return "The writer of " + s.Name + " had seen " + o.Name + ", and both have one stamp."
	case slices.Contains(s.Saw, o.Name):
		return "The writer of " + s.Name + " had seen " + o.Name + ": an inversion."
	case slices.Contains(o.Perhaps, s.Name) && slices.Contains(s.Perhaps, o.Name):
		return "Nothing says whether either writer had seen the other's."
	case slices.Contains(o.Perhaps, s.Name):
		return "The writer of " + o.Name + " may have seen " + s.Name + "."
	case slices.Contains(s.Perhaps, o.Name):
		return "The writer of " + s.Name + " may have seen " + o.Name + "."
	}
	return "Neither writer had seen the other's."
}

func (p *plot) tell(to *layout.Page, s *replay.Story) {
	f := p.field
	total := int64(len(f.Writes) + f.Untold)
	ends := cellName(s.Key, f.Field) + " ends as "
	to.Line(ends + shown(f.Value, max(layout.Width-layout.Columns(ends), few)))
	if alive := livesOn(s); f.Value.IsAbsent() && alive != "" {
		text := "  deleted, while " + name(alive) + " lives on"
		if p.inKey(s.Key) {
			text += ": the key still has its value"
		}
		to.Line(text)
	}
	to.Line(fmt.Sprintf("  %s:%d: %s", name(s.Table.File), f.Line, f.Rule))
	conflicts := "no conflict"
	if f.Conflicts.Max > 0 {
		conflicts = Between(f.Conflicts) + " " + strings.TrimPrefix(layout.Plural(f.Conflicts.Max, "conflict"), layout.Number(f.Conflicts.Max)+" ")
	}
	to.Line("  " + layout.Plural(total, "write") + ", " + conflicts + map[bool]string{true: "; all on " + p.day + " (UTC)"}[p.day != ""])
	if known := p.known(); known != "" {
		to.Line("  what writers had seen: " + known)
	}
	to.Line("")
	p.let(to)
	p.then(to)
}

// livesOn returns a field of the story that is not deleted; "" when there is none.
func livesOn(s *replay.Story) string {
	for i := range s.Fields {
		if f := &s.Fields[i]; !f.Value.IsAbsent() {
			return f.Field
		}
	}
	return ""
}

// inKey reports whether the last value of a field that was deleted is one of those that "table/primary-key" is made of, so that a column
// of the primary key is not taken for lost. The rows of some exports have these columns too, and most don't say which they are.
func (p *plot) inKey(key string) bool {
	var last value.Value
	for i := range p.field.Writes {
		if v := p.field.Writes[i].Value; !v.IsAbsent() {
			last = v
		}
	}
	if last.IsAbsent() {
		return false
	}
	if _, row, ok := strings.Cut(key, "/"); ok {
		key = row
	}
	if text, ok := last.Text(); ok && text == key || string(last) == key {
		return true
	}
	row, err := value.Parse([]byte(key), value.Limits{})
	return err == nil && row.Kind() == value.KindArray && slices.Contains(slices.Collect(row.Elements()), last)
}

// known says from where it is known what writers had seen; "" when all is of one node, who had seen it all.
func (p *plot) known() string {
	var sources []string
	counts := make(map[string]int64)
	several := false
	for _, s := range p.field.Writes {
		several = several || s.Node != p.field.Writes[0].Node || s.Node == ""
		if counts[s.Knowledge]++; counts[s.Knowledge] == 1 {
			sources = append(sources, s.Knowledge)
		}
	}
	if !several {
		return ""
	}
	if len(sources) > 1 {
		slices.Sort(sources)
		for i, source := range sources {
			sources[i] = source + " of " + layout.Plural(counts[source], "write")
		}
	}
	return list(sources, "and")
}

// let writes the writes, in the order of their stamps.
func (p *plot) let(to *layout.Page) {
	begin := "Let:  "
	say := func(text string) {
		to.Wrapped(begin, strings.Repeat(" ", 11), text)
		begin = strings.Repeat(" ", 6)
	}
	if n := p.field.Untold; n > 0 {
		say("left out: " + layout.Plural(int64(n), "earlier write"))
	}
	done := make(map[*crowd]bool)
	for i := range p.field.Writes {
		s := &p.field.Writes[i]
		if c := p.crowd[s]; c != nil && !c.told {
			if !done[c] {
				say(p.many(c))
				done[c] = true
			}
			continue
		}
		say(p.write(s))
	}
}

// write tells one write.
func (p *plot) write(s *replay.Step) string {
	text := s.Name + " = " + p.who(s) + " " + does(s) + p.when(s)
	at := s.Place.String()
	if s.ID != "" {
		at = name(s.ID) + ", " + at
	}
	text += " (" + at + ")"
	if saw := p.lastOfEach(s, s.Saw); len(saw) > 0 {
		text += ", had seen " + list(saw, "and")
	}
	if perhaps := p.lastOfEach(s, s.Perhaps); len(perhaps) > 0 {
		text += ", may have seen " + list(perhaps, "and")
	}
	return text
}

func (p *plot) who(s *replay.Step) string {
	if s.Node == "" {
		return "someone"
	}
	return name(string(s.Node))
}

func does(s *replay.Step) string {
	switch {
	case s.Kind == merge.Delete.String():
		return "deleted it"
	case s.Value.IsAbsent():
		return s.Kind
	case s.Kind == merge.Add.String():
		return "added " + shown(s.Value, 40)
	case s.Kind == merge.Insert.String():
		return "inserted " + shown(s.Value, 60)
	case s.Kind == merge.Remove.String():
		return "removed " + shown(s.Value, 60)
	}
	return s.Kind + " " + shown(s.Value, 60)
}

func (p *plot) when(s *replay.Step) string {
	text := ""
	if s.Version > 0 {
		text = " as version " + strconv.FormatUint(s.Version, 10)
	}
	if !s.Time.IsZero() {
		text += " at " + p.time(s.Time)
	}
	return text
}

func (p *plot) time(t clock.Timestamp) string {
	text := t.Time().UTC().Format("2006-01-02T15:04:05.999999999Z")
	if p.day != "" {
		text = strings.TrimSuffix(strings.TrimPrefix(text, p.day+"T"), "Z")
	}
	if t.Logical > 0 {
		text += " (logical " + strconv.FormatUint(uint64(t.Logical), 10) + ")"
	}
	return text
}

// day returns the date that all writes with a time share.
func day(writes []replay.Step) string {
	shared := ""
	for _, s := range writes {
		if s.Time.IsZero() {
			continue
		}
		d := s.Time.Time().UTC().Format(time.DateOnly)
		if shared != "" && d != shared {
			return ""
		}
		shared = d
	}
	return shared
}

// lastOfEach returns, of each other node, the last of the writes seen that is told one by one: who had seen it had seen
// those before it.
func (p *plot) lastOfEach(s *replay.Step, seen []string) []string {
	last := make(map[clock.Node]int)
	for i := range p.field.Writes {
		o := &p.field.Writes[i]
		if c := p.crowd[o]; o.Node != s.Node && (c == nil || c.told) && slices.Contains(seen, o.Name) {
			last[o.Node] = i
		}
	}
	var names []string
	for i := range p.field.Writes {
		o := &p.field.Writes[i]
		if at, ok := last[o.Node]; ok && at == i {
			names = append(names, o.Name)
		}
	}
	return names
}

// many tells a crowd in one line.
func (p *plot) many(c *crowd) string {
	first, last := c.steps[0], c.steps[len(c.steps)-1]
	return first.Name + " ... " + last.Name + " = " + layout.Plural(int64(len(c.steps)), "write") + " of " + p.who(first) + p.when(first) + " to" +
		strings.TrimPrefix(p.when(last), " at") + " (" + first.Place.String() + " and others)"
}

// then writes what became of them.
func (p *plot) then(to *layout.Page) {
	begin := "Then: "
	say := func(text string) {
		to.Wrapped(begin, strings.Repeat(" ", 8), text)
		begin = strings.Repeat(" ", 6)
	}
	for _, c := range p.lost {
		if c.closest != nil {
			say(p.loses(c.closest) + " So are " + layout.Plural(int64(len(c.steps)), "more write") + " of " + p.who(c.closest) + ".")
			continue
		}
		for _, s := range c.steps {
			say(p.loses(s))
		}
	}
	for _, c := range p.gone {
		if by := p.overwriter(c.steps[0]); by != nil && c.told {
			say(by.Name + " overwrites " + list(names(c.steps), "and") + ", which its writer had seen: no loss.")
		} else if by != nil {
			say(layout.Plural(int64(len(c.steps)), "earlier write") + " of " + p.who(c.steps[0]) + " were overwritten by " + by.Name + ", whose writer had seen them: no loss.")
		} else {
			say(p.either(c) + " was overwritten by a write that had seen it: no loss.")
		}
	}
	p.live(say)
	p.refuse(say)
	p.keep(say)
}

// loses tells how a write lost.
func (p *plot) loses(s *replay.Step) string {
	end := s.Name + " is lost."
	if s.Unsure {
		end = s.Name + " is lost, unless a writer who had seen it replaced it."
	}
	o := p.byID[s.Against]
	if o == nil {
		return strings.TrimSuffix(end, ".") + ": " + effect(s)
	}
	return o.Name + " beats " + s.Name + " by " + reason(s, o) + ". " + p.between(s) + " " + end
}

// effect says what did not come of a write that no other one beat.
func effect(s *replay.Step) string {
	switch {
	case s.Mismatch:
		return "the rule has no use for it."
	case s.By == lww.Time.String():
		return "a delete dropped what came before it."
	}
	switch s.Kind {
	case merge.Insert.String():
		return "what it inserted was removed."
	case merge.Remove.String(), merge.Delete.String():
		return "what it took away stays."
	}
	return "the rule lets it change nothing, or not all that it wrote."
}

// reason names the rung by which a write lost to another, and by how much.
func reason(s, to *replay.Step) string {
	switch s.By {
	case lww.Rank.String():
		return "the rule's own order"
	case lww.Version.String():
		return "version: " + layout.Plural(s.Margin, "version") + choose(to.Version > s.Version, " higher", " lower")
	case lww.Time.String():
		which := choose(s.Time.Before(to.Time), " later", " earlier")
		if s.Margin == 0 {
			return "time: the same but for its logical part, which is" + which + choose(s.Node == to.Node, "", ": a coin toss")
		}
		return "time: " + duration(s.Margin) + which
	case lww.Node.String():
		return "node: " + layout.Plural(s.Margin, "place") + " away in the order of nodes"
	case lww.Kind.String():
		return "kind: a tie, and one of them is a delete"
	case lww.Value.String():
		return "value: all else is equal"
	}
	return s.By
}

// live tells of the writes that are combined.
func (p *plot) live(say func(string)) {
	adds := true
	for _, c := range p.alive {
		for _, s := range c.steps {
			adds = adds && s.Kind == merge.Add.String()
		}
	}
	switch parts := p.parts(p.alive); {
	case len(parts) == 0:
	case len(parts) == 1 && p.alive[0].told:
		say(parts[0] + " lives on in the result.")
	case adds:
		say(list(parts, "and") + " each count once: " + shown(p.field.Value, 40) + ".")
	default:
		say(list(parts, "and") + " live on in the result.")
	}
}

// parts names the writes of several crowds, in the order of their stamps, those that are not told one by one last.
func (p *plot) parts(crowds []*crowd) []string {
	var single []*replay.Step
	var many []string
	for _, c := range crowds {
		if c.told {
			single = append(single, c.steps...)
		} else {
			many = append(many, p.either(c))
		}
	}
	var parts []string
	for i := range p.field.Writes {
		if s := &p.field.Writes[i]; slices.Contains(single, s) {
			parts = append(parts, s.Name)
		}
	}
	return append(parts, many...)
}

// either names the writes of a crowd, or how many they are.
func (p *plot) either(c *crowd) string {
	if c.told {
		return list(names(c.steps), "and")
	}
	return layout.Plural(int64(len(c.steps)), "write") + " of " + p.who(c.steps[0])
}

// refuse tells of the writes that are refused.
func (p *plot) refuse(say func(string)) {
	if len(p.held) == 0 {
		return
	}
	why := ": neither writer had seen the other's."
	if slices.ContainsFunc(p.held, func(c *crowd) bool { return c.steps[0].Unsure }) {
		why = ", unless one writer had seen the other's: nothing says so."
	}
	say(list(p.parts(p.held), "and") + " are refused" + why + " A quorum must decide; until then " + shown(p.field.Value, 60) + " is shown.")
}

// keep tells what is kept.
func (p *plot) keep(say func(string)) {
	kept := names(p.kept)
	if len(kept) > 2*few {
		kept = append(kept[:few:few], layout.Plural(int64(len(p.kept)-few), "more write"))
	}
	switch {
	case len(kept) == 1 && p.field.Value == (value.Value("")):
		say(kept[0] + " is kept: it is deleted.")
	case len(kept) == 1:
		say(kept[0] + " is kept.")
	case len(kept) > 1:
		say(list(kept, "and") + " are kept: they agree.")
	}
}

func names(steps []*replay.Step) []string {
	texts := make([]string, len(steps))
	for i, s := range steps {
		texts[i] = s.Name
	}
	return texts
}

func choose(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
