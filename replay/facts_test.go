package replay

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

const header = "nodes ap < eu < us\n"

func run(t *testing.T, table string, opt Options, lines ...string) *Report {
	t.Helper()
	r := runLines(t, merge.MustParseTable(header+table), opt, strings.Join(lines, "\n"))
	for _, in := range r.Inputs {
		require.Zero(t, in.SetAside, "%v", r.Findings)
	}
	return r
}

func foundCount(r *Report, code finding.Code) int64 {
	for _, f := range r.Findings {
		if f.Code == code {
			return f.Count
		}
	}
	return 0
}

func TestBaseVersionTellsWhatTheWriterHadSeen(t *testing.T) {
	// us and eu both read version 1; each writes a version 2. us then reads its own.
	r := run(t, "* * lww", Options{},
		`{"key":"k","field":"f","value":"a","node":"ap","version":1,"time":100}`,
		`{"key":"k","field":"f","value":"b","node":"us","version":2,"base":1,"time":200}`,
		`{"key":"k","field":"f","value":"c","node":"eu","version":2,"base":1,"time":300}`,
		`{"key":"k","field":"f","value":"d","node":"us","version":3,"base":2,"time":400}`)
	require.Equal(t, Count{1, 2}, r.Totals.Conflicts, "which of the two versions 2 the last writer had read is not known, but its own it had seen")
	require.Equal(t, Count{0, 1}, r.Totals.Lost)
	require.Equal(t, "base version", r.Causality[1].Source)
	require.Equal(t, int64(3), r.Causality[1].Writes)
}

func TestVersionBeatsTimeAndTheBusierSideOfACutWins(t *testing.T) {
	r := run(t, "* * lww", Options{},
		`{"key":"k","field":"f","value":"a","node":"us","version":5,"time":100,"id":"us:1","seen":{}}`,
		`{"key":"k","field":"f","value":"b","node":"eu","version":2,"time":900,"id":"eu:1","seen":{}}`)
	require.Equal(t, Count{1, 1}, r.Totals.Lost)
	require.Equal(t, int64(1), r.Decided.Version)
	require.Equal(t, value.Value(`"a"`), r.Worst[0].Value)
}

// A base that no write of the history made is older than the history where all others have later versions. Nothing says so of a write
// without a version, and it was taken to be a conflict for certain.
func TestBaseThatNobodyMadeTellsNothingOfWritesWithoutAVersion(t *testing.T) {
	const read = `{"key":"k","field":"f","value":"a","node":"us","time":200,"base":2,"id":"us:1"%s}`
	for _, c := range []struct {
		own, other string
		conflicts  Count
	}{
		{``, `,"version":3`, Count{1, 1}}, // later than what was read
		{``, `,"version":1`, Count{0, 1}}, // perhaps before it
		{``, ``, Count{0, 1}},
		{`,"version":3`, ``, Count{0, 1}},
		{`,"version":1`, `,"version":3`, Count{1, 1}},
	} {
		r := run(t, "* * lww", Options{}, fmt.Sprintf(read, c.own),
			`{"key":"k","field":"f","value":"b","node":"eu","time":100,"id":"eu:1","seen":[]`+c.other+`}`)
		require.Equal(t, c.conflicts, r.Totals.Conflicts, "%s and %s", c.own, c.other)
	}
}

// An empty list that was appended looked like the log that was left empty, and counted as kept.
func TestEntryThatLooksLikeItsLogIsLost(t *testing.T) {
	for _, seen := range []string{``, `,"seen":[]`} {
		r := run(t, "* * append", Options{Lag: 1},
			`{"key":"k","field":"f","value":[],"node":"us","time":1000,"id":"us:1"`+seen+`}`,
			`{"key":"k","field":"f","op":"delete","node":"eu","time":2000,"id":"eu:1","seen":[]}`)
		require.Equal(t, Count{1, 1}, r.Totals.Lost)
		require.Zero(t, r.Totals.Kept)
	}
}

// Of two writes under one id the later one counts. It was put where the other one stood, before writes that were made in between: these were
// then told as lost to one that their writer had seen.
func TestWriteUnderAReusedIDStandsAtItsOwnTime(t *testing.T) {
	for _, more := range []int{0, 2 * fewOps} {
		lines := []string{
			`{"key":"k","field":"f","value":1,"node":"us","time":1000,"id":"x"}`,
			`{"key":"k","field":"f","value":2,"node":"us","time":2000,"id":"y"}`,
			`{"key":"k","field":"f","value":3,"node":"us","time":3000,"id":"x"}`,
			`{"key":"k","field":"f","value":4,"node":"eu","time":4000,"id":"z","seen":["x"]}`,
		}
		for i := range more {
			lines = append(lines, fmt.Sprintf(`{"key":"k","field":"g","value":1,"node":"us","time":%d,"id":"more %d"}`, 100+i, i))
		}
		r := run(t, "* * lww", Options{}, lines...)
		require.EqualValues(t, 1, foundCount(r, finding.OpIDReused))
		require.Zero(t, r.Totals.Inversions)
		require.Equal(t, Count{}, r.Totals.Lost)
		require.Equal(t, Count{}, r.Totals.Conflicts, "who had seen the later x had seen y")
	}
}

func TestInversionIsAWriteThatLostToOneItsWriterHadSeen(t *testing.T) {
	r := run(t, "* * lww", Options{},
		`{"key":"k","field":"f","value":"a","node":"us","time":5000000,"id":"us:1","seen":{}}`,
		`{"key":"k","field":"f","value":"b","node":"eu","time":4400000,"id":"eu:1","seen":{"us":1}}`)
	require.Equal(t, int64(1), r.Totals.Inversions)
	require.Equal(t, Count{0, 0}, r.Totals.Conflicts)
	require.Equal(t, Count{1, 1}, r.Totals.Lost, "nobody replaced it: it was lost")
	require.Equal(t, []Skew{{Ahead: "us", Behind: "eu", Nanos: 600000, Seen: 1}}, r.Skew)
	require.Equal(t, int64(1), r.Decided.Time)
	require.Zero(t, foundCount(r, finding.ClockAhead))
}

func TestClockFurtherAheadThanTheBoundIsTold(t *testing.T) {
	lines := []string{
		`{"key":"k","field":"f","value":"a","node":"us","time":"2026-01-01T00:00:01.000000001Z","id":"us:1","seen":{}}`,
		`{"key":"k","field":"f","value":"b","node":"eu","time":"2026-01-01T00:00:00.500000000Z","id":"eu:1","seen":{"us":1}}`,
	}
	require.Equal(t, int64(1), foundCount(run(t, "* * lww", Options{}, lines...), finding.ClockAhead))
	require.Zero(t, foundCount(run(t, "* * lww", Options{MaxDrift: time.Second}, lines...), finding.ClockAhead))
}

func TestDecisionsWithinTheSkewAreCoinTosses(t *testing.T) {
	skewed := []string{ // eu is seen 600 ns behind us
		`{"key":"k/0","field":"f","value":1,"node":"us","time":5000,"id":"us:1","seen":{}}`,
		`{"key":"k/0","field":"f","value":2,"node":"eu","time":4400,"id":"eu:1","seen":{"us":1}}`,
		`{"key":"k/1","field":"f","value":1,"node":"us","time":9000,"id":"us:2","seen":{}}`,
		`{"key":"k/1","field":"f","value":2,"node":"eu","time":9600,"id":"eu:2","seen":{}}`,
		`{"key":"k/2","field":"f","value":1,"node":"us","time":9000,"id":"us:3","seen":{}}`,
		`{"key":"k/2","field":"f","value":2,"node":"eu","time":9601,"id":"eu:3","seen":{}}`,
		`{"key":"k/3","field":"f","value":1,"node":"us","time":9000,"id":"us:4","seen":{}}`,
		`{"key":"k/3","field":"f","value":2,"node":"ap","time":9001,"id":"ap:1","seen":{}}`,
	}
	r := run(t, "* * lww", Options{}, skewed...)
	require.Equal(t, int64(4), r.Decided.Time)
	require.Equal(t, int64(2), r.Decided.Tosses, "the one whose clock shows the skew, and the one within it")
	require.Equal(t, int64(4), run(t, "* * lww", Options{Skew: time.Second}, skewed...).Decided.Tosses)
	equal := []string{
		`{"key":"k","field":"f","value":1,"node":"a","time":"1700000000000000000.1","id":"a:1"}`,
		`{"key":"k","field":"f","value":2,"node":"b","time":"1700000000000000000.2","id":"b:1"}`,
	}
	require.Equal(t, int64(1), run(t, "* * lww", Options{}, equal...).Decided.Tosses, "by the logical parts of equal times")
}

