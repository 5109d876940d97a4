package drill

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/lex"
)

// Script is a drill: where the replicas are, what is promised of which keys, and what happens when. [ParseScript] makes
// one; it is only read after that, so goroutines may share it.
type Script struct {
	File    string
	Name    string // the file when the script says none
	Seed    uint64
	Regions []Region
	Links   []Link
	Classes []Class
	Loads   []Load
	Probes  []Probe
	Leaders []Pattern     // keys that say who leads
	Stuck   time.Duration // after which a write that is not in every region is stuck
	Timeout time.Duration // after which who asks other regions is not answered any more
	Hybrid  bool          // the regions stamp by hybrid logical clocks; else by the recorded times
	Steps   []Step        // in the order of their times; of one time, in the order of the file
	Checks  []Check       // that hold throughout
	Timers  []Timer

	lines []string
	named []string // what steps name that may be regions or nodes
}

// DefaultStuck is after how long a write that is not in every region is stuck, where a script doesn't say.
const DefaultStuck = time.Minute

// DefaultTimeout is for how long who asks other regions waits for answers, where a script doesn't say.
const DefaultTimeout = 5 * time.Second

// DefaultLocal is how far the replicas of one region are from each other, where a script doesn't say.
const DefaultLocal = time.Millisecond

// Pattern stands for keys or names: "*" is any run of characters.
type Pattern string

// Matches reports whether the pattern stands for a text.
func (p Pattern) Matches(s string) bool { return lex.Match(string(p), s) }

// covers reports whether the pattern stands for all that another one does.
func (p Pattern) covers(q Pattern) bool { return lex.Match(string(p), string(q)) }

func anyMatches(patterns []Pattern, s string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool { return p.Matches(s) })
}

// Region is where nodes live. It is one replica, which keeps the state and serves all of them, or has a replica for each
// node when they are apart.
type Region struct {
	Line  int
	Name  string
	Nodes []Pattern
	Apart bool
	Local Quality // of the links between the replicas
}

// Link says how writes travel between two regions. The first line that matches a direction is its link.
type Link struct {
	Line     int
	From, To string // "*" is every region
	Both     bool   // the other direction too
	Quality
}

// Quality is what a link does to the writes on it.
type Quality struct {
	Delay, Jitter time.Duration // a write takes Delay, up to Jitter more or less

	// How many writes of a million are lost and sent again, arrive twice, and arrive late and out of order.
	Loss, Duplicate, Reorder int

	Rate  float64 // writes a second; 0 is any number
	Bytes float64 // bytes a second; 0 is any number

	// Queue is how many writes may be on their way, 0 is any number. Each node of the sending region has an equal share.
	// What is beyond it is refused, or waits when Throttle is set.
	Queue    int
	Throttle bool
}

// Class is what is promised of some keys. The first line that matches a key is its class.
type Class struct {
	Line          int
	Name          string
	Keys          []Pattern
	Reads, Writes Level
	Critical      bool // two sides must never both write one of its keys
}

// LevelKind says whom a read or a write asks.
type LevelKind uint8

const (
	Local   LevelKind = iota // its own region
	Some                     // so many of all regions: a quorum, or another number
	Bounded                  // its own region, unless that is too far behind
	Session                  // its own region, unless that lacks what the session has read
)

// Level is a consistency level.
type Level struct {
	Kind    LevelKind
	Regions int           // of Some
	Of      int           // of Some, how many regions there are
	Bound   time.Duration // of Bounded
}

// String returns the level as a script writes it.
func (l Level) String() string {
	switch l.Kind {
	case Some:
		return fmt.Sprintf("%d of %d", l.Regions, l.Of)
	case Bounded:
		return "bounded " + l.Bound.String()
	case Session:
		return "session"
	}
	return "local"
}

// Load changes how much of the history happens in a window.
type Load struct {
	Line   int
	Factor float64
	Faster bool      // the window's writes come in a Factor-th of the time; else there are Factor times as many
	Keys   []Pattern // empty is every key
	From   When
	For    time.Duration
}

// Probe is a reader made up for the drill: it reads every key that is written, a fixed time later.
type Probe struct {
	Line   int
	Keys   Pattern
	Region string // "*" is every region
	After  time.Duration
}

// When is a moment: a time of the history's first day, or a full date.
type When struct {
	Clock time.Duration // since midnight
	Exact time.Time     // the zero Time when Clock counts
}

// String returns the moment as a script writes it.
func (w When) String() string {
	if !w.Exact.IsZero() {
		return w.Exact.Format(time.RFC3339Nano)
	}
	return clockText(w.Clock)
}

