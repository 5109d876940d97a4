package drill

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/lex"
)

// words reads one line of a script from left to right. The first thing that is wrong is noted, and nothing after it.
type words struct {
	line lex.Line
	at   int
	ms   *lex.Mistakes
	help string // a line as it should be
	bad  bool
}

func (w *words) fail(format string, args ...any) {
	w.failHelp("as in: "+w.help, format, args...)
}

func (w *words) failHelp(help, format string, args ...any) {
	if !w.bad {
		w.ms.Add(w.line.Number, help, format, args...)
	}
	w.bad = true
}

// more reports whether there is another word, and nothing wrong so far.
func (w *words) more() bool { return !w.bad && w.at < len(w.line.Words) }

// peek returns the next word, "" when there is none or when it is quoted.
func (w *words) peek() string {
	if !w.more() || w.line.Words[w.at].Quoted {
		return ""
	}
	return w.line.Words[w.at].Text
}

// next takes a word off; what names it when it is missing.
func (w *words) next(what string) string {
	if !w.more() {
		w.fail("%s is missing", what)
		return ""
	}
	w.at++
	return w.line.Words[w.at-1].Text
}

// take takes a word off when it is the given one.
func (w *words) take(word string) bool {
	if w.peek() != word {
		return false
	}
	w.at++
	return true
}

// want takes the given word off, or notes its absence.
func (w *words) want(word string) {
	if !w.take(word) && !w.bad {
		w.fail("%q must follow %q%s", word, w.last(), w.instead())
	}
}

func (w *words) last() string {
	if w.at == 0 {
		return ""
	}
	return w.line.Words[w.at-1].Text
}

func (w *words) instead() string {
	if !w.more() {
		return ""
	}
	return fmt.Sprintf(", not %q", w.line.Words[w.at].Text)
}

// end notes what is left.
func (w *words) end() {
	if w.more() {
		w.fail("%q is too much", w.line.Words[w.at].Text)
	}
}

// oneOf returns the word when it is known, and notes a mistake that names the nearest otherwise.
func (w *words) oneOf(what string, word string, known []string) string {
	if w.bad || slices.Contains(known, word) {
		return word
	}
	w.failHelp(meant(word, known), "%q is no %s", word, what)
	return ""
}

// meant says which of the known words was perhaps meant.
func meant(word string, known []string) string {
	if near := lex.Nearest(word, known); near != "" {
		return fmt.Sprintf("did you mean %q?", near)
	}
	switch {
	case len(known) == 0:
		return ""
	case len(known) > 12:
		return "one of " + strings.Join(known[:12], ", ") + ", ..."
	}
	return "one of " + strings.Join(known, ", ")
}

// limits of what a script may say: a year, and a million times the load.
const (
	longest = 366 * 24 * time.Hour
	most    = 1e6
)

func (w *words) duration(what string) time.Duration { return w.durationOf(what, w.next(what)) }

func (w *words) durationOf(what, text string) time.Duration {
	if w.bad {
		return 0
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		w.fail("%q is no %s: a duration has a unit, as 80ms, 20m or 1h30m", text, what)
	case d < 0 || d > longest:
		w.fail("%s of %s: from 0 to a year", what, text)
	default:
		return d
	}
	return 0
}

// shift reads a duration with a sign.
func (w *words) shift(what, text string) time.Duration {
	sign := time.Duration(1)
	switch {
	case strings.HasPrefix(text, "+"):
	case strings.HasPrefix(text, "-"):
		sign = -1
	default:
		w.fail("%s %q needs a sign: + is ahead, - is behind", what, text)
		return 0
	}
	return sign * w.durationOf(what, text[1:])
}

// when reads a time of day or a full date.
func (w *words) when() When {
	text := w.next("the time")
	if w.bad {
		return When{}
	}
	for _, form := range []string{"15:04", "15:04:05", "15:04:05.999999999"} {
		if t, err := time.Parse(form, text); err == nil {
			return When{Clock: t.Sub(time.Date(0, 1, 1, 0, 0, 0, 0, time.UTC))}
		}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1971 || t.Year() > 2260 {
		w.fail("%q is no time: 12:00, 12:00:30, or a full date as 2026-05-20T12:00:00Z", text)
		return When{}
	}
	return When{Exact: t.UTC()}
}

// parts reads a percentage in parts of a million.
func (w *words) parts(what string) int {
	text := w.next(what)
	if w.bad {
		return 0
	}
	p, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !strings.HasSuffix(text, "%") || !(p >= 0 && p <= 90) {
		w.fail("%s of %q: from 0%% to 90%%", what, text)
		return 0
	}
	return int(math.Round(p * 1e4))
}

// count reads a whole number from 1.
func (w *words) count(what string) int {
	text := w.next(what)
	if w.bad {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 1e9 {
		w.fail("%s %q is no number from 1", what, text)
		return 0
	}
	return n
}

// rate reads "500/s" or "2MB/s".
func (w *words) rate() (writes, bytes float64) {
	text := w.next("the bandwidth")
	if w.bad {
		return 0, 0
	}
	number, ok := strings.CutSuffix(text, "/s")
	unit := 0.0
	for _, u := range []struct {
		name string
		of   float64
	}{{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}} {
		if cut, is := strings.CutSuffix(number, u.name); is {
			number, unit = cut, u.of
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if !ok || err != nil || !(n >= 1e-3 && n <= 1e12) {
		w.fail("bandwidth %q: writes or bytes a second, as 500/s or 2MB/s", text)
		return 0, 0
	}
	if unit > 0 {
		return 0, n * unit
	}
	return n, 0
}

// factor reads "x2" or "x0.5".
func (w *words) factor() float64 {
	text := w.next("the factor")
	if w.bad {
		return 0
	}
	f, err := strconv.ParseFloat(strings.TrimPrefix(text, "x"), 64)
	if !strings.HasPrefix(text, "x") || err != nil || !(f >= 0 && f <= most) {
		w.fail("%q is no factor: x2 is twice as much", text)
		return 0
	}
	return f
}