func TestTiesAreCountedByTheRungThatClosedThem(t *testing.T) {
	r := run(t, "* * lww", Options{},
		`{"key":"a","field":"f","value":1,"node":"us","time":5,"id":"us:1","seen":{}}`,
		`{"key":"a","field":"f","value":2,"node":"eu","time":5,"id":"eu:1","seen":{}}`,
		`{"key":"b","field":"f","value":1,"node":"us","time":5,"id":"x","seen":[]}`,
		`{"key":"b","field":"f","value":2,"node":"us","time":5,"id":"y","seen":[]}`,
		`{"key":"c","field":"f","value":1,"node":"x1","time":5,"id":"x1:1","seen":{}}`,
		`{"key":"c","field":"f","value":2,"node":"x2","time":5,"id":"x2:1","seen":{}}`)
	require.Equal(t, Decisions{Node: 1, Value: 2}, r.Decided)
	require.Equal(t, int64(1), foundCount(r, finding.StampCollision), "one node, one stamp, two payloads")
	require.Equal(t, int64(2), foundCount(r, finding.UnknownNode))
	require.Equal(t, int64(2), foundCount(r, finding.ValueDependentWinner))
}

func TestCoarseClocksMakeOrderAmbiguous(t *testing.T) {
	r := run(t, "* * lww", Options{},
		`{"key":"k","field":"f","value":1,"node":"us","time":"2026-01-01T00:00:01Z","id":"x"}`,
		`{"key":"k","field":"f","value":2,"node":"us","time":"2026-01-01T00:00:01Z","id":"y"}`,
		`{"key":"k","field":"f","value":3,"node":"eu","time":"2026-01-01T00:00:01.000000005Z","id":"z","seen":[]}`)
	require.Equal(t, int64(1), foundCount(r, finding.AmbiguousOrder))
	require.Zero(t, foundCount(r, finding.StampCollision))
	require.Equal(t, int64(2), foundCount(r, finding.MixedPrecision))
}

func TestStatedLagDecidesWhoHadSeenWhat(t *testing.T) {
	lines := []string{
		`{"key":"k","field":"f","value":1,"node":"us","time":"2026-01-01T00:00:01.000000Z"}`,
		`{"key":"k","field":"f","value":2,"node":"eu","time":"2026-01-01T00:00:01.080000Z"}`,
		`{"key":"k","field":"f","value":3,"node":"us","time":"2026-01-01T00:00:01.160000Z"}`,
	}
	r := run(t, "* * lww", Options{}, lines...)
	require.Equal(t, Count{0, 2}, r.Totals.Conflicts)
	require.Equal(t, Count{0, 1}, r.Totals.Lost, "the first was overwritten by its own node; of the second nobody knows")
	r = run(t, "* * lww", Options{Lag: 80 * time.Millisecond}, lines...)
	require.Equal(t, Count{0, 0}, r.Totals.Conflicts)
	require.Equal(t, Count{0, 0}, r.Totals.Lost)
	r = run(t, "* * lww", Options{Lag: 81 * time.Millisecond}, lines...)
	require.Equal(t, Count{2, 2}, r.Totals.Conflicts)
	require.Equal(t, Count{1, 1}, r.Totals.Lost)
}

func TestDeliveriesInTheOtherRegionsExportTellWhoHadSeenWhat(t *testing.T) {
	us1 := `{"key":"k","field":"f","value":1,"node":"us","time":100,"id":"a"}`
	eu1 := `{"key":"k","field":"f","value":2,"node":"eu","time":200,"id":"b"}`
	eu2 := `{"key":"k","field":"f","value":3,"node":"eu","time":300,"id":"c"}`
	h, err := Collect([]history.Source{
		{Name: "us.ndjson", Region: "us", Open: sourceOf("", us1+"\n"+eu1+"\n"+eu2).Open},
		{Name: "eu.ndjson", Region: "eu", Open: sourceOf("", eu1+"\n"+us1+"\n"+eu2).Open},
	}, history.Options{})
	require.NoError(t, err)
	r := h.Run(merge.MustParseTable(header+"* * lww"), Options{})
	require.Equal(t, int64(3), r.Totals.Writes)
	require.Equal(t, int64(3), r.Totals.Arrivals)
	require.Zero(t, r.Totals.Duplicates)
	require.Equal(t, Count{1, 1}, r.Totals.Conflicts, "eu wrote b before a had arrived, and c after")
	require.Equal(t, Count{0, 0}, r.Totals.Lost)
	require.Equal(t, int64(3), r.Causality[Deliveries].Writes)
	require.Zero(t, r.Totals.Diverged)
}

// What stands in the export of us before us:1 is what its writer had seen, and what those had seen who wrote it. Without eu:1, which was
// older there than the row and left nothing, nobody can tell of eu:2 for certain; and where that was seen, ap:1 was.
func TestWhatArrivedMayShowWhatItsWriterHadSeen(t *testing.T) {
	line := func(node string, number, time int) string {
		return fmt.Sprintf("{\"key\":\"k\",\"field\":\"f\",\"value\":%d,\"node\":%q,\"time\":%d,\"id\":\"%s:%d\"}\n", time, node, time, node, number)
	}
	eu1, ap1, eu2, us1, ap0, eu0, us0 := line("eu", 2, 100), line("ap", 2, 200), line("eu", 3, 300), line("us", 2, 400), line("ap", 1, 12), line("eu", 1, 11), line("us", 1, 10)
	for eu, want := range map[string]Count{eu1: {0, 0}, "": {0, 3}} {
		h, err := Collect([]history.Source{
			{Name: "us", Region: "us", Open: sourceOf("", us0+eu0+ap0+eu+eu2+us1).Open},
			{Name: "eu", Region: "eu", Open: sourceOf("", us0+eu0+ap0+eu1+ap1+eu2+us1).Open},
			{Name: "ap", Region: "ap", Open: sourceOf("", us0+eu0+ap0+eu1+ap1+eu2+us1).Open},
		}, history.Options{})
		require.NoError(t, err)
		require.Equal(t, want, h.Run(merge.MustParseTable(header+"* * lww"), Options{}).Totals.Conflicts)
	}
}

// The second file of eu begins again at position 1: what stands there came after all of the first.
func TestAnExportOfSeveralFilesIsReadInTheOrderOfTheirNames(t *testing.T) {
	filler := `{"key":"z","field":"f","value":1,"node":"eu","time":50,"id":"z"}`
	us1 := `{"key":"k","field":"f","value":1,"node":"us","time":100,"id":"a"}`
	eu1 := `{"key":"k","field":"f","value":2,"node":"eu","time":200,"id":"b"}`
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}} {
		files := []history.Source{
			{Name: "us.ndjson", Region: "us", Open: sourceOf("", us1+"\n"+eu1).Open},
			{Name: "eu-1.ndjson", Region: "eu", Open: sourceOf("", filler+"\n"+us1).Open},
			{Name: "eu-2.ndjson", Region: "eu", Open: sourceOf("", eu1).Open},
		}
		var sources []history.Source
		for _, i := range order {
			sources = append(sources, files[i])
		}
		h, err := Collect(sources, history.Options{})
		require.NoError(t, err)
		r := h.Run(merge.MustParseTable(header+"* * lww"), Options{})
		require.Equal(t, Count{0, 0}, r.Totals.Conflicts, "a had arrived in eu before b was written")
		require.Equal(t, Count{1, 1}, r.Totals.Overwritten)
	}
}

func TestExportsThatEndWithDifferentWritesDiverged(t *testing.T) {
	us1 := `{"key":"k","field":"f","value":1,"node":"us","time":100,"id":"a"}`
	eu1 := `{"key":"k","field":"f","value":2,"node":"eu","time":100,"id":"b"}`
	h, err := Collect([]history.Source{
		{Name: "us.ndjson", Region: "us", Open: sourceOf("", us1+"\n"+eu1).Open},
		{Name: "eu.ndjson", Region: "eu", Open: sourceOf("", eu1+"\n"+us1).Open},
	}, history.Options{})
	require.NoError(t, err)
	r := h.Run(merge.MustParseTable(header+"* * lww"), Options{})
	require.Equal(t, int64(1), r.Totals.Diverged, "each region took the other's write: they swapped values")
}