// at returns the moment in a history that begins at first, in nanoseconds since 1970.
func (w When) at(first int64) int64 {
	if !w.Exact.IsZero() {
		return w.Exact.UnixNano()
	}
	return first - first%int64(24*time.Hour) + int64(w.Clock)
}

// clockText writes a time of day: "12:00", with as many more digits as it has.
func clockText(d time.Duration) string {
	day := time.Unix(0, 0).UTC().Add(d)
	if d%time.Minute == 0 {
		return day.Format("15:04")
	}
	return day.Format("15:04:05.999999999")
}

// Step is one line of a script that happens at a time.
type Step struct {
	Line    int
	At      When
	Do      Action
	Owner   string // who does it
	Handoff bool   // the owner is another than before, and must be told
}

// ActionKind says what is done. Names are written in reports and are never reused.
type ActionKind string

// The actions.
const (
	Cut     ActionKind = "cut"     // the links of a region, or between two, carry nothing
	Heal    ActionKind = "heal"    // they carry again
	Stop    ActionKind = "stop"    // a region or a node is gone
	Start   ActionKind = "start"   // and comes back with what it had
	Restart ActionKind = "restart" // and comes back with an old backup
	Skew    ActionKind = "skew"    // a region's clock is set ahead or back
	Drift   ActionKind = "drift"   // a region's clock runs fast or slow
	Freeze  ActionKind = "freeze"  // the writes of a class are refused
	Thaw    ActionKind = "thaw"    // they are taken again
	Switch  ActionKind = "table"   // all regions, or one, or one node of it, go on under another rule table
	Change  ActionKind = "link"    // a link gets better or worse
	Tell    ActionKind = "step"    // something that people do
	Look    ActionKind = "check"   // a check of this moment
)

// Action is what a step does.
type Action struct {
	Kind   ActionKind
	A, B   string // regions, a node, a class, a table and where, or the text for people
	OneWay bool
	For    time.Duration // after which it ends by itself; 0 is never
	By     time.Duration // of a skew; of a drift, in an hour
	Backup When
	Link   Quality
	Check  *Check
}

// String returns the action as a script writes it.
func (a Action) String() string {
	words := []string{string(a.Kind)}
	add := func(w ...string) { words = append(words, w...) }
	switch a.Kind {
	case Tell:
		add(lex.Word{Text: a.A, Quoted: true}.String())
	case Look:
		return a.Check.String()
	default:
		for i, name := range []string{a.A, a.B} {
			if i == 1 && a.OneWay {
				add(">")
			}
			if name != "" && (i == 0 || name != "*" || a.OneWay) {
				add(lex.Word{Text: name}.String())
			}
		}
	}
	switch a.Kind {
	case Skew:
		add(signed(a.By))
	case Drift:
		add(signed(a.By) + "/h")
	case Restart:
		add("from", "backup", a.Backup.String())
	case Switch:
		if a.B != "" {
			words = words[:len(words)-1]
			add("in", lex.Word{Text: a.B}.String())
		}
	case Change:
		add(a.Link.String())
	}
	if a.For > 0 {
		add("for", durationText(a.For))
	}
	return strings.Join(words, " ")
}

// narrow reports whether the link can be too narrow: it has a bandwidth or a queue.
func (q *Quality) narrow() bool { return q.Rate > 0 || q.Bytes > 0 || q.Queue > 0 }

// String returns the quality as a script writes it.
func (q Quality) String() string {
	words := []string{durationText(q.Delay)}
	add := func(w ...string) { words = append(words, w...) }
	if q.Jitter > 0 {
		add("+-" + durationText(q.Jitter))
	}
	for _, s := range []struct {
		word  string
		parts int
	}{{"loss", q.Loss}, {"duplicate", q.Duplicate}, {"reorder", q.Reorder}} {
		if s.parts > 0 {
			add(s.word, plainNumber(float64(s.parts)/1e4)+"%")
		}
	}
	if q.Rate > 0 {
		add("bandwidth", plainNumber(q.Rate)+"/s")
	}
	if q.Bytes > 0 {
		add("bandwidth", plainNumber(q.Bytes)+"B/s")
	}
	if q.Queue > 0 {
		policy := "refuse"
		if q.Throttle {
			policy = "throttle"
		}
		add("queue", fmt.Sprint(q.Queue), policy)
	}
	return strings.Join(words, " ")
}

// plainNumber writes a number without an exponent.
func plainNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func signed(d time.Duration) string {
	if d < 0 {
		return "-" + durationText(-d)
	}
	return "+" + durationText(d)
}

