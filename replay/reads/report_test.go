package reads_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

func Example() {
	const text = `
{"key":"stock/1","value":9,"node":"us-1","id":"us-1:1","start":"2026-05-20T12:00:00.000001Z","end":"2026-05-20T12:00:00.100001Z"}
{"key":"stock/1","value":8,"node":"us-1","id":"us-1:2","start":"2026-05-20T12:10:00.000001Z","end":"2026-05-20T12:10:00.100001Z"}
{"key":"stock/1","op":"read","want":"strong","saw":"us-1:1","start":"2026-05-20T12:15:00.000001Z","served_by":"eu-1"}
`
	h, err := replay.Collect([]history.Source{history.Reader("stock.ndjson", strings.NewReader(text))}, history.Options{Reads: true})
	if err != nil {
		panic(err)
	}
	r, err := reads.Check(h, byVersion, reads.Options{Skew: 50 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	worst := r.Worst[0]
	fmt.Println(worst.Read.Place, "is", worst.Outcome)
	fmt.Println("it saw", worst.Saw.ID, "and missed", worst.Missed.ID+":", worst.How)
	// Output:
	// stock.ndjson:4 is stale
	// it saw us-1:1 and missed us-1:2: had_seen
}

func TestLevelsAreWrittenAsTheyAreRead(t *testing.T) {
	for _, text := range []string{"strong", "quorum", "session", "eventual", "bounded:5s", "bounded:0s", "bounded:1m0.5s"} {
		l, err := reads.ParseLevel(text)
		require.NoError(t, err)
		assert.Equal(t, text, l.String())
	}
	for _, text := range []string{"", "bounded", "bounded:", "bounded:-5s", "bounded:5", "Strong", "local"} {
		_, err := reads.ParseLevel(text)
		assert.Error(t, err, text)
	}
}

// moments writes times of an hour for lines of a history: @5.2 is 5.2 seconds after noon.
func moments(text string) *cluster {
	c := &cluster{}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		for {
			before, after, ok := strings.Cut(line, "@")
			if !ok {
				break
			}
			end := strings.IndexAny(after, ",}")
			var seconds float64
			_, _ = fmt.Sscan(after[:end], &seconds)
			line = before + fmt.Sprint(odd(noon+int64(seconds*1e9))) + after[end:]
		}
		c.lines = append(c.lines, strings.TrimSpace(line))
	}
	return c
}

const aDay = `
{"key":"k","value":1,"node":"us","id":"us:1","seen":[],"start":@1,"end":@1.1}
{"key":"k","value":2,"node":"us","id":"us:2","seen":["us:1"],"start":@10,"end":@10.1}
{"key":"k","op":"read","want":"strong","saw":"us:1","start":@20,"end":@20.1,"served_by":"eu"}
{"key":"k","op":"read","want":"strong","saw":"us:1","start":@30,"end":@30.1,"served_by":"eu"}
`

func TestReplicaThatShowsNothingNewIsPreferred(t *testing.T) {
	r := report(t, moments(aDay), reads.Options{}, 1, 0)
	require.Len(t, r.Preferred, 1)
	p := r.Preferred[0]
	assert.Equal(t, "eu", p.Replica)
	assert.Equal(t, []string{"us"}, p.Missed)
	assert.Equal(t, []int64{2, 2, 0}, []int64{p.Reads, p.Stale, p.Split})
}

func TestReplicaThatHadNewsInBetweenIsNotPreferred(t *testing.T) {
	r := report(t, moments(aDay+`
		{"key":"k2","value":1,"node":"us","id":"us:3","start":@22,"end":@22.1}
		{"key":"k2","op":"read","want":"eventual","saw":"us:3","start":@25,"end":@25.1,"served_by":"eu"}`), reads.Options{}, 1, 0)
	assert.Empty(t, r.Preferred)
	assert.EqualValues(t, 2, r.Levels[0].Stale)
}

func TestAStaleReplicaOnItsOwnWritesIsASplitBrain(t *testing.T) {
	r := report(t, moments(aDay+`
		{"key":"k","value":3,"node":"eu","id":"eu:1","seen":["us:1"],"start":@12,"end":@12.1}
		{"key":"k","value":4,"node":"us","id":"us:4","seen":["us:2"],"start":@14,"end":@14.1}
		{"key":"k","op":"read","want":"strong","saw":"eu:1","start":@31,"end":@31.1,"served_by":"eu"}`), reads.Options{}, 1, 0)
	require.Len(t, r.Preferred, 1)
	assert.EqualValues(t, 1, r.Preferred[0].Split)
}

func TestReadsOfLostWritesAreCountedByWhatTheFoldSays(t *testing.T) {
	for text, want := range map[string]replay.Count{
		`"seen":[]`:       {Min: 1, Max: 1}, // neither writer had seen the other's
		`"seen":["us:1"]`: {},               // overwritten
		`"tx":"t"`:        {Min: 0, Max: 1}, // nobody knows
	} {
		r := report(t, moments(`
			{"key":"k","value":1,"node":"us","version":1,"id":"us:1","seen":[]}
			{"key":"k","value":2,"node":"eu","version":2,"id":"eu:1",`+text+`}
			{"key":"k","op":"read","saw":"us:1","start":@5}`), reads.Options{}, 1, 0)
		assert.Equal(t, want, r.Lost, text)
	}
}

func TestSessionWritesThatLoseToWhatItHadAreCounted(t *testing.T) {
	r := report(t, moments(`
		{"key":"k","value":1,"node":"us","version":5,"id":"us:1","session":"s","start":@1,"end":@1.1}
		{"key":"k","value":2,"node":"eu","version":4,"id":"eu:1","session":"s","start":@2,"end":@2.1}
		{"key":"k","value":3,"node":"eu","version":6,"id":"eu:2","session":"s","start":@3,"end":@3.1}
		{"key":"k","op":"read","saw":"eu:2","start":@5,"session":"s"}`), reads.Options{}, 1, 0)
	assert.Equal(t, reads.SessionWrites{Checked: 2, OutOfOrder: 1}, r.Sessions)
	require.NotNil(t, r.Unordered)
	assert.EqualValues(t, 2, r.Unordered.Place.Line)
}

func TestQuorumReadOfOneReplicaIsCounted(t *testing.T) {
	r := report(t, moments(`
		{"key":"k","op":"read","want":"quorum","saw":null,"start":@5,"served_by":"us, eu"}
		{"key":"k","op":"read","want":"quorum","saw":null,"start":@5,"served_by":"ap"}`), reads.Options{}, 1, 0)
	assert.EqualValues(t, 1, r.Alone)
	assert.Equal(t, []reads.LevelSum{{Level: "quorum", Reads: 2, Fine: 2}}, r.Levels)
}

// TestPrecisionIsThatOfTheDigits: two times in one second may be either way round when one has no digits for it.
func TestPrecisionIsThatOfTheDigits(t *testing.T) {
	for start, want := range map[string]reads.Outcome{
		`"2026-05-20T12:00:05Z"`: reads.CannotTell, `"2026-05-20T12:00:06Z"`: reads.Stale, `"2026-05-20T12:00:05.700001Z"`: reads.CannotTell,
	} {
		c := moments(`
			{"key":"k","value":1,"node":"us","id":"a","version":1,"start":"2026-05-20T12:00:01Z","end":"2026-05-20T12:00:02Z"}
			{"key":"k","value":2,"node":"us","id":"b","version":2,"start":"2026-05-20T12:00:04Z","end":"2026-05-20T12:00:05Z"}
			{"key":"k","op":"read","want":"strong","saw":"a","start":` + start + `}`)
		var got reads.Outcome
		report(t, c, reads.Options{Each: func(_, _ string, _ finding.Place, v reads.Verdict) { got = v.Outcome }}, 1, 0)
		assert.Equal(t, want, got, start)
	}
}