func TestSeenIsFollowedOverOtherKeys(t *testing.T) {
	r := run(t, "* * lww", Options{},
		`{"key":"k","field":"f","value":1,"node":"us","time":100,"id":"us:1","seen":[]}`,
		`{"key":"other","field":"f","value":1,"node":"eu","time":200,"id":"eu:1","seen":["us:1"]}`,
		`{"key":"k","field":"f","value":2,"node":"ap","time":300,"id":"ap:1","seen":["eu:1"]}`)
	require.Equal(t, Count{0, 0}, r.Totals.Conflicts)
	require.Equal(t, Count{1, 1}, r.Totals.Overwritten)
}

func TestOperationsAreCountedOnceByTheirID(t *testing.T) {
	r := run(t, "* n counter\n* * lww", Options{},
		`{"key":"k","field":"n","op":"add","value":45,"node":"us","time":100,"id":"us:1"}`,
		`{"key":"k","field":"n","op":"add","value":45,"node":"us","time":100,"id":"us:1"}`,
		`{"key":"k","field":"n","op":"add","value":45,"node":"us","time":100,"id":"us:2"}`,
		`{"key":"q","field":"n","op":"add","value":45,"node":"us","time":100}`,
		`{"key":"q","field":"n","op":"add","value":45,"node":"us","time":100}`,
		`{"key":"r","field":"f","value":1,"node":"us","time":100,"id":"us:9"}`,
		`{"key":"r","field":"f","value":2,"node":"us","time":101,"id":"us:9"}`,
		`{"key":"s","field":"f","value":1,"node":"us","time":100,"id":"us:8"}`,
		`{"key":"s","field":"f","value":1,"node":"eu","time":100,"id":"us:8"}`)
	require.Equal(t, int64(1), r.Totals.Duplicates)
	require.Equal(t, int64(1), foundCount(r, finding.DuplicateOp))
	require.Equal(t, int64(1), foundCount(r, finding.ProbableDuplicate), "suspected, and counted twice all the same")
	require.Equal(t, int64(1), foundCount(r, finding.OpIDReused))
	require.Equal(t, int64(1), foundCount(r, finding.SourceMismatch))
	require.Equal(t, int64(6), r.Totals.Writes)
}

func TestTableFactsAreToldOfTheMergedRecord(t *testing.T) {
	r := run(t, "profile/* a,b lww together\n* * lww\ncheck orders/* start <= end\nunique users/* email", Options{},
		`{"key":"orders/1","fields":{"start":1,"end":9},"node":"us","time":1,"id":"us:1","seen":{}}`,
		`{"key":"orders/1","field":"start","value":8,"node":"us","time":5,"id":"us:2","seen":{}}`,
		`{"key":"orders/1","field":"end","value":4,"node":"eu","time":5,"id":"eu:1","seen":{"us":1}}`,
		`{"key":"orders/2","fields":{"start":9,"end":1},"node":"us","time":1,"id":"us:3","seen":{}}`,
		`{"key":"users/1","field":"email","value":"a@x","node":"us","time":1,"id":"us:4","seen":{}}`,
		`{"key":"users/2","field":"email","value":"a@x","node":"eu","time":1,"id":"eu:2","seen":{}}`,
		`{"key":"Users/2","field":"email","value":"b@x","node":"eu","time":1,"id":"eu:3","seen":{}}`,
		`{"key":"row/1","fields":{"x":1,"y":1},"node":"us","time":1,"id":"us:5","seen":{}}`,
		`{"key":"row/1","op":"delete","node":"us","time":9,"id":"us:6","seen":{}}`,
		`{"key":"row/1","field":"x","value":2,"node":"eu","time":10,"id":"eu:4","seen":{"us":5}}`,
		`{"key":"profile/1","field":"a","value":2,"node":"eu","time":10,"id":"eu:5","seen":{}}`)
	require.Equal(t, int64(1), foundCount(r, finding.InvariantBroken), "a single write that breaks a check is no fault of the merge")
	require.Equal(t, int64(1), foundCount(r, finding.UniqueViolation))
	require.Equal(t, int64(1), foundCount(r, finding.ConfusableKeys))
	require.Equal(t, int64(2), foundCount(r, finding.PartialRow))
}

// DynamoDB's Streams tell whole seconds. Within one the numbers of two regions' streams decide, and those say nothing of each other.
func TestAnInversionWithinWhatTheClocksTellSaysSo(t *testing.T) {
	record := func(sequence, was, wasIn, is, in string) string {
		return fmt.Sprintf(`{"eventID":"%s","eventName":"MODIFY","awsRegion":"x","eventSourceARN":"arn:aws:dynamodb:x:1:table/t/stream/y","dynamodb":{"ApproximateCreationDateTime":1793973898,`+
			`"Keys":{"pk":{"S":"k"}},"SequenceNumber":"%s","OldImage":{"pk":{"S":"k"},"n":{"N":%q},"at":{"S":%q}},"NewImage":{"pk":{"S":"k"},"n":{"N":%q},"at":{"S":%q}}}}`,
			sequence, sequence, was, wasIn, is, in) + "\n"
	}
	h, err := Collect([]history.Source{
		{Name: "us", Region: "us", Open: sourceOf("", record("100000000000000000900", "0", "us", "1", "us")).Open},
		{Name: "eu", Region: "eu", Open: sourceOf("", record("100000000000000000100", "0", "us", "1", "us")+record("100000000000000000101", "1", "us", "2", "eu")).Open},
	}, history.Options{Origin: "at", Regions: []string{"eu", "us"}})
	require.NoError(t, err)
	r := h.Run(lwwTable, Options{})
	require.Equal(t, int64(1), r.Totals.Inversions)
	require.Equal(t, finding.Inversion, r.Findings[0].Code)
	require.Equal(t, "its writer had seen the write at us:1, and yet that one's stamp is the greater within one time of clocks that tell whole seconds: "+
		"there the order of two nodes is chance", r.Findings[0].Examples[0].Detail)
}

// A record that was deleted lives on in parts where a write that had not seen the delete is kept beside it. Whoever had seen it
// wrote the record anew, with the columns that it has now.
func TestARecordThatWasWrittenAnewIsNoPartOfTheDeletedOne(t *testing.T) {
	first := []string{`{"key":"k","fields":{"a":1,"b":1,"c":1},"node":"us","time":1,"id":"us:1"}`, `{"key":"k","op":"delete","node":"us","time":2,"id":"us:2"}`}
	for _, c := range []struct {
		what  string
		lines []string
		told  int64
	}{
		{"by its own node", []string{`{"key":"k","fields":{"a":2,"b":2},"node":"us","time":3,"id":"us:3"}`}, 0},
		{"by another, which had seen the delete", []string{`{"key":"k","fields":{"a":2,"b":2},"node":"eu","time":3,"id":"eu:1","seen":{"us":2}}`}, 0},
		{"by one whose list says so", []string{`{"key":"k","fields":{"a":2,"b":2},"node":"eu","time":3,"id":"eu:1","seen":["us:2"]}`}, 0},
		{"and changed by who had seen that", []string{`{"key":"k","fields":{"a":2,"b":2},"node":"us","time":3,"id":"us:3"}`,
			`{"key":"k","field":"b","value":3,"node":"eu","time":4,"id":"eu:1","seen":{"us":3}}`}, 0},
		{"by one that had not seen the delete", []string{`{"key":"k","fields":{"a":2,"b":2},"node":"eu","time":3,"id":"eu:1","seen":{"us":1}}`}, 1},
		{"by one of whom nobody knows", []string{`{"key":"k","fields":{"a":2,"b":2},"node":"eu","time":3,"id":"eu:1"}`}, 1},
		{"in one column, and by one that had not seen the delete in another", []string{`{"key":"k","field":"b","value":2,"node":"us","time":3,"id":"us:3"}`,
			`{"key":"k","field":"a","value":2,"node":"eu","time":3,"id":"eu:1","seen":{"us":1}}`}, 1},
		{"and deleted once more in between, unseen", []string{`{"key":"k","fields":{"a":2,"b":2},"node":"us","time":5,"id":"us:3"}`,
			`{"key":"k","op":"delete","node":"eu","time":4,"id":"eu:1","seen":{"us":2}}`}, 1},
	} {
		r := run(t, "* * lww", Options{}, append(slices.Clone(first), c.lines...)...)
		require.Equal(t, c.told, foundCount(r, finding.PartialRow), c.what)
	}
}

