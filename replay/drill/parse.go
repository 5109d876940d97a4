package drill

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/lex"
)

// The limits of a script.
const (
	MaxRegions  = 32
	MaxReplicas = 64 // in all regions together
	MaxChecks   = 60
)

// examples holds a line of each kind, for mistakes.
var examples = map[string]string{
	"drill":   `drill "eu-west cut off at the lunch peak"`,
	"seed":    "seed 7",
	"region":  "region eu-west = eu-*",
	"link":    "link * 80ms +-20ms",
	"class":   "class critical = ledger/* stock/* reads quorum writes quorum",
	"load":    "load x2 from 12:00 for 1h",
	"probe":   "probe * in us-east after 500ms",
	"leader":  "leader lease/*",
	"stuck":   "stuck after 1m",
	"timeout": "timeout after 5s",
	"clocks":  "clocks hybrid",
	"at":      "at 12:00 cut eu-west for 20m",
	"check":   "check lost orders/* <= 10",
	"within":  "within 5m of heal: converged",
	"step":    `step "tell support which carts changed" owner "support" handoff`,
}

var directives = []string{"drill", "seed", "region", "link", "class", "load", "probe", "leader", "stuck", "timeout", "clocks", "at",
	"check", "within", "step"}

var actionExamples = map[ActionKind]string{
	Cut:     "at 12:00 cut eu-west for 20m",
	Heal:    "at 12:20 heal eu-west",
	Stop:    "at 12:10 stop eu-west for 5m",
	Start:   "at 12:15 start eu-west",
	Restart: "at 12:10 restart eu-west from backup 11:00",
	Skew:    "at 12:05 skew us-east +400ms",
	Drift:   "at 12:05 drift us-east +10ms/h",
	Freeze:  "at 12:10 freeze critical for 5m",
	Thaw:    "at 12:15 thaw critical",
	Switch:  "at 12:10 table safer.tb in eu-west",
	Change:  "at 12:10 link eu-west us-east 300ms loss 5% for 10m",
	Tell:    `at 12:10 step "page the owner of payments"`,
	Look:    "at 12:10 check lost == 0",
}

var actionKinds = []ActionKind{Cut, Heal, Stop, Start, Restart, Skew, Drift, Freeze, Thaw, Switch, Change, Tell, Look}

func actionNames() []string {
	names := make([]string, len(actionKinds))
	for i, k := range actionKinds {
		names[i] = string(k)
	}
	return names
}

// ParseScript reads a drill script; file is its name in mistakes. All mistakes of the file are reported at once: the
// error is then a [*lex.Mistakes]. The package documentation has the language.
func ParseScript(file string, text []byte) (*Script, error) {
	p := &parser{ms: &lex.Mistakes{File: file}, s: &Script{File: file}, first: make(map[string]int)}
	if lex.IsHistory(text) {
		p.ms.Add(1, "the script comes first: drill SCRIPT HISTORY", "this is a history and no script")
		return nil, p.ms.Err()
	}
	for _, line := range lex.Lines(text, p.ms) {
		p.s.lines = append(p.s.lines, line.Text(0))
		p.parse(line)
	}
	p.s.Name = cmp.Or(p.s.Name, file)
	p.finish()
	if err := p.ms.Err(); err != nil {
		return nil, err
	}
	return p.s, nil
}

// MustParseScript is [ParseScript] for a script in the program's text: it panics with all mistakes.
func MustParseScript(text string) *Script {
	s, err := ParseScript("drill", []byte(text))
	if err != nil {
		panic("drill: mend the script:\n" + err.Error())
	}
	return s
}

type parser struct {
	*words
	ms    *lex.Mistakes
	s     *Script
	first map[string]int // the line of each directive that may stand once
	last  When           // of the last line that has a time
	timed bool           // there was one

	badLink bool // a link has a mistake

	named  []named        // what later lines may still declare
	levels []pendingLevel // of classes, which count regions
}

// named is a name that must be declared somewhere in the script.
type named struct {
	line int
	what string // region, class, or place: a region or a node
	name string
}

type pendingLevel struct {
	line, class int
	writes      bool
	need, of    int // of 0 is the number of regions; need -1 is a majority, 0 all
}

