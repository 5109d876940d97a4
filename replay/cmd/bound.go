package cmd

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
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
			return nil, hinted{fmt.Errorf("-fail-on: there is no %q", b.word), meant(b.word, known, "it takes "+strings.Join(words, ", ")+" and the codes of findings")}
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

// exceeded reports, and says, whether a report is beyond a bound. What is only known as a range counts as its most.
func (c *command) exceeded(b bound, r *replay.Report) bool {
	var count replay.Count
	if of, ok := totals[b.word]; ok {
		count = of(r)
	} else {
		count = exactly(r.Found(finding.Code(b.word)))
	}
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
