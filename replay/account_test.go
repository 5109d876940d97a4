package replay

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
)

// Whatever the rule, every field write is in one row of the report: in a count that is known, or among those of which nothing says
// what became of them, and each of these is in the most of a count.
func TestCountsAccountForEveryFieldWrite(t *testing.T) {
	arguments := map[string]string{"highest": "f", "prefer": "2 > 0 > 1", "prefer-node": "eu > ap"}
	kinds := []string{"set", "set", "add", "insert", "remove", "delete"}
	seeds := uint64(8)
	if testing.Short() {
		seeds = 2
	}
	for _, name := range merge.RuleNames() {
		table := merge.MustParseTable(fmt.Sprintf("nodes ap < eu < us\n* * %s %s", name, arguments[name]))
		unknown := int64(0)
		for seed := range seeds {
			for i, told := range [][]string{{"map", "list"}, {"map", "list", "front", "nothing"}, {"nothing"}} {
				r := rand.New(rand.NewPCG(seed, 5))
				ops := simulate(seed, 5+int(seed*7%25), told)
				var lines []string
				for _, o := range ops {
					line, kind := o.line(ops), kinds[r.IntN(len(kinds))]
					if line = strings.Replace(line, "{", fmt.Sprintf(`{"op":%q,`, kind), 1); kind == "delete" {
						line = strings.Replace(line, fmt.Sprintf(`,"value":%d`, o.value), "", 1)
					}
					lines = append(lines, line)
				}
				report := runLines(t, table, Options{}, strings.Join(lines, "\n"))
				accounts(t, report, int64(len(ops)))
				if i == 0 {
					require.Zero(t, report.Totals.Unknown, "%s, seed %d: all is known of what writers had seen", name, seed)
				}
				unknown += report.Totals.Unknown
			}
			report := runLines(t, table, Options{}, plainHistory(seed))
			accounts(t, report, report.Totals.FieldWrites)
			unknown += report.Totals.Unknown
		}
		if name == "lww" {
			require.NotZero(t, unknown, "no history tried what nothing says")
		}
	}
}

func accounts(t *testing.T, r *Report, fieldWrites int64) {
	t.Helper()
	c := &r.Totals
	require.Equal(t, fieldWrites, c.FieldWrites)
	require.GreaterOrEqual(t, c.Unknown, int64(0))
	require.Equal(t, c.FieldWrites, c.Kept+c.Combined+c.Overwritten.Min+c.Lost.Min+c.Refused.Min+c.Unknown)
	require.LessOrEqual(t, c.FieldWrites, c.Kept+c.Combined+c.Overwritten.Max+c.Lost.Max+c.Refused.Max, "%+v %+v", r.Table, c)
}