func (p *parser) parse(line lex.Line) {
	word := line.Words[0]
	p.words = &words{line: line, at: 1, ms: p.ms, help: examples[word.Text]}
	if word.Quoted || !slices.Contains(directives, word.Text) {
		p.failHelp(meant(word.Text, directives), "%q begins no line", word.Text)
		return
	}
	switch word.Text {
	case "drill", "seed", "stuck", "timeout", "clocks":
		if at := p.first[word.Text]; at > 0 {
			p.failHelp("", "%q stands on line %d already", word.Text, at)
			return
		}
		p.first[word.Text] = line.Number
	}
	switch word.Text {
	case "drill":
		p.s.Name = p.next("the name")
	case "seed":
		p.seed()
	case "region":
		p.region()
	case "link":
		p.link()
	case "class":
		p.class()
	case "load":
		p.load()
	case "probe":
		p.probe()
	case "leader":
		for first := true; first || p.more(); first = false {
			p.s.Leaders = append(p.s.Leaders, Pattern(p.next("the key")))
		}
	case "stuck":
		p.want("after")
		p.s.Stuck = p.duration("time")
	case "timeout":
		p.want("after")
		if p.s.Timeout = p.duration("time"); p.s.Timeout == 0 && !p.bad {
			p.fail("nobody is answered in no time")
		}
	case "clocks":
		p.s.Hybrid = p.oneOf("kind of clock", p.next("the kind of clock"), []string{"hybrid", "recorded"}) == "hybrid"
	case "at":
		p.step(p.when(), true)
	case "step":
		if !p.timed {
			p.fail(`a step without a time stands below a line that has one, or is written "at 12:00 step"`)
		}
		p.at = 0
		p.step(p.last, false)
	case "check":
		c := p.check()
		p.owned(&c.Owner, nil, &c.Rollback)
		if !p.bad {
			p.s.Checks = append(p.s.Checks, *c)
		}
	case "within":
		p.timer()
	}
	p.end()
}

func (p *parser) seed() {
	text := p.next("the seed")
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil && !p.bad {
		p.fail("seed %q is no number", text)
	}
	p.s.Seed = n
}

func (p *parser) region() {
	r := Region{Line: p.line.Number, Name: p.next("the region's name")}
	p.want("=")
	for first := true; !p.bad && (first || p.more()); first = false {
		if !first && p.take("apart") {
			p.help = "region eu-west = eu-* apart 1ms"
			r.Apart, r.Local = true, p.quality()
			break
		}
		for name := range strings.SplitSeq(p.next("the name of a node"), ",") {
			r.Nodes = append(r.Nodes, Pattern(name))
		}
	}
	if p.bad {
		return
	}
	switch at := p.s.region(r.Name); {
	case r.Name == "*":
		p.fail("a region needs a name")
	case at >= 0:
		p.failHelp("", "region %q stands on line %d already", r.Name, p.s.Regions[at].Line)
	default:
		for _, n := range r.Nodes {
			if by := p.covering(n); by > 0 {
				p.failHelp("put the narrower line first", "nodes %q can never live in %s: line %d matches first", string(n), r.Name, by)
			}
		}
		p.s.Regions = append(p.s.Regions, r)
	}
}

func (p *parser) covering(n Pattern) int {
	for _, r := range p.s.Regions {
		if slices.ContainsFunc(r.Nodes, func(o Pattern) bool { return o.covers(n) }) {
			return r.Line
		}
	}
	return 0
}

// ends reads the two ends of a link: "eu-west us-east", "eu-west > us-east", and one alone for all its links.
func (p *parser) ends() (a, b string, oneWay bool) {
	a, b = p.place(true), "*"
	if p.take(">") {
		return a, p.place(true), true
	}
	switch next := p.peek(); next {
	case "", "for", "owner", "handoff", "else":
	default:
		if next[0] < '0' || next[0] > '9' {
			b = p.place(true)
		}
	}
	if a == b && a != "*" && !p.bad {
		p.fail("a link from %s to itself", a)
	}
	return a, b, false
}

// place reads the name of a region, or "*" for all.
func (p *parser) place(star bool) string {
	name := p.next("the region")
	if p.bad || star && name == "*" {
		return name
	}
	p.named = append(p.named, named{p.line.Number, "region", name})
	return name
}

func (p *parser) link() {
	l := Link{Line: p.line.Number}
	var oneWay bool
	l.From, l.To, oneWay = p.ends()
	l.Both = !oneWay
	l.Quality = p.quality()
	if p.badLink = p.badLink || p.bad; !p.bad {
		p.s.Links = append(p.s.Links, l)
	}
}