// A check is of the merged record: it tells when the merge broke it, and not when one write did.
func TestACheckTellsWhatTheMergeBroke(t *testing.T) {
	const table = "stock/* count counter\nrow/* a,b lww together\n* * lww\ncheck stock/* count >= 0\ncheck stock/* 0 <= count\n" +
		"check o/* qty >= 0\ncheck o/* start <= end\ncheck row/* a <= b"
	one := `{"key":"stock/1","op":"add","field":"count","value":1,"node":"us","id":"us:1","seen":[]}`
	both := []string{`{"key":"stock/1","op":"add","field":"count","value":-1,"node":"us","id":"us:2","seen":["us:1"]}`,
		`{"key":"stock/1","op":"add","field":"count","value":-1,"node":"eu","id":"eu:1","seen":["us:1"]}`}
	for _, c := range []struct {
		lines []string
		told  []string
	}{
		{append([]string{one}, both...), []string{"check stock/* 0 <= count fails: count is -1", "check stock/* count >= 0 fails: count is -1"}},
		{append([]string{one}, both[0]), nil},
		{[]string{`{"key":"stock/1","op":"add","field":"count","value":-1,"node":"us","id":"us:1","seen":[]}`}, nil},
		{[]string{`{"key":"stock/1","op":"add","field":"count","value":-1,"node":"us","id":"us:1"}`, `{"key":"stock/1","op":"add","field":"count","value":-1,"node":"eu","id":"eu:1"}`},
			[]string{"check stock/* 0 <= count fails: count is -2", "check stock/* count >= 0 fails: count is -2"}}, // where nothing says who had seen what too
		{[]string{`{"key":"o/1","value":"whole","node":"us","id":"us:1"}`, `{"key":"o/1","field":"qty","value":-1,"node":"eu","id":"eu:1"}`}, nil},
		{[]string{`{"key":"o/1","fields":{"start":9,"end":5},"node":"us","version":1}`}, nil},
		{[]string{`{"key":"o/1","field":"start","value":9,"node":"us","version":1}`, `{"key":"o/1","field":"end","value":5,"node":"us","version":2}`},
			[]string{"check o/* start <= end fails: start is 9 of us, end is 5 of us"}},
		{[]string{`{"key":"row/1","fields":{"a":2,"b":1},"node":"us","version":1}`, `{"key":"row/1","fields":{"a":3,"b":4},"node":"us","version":0}`}, nil},
	} {
		r := run(t, table, Options{}, c.lines...)
		var told []string
		for _, f := range r.Findings {
			if f.Code == finding.InvariantBroken {
				for _, e := range f.Examples {
					told = append(told, e.Detail)
				}
			}
		}
		require.Equal(t, c.told, told, "%s", c.lines)
	}
}

// A check that compares nothing says nothing: for the field has another name, or is a text where a number is due.
func TestAReportSaysHowOftenACheckWasTried(t *testing.T) {
	const table = "* * lww\ncheck a/* n >= 0\ncheck a/* m >= 0\nunique a/* n\ncheck a/* t >= 0\nunique a/* m"
	want := []CheckSum{{Line: 2, Check: "check a/* n >= 0", Tried: 2}, {Line: 3, Check: "check a/* m >= 0"}, {Line: 4, Check: "unique a/* n", Tried: 2},
		{Line: 5, Check: "check a/* t >= 0", TwoKinds: 1}, {Line: 6, Check: "unique a/* m"}}
	for i := range want {
		want[i].Line++ // of the nodes
	}
	for _, seen := range []string{"", `,"seen":[]`} { // which takes the long way
		r := run(t, table, Options{}, `{"key":"a/1","field":"n","value":1,"node":"us","time":1`+seen+`}`, `{"key":"a/2","field":"n","value":2,"node":"us","time":1`+seen+`}`,
			`{"key":"a/2","field":"t","value":"-9","node":"us","time":2`+seen+`}`, `{"key":"b/1","field":"m","value":1,"node":"us","time":1`+seen+`}`)
		require.Equal(t, want, r.Checks)
	}
}

func TestCriticalKeysAreRefusedNotMerged(t *testing.T) {
	r := run(t, "ledger/* * refuse\n* * lww", Options{},
		`{"key":"ledger/1","field":"sum","value":1,"node":"us","time":1,"id":"us:1","seen":{}}`,
		`{"key":"ledger/1","field":"sum","value":2,"node":"eu","time":2,"id":"eu:1","seen":{}}`,
		`{"key":"ledger/2","field":"sum","value":1,"node":"us","time":1,"id":"us:2","seen":{}}`,
		`{"key":"ledger/2","field":"sum","value":2,"node":"eu","time":2,"id":"eu:2"}`,
		`{"key":"ledger/3","field":"sum","value":1,"node":"us","time":1,"id":"us:3","seen":{}}`,
		`{"key":"ledger/3","field":"sum","value":2,"node":"eu","time":2,"id":"eu:3","seen":{"us":3}}`)
	require.Equal(t, Count{2, 4}, r.Totals.Refused)
	require.Equal(t, int64(1), foundCount(r, finding.UnknownCausality))
	require.Equal(t, Count{0, 0}, r.Totals.Lost)
}

func TestRemovedElementIsOverwrittenOrLostByWhoHadSeenIt(t *testing.T) {
	insert := `{"key":"c","field":"s","op":"insert","value":"milk","node":"us","time":1,"id":"us:1","seen":{}}`
	seenRemove := `{"key":"c","field":"s","op":"remove","value":"milk","node":"eu","time":2,"id":"eu:1","seen":{"us":1}}`
	blindRemove := `{"key":"c","field":"s","op":"remove","value":"milk","node":"eu","time":2,"id":"eu:1","seen":{}}`
	other := `{"key":"c","field":"s","op":"insert","value":"rum","node":"ap","time":3,"id":"ap:1","seen":{"us":1,"eu":1}}`
	for _, c := range []struct {
		rule, remove      string
		overwritten, lost int64
	}{
		{"add-wins", seenRemove, 1, 0},
		{"add-wins", blindRemove, 0, 1}, // the remove is lost
		{"remove-wins", blindRemove, 0, 1},
		{"remove-wins", seenRemove, 1, 0},
	} {
		r := run(t, "c s "+c.rule+"\n* * lww", Options{}, insert, c.remove, other)
		require.Equal(t, Count{c.overwritten, c.overwritten}, r.Totals.Overwritten, "%v", c)
		require.Equal(t, Count{c.lost, c.lost}, r.Totals.Lost, "%v", c)
	}
}

func TestNodeWithoutANameIsUnknownAndNotSequential(t *testing.T) {
	h, err := Collect([]history.Source{sourceOf("feed", `{"after": {"id": 1, "name": "a"}, "key": [1], "updated": "1701102296662969433.0000000000"}
{"after": {"id": 1, "name": "b"}, "key": [1], "updated": "1701102296662969434.0000000000"}`)}, history.Options{Format: history.CockroachDB})
	require.NoError(t, err)
	r := h.Run(merge.MustParseTable(header+"* * lww"), Options{})
	require.Equal(t, int64(2), foundCount(r, finding.UnknownNode))
	require.Equal(t, int64(0), r.Totals.Conflicts.Min)
	require.Positive(t, r.Totals.Conflicts.Max)
}

// A context names operations by their node, so it says nothing of those that have none.
func TestExactContextSaysNothingOfNamelessWriters(t *testing.T) {
	feed := `{"after": {"id": 1, "name": "a"}, "key": [1], "updated": "1701102296662969433.0000000000"}`
	native := `{"key":"1","field":"name","value":"b","node":"us","time":"1701102296662969434.0000000000","id":"us:1","seen":{"eu":3}}`
	h, err := Collect([]history.Source{sourceOf("feed", feed)}, history.Options{Format: history.CockroachDB})
	require.NoError(t, err)
	own, err := Collect([]history.Source{sourceOf("own", native)}, history.Options{})
	require.NoError(t, err)
	h.Join(own)
	r := h.Run(merge.MustParseTable(header+"* * lww"), Options{})
	require.Equal(t, Count{0, 1}, r.Totals.Conflicts, "whether us had seen the write of nobody is not known")
}

