package cmd

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/reads"
	"github.com/tiebreakhq/tiebreak/replay/report"
)

// bound is one item of -fail-on: a count of the report that may not be above a limit.
type bound struct {
	text  string // as it was given
	word  string
	limit int64
}

// totals are the words of -fail-on that are no codes.
var totals = map[string]func(r *replay.Report) replay.Count{
	"lost":      func(r *replay.Report) replay.Count { return r.Totals.Lost },
	"conflicts": func(r *replay.Report) replay.Count { return r.Totals.Conflicts },
	"refused":   func(r *replay.Report) replay.Count { return r.Totals.Refused },
	"diverged":  func(r *replay.Report) replay.Count { return exactly(r.Totals.Diverged) },
	"ties":      func(r *replay.Report) replay.Count { return exactly(r.Ties()) },
}

// totalNames are in the order of the help.
var totalNames = []string{"lost", "conflicts", "refused", "diverged", "ties"}

func exactly(n int64) replay.Count { return replay.Count{Min: n, Max: n} }

// parseBounds reads the list of -fail-on: "lost>10,refused,inversion". Its words are those of the command and the codes of
// findings; timed reports which have a duration as their limit, and nil is none.
func parseBounds(text string, words []string, timed func(word string) bool) ([]bound, error) {
	if text == "" {
		return nil, nil
	}
	known := append(slices.Clone(words), codeNames()...)
	var bounds []bound
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		word, limit, limited := strings.Cut(item, ">")
		b := bound{text: item, word: strings.TrimSpace(word)}
		if !slices.Contains(known, b.word) {
			return nil, hinted{fmt.Errorf("-fail-on: there is no %q", b.word), meant(b.word, known, "it takes "+strings.Join(words, ", ")+" and the codes of findings: see tiebreak help codes")}
		}
		if limited {
			n, like := int64(0), "lost>10"
			var err error
			if limit = strings.TrimSpace(limit); timed != nil && timed(b.word) {
				var d time.Duration
				d, err = time.ParseDuration(limit)
				n, like = int64(d), b.word+">5s"
			} else {
				n, err = strconv.ParseInt(limit, 10, 64)
			}
			if err != nil || n < 0 {
				return nil, hinted{fmt.Errorf("-fail-on: %q has no limit", item), "as in -fail-on '" + like + "'"}
			}
			b.limit = n
		}
		bounds = append(bounds, b)
	}
	return bounds, nil
}

// checkTold reports the codes in bounds that a command never tells, with who does: such a bound would never be exceeded.
func checkTold(command string, bounds []bound, told report.Tellers) error {
	var mistakes []error
	for _, b := range bounds {
		if e, ok := report.Explain(finding.Code(b.word)); ok && e.By&told == 0 {
			mistakes = append(mistakes, hinted{fmt.Errorf("-fail-on: %s never tells %s", command, b.word), "see tiebreak help " + b.word})
		}
	}
	return errors.Join(mistakes...)
}

// unmeasured says why a report tells nothing of what a bound is about; "" when it does. What was not measured is not within a
// bound.
func unmeasured(b bound, r *replay.Report, in *input, judged *reads.Report) string {
	switch code := finding.Code(b.word); {
	case code == finding.StaleRead:
		if judged == nil || judged.Reads == 0 {
			return "the history has no reads"
		}
		if !slices.ContainsFunc(judged.Levels, func(l reads.LevelSum) bool { return l.Fine+l.Stale > 0 }) {
			return "of no read can anybody tell whether it was stale"
		}
	case r.Totals.Writes == 0:
		return "no write was replayed"
	case b.word == "diverged":
		if in.origin != "" {
			return "with -origin nothing says what a region shows"
		}
		var regions, empty []string
		for _, one := range r.Inputs {
			switch {
			case one.Region == "" || slices.Contains(regions, one.Region):
			case one.Writes > 0:
				regions = append(regions, one.Region)
			case !slices.Contains(empty, one.Region):
				empty = append(empty, one.Region)
			}
		}
		empty = slices.DeleteFunc(empty, func(region string) bool { return slices.Contains(regions, region) })
		switch {
		case len(regions) < 2 && len(empty) > 0:
			return "it takes the exports of two regions, and no write stands in that of " + strings.Join(empty, ", ")
		case len(regions) < 2:
			return "it takes the exports of two regions: -region NAME=FILE names them"
		case r.Totals.Arrivals == 0:
			return "no write stands in the exports of two regions, so that nothing says what arrived"
		}
	case code == finding.InvariantBroken:
		return untried(r, "check")
	case code == finding.UniqueViolation:
		return untried(r, "unique")
	}
	return ""
}

// untried says why no line of a kind was tried; "" when one was.
func untried(r *replay.Report, kind string) string {
	why := "the table has no " + kind + " line"
	for _, c := range r.Checks {
		if !strings.HasPrefix(c.Check, kind+" ") {
			continue
		}
		if c.Tried > 0 {
			return ""
		}
		if c.TwoKinds > 0 {
			return "the values that a " + kind + " line compares are of different kinds"
		}
		why = "no record has what a " + kind + " line of the table asks for"
	}
	return why
}

// count returns what a report says of what the bound is about.
func (b bound) count(r *replay.Report) replay.Count {
	if of, ok := totals[b.word]; ok {
		return of(r)
	}
	return exactly(r.Found(finding.Code(b.word)))
}

// exceeded reports, and says, whether a report is beyond a bound. What is only known as a range counts as its most.
func (c *command) exceeded(b bound, r *replay.Report) bool {
	count := b.count(r)
	if count.Max <= b.limit {
		return false
	}
	most := ""
	if !count.Exact() {
		most = ", of which the most counts"
	}
	c.note("-fail-on %s: %s%s", b.text, report.Between(count), most)
	return true
}

// grew reports, and says, whether there is more under another table than under the base, and by more than the bound. Of ranges the
// least is compared with the least and the most with the most, so that what no table can know is no growth.
func (c *command) grew(b bound, base, other *replay.Report) bool {
	was, is := b.count(base), b.count(other)
	if max(is.Min-was.Min, is.Max-was.Max) <= b.limit {
		return false
	}
	c.note("-fail-on %s: %s under %s, %s under %s", b.text, report.Between(is), other.Table.File, report.Between(was), base.Table.File)
	return true
}