func (p *parser) quality() Quality {
	q := Quality{Delay: p.duration("delay")}
	if next := p.peek(); strings.HasPrefix(next, "+-") || strings.HasPrefix(next, "±") {
		p.at++
		q.Jitter = p.durationOf("jitter", strings.TrimPrefix(strings.TrimPrefix(next, "+-"), "±"))
		if q.Jitter > q.Delay {
			p.fail("a delay of %s can't be %s less", durationText(q.Delay), durationText(q.Jitter))
		}
	}
	known := []string{"loss", "duplicate", "reorder", "bandwidth", "queue"}
	for p.more() {
		switch p.peek() {
		case "loss":
			p.at++
			q.Loss = p.parts("loss")
		case "duplicate":
			p.at++
			q.Duplicate = p.parts("duplicates")
		case "reorder":
			p.at++
			q.Reorder = p.parts("reordering")
		case "bandwidth":
			p.at++
			w, b := p.rate()
			q.Rate, q.Bytes = q.Rate+w, q.Bytes+b
		case "queue":
			p.at++
			q.Queue = p.count("queue")
			q.Throttle = p.oneOf("way to treat a full queue", p.next(`"refuse" or "throttle"`), []string{"refuse", "throttle"}) == "throttle"
		case "for", "owner", "handoff", "else":
			return q
		default:
			word := p.line.Words[p.at].Text
			p.failHelp(meant(word, known), "%q is nothing that a link has", word)
		}
	}
	return q
}

func (p *parser) class() {
	c := Class{Line: p.line.Number, Name: p.next("the class's name")}
	c.Critical = c.Name == "critical"
	p.want("=")
	at := len(p.s.Classes)
	for !p.bad && p.more() {
		switch p.peek() {
		case "reads":
			p.at++
			c.Reads = p.level(at, false)
		case "writes":
			p.at++
			c.Writes = p.level(at, true)
			if (c.Writes.Kind == Bounded || c.Writes.Kind == Session) && !p.bad {
				p.fail("writes are local, or go to some of the regions")
			}
		case "critical":
			p.at++
			c.Critical = true
		default:
			c.Keys = append(c.Keys, Pattern(p.next("the key")))
		}
	}
	if len(c.Keys) == 0 && !p.bad {
		p.fail("class %q has no keys", c.Name)
	}
	if p.bad {
		return
	}
	if i := slices.IndexFunc(p.s.Classes, func(o Class) bool { return o.Name == c.Name }); i >= 0 {
		p.failHelp("", "class %q stands on line %d already", c.Name, p.s.Classes[i].Line)
		return
	}
	if slices.Contains(measureNames(), c.Name) {
		p.failHelp("", "%q is what is measured, and so no name for a class", c.Name)
		return
	}
	for _, k := range c.Keys {
		for _, o := range p.s.Classes {
			if slices.ContainsFunc(o.Keys, func(q Pattern) bool { return q.covers(k) }) {
				p.failHelp("put the narrower line first", "keys %q of class %s can never match: line %d matches first",
					string(k), c.Name, o.Line)
			}
		}
	}
	p.s.Classes = append(p.s.Classes, c)
}

// level reads local, quorum, all, "2 of 3", "bounded 5s" or session.
func (p *parser) level(class int, writes bool) Level {
	pending := pendingLevel{line: p.line.Number, class: class, writes: writes}
	switch word := p.next("the level"); word {
	case "local":
		return Level{}
	case "session":
		return Level{Kind: Session}
	case "bounded":
		return Level{Kind: Bounded, Bound: p.duration("bound")}
	case "quorum":
		pending.need = -1
	case "all":
	default:
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			p.oneOf("level", word, []string{"local", "quorum", "all", "bounded", "session", "2 of 3"})
			return Level{}
		}
		p.want("of")
		pending.need, pending.of = n, p.count("number of regions")
	}
	p.levels = append(p.levels, pending)
	return Level{Kind: Some}
}

func (p *parser) load() {
	l := Load{Line: p.line.Number}
	l.Faster = p.take("faster")
	l.Factor = p.factor()
	for p.more() && p.peek() != "from" {
		l.Keys = append(l.Keys, Pattern(p.next("the key")))
	}
	p.want("from")
	l.From = p.when()
	p.want("for")
	l.For = p.duration("length")
	switch {
	case p.bad:
		return
	case l.For == 0:
		p.fail("a load for no time")
		return
	case l.Faster && (l.Factor < 1 || len(l.Keys) > 0):
		p.fail("a faster load is of all keys, and by x1 or more")
		return
	}
	p.s.Loads = append(p.s.Loads, l)
}