func TestStoryTellsTheWholeChain(t *testing.T) {
	h, err := Collect([]history.Source{sourceOf("h", strings.Join([]string{
		`{"key":"o","field":"s","value":"open","node":"us","time":100,"id":"us:1","seen":{}}`,
		`{"key":"o","field":"s","value":"paid","node":"eu","time":200,"id":"eu:1","seen":{"us":1}}`,
		`{"key":"o","field":"s","value":"void","node":"us","time":202,"id":"us:2","seen":{}}`,
	}, "\n"))}, history.Options{})
	require.NoError(t, err)
	table := merge.MustParseTable(header + "* * lww")
	s, err := h.Why(table, "o", nil, Options{})
	require.NoError(t, err)
	require.Len(t, s.Fields, 1)
	steps := s.Fields[0].Writes
	require.Len(t, steps, 3)
	require.Equal(t, []string{"overwritten", "lost", "kept"}, []string{steps[0].Outcome, steps[1].Outcome, steps[2].Outcome})
	require.Equal(t, []string{"W1"}, steps[1].Saw)
	require.Equal(t, "time", steps[1].By)
	require.Equal(t, int64(2), steps[1].Margin)
	require.Equal(t, "W3", steps[1].Against)
	_, err = h.Why(table, "p", nil, Options{})
	require.ErrorContains(t, err, "no write to key")
	other := "x"
	_, err = h.Why(table, "o", &other, Options{})
	require.ErrorContains(t, err, `no field "x"`)
}

func TestDiffSaysWhatAnotherTableChanges(t *testing.T) {
	h, err := Collect([]history.Source{sourceOf("h", strings.Join([]string{
		`{"key":"o/1","field":"n","value":9,"node":"us","time":100,"id":"us:1","seen":{}}`,
		`{"key":"o/1","field":"n","value":5,"node":"eu","time":200,"id":"eu:1","seen":{}}`,
		`{"key":"o/2","field":"n","value":1,"node":"us","time":100,"id":"us:2","seen":{}}`,
	}, "\n"))}, history.Options{})
	require.NoError(t, err)
	base, other := merge.MustParseTable(header+"* * lww"), merge.MustParseTable(header+"* n max\n* * lww")
	d := h.Diff([]*merge.Table{base, other, base}, Options{})
	require.True(t, d.Different())
	require.Equal(t, int64(1), d.Others[0].Cells)
	require.Equal(t, "o/1", d.Others[0].Largest[0].Key)
	require.Equal(t, value.Value("5"), d.Others[0].Largest[0].Base.Value)
	require.Equal(t, value.Value("9"), d.Others[0].Largest[0].Other.Value)
	require.Equal(t, []LineDiff{{Line: 2, Rule: "* n max", Added: true}}, d.Others[0].Lines)
	require.Zero(t, d.Others[1].Cells)
}

// Under a table that mistypes a key the counter counts nothing: its increments are of no use to the rule that takes them.
func TestDiffSaysWhatIsFoundAndLostByWhichLine(t *testing.T) {
	h, err := Collect([]history.Source{sourceOf("h", strings.Join([]string{
		`{"key":"stock/1","field":"n","op":"add","value":9,"node":"us","time":100,"id":"us:1","seen":{}}`,
		`{"key":"stock/1","field":"n","op":"add","value":5,"node":"eu","time":200,"id":"eu:1","seen":{}}`,
		`{"key":"o/1","field":"n","value":1,"node":"us","time":100,"id":"us:2","seen":{}}`,
		`{"key":"o/1","field":"n","value":2,"node":"eu","time":100,"id":"eu:2","seen":{}}`,
	}, "\n"))}, history.Options{})
	require.NoError(t, err)
	base := merge.MustParseTable(header + "stock/* * counter\no/* * lww\n* * lww")
	other := merge.MustParseTable(header + "stok/* * counter\no/* * lww\n* * fww")
	d := h.Diff([]*merge.Table{base, other, base}, Options{})
	require.Equal(t, []FindingDiff{{Code: finding.OpMismatch, Was: 0, Is: 2}}, d.Others[0].Findings)
	losses := d.Others[0].Losses
	require.Len(t, losses, 1, "the line that loses as before is not told, nor one that loses nothing under either")
	require.Equal(t, "* * fww", losses[0].Rule)
	require.Nil(t, losses[0].Was)
	require.Equal(t, Count{1, 1}, losses[0].Is.Lost)
	require.Empty(t, d.Others[1].Findings)
	require.Empty(t, d.Others[1].Losses)
}

func TestLawsAreTriedOnRealValues(t *testing.T) {
	average := merge.Custom{Name: "average", Waives: 0, Merge: func(a, b value.Value) value.Value {
		return value.Int(int64(len(a)+len(b)) / 2)
	}}
	h, err := Collect([]history.Source{sourceOf("h", strings.Join([]string{
		`{"key":"o","field":"n","value":1,"node":"us","time":100,"id":"us:1","seen":{}}`,
		`{"key":"o","field":"n","value":222,"node":"eu","time":200,"id":"eu:1","seen":{}}`,
		`{"key":"p","field":"n","value":1,"node":"us","time":100,"id":"us:2","seen":{}}`,
		`{"key":"p","field":"n","value":2,"node":"eu","time":100,"id":"eu:2","seen":{}}`,
	}, "\n"))}, history.Options{})
	require.NoError(t, err)
	table, err := merge.ParseTable("t", []byte("o * average\n* * lww"), average)
	require.NoError(t, err)
	l := h.Laws(table, Options{})
	require.True(t, l.Broken())
	require.Equal(t, "not_idempotent", l.Rules[0].Broken.Law)
	require.Equal(t, "o", l.Rules[0].Broken.Key)
	require.Nil(t, l.Rules[1].Broken)
	require.Equal(t, int64(1), l.Rules[1].Tried)
}

// Where writes conflict, each region has another value to replace when the write of the other arrives. The writer had found what
// its own region says.
func TestWhatAWriteReplacedIsWhatItsOwnRegionSays(t *testing.T) {
	const began = `{"key":"stock/1","field":"count","value":10,"node":"us","time":1000000001000000000,"id":"a"}` + "\n"
	write := func(node string, second, value, before int) string {
		return fmt.Sprintf(`{"key":"stock/1","field":"count","value":%d,"before":%d,"node":%q,"time":%d000000000,"id":"%s%d"}`+"\n",
			value, before, node, 1000000000+second, node, second)
	}
	source := func(region, text string) history.Source {
		return history.Source{Name: region + ".ndjson", Region: region, Open: sourceOf("", text).Open}
	}
	table := merge.MustParseTable(header + "* * counter")
	read := func(sources ...history.Source) *History {
		h, err := Collect(sources, history.Options{})
		require.NoError(t, err)
		return h
	}
	for _, c := range []struct{ first, second string }{{"us", "eu"}, {"eu", "us"}} { // whose write counts as the later one
		sold := write(c.first, 10, 9, 10)
		us := source(c.first, began+sold+write(c.second, 11, 7, 9))
		eu := source(c.second, began+write(c.second, 11, 7, 10)+write(c.first, 10, 9, 7))
		ap := source("ap", began+write(c.second, 11, 7, 10)+sold)
		for _, sources := range [][]history.Source{{us, eu}, {eu, us}, {us, eu, ap}, {ap, us, eu}} {
			state := ""
			r := read(sources...).Run(table, Options{State: func(l StateLine) { state += string(l.Value) }})
			require.Equal(t, "-4", state)
			require.Equal(t, []int64{3, 3 * int64(len(sources)-1)}, []int64{r.Totals.Writes, r.Totals.Arrivals})
			require.Zero(t, foundCount(r, finding.OpIDReused))
		}
	}

	// None of the two regions is where it was made: nobody knows what it replaced.
	r := read(source("us", began+write("ap", 11, 7, 9)), source("eu", began+write("ap", 11, 7, 10))).Run(table, Options{})
	require.EqualValues(t, 1, foundCount(r, finding.OpIDReused))
}