// durationText writes a duration without the zeros at its end: "20m" and not "20m0s".
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = text[:len(text)-2]
	}
	if strings.HasSuffix(text, "h0m") {
		text = text[:len(text)-2]
	}
	return text
}

// Check is a bound on what a drill counts.
type Check struct {
	Line     int
	Measure  Measure
	Class    string  // "" is every class
	Keys     Pattern // "" is every key
	Op       string  // < <= > >= == !=
	Limit    int64   // nanoseconds of what is measured in time
	Idle     bool    // it passes when there is nothing that it could measure
	Rollback *Action // what to do when it fails; nil is nothing
	Owner    string
}

// String returns the check as a script writes it, without its rollback.
func (c *Check) String() string {
	words := []string{"check"}
	if c.Class != "" {
		words = append(words, c.Class)
	}
	words = append(words, string(c.Measure))
	if c.Keys != "" {
		words = append(words, lex.Word{Text: string(c.Keys)}.String())
	}
	words = append(words, c.Op, c.Measure.Text(c.Limit))
	if c.Idle {
		words = append(words, "or", "idle")
	}
	return strings.Join(words, " ")
}

// holds reports whether a value is within the bound.
func (c *Check) holds(v int64) bool {
	switch c.Op {
	case "<":
		return v < c.Limit
	case "<=":
		return v <= c.Limit
	case ">":
		return v > c.Limit
	case ">=":
		return v >= c.Limit
	case "==":
		return v == c.Limit
	}
	return v != c.Limit
}

// throughout reports whether the check can fail before the end: a count that only grows can't keep a bound again that it
// has passed, and one that it has yet to reach can't be missed before the end.
func (c *Check) throughout() bool { return c.Op == "<" || c.Op == "<=" || c.Op == "==" && c.Limit == 0 }

// Timer is how soon after an event something must be so.
type Timer struct {
	Line     int
	Within   time.Duration
	Of       string // heal, cut, stop, start, restart, or the time At
	At       When
	Check    *Check // nil: the regions have converged
	Rollback *Action
	Owner    string
}

// String returns the timer as a script writes it.
func (t *Timer) String() string {
	what := "converged"
	if t.Check != nil {
		what = strings.TrimPrefix(t.Check.String(), "check ")
	}
	return fmt.Sprintf("within %s of %s: %s", durationText(t.Within), t.of(), what)
}

func (t *Timer) of() string {
	if t.Of == "" {
		return t.At.String()
	}
	return t.Of
}

// Tables returns the names of the rule tables that the script switches to, sorted.
func (s *Script) Tables() []string {
	var names []string
	for _, a := range s.actions() {
		if a.Kind == Switch {
			names = append(names, a.A)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Fingerprint returns 32 hexadecimal digits that stand for every line of the script but for comments and spacing.
func (s *Script) Fingerprint() string {
	h := sha256.New()
	fmt.Fprintf(h, "tiebreak.drill/v1\n%s\n", strings.Join(s.lines, "\n"))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Lines returns what the script says, without comments and spacing.
func (s *Script) Lines() []string { return slices.Clone(s.lines) }

// region returns the index of a region, -1 when there is none.
func (s *Script) region(name string) int {
	return slices.IndexFunc(s.Regions, func(r Region) bool { return r.Name == name })
}

// regionOf returns the index of the region in which a node lives, -1 when it lives in none.
func (s *Script) regionOf(node string) int {
	return slices.IndexFunc(s.Regions, func(r Region) bool { return anyMatches(r.Nodes, node) })
}

// classOf returns the index of a key's class, -1 when it has none.
func (s *Script) classOf(key string) int {
	return slices.IndexFunc(s.Classes, func(c Class) bool { return anyMatches(c.Keys, key) })
}

// link returns the first line for a direction, -1 when there is none.
func (s *Script) link(from, to string) int {
	return slices.IndexFunc(s.Links, func(l Link) bool { return l.matches(from, to) })
}

func (l *Link) matches(from, to string) bool {
	side := func(pattern, name string) bool { return pattern == "*" || pattern == name }
	return side(l.From, from) && side(l.To, to) || l.Both && side(l.From, to) && side(l.To, from)
}

// String returns the link as a script writes it.
func (l *Link) String() string {
	ends := l.From
	switch {
	case !l.Both:
		ends += " > " + l.To
	case l.To != "*":
		ends += " " + l.To
	}
	return "link " + ends + " " + l.Quality.String()
}