func (p *parser) probe() {
	pr := Probe{Line: p.line.Number, Keys: Pattern(p.next("the key"))}
	p.want("in")
	pr.Region = p.place(true)
	p.want("after")
	pr.After = p.duration("time")
	if !p.bad {
		p.s.Probes = append(p.s.Probes, pr)
	}
}

// step reads what happens at a time.
func (p *parser) step(at When, moves bool) {
	if p.bad {
		return
	}
	if moves {
		p.last, p.timed = at, true
	}
	st := Step{Line: p.line.Number, At: at}
	st.Do = p.action()
	var rollback *Action
	p.owned(&st.Owner, &st.Handoff, &rollback)
	if rollback != nil {
		if st.Do.Kind != Look {
			p.fail("a rollback belongs to a check or a timer")
		} else {
			st.Do.Check.Rollback = rollback
		}
	}
	if st.Do.Check != nil {
		st.Do.Check.Owner = st.Owner
	}
	if !p.bad {
		p.s.Steps = append(p.s.Steps, st)
	}
}

func (p *parser) action() Action {
	word := p.next("what happens")
	if p.bad {
		return Action{}
	}
	a := Action{Kind: ActionKind(p.oneOf("action", word, actionNames()))}
	if p.bad {
		return a
	}
	if p.line.Words[0].Text == "at" {
		p.help = actionExamples[a.Kind]
	}
	switch a.Kind {
	case Cut:
		a.A, a.B, a.OneWay = p.ends()
		if a.A == "*" && a.OneWay {
			p.fail("a cut names a region")
		}
	case Heal:
		if next := p.peek(); next != "" && !slices.Contains([]string{"owner", "handoff"}, next) {
			a.A, a.B, a.OneWay = p.ends()
		}
	case Stop, Start, Restart:
		a.A = p.next("the region or node")
		p.named = append(p.named, named{p.line.Number, "place", a.A})
		if a.Kind == Restart {
			p.want("from")
			p.want("backup")
			a.Backup = p.when()
		}
	case Skew, Drift:
		a.A = p.place(false)
		text := p.next("by how much")
		if a.Kind == Drift {
			var unit time.Duration
			text, unit = p.per(text)
			if a.By = p.shift("drift", text); a.By.Abs() > unit {
				p.fail("a clock that drifts by more than the time that passes")
				a.By = 0
			}
			a.By *= time.Hour / unit
		} else if !p.bad {
			a.By = p.shift("skew", text)
		}
	case Freeze, Thaw:
		a.A = p.next("the class")
		p.named = append(p.named, named{p.line.Number, "class", a.A})
	case Switch:
		a.A = p.next("the rule table")
		if p.take("in") {
			a.B = p.next("the region or node")
			p.named = append(p.named, named{p.line.Number, "place", a.B})
		}
	case Change:
		a.A, a.B, a.OneWay = p.ends()
		a.Link = p.quality()
	case Tell:
		a.A = p.next("what to do")
	case Look:
		a.Check = p.check()
	}
	if p.take("for") {
		switch a.Kind {
		case Cut, Stop, Skew, Drift, Freeze, Change:
			if a.For = p.duration("time"); a.For == 0 {
				p.fail("for no time")
			}
		default:
			p.fail("%s lasts for no time", a.Kind)
		}
	}
	return a
}

// per splits "+10ms/h" into the shift and the time that it takes.
func (p *parser) per(text string) (string, time.Duration) {
	shift, unit, _ := strings.Cut(text, "/")
	switch unit {
	case "s":
		return shift, time.Second
	case "m":
		return shift, time.Minute
	case "h":
		return shift, time.Hour
	}
	if !p.bad {
		p.fail("drift %q is no shift in a time", text)
	}
	return shift, time.Hour
}

// owned reads what may stand at the end of a line: who does it, and what to do when it fails.
func (p *parser) owned(owner *string, handoff *bool, rollback **Action) {
	for p.more() {
		switch {
		case p.take("owner"):
			*owner = p.next("the owner")
		case handoff != nil && p.take("handoff"):
			*handoff = true
		case p.take("else"):
			p.want("rollback")
			if p.bad {
				return
			}
			a := p.action()
			if a.Kind == Look && !p.bad {
				p.fail("a check is no rollback")
			}
			*rollback = &a
		default:
			return
		}
	}
}