// An operation that the rule of its field has no use for is told, whatever becomes of it, and so is a value.
func TestOperationsThatDoNotFitTheRuleAreTold(t *testing.T) {
	const set, add, insert, remove = `"value":100`, `"value":5,"op":"add"`, `"value":"x","op":"insert"`, `"value":"x","op":"remove"`
	for _, c := range []struct {
		rule string
		ops  []string
		told string // of the last of them; "" for nothing
	}{
		{"lww", []string{set, add}, "lww has no use for add"},
		{"lww", []string{add}, "lww has no use for add"},
		{"max", []string{set, add}, "max has no use for add"},
		{"lww", []string{`"value":["x","y"]`, remove}, "lww has no use for remove"},
		{"append", []string{`"value":"x"`, remove}, "append has no use for remove"},
		{"append", []string{`"value":"x"`, insert}, ""},
		{"union", []string{`"value":["x"]`, insert}, "union has no use for insert"},
		{"add-wins", []string{insert, add}, "add-wins has no use for add"},
		{"add-wins", []string{insert, remove}, ""},
		{"counter", []string{add, insert}, "counter has no use for insert"},
		{"counter", []string{add, add}, ""},
		{"counter", []string{add, `"value":"x","before":7`}, "counter has no use for a value that is no number, or too long a one"},
		{"enable-wins", []string{`"value":true`, `"value":"yes"`}, "enable-wins has no use for a value that is neither true nor false"},
	} {
		var lines []string
		for i, op := range c.ops {
			lines = append(lines, fmt.Sprintf(`{"key":"k","field":"f",%s,"node":"us","id":"us:%d","version":%d}`, op, i+1, i+1))
		}
		r := run(t, "k f "+c.rule+"\n* * lww", Options{}, lines...)
		told := ""
		for _, f := range r.Findings {
			if f.Code == finding.OpMismatch {
				require.EqualValues(t, 1, f.Count)
				require.EqualValues(t, len(c.ops), f.Examples[0].Place.Line)
				told = f.Examples[0].Detail
			} else {
				require.NotEqual(t, finding.MissingBeforeImage, f.Code)
			}
		}
		require.Equal(t, c.told, told, "%s %s", c.rule, c.ops)
	}
	r := run(t, "k f add-wins\n* * lww", Options{}, `{"key":"k","field":"f",`+add+`,"node":"us","id":"us:1"}`)
	require.Equal(t, Count{1, 1}, r.Totals.Lost, "nothing of it is left")
}

// A hole in the numbers of a node matters where the node may have raised a counter in it: a delete raises none.
func TestAGapIsOfANodeThatRaisedACounter(t *testing.T) {
	for _, c := range []struct {
		op   string
		told int64
	}{{`"op":"delete","field":"n"`, 0}, {`"op":"add","field":"n","value":1`, 2}, {`"field":"n","value":2,"before":1`, 2}} {
		r := run(t, "* n counter\n* * lww", Options{}, `{"key":"k","op":"add","field":"n","value":1,"node":"us","id":"us:1"}`,
			`{"key":"k","field":"f","value":1,"node":"eu","id":"eu:5"}`, `{"key":"k",`+c.op+`,"node":"eu","id":"eu:8"}`)
		require.Equal(t, c.told, foundCount(r, finding.CounterGap), c.op)
	}
}

// Partitions of a change stream are read beside each other, so a later commit may stand before an earlier one: no order follows from it.
func TestNoOrderFollowsFromAFeedThatKeepsNone(t *testing.T) {
	spanner := func(second, now, was int) string {
		return fmt.Sprintf(`{"data_change_record":{"commit_timestamp":"2022-09-27T12:30:%02d.123456Z","record_sequence":"00000000","server_transaction_id":"tx%d","table_name":"T",`+
			`"column_types":[{"name":"A","type":{"code":"INT64"}},{"name":"N","type":{"code":"INT64"}}],"mods":[{"keys":{"A":"1"},"new_values":{"N":"%d"},"old_values":{"N":"%d"}}],`+
			`"mod_type":"UPDATE","value_capture_type":"OLD_AND_NEW_VALUES"}}`, second, second, now, was)
	}
	kinesis := func(millis, now, was int) string {
		return fmt.Sprintf(`{"eventID":"e%d","eventName":"MODIFY","tableName":"t","dynamodb":{"ApproximateCreationDateTime":%d,"Keys":{"id":{"S":"a"}},`+
			`"OldImage":{"id":{"S":"a"},"n":{"N":"%d"}},"NewImage":{"id":{"S":"a"},"n":{"N":"%d"}}}}`, millis, 1700000000000+int64(millis), was, now)
	}
	for _, lines := range [][2]string{{spanner(2, 3, 2), spanner(1, 2, 1)}, {kinesis(2, 3, 2), kinesis(1, 2, 1)}} {
		for _, rule := range []string{"lww", "keep-all", "refuse", "delete-wins"} {
			h, err := Collect([]history.Source{
				{Name: "0", Region: "us", Open: sourceOf("", lines[0]).Open},
				{Name: "1", Region: "us", Open: sourceOf("", lines[1]).Open},
			}, history.Options{})
			require.NoError(t, err)
			state := ""
			r := h.Run(merge.MustParseTable("* * "+rule), Options{State: func(l StateLine) { state += string(l.Value) }})
			require.Contains(t, []string{"3", "[3]"}, state, rule)
			require.Equal(t, Count{0, 0}, r.Totals.Lost, rule)
			require.Zero(t, r.Totals.Inversions)
		}
	}
}

// A clock that gives one stamp to two writes is told, also where something else says which came first.
func TestOneStampOfTwoWritesIsTold(t *testing.T) {
	write := func(n int, more string) string {
		return fmt.Sprintf(`{"key":"k","node":"us","id":"us:%d",%s}`, n, more)
	}
	for _, c := range []struct {
		one, other string
		told       int64
	}{
		{`"field":"f","value":1,"version":1,"time":1767225600000000001`, `"field":"f","value":2,"version":1,"time":1767225600000000001`, 1},
		{`"field":"f","value":2,"version":1,"time":1767225600000000001`, `"field":"f","value":1,"version":1,"time":1767225600000000001`, 1},
		{`"field":"f","value":2,"version":1,"time":1767225600000000001`, `"field":"f","value":1,"version":2,"time":1767225600000000001`, 0},
		{`"field":"f","value":2,"time":1767225600000000001`, `"field":"f","value":1,"time":1767225600000000002`, 0},
		{`"field":"f","value":2,"time":1767225600000000001`, `"field":"f","value":2,"time":1767225600000000001`, 0},
		{`"field":"f","value":2,"time":1767225600000000001`, `"field":"g","value":1,"time":1767225600000000001`, 0},
		{`"fields":{"f":1,"g":1},"time":1767225600000000001`, `"field":"g","value":2,"time":1767225600000000001`, 1},
		{`"field":"f","value":2,"time":1767225600000000001`, `"op":"delete","time":1767225600000000001`, 1},
		{`"field":"f","value":2,"time":"2026-01-01T00:00:00Z"`, `"field":"f","value":1,"time":"2026-01-01T00:00:00Z"`, 0}, // by a coarse clock
		{`"field":"f","value":2,"version":3`, `"field":"f","value":1,"version":3`, 1},
		{`"field":"f","value":2`, `"field":"f","value":1`, 0},
		{`"field":"f","value":2,"op":"add","time":1767225600000000001`, `"field":"f","value":1,"op":"add","time":1767225600000000001`, 0},
	} {
		r := run(t, "* * lww", Options{}, write(1, c.one), write(2, c.other))
		require.Equal(t, c.told, foundCount(r, finding.StampCollision), "%s\n%s", c.one, c.other)
	}

	// A clock that went back, and a write to another field in between, hid it.
	for _, between := range []string{`"field":"g","value":0,"time":1767225600000000001`, `"field":"f","value":0,"time":1767225600000000009`,
		`"op":"delete","time":1767225600000000000`} {
		one, other := `"field":"f","value":2,"time":1767225600000000001`, `"field":"f","value":1,"time":1767225600000000001`
		for _, more := range []int{0, 2 * fewOps} {
			lines := []string{write(1, one), write(2, between), write(3, other)}
			for n := range more {
				lines = append(lines, write(4+n, fmt.Sprintf(`"field":"h","value":0,"time":%d`, int64(1767225600000000010)+int64(n))))
			}
			require.EqualValues(t, 1, foundCount(run(t, "* * lww", Options{}, lines...), finding.StampCollision), between)
		}
	}

	// The export of a region says it too.
	one := `{"key":"k","field":"f","value":1,"node":"us","time":1767225600000000001,"id":"a"}`
	other := `{"key":"k","field":"f","value":2,"node":"us","time":1767225600000000001,"id":"b"}`
	h, err := Collect([]history.Source{{Name: "us.ndjson", Region: "us", Open: sourceOf("", one+"\n"+other).Open}}, history.Options{})
	require.NoError(t, err)
	r := h.Run(merge.MustParseTable(header+"* * lww"), Options{})
	require.EqualValues(t, 1, foundCount(r, finding.StampCollision))
}

