package redact_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/fuzz/gen"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/redact"
)

var secret = []byte("sixteen bytes it")

func sourceOf(text string) []history.Source {
	return []history.Source{{Name: "h.ndjson", Format: history.Native, Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil }}}
}

func collect(t require.TestingT, text string) *replay.History {
	h, err := replay.Collect(sourceOf(text), history.Options{Workers: 1})
	require.NoError(t, err)
	for _, in := range h.Inputs() {
		require.Zero(t, in.SetAside, "%v\n%s", in.Codes, text)
	}
	return h
}

// each returns the history that change makes of the records of another.
func each(t require.TestingT, text string, change func(*history.Record)) string {
	var out strings.Builder
	w := history.NewWriter(&out, history.Native)
	_, err := history.Scan(sourceOf(text), history.Options{Workers: 1}, func(b *history.Batch) error {
		for i := range b.Records {
			change(&b.Records[i])
			require.NoError(t, w.Write(&b.Records[i]))
		}
		return nil
	})
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

// outcome is a history with its values hidden, and what was said of it.
type outcome struct {
	text    string
	kept    []string
	learned redact.Learned
	summary redact.Summary
}

// hide hides the values of a history and proves that this changes no decision, as the command does.
func hide(t require.TestingT, table *merge.Table, text string) outcome {
	r, err := redact.New(table, secret)
	require.NoError(t, err)
	var o outcome
	bare := collect(t, each(t, text, redact.Bare))
	o.learned, err = r.Learn(bare)
	require.NoError(t, err)
	require.NoError(t, bare.Close())
	original := collect(t, text)
	defer original.Close()
	for {
		o.summary = make(redact.Summary)
		o.text = each(t, text, func(rec *history.Record) { r.Record(rec, o.summary) })
		hidden := collect(t, o.text)
		keys, same, err := r.Compare(original, hidden)
		_ = hidden.Close()
		require.NoError(t, err)
		if same {
			return o
		}
		require.NotEmpty(t, keys, "decided otherwise:\n%s\n%s", text, o.text)
		require.Nil(t, o.kept, "decided otherwise with %q kept:\n%s\n%s", keys, text, o.text)
		o.kept = keys
		r.Keep(keys)
	}
}

// decisions is all that a run says of a history but for its values: an account that owes nothing to the package.
func decisions(t require.TestingT, table *merge.Table, text string) string {
	h := collect(t, text)
	defer h.Close()
	var all strings.Builder
	line := func(v any) {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		all.Write(append(text, '\n'))
	}
	report := h.Run(table, replay.Options{State: func(l replay.StateLine) {
		l.Value = ""
		line(l)
	}})
	for i := range report.Worst {
		report.Worst[i].Value = ""
	}
	for i := range report.Findings {
		report.Findings[i].Examples = nil // of two writes of one node with one stamp, which is told is left to their values
	}
	line(report)
	return all.String()
}

var tables = []string{
	`* * lww`,
	`nodes a < b < c
order time version node
k/* x fww
k/* y refuse
* * lww`,
	`k/* x max
k/* y min
unique k/* x
* * lww`,
	`k/* * highest x
* * lww`,
	`k/* x counter
k/* y union
k/* z keep-all
* * append`,
	`k/* x add-wins
k/* y remove-wins
k/* z grow-only
* * lww`,
	`k/* x enable-wins
k/* y disable-wins
k/* z prefer-node b > a
* * lww`,
	`k/* x prefer "told 0" > "told 1"
k/* y delete-wins
k/* z update-wins
* * lww
unique k/* y`,
	`k/* x,y lww together
k/* z,u refuse together
* * lww
check k/* x <= y
unique k/* y`,
	`* * lww
check k/* x <= y
check k/* z > 1
unique k/* x`,
	`profile cassandra
* * lww`,
	`profile cosmosdb
k/* x,y lww together
* * lww
check k/* x != z`,
	`profile couchbase
k/* x keep-all
* * union`,
}

// valueOf returns one of eight values, of all kinds, two of which are one number. What must not show has the word secret in it.
func valueOf(rule *merge.Rule, field string, n int) value.Value {
	text := value.Text(fmt.Sprintf("secret %c%d", 'A'+3*n%7, n))
	switch {
	case rule.Name == "counter":
		return value.Int(int64(n - 3))
	case rule.Name == "enable-wins" || rule.Name == "disable-wins":
		return []value.Value{"true", "false", "null", text}[n%4]
	case rule.Name == "prefer":
		return []value.Value{value.Text("told 1"), text, value.Text("told 0"), value.Text("secret")}[n%4]
	case field == "z" && rule.Name == "lww": // which a check has stay in one of the tables
		return []value.Value{"1", "1.0", "2", "null"}[n%4]
	}
	return []value.Value{text, "1", "1.0", "null", value.Array(text, "1"), value.Object(value.Member{Name: "secret", Value: text}), "10", value.Text("secret")}[n]
}

// blur takes from some records of a history what would tell them apart, so that stamps tie and values are compared.
func blur(t require.TestingT, text string, seed uint64) string {
	r := rand.New(rand.NewPCG(seed, 3))
	withIDs := r.IntN(2) == 0
	return each(t, text, func(rec *history.Record) {
		if !withIDs || r.IntN(3) == 0 {
			rec.Knows, rec.Whole, rec.Seen, rec.SeenUp = false, false, nil, nil
		}
		if !withIDs {
			rec.ID, rec.Version = "", 0
		} else if r.IntN(8) == 0 {
			rec.ID = "a:1" // again, mostly with another payload
		}
		if len(rec.Fields) == 1 && rec.Op == merge.Set && r.IntN(8) == 0 {
			rec.Fields[0].Before = value.Text("secret")
		}
		if len(rec.Fields) == 1 && rec.Op == merge.Set && r.IntN(8) == 0 { // what its rule has no use for, mostly
			rec.Op = []merge.Kind{merge.Add, merge.Insert, merge.Remove}[r.IntN(3)]
			if rec.Op == merge.Add {
				rec.Fields[0].Value = "10"
			}
		}
		if len(rec.Fields) == 1 && r.IntN(8) == 0 {
			rec.Fields[0].Name = "" // the whole record
		}
	})
}

func TestNoDecisionChangesAndNoValueShows(t *testing.T) {
	most := 30
	if testing.Short() {
		most = 6
	}
	total, kept := 0, 0
	for i, text := range tables {
		table := merge.MustParseTable(text)
		parameters := gopter.DefaultTestParametersWithSeed(int64(i))
		parameters.MinSuccessfulTests = most
		properties := gopter.NewProperties(parameters)
		shape := gen.Shape{Keys: []string{"k/1", "k/2", "other/1"}, Writes: 24, Value: valueOf}
		seed := uint64(0)
		properties.Property(text, prop.ForAll(func(h gen.History) string {
			seed++
			plain := blur(t, h.Lines(), seed)
			o := hide(t, table, plain)
			total++
			kept += len(o.kept)
			if decisions(t, table, plain) != decisions(t, table, o.text) {
				return "decided otherwise:\n" + plain + "\n" + o.text
			}
			for line := range strings.Lines(o.text) {
				isKept := slices.ContainsFunc(o.kept, func(key string) bool { return strings.HasPrefix(line, `{"key":"`+key+`"`) })
				if !isKept && strings.Contains(line, "secret") {
					return "shows:\n" + line + plain
				}
			}
			return ""
		}, gen.Histories(table, shape)))
		properties.TestingRun(t)
	}
	t.Logf("%d histories, %d keys kept as they are", total, kept)
	require.Less(t, kept, total/20)
}