var comparisons = []string{"<", "<=", ">", ">=", "==", "!="}

func (p *parser) check() *Check {
	c := &Check{Line: p.line.Number}
	var before []string
	for p.more() && strings.Trim(p.peek(), "<>=!") != "" && len(before) < 3 {
		before = append(before, p.next("what is measured"))
	}
	at := slices.IndexFunc(before, func(s string) bool { return slices.Contains(measureNames(), s) })
	switch {
	case p.bad:
		return c
	case len(before) == 0:
		p.fail("a check measures something")
	case at < 0:
		word := before[0]
		for _, b := range before {
			if lex.Nearest(b, measureNames()) != "" {
				word = b
			}
		}
		p.oneOf("measure", word, measureNames())
	case len(before) > 2:
		p.fail("a check has a measure, and a class or keys")
	}
	if p.bad {
		return c
	}
	c.Measure = Measure(before[at])
	if len(before) == 2 {
		other := before[1-at]
		if strings.ContainsAny(other, "*/") {
			c.Keys = Pattern(other)
		} else {
			c.Class = other
			p.named = append(p.named, named{p.line.Number, "class", other})
		}
		if c.Measure == Backlog {
			p.fail("a backlog is that of a link, and not of some keys")
		}
	}
	if c.Op = p.next("the comparison"); !p.bad && !slices.Contains(comparisons, c.Op) {
		p.failHelp("one of "+strings.Join(comparisons, " "), "%q is not a comparison", c.Op)
	}
	limit := p.next("the limit")
	if p.bad {
		return c
	}
	if c.Measure.Timed() && limit != "0" {
		c.Limit = int64(p.durationOf("limit", limit))
	} else {
		n, err := strconv.ParseInt(limit, 10, 64)
		if err != nil || n < 0 {
			p.fail("limit %q is no number", limit)
		}
		c.Limit = n
	}
	if c.Idle = p.take("or"); c.Idle {
		p.want("idle")
	}
	return c
}

var timerEvents = []string{"heal", "cut", "stop", "start", "restart"}

func (p *parser) timer() {
	t := Timer{Line: p.line.Number, Within: p.duration("time")}
	p.want("of")
	// The event ends in a colon, which may stand apart.
	if p.more() {
		word := &p.line.Words[p.at]
		if cut, ok := strings.CutSuffix(word.Text, ":"); ok && cut != "" {
			p.line.Words = slices.Clone(p.line.Words)
			p.line.Words[p.at].Text = cut
			p.line.Words = slices.Insert(p.line.Words, p.at+1, lex.Word{Text: ":"})
		}
	}
	if next := p.peek(); next != "" && next[0] >= '0' && next[0] <= '9' {
		t.At = p.when()
	} else {
		t.Of = p.oneOf("event", p.next("the event"), append(slices.Clone(timerEvents), "12:20"))
	}
	p.want(":")
	if !p.take("converged") && !p.bad {
		t.Check = p.check()
	}
	p.owned(&t.Owner, nil, &t.Rollback)
	if !p.bad {
		p.s.Timers = append(p.s.Timers, t)
	}
}

// finish checks what only the whole script tells.
func (p *parser) finish() {
	s := p.s
	if p.first["stuck"] == 0 {
		s.Stuck = DefaultStuck
	}
	if p.first["timeout"] == 0 {
		s.Timeout = DefaultTimeout
	}
	if len(s.Regions) == 0 {
		p.ms.Add(0, "as in: "+examples["region"], "the drill has no regions")
	}
	if len(s.Regions) > MaxRegions {
		p.ms.Add(s.Regions[MaxRegions].Line, "", "more than %d regions", MaxRegions)
	}
	checks := len(s.Checks) + len(s.Timers)
	for _, st := range s.Steps {
		if st.Do.Check != nil {
			checks++
		}
	}
	if checks > MaxChecks {
		p.ms.Add(0, "", "more than %d checks and timers", MaxChecks)
	}
	p.names()
	p.apart()
	p.links()
	p.countRegions()
	p.timers()
	slices.SortStableFunc(s.Steps, func(a, b Step) int {
		// Times of day come before full dates here; a drill puts both in order once it knows its day.
		if c := a.At.Exact.Compare(b.At.Exact); c != 0 {
			return c
		}
		return int(min(max(a.At.Clock-b.At.Clock, -1), 1))
	})
}