// A loss is none where a writer who had seen the write put something in its place; what only adds to it does not.
func TestWhatTakesThePlaceOfAWriteIsAboutTheSame(t *testing.T) {
	const insert = `{"key":"k","field":"f","node":"a","id":"a:1","op":"insert","value":1,"seen":[],"time":1700000000000000000}`
	const removed = `{"key":"k","field":"f","node":"b","id":"b:1","op":"remove","value":1,"seen":[],"time":1700000000000000002}`
	seen := func(what string) string {
		return `{"key":"k","field":"f","node":"c","id":"c:1","seen":["a:1"],"time":1700000000000000006,` + what + `}`
	}
	for _, c := range []struct {
		rule        string
		lines       []string
		lost, after int64
	}{
		{"remove-wins", []string{insert, removed, seen(`"op":"insert","value":9`)}, 1, 0},
		{"remove-wins", []string{insert, removed, seen(`"value":[1,9],"before":[1]`)}, 1, 0},
		{"remove-wins", []string{insert, removed, seen(`"value":[9],"before":[1]`)}, 0, 1},
		{"remove-wins", []string{insert, removed, seen(`"op":"insert","value":1`)}, 1, 1}, // the second insert is lost in its place
		{"remove-wins", []string{insert, seen(`"op":"remove","value":1`)}, 0, 1},
		{"counter", []string{`{"key":"k","field":"f","node":"a","id":"a:1","value":5,"seen":[],"time":1700000000000000000}`, seen(`"op":"add","value":1`)}, 1, 0},
		{"append", []string{insert, `{"key":"k","field":"f","node":"b","id":"b:1","op":"delete","seen":[],"time":1700000000000000002}`}, 1, 0},
		{"append", []string{insert, `{"key":"k","field":"f","node":"b","id":"b:1","op":"delete","seen":["a:1"],"time":1700000000000000002}`}, 0, 1},
		{"append", []string{insert, `{"key":"k","field":"f","node":"b","id":"b:1","op":"delete","seen":[],"time":1700000000000000002}`, seen(`"op":"insert","value":2`)}, 1, 0},
	} {
		r := run(t, "* * "+c.rule, Options{}, c.lines...)
		require.Equal(t, Count{c.lost, c.lost}, r.Totals.Lost, "%s: %s", c.rule, c.lines)
		require.Equal(t, Count{c.after, c.after}, r.Totals.Overwritten, "%s: %s", c.rule, c.lines)
	}
}

func TestWhatTheOrderOfATablePutsBeforeTheTimeIsNoTie(t *testing.T) {
	lines := []string{
		`{"key":"k","field":"f","value":1,"node":"ap","version":2,"time":9000000,"id":"ap:1","seen":{}}`,
		`{"key":"k","field":"f","value":2,"node":"us","version":1,"time":4400000,"id":"us:1","seen":{}}`,
	}
	with := func(order string) *Report {
		return runLines(t, merge.MustParseTable("nodes ap < us\n"+order+"\n* * lww"), Options{}, strings.Join(lines, "\n"))
	}
	r := with("order node time version")
	require.Equal(t, int64(1), r.Decided.Node)
	require.Zero(t, r.Ties())
	require.Equal(t, []string{"node", "time", "version"}, r.Table.Order)
	lines[0] = strings.ReplaceAll(lines[0], "9000000", "4400000")
	r = with("order time version node")
	require.Equal(t, int64(1), r.Decided.Version)
	require.Equal(t, int64(1), r.Ties())
	require.Nil(t, with("order version time node").Table.Order)
	require.Zero(t, with("order version time node").Ties())
}

// A stated lag says nothing of a write without a time, but for what its node did before and after it.
func TestALagSaysNothingOfAWriteWithoutATime(t *testing.T) {
	const first = `{"key":"k","field":"f","value":1,"node":"a","time":1700000000000000000,"id":"a:1"}`
	const untimed = `{"key":"k","field":"f","value":2,"node":"a","id":"a:2"}`
	const third = `{"key":"k","field":"f","value":3,"node":"a","time":1700000000200000000,"id":"a:3"}`
	other := func(wall int64) string {
		return fmt.Sprintf(`{"key":"k","field":"f","value":9,"node":"b","time":%d,"id":"b:1"}`, 1700000000000000000+wall)
	}
	opt := Options{Lag: 10 * time.Millisecond}
	for _, c := range []struct {
		lines     []string
		conflicts Count
	}{
		{[]string{untimed, other(50e6)}, Count{0, 1}},
		{[]string{first, untimed, other(50e6)}, Count{0, 1}},        // a:1 was seen
		{[]string{first, untimed, third, other(50e6)}, Count{0, 1}}, // and a:3 had seen b:1
		{[]string{first, untimed, third, other(300e6)}, Count{0, 0}},
		{[]string{first, untimed, third, other(5e6)}, Count{1, 2}},   // a:1 was not
		{[]string{first, untimed, third, other(195e6)}, Count{1, 2}}, // nor had a:3 seen b:1, nor b:1 that
	} {
		require.Equal(t, c.conflicts, run(t, "* * lww", opt, c.lines...).Totals.Conflicts, "%s", c.lines)
	}
}

// Who read one of several writes of a version, which may be one of its own node, may have seen what that one had.
func TestABaseOfSeveralWritesSaysLittle(t *testing.T) {
	lines := []string{
		`{"key":"k","field":"f","value":"b1","node":"b","version":1,"time":1700000000000000000,"seen":[]}`,
		`{"key":"k","field":"f","value":"a1","node":"a","version":2,"time":1700000000000000001}`,
		`{"key":"k","field":"f","value":"a2","node":"a","version":3,"time":1700000000000000003,"base":2}`,
		`{"key":"k","field":"f","value":"c1","node":"c","version":2,"time":1700000000000000002,"seen":[]}`,
	}
	r := run(t, "* * lww", Options{}, lines...)
	require.Equal(t, Count{1, 5}, r.Totals.Conflicts, "b1 and c1 for certain")
	require.Equal(t, int64(0), r.Totals.Lost.Min)
}

// What a map says counts where a list names its write, on another key too; a map itself leaves nothing out.
func TestAMapIsFollowedWhereAListNamesIt(t *testing.T) {
	line := func(key, node, id, seen string) string {
		return fmt.Sprintf(`{"key":%q,"field":"f","value":%q,"node":%q,"time":1700000000000000000,"id":%q,"seen":%s}`, key, id, node, id, seen)
	}
	first, other := line("k", "a", "a:1", "[]"), line("k2", "b", "b:1", `{"a":1}`)
	for seen, conflicts := range map[string]int64{`["b:1"]`: 0, `{"eu":1}`: 1, `{"a":1,"b":1}`: 0, `["b:1","a:1"]`: 0, `[]`: 1} {
		for _, more := range []string{"", line("k3", "d", "d:1", `["b:1"]`)} {
			lines := []string{first, other, line("k", "c", "c:1", seen)}
			if more != "" {
				lines = append(lines, more)
			}
			require.Equal(t, Count{conflicts, conflicts}, run(t, "* * lww", Options{}, lines...).Totals.Conflicts, "%s %s", seen, more)
		}
	}
	require.Equal(t, Count{0, 0}, run(t, "* * lww", Options{}, first, line("k2", "b", "b:1", `["a:1"]`), line("k", "b", "b:2", "[]")).Totals.Conflicts,
		"b had seen it before")
}

// An export that holds its own region's writes alone does not say when those of others arrived: that the writer of the second had
// seen the first is all that its before-image and eight hours tell, and a stated lag may say so.
func TestAnExportWithoutArrivalsDoesNotSayThatNothingArrived(t *testing.T) {
	us1 := `{"key":"k","field":"f","value":1,"node":"us","time":"2026-03-01T10:00:00Z","id":"a"}`
	eu1 := `{"key":"k","field":"f","value":2,"before":1,"node":"eu","time":"2026-03-01T18:00:00Z","id":"b"}`
	arrival := `{"key":"other","field":"f","value":1,"node":"eu","time":"2026-03-01T10:00:00Z","id":"c"}`
	collect := func(us string) *History {
		h, err := Collect([]history.Source{
			{Name: "us.ndjson", Region: "us", Open: sourceOf("", us).Open},
			{Name: "eu.ndjson", Region: "eu", Open: sourceOf("", eu1).Open},
		}, history.Options{})
		require.NoError(t, err)
		return h
	}
	table := merge.MustParseTable(header + "* * lww")
	for _, us := range []string{us1, us1 + "\n" + arrival} { // that eu's writes arrive in us says nothing of those of us in eu
		h := collect(us)
		r := h.Run(table, Options{})
		require.Equal(t, Count{0, 1}, r.Totals.Conflicts)
		require.Equal(t, Count{0, 1}, r.Totals.Lost)
		require.Zero(t, r.Totals.Diverged, "the exports end differently, for they hold different writes")
		require.Positive(t, r.Causality[Unknown].Writes)
		r = h.Run(table, Options{Lag: time.Second})
		require.Zero(t, r.Totals.Conflicts)
		require.Zero(t, r.Totals.Lost)
	}
	var saved bytes.Buffer
	require.NoError(t, collect(us1+"\n"+arrival).Save(&saved))
	h, err := Load(&saved, history.Options{})
	require.NoError(t, err)
	require.Equal(t, int64(1), h.Run(table, Options{}).Causality[Deliveries].Writes, "what arrives is kept in a partial")
}

// Nothing says who wrote them, so nobody knows who had seen whom.
func TestWritesOfNoNodeAreCountedAsUnknown(t *testing.T) {
	r := run(t, "* * lww", Options{}, `{"key":"k","field":"f","value":1,"node":"us","time":100}`, `{"key":"k","field":"f","value":2,"node":"us","time":200}`)
	require.Zero(t, r.Causality[Unknown].Writes)
	h, err := Collect([]history.Source{sourceOf("feed", `{"after": {"v": 1}, "key": [1], "updated": "1701102296662969433.0000000000"}
{"after": {"v": 2}, "key": [1], "updated": "1701102296662969434.0000000000"}`)}, history.Options{Format: history.CockroachDB})
	require.NoError(t, err)
	r = h.Run(merge.MustParseTable("* * lww"), Options{})
	require.Equal(t, Count{0, 1}, r.Totals.Conflicts)
	require.Equal(t, int64(2), r.Causality[Unknown].Writes)
}

// A list leaves out what its node had seen before, so an empty one says nothing of what an earlier write had seen that does not say.
// A map leaves nothing out.
func TestAnEmptyListLeavesOutWhatItsNodeHadSeenBefore(t *testing.T) {
	at := func(seen1, seen2 string) *Report {
		return run(t, "* * lww", Options{},
			`{"key":"k","field":"x","value":1,"node":"us","id":"us:1","time":100,"seen":[]}`,
			`{"key":"k","field":"x","value":2,"node":"eu","id":"eu:1","time":200`+seen1+`}`,
			`{"key":"k","field":"x","value":3,"node":"eu","id":"eu:2","time":300`+seen2+`}`)
	}
	for _, c := range []struct {
		seen1, seen2    string
		conflicts, lost Count
	}{
		{`,"seen":["us:1"]`, `,"seen":[]`, Count{}, Count{}},
		{``, `,"seen":[]`, Count{0, 2}, Count{0, 1}},
		{``, `,"seen":["eu:1"]`, Count{0, 2}, Count{0, 1}},
		{``, `,"seen":{}`, Count{2, 2}, Count{1, 1}},
		{``, `,"seen":{"eu":1}`, Count{2, 2}, Count{1, 1}},
	} {
		r := at(c.seen1, c.seen2)
		require.Equal(t, c.conflicts, r.Totals.Conflicts, "%+v", c)
		require.Equal(t, c.lost, r.Totals.Lost, "%+v", c)
	}
}

// What a map says of a write on another key is followed where a list leaves it out, and nowhere else: whether some list on a key
// that has nothing to do with it names an id made the difference once.
func TestMapsAreFollowedWhereAListLeavesThemOut(t *testing.T) {
	const other = `{"key":"z","field":"x","value":1,"node":"ap","id":"ap:2","time":1,"seen":["ap:1"]}`
	for seen, conflicts := range map[string]int64{`{}`: 1, `{"b":1}`: 1, `[]`: 0, `["eu:1"]`: 0} {
		lines := []string{
			`{"key":"k","field":"x","value":2,"node":"us","id":"us:1","time":100,"seen":{}}`,
			`{"key":"j","field":"x","value":1,"node":"eu","id":"eu:1","time":200,"seen":{"us":1}}`,
			`{"key":"k","field":"x","value":3,"node":"eu","id":"eu:2","time":300,"seen":` + seen + `}`,
		}
		for _, lines := range [][]string{lines, append(lines, other)} {
			require.Equal(t, Count{conflicts, conflicts}, run(t, "* * lww", Options{}, lines...).Totals.Conflicts, "%s", lines)
		}
	}
}

// Under a rule that adds nothing up the next increment leaves nothing of the one before, though its writer had seen it: that is no
// overwriting. What says the whole of the value is.
func TestIncrementsUnderARuleThatHasNoUseForThemAreLost(t *testing.T) {
	add := func(n int, op string) string {
		return fmt.Sprintf(`{"key":"k","field":"f","op":%q,"value":%d,"node":"us","id":"us:%d","version":%d,"time":%d}`, op, n, n, n, n)
	}
	for _, c := range []struct {
		rule string
		ops  []string
		lost int64
	}{
		{"lww", []string{"add", "add", "add"}, 2},
		{"keep-all", []string{"add", "add", "add"}, 2},
		{"lww", []string{"add", "add", "set"}, 0},
		{"lww", []string{"set", "add", "add"}, 1},
		{"counter", []string{"add", "add", "add"}, 0},
	} {
		var lines []string
		for i, op := range c.ops {
			lines = append(lines, add(i+1, op))
		}
		r := run(t, "* * "+c.rule, Options{}, lines...)
		require.Equal(t, Count{c.lost, c.lost}, r.Totals.Lost, "%+v", c)
	}
}

// A slip of the keyboard in a prefer line makes the value that was meant lose to all others.
func TestValuesThatAPreferLineDoesNotListAreTold(t *testing.T) {
	for _, seen := range []string{"", `,"seen":[]`} { // which takes the long way
		r := run(t, `* * prefer clsoed > paid > new`, Options{},
			`{"key":"a","field":"f","value":"closed","node":"us","time":1`+seen+`}`, `{"key":"a","field":"f","value":"new","node":"eu","time":2`+seen+`}`,
			`{"key":"b","field":"f","value":"closed","node":"us","time":1`+seen+`}`, `{"key":"b","field":"f","op":"delete","node":"us","time":2`+seen+`}`)
		require.Equal(t, int64(2), foundCount(r, finding.UnlistedValue))
	}
}

// What is not known of who had seen an operation that the rule has no use for is in the ranges: where it was seen, it is lost.
func TestRangesOfUselessOperationsHoldTheTruth(t *testing.T) {
	line := func(op, node string, value int, seen string) string {
		return fmt.Sprintf(`{"key":"k","field":"x","op":%q,"value":%d,"node":%q,"id":"%s:1","time":%d%s}`, op, value, node, node, value, seen)
	}
	for _, rule := range []string{"lww", "fww", "refuse", "union", "keep-all", "delete-wins", "update-wins", "max"} {
		for _, op := range []string{"add", "insert", "remove"} {
			unknown := run(t, "* * "+rule, Options{}, line(op, "us", 1, ""), line(op, "eu", 2, "")).Totals
			for _, seen := range []string{`,"seen":{}`, `,"seen":{"us":1}`} {
				known := run(t, "* * "+rule, Options{}, line(op, "us", 1, `,"seen":{}`), line(op, "eu", 2, seen)).Totals
				for name, c := range map[string][2]Count{"lost": {unknown.Lost, known.Lost}, "refused": {unknown.Refused, known.Refused},
					"overwritten": {unknown.Overwritten, known.Overwritten}, "conflicts": {unknown.Conflicts, known.Conflicts}} {
					require.LessOrEqual(t, c[0].Min, c[1].Min, "%s of %s under %s, %s", name, op, rule, seen)
					require.GreaterOrEqual(t, c[0].Max, c[1].Max, "%s of %s under %s, %s", name, op, rule, seen)
				}
			}
		}
	}
}

func TestOneStampOfWritesToDifferentFieldsIsNotTold(t *testing.T) {
	fields := func(names string, value int) string {
		var list []string
		for _, name := range strings.Fields(names) {
			list = append(list, fmt.Sprintf(`%q:%d`, name, value))
		}
		return fmt.Sprintf(`{"key":"k","node":"us","id":"us:%d","time":1767225600000000001,"fields":{%s}}`, value, strings.Join(list, ","))
	}
	for _, c := range []struct {
		a, b string
		told int64
	}{{"a", "b", 0}, {"a c e", "b d f", 0}, {"a c e", "b d e", 1}, {"c", "a b c", 1}, {"a", "a b", 1}, {"x y", "a b c", 0}} {
		require.Equal(t, c.told, foundCount(run(t, "* * lww", Options{}, fields(c.a, 1), fields(c.b, 2)), finding.StampCollision), c)
		require.Equal(t, c.told, foundCount(run(t, "* * lww", Options{}, fields(c.b, 1), fields(c.a, 2)), finding.StampCollision), c)
	}
}