func (p *parser) names() {
	var regions, classes []string
	for _, r := range p.s.Regions {
		regions = append(regions, r.Name)
	}
	for _, c := range p.s.Classes {
		classes = append(classes, c.Name)
	}
	for _, n := range p.named {
		switch {
		case n.what == "class" && !slices.Contains(classes, n.name):
			p.ms.Add(n.line, meant(n.name, classes), "%q is no class of this drill", n.name)
		case n.what == "region" && !slices.Contains(regions, n.name):
			p.ms.Add(n.line, meant(n.name, regions), "%q is no region of this drill", n.name)
		case n.what == "place" && !slices.Contains(regions, n.name) && p.s.regionOf(n.name) < 0:
			p.ms.Add(n.line, meant(n.name, regions), "%q is no region of this drill, and no node of one", n.name)
		}
	}
}

// apart gives the nodes of a region replicas of their own where a step is about that of one: a backup, or a table.
func (p *parser) apart() {
	s := p.s
	for _, a := range s.actions() {
		name := ""
		switch a.Kind {
		case Restart:
			name = a.A
		case Switch:
			name = a.B
		case Stop, Start:
			s.named = append(s.named, a.A)
		}
		if name == "" {
			continue
		}
		s.named = append(s.named, name)
		if at := s.regionOf(name); s.region(name) < 0 && at >= 0 && !s.Regions[at].Apart {
			s.Regions[at].Apart, s.Regions[at].Local = true, Quality{Delay: DefaultLocal}
		}
	}
	slices.Sort(s.named)
	s.named = slices.Compact(s.named)
}

// links reports directions without a link, and links without a direction.
func (p *parser) links() {
	s := p.s
	used := make([]bool, len(s.Links))
	missing := ""
	by := make([]int, len(s.Links)) // the line that matches first
	for _, from := range s.Regions {
		for _, to := range s.Regions {
			if from.Name == to.Name {
				continue
			}
			first := s.link(from.Name, to.Name)
			if first < 0 {
				if missing == "" {
					missing = from.Name + " > " + to.Name
				}
				continue
			}
			used[first] = true
			for i := range s.Links {
				if i != first && s.Links[i].matches(from.Name, to.Name) {
					by[i] = s.Links[first].Line
				}
			}
		}
	}
	if missing != "" && !p.badLink { // whose line may be the one
		p.ms.Add(0, `end the links with a line for the rest, such as "link * 80ms"`, "no link for %s", missing)
	}
	for i, l := range s.Links {
		if !used[i] && by[i] > 0 {
			p.ms.Add(l.Line, "put the narrower line first", "%q can never match: line %d matches first", l.String(), by[i])
		}
	}
}

// countRegions turns a quorum into a number.
func (p *parser) countRegions() {
	n := len(p.s.Regions)
	for _, l := range p.levels {
		if l.class >= len(p.s.Classes) {
			continue // its line is wrong anyway
		}
		if l.of > 0 && l.of != n || l.need > max(n, 1) {
			p.ms.Add(l.line, "", "%d of %d, and the drill has %s", l.need, l.of, plural(n, "region"))
			continue
		}
		need := l.need
		switch need {
		case -1:
			need = n/2 + 1
		case 0:
			need = n
		}
		level := &p.s.Classes[l.class].Reads
		if l.writes {
			level = &p.s.Classes[l.class].Writes
		}
		level.Regions, level.Of = need, n
	}
}

// timers reports timers of what never happens.
func (p *parser) timers() {
	happens := make(map[string]bool)
	note := func(a *Action) {
		if a == nil {
			return
		}
		happens[string(a.Kind)] = true
		if a.For > 0 {
			switch a.Kind {
			case Cut:
				happens["heal"] = true
			case Stop:
				happens["start"] = true
			}
		}
	}
	for i := range p.s.Steps {
		note(&p.s.Steps[i].Do)
		if c := p.s.Steps[i].Do.Check; c != nil {
			note(c.Rollback)
		}
	}
	for i := range p.s.Checks {
		note(p.s.Checks[i].Rollback)
	}
	for i := range p.s.Timers {
		note(p.s.Timers[i].Rollback)
	}
	for _, t := range p.s.Timers {
		if t.Of != "" && !happens[t.Of] {
			p.ms.Add(t.Line, "", "nothing in the script makes a %s, so the timer never runs", t.Of)
		}
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
