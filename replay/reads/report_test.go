package reads_test

import (
	"cmp"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
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

// A session's own write without a start took effect at its time, as late as the tolerance allows for what is certain, and as early
// for what is possible.
func TestASessionsOwnWriteMayHaveNoStart(t *testing.T) {
	for skew, want := range map[time.Duration]string{0: "stale", time.Second: "stale", 3 * time.Second: "within_skew"} {
		for when, none := range map[string]string{`"start":@12,"end":@12.1`: "", `"time":@12`: "", `"end":@12.1`: "no_start"} {
			c := moments(`
				{"key":"k","value":1,"node":"us","id":"us:1","session":"s","time":@10}
				{"key":"k","op":"read","want":"session","saw":null,"session":"s",` + when + `}
				{"key":"k","op":"read","want":"session","saw":"us:1","session":"s","start":@13}
				{"key":"k","op":"read","want":"session","saw":null,"session":"other","start":@14}`)
			_, got := judged(t, c, reads.Options{Skew: skew}, 1)
			assert.Equal(t, map[int]string{2: cmp.Or(none, want), 3: "fine", 4: "fine"}, got, "%s, skew %s", when, skew)
		}
	}
}

func TestHowAMissedWriteIsKnownToBeNewer(t *testing.T) {
	for _, level := range []string{"strong", "quorum", "bounded:1s"} {
		for saw, want := range map[string]string{`null`: "first", `"us:1"`: "rule"} {
			if level == "strong" && saw != "null" {
				want = "before"
			}
			r := report(t, moments(`
				{"key":"k","value":1,"node":"us","version":1,"id":"us:1","start":@1,"end":@1.1}
				{"key":"k","value":2,"node":"eu","version":2,"id":"eu:1","start":@2,"end":@2.1}
				{"key":"k","op":"read","want":"`+level+`","saw":`+saw+`,"start":@9,"end":@9.1}`), reads.Options{}, 1, 0)
			require.Len(t, r.Worst, 1)
			assert.EqualValues(t, want, r.Worst[0].How, "%s that saw %s", level, saw)
			stale, untold := r.Sum()
			assert.Equal(t, []int64{1, 0}, []int64{stale, untold})
			assert.Equal(t, reads.Schema, r.Schema)
			assert.Zero(t, r.OneIn)
			require.NotNil(t, r.Worst[0].Shown)
			assert.Equal(t, "itself", r.Worst[0].Shown.By)
			assert.Equal(t, r.Worst[0].Missed.Place, r.Worst[0].Shown.Place)
		}
	}
}

func TestASessionMissesWhatItWroteOrWhatItSaw(t *testing.T) {
	r := report(t, moments(`
		{"key":"k","value":1,"node":"us","version":1,"id":"us:1","start":@1,"end":@1.1}
		{"key":"k","value":2,"node":"eu","version":2,"id":"eu:1","start":@2,"end":@2.1,"session":"w"}
		{"key":"k","value":3,"node":"eu","version":1,"id":"eu:2","start":@2.2,"end":@2.3,"session":"w"}
		{"key":"k","op":"read","want":"session","saw":"us:1","start":@3,"end":@3.1,"session":"w"}
		{"key":"k","op":"read","want":"session","saw":"eu:1","start":@3,"end":@3.1,"session":"r"}
		{"key":"k","op":"read","want":"session","saw":"us:1","start":@4,"end":@4.1,"session":"r"}`), reads.Options{}, 1, 0)
	require.Len(t, r.Worst, 2)
	how := map[int64]reads.How{}
	for _, one := range r.Worst {
		how[one.Read.Place.Line] = one.How
		assert.Equal(t, "eu:1", one.Missed.ID)
	}
	assert.Equal(t, map[int64]reads.How{4: reads.OwnWrite, 6: reads.OwnRead}, how)
	assert.Equal(t, reads.SessionWrites{Checked: 1, OutOfOrder: 1}, r.Sessions)
}

// Of stale reads that are as far behind, those of the least keys are told, whatever the order in which keys are read.
func TestTheWorstAreTheSameInAnyOrder(t *testing.T) {
	var text strings.Builder
	for k := range 30 {
		fmt.Fprintf(&text, `{"key":"k%02d","value":1,"node":"us","id":"us:%d","start":@1,"end":@1.1}
			{"key":"k%02d","op":"read","want":"strong","saw":null,"start":@9,"end":@9.1}
			`, k, k+1, k)
	}
	for _, workers := range []int{1, 3} {
		r := report(t, moments(text.String()), reads.Options{Worst: 3}, workers, 0)
		var keys []string
		for _, one := range r.Worst {
			keys = append(keys, one.Key)
		}
		assert.Equal(t, []string{"k00", "k01", "k02"}, keys)
	}
}

func TestNodesThatAReplicaMissedAreInOrder(t *testing.T) {
	var text strings.Builder
	var want []string
	for n := range 12 {
		node := fmt.Sprintf("n%02d", n)
		want = append(want, node)
		fmt.Fprintf(&text, `{"key":"k%d","value":1,"node":%q,"id":"%s:1","start":@1,"end":@1.1}
			{"key":"k%d","op":"read","want":"strong","saw":null,"start":@%d,"end":@%d.1,"served_by":"eu"}
			{"key":"k%d","op":"read","want":"strong","saw":null,"start":@%d,"end":@%d.1,"served_by":"eu"}
			`, n, node, node, n, 9+n, 9+n, n, 40+n, 40+n)
	}
	r := report(t, moments(text.String()), reads.Options{}, 1, 0)
	require.Len(t, r.Preferred, 1)
	assert.Equal(t, want, r.Preferred[0].Missed)
}

func TestEachFieldIsARegister(t *testing.T) {
	r := report(t, moments(`
		{"key":"k","field":"f","value":1,"node":"us","id":"us:1","start":@1,"end":@1.1}
		{"key":"k","field":"g","value":1,"node":"us","id":"us:2","start":@2,"end":@2.1}
		{"key":"k","op":"read","field":"g","want":"strong","saw":"us:2","start":@3,"end":@3.1}
		{"key":"k","op":"read","field":"f","want":"strong","saw":"us:1","start":@3,"end":@3.1}
		{"key":"k","op":"read","field":"g","want":"strong","saw":"us:2","start":@4,"end":@4.1}
		{"key":"k","op":"read","field":"f","want":"strong","saw":"us:1","start":@4,"end":@4.1}`), reads.Options{}, 1, 0)
	assert.EqualValues(t, 2, r.Registers.Ordered)
	assert.Equal(t, []reads.LevelSum{{Level: "strong", Reads: 4, Fine: 4}}, r.Levels)
}

func TestAReadThatSaysNothingIsPromisedWhatTheOptionsSay(t *testing.T) {
	c := moments(`
		{"key":"k","op":"read","saw":null,"start":@3,"end":@3.1}
		{"key":"k","op":"read","saw":null,"start":@3,"end":@3.1,"session":"s"}
		{"key":"k","op":"read","want":"quorum","saw":null,"start":@3,"end":@3.1}`)
	levels := func(opt reads.Options) (names []string) {
		for _, l := range report(t, c, opt, 1, 0).Levels {
			names = append(names, fmt.Sprint(l.Level, " ", l.Reads))
		}
		return names
	}
	assert.Equal(t, []string{"quorum 1", "session 1", "eventual 1"}, levels(reads.Options{}))
	promise := func(string) reads.Level { return reads.Level{Kind: reads.Bounded, Bound: time.Second} }
	assert.Equal(t, []string{"quorum 1", "bounded:1s 2"}, levels(reads.Options{Promise: promise}))
}

// How many replicas there are is told by the reads of all keys, whoever judges them: of three, two are a quorum.
func TestReplicasOfAllKeysAreCounted(t *testing.T) {
	var text strings.Builder
	for k, by := range []string{"us", "eu , ap", "us,eu,ap", " ap ", "eu", "us,eu"} {
		fmt.Fprintf(&text, `{"key":"k%d","op":"read","want":"quorum","saw":null,"start":@5,"served_by":%q}`+"\n", k, by)
	}
	for _, workers := range []int{1, 4} {
		assert.EqualValues(t, 3, report(t, moments(text.String()), reads.Options{}, workers, 0).Alone)
	}
}

// A version was taken for an id with the same digits, and the id for a version.
func TestWhatWasSeenGoesByItsIDOrByItsVersion(t *testing.T) {
	outcome := func(ids, saw string, others int) (got reads.Outcome) {
		var more strings.Builder
		for i := range others {
			fmt.Fprintf(&more, `{"key":"k","value":0,"node":"us","id":"o%d","start":@0,"end":@0.1}`+"\n", i)
		}
		report(t, moments(more.String()+strings.NewReplacer("OLD", ids[:1], "NEW", ids[1:]).Replace(`
			{"key":"k","value":1,"node":"us","version":3,"id":"OLD","start":@1,"end":@1.1}
			{"key":"k","value":2,"node":"us","version":4,"id":"NEW","start":@2,"end":@2.1}
			{"key":"k","op":"read","want":"strong","saw":`)+saw+`,"start":@9,"end":@9.1}`),
			reads.Options{Each: func(_, _ string, _ finding.Place, v reads.Verdict) { got = v.Outcome }}, 1, 0)
		return got
	}
	for _, others := range []int{0, 30} {
		for _, c := range []struct {
			ids, saw string // the id of the write of version 3, and that of version 4
			want     reads.Outcome
		}{
			{"ab", `3`, reads.Stale},
			{"ab", `4`, reads.Fine},
			{"ab", `0`, reads.CannotTell}, // what has no version is not of version 0
			{"ab", `5`, reads.CannotTell},
			{"ab", `"a"`, reads.Stale},
			{"ab", `"b"`, reads.Fine},
			{"ab", `"3"`, reads.CannotTell}, // nobody has that id
			{"ab", `"03"`, reads.CannotTell},
			{"4b", `4`, reads.Fine},
			{"4b", `"4"`, reads.Stale},
			{"a3", `3`, reads.Stale},
			{"a3", `"3"`, reads.Fine},
		} {
			assert.Equal(t, c.want, outcome(c.ids, c.saw, others), "%+v beside %d others", c, others)
		}
	}
}

// Of each reason why nobody can tell, the first read is told, and of each level by how many versions reads were behind.
func TestWhatIsToldOfManyReads(t *testing.T) {
	c := moments(`
		{"key":"a","value":1,"node":"us","version":1,"id":"us:1","start":@1,"end":@1.1}
		{"key":"a","value":2,"node":"us","version":2,"id":"us:2","start":@2,"end":@2.1}
		{"key":"a","value":3,"node":"us","version":3,"id":"us:3","start":@3,"end":@3.1}
		{"key":"a","op":"read","saw":"us:1","start":@4}
		{"key":"a","op":"read","saw":"us:2","start":@4}
		{"key":"b","op":"read","want":"strong","saw":5,"start":@4}
		{"key":"a","op":"read","want":"strong","saw":"gone","start":@4}
		{"key":"a","op":"read","want":"strong","start":@4}`)
	for _, workers := range []int{1, 2, 5} {
		r := report(t, c, reads.Options{}, workers, 0)
		require.Len(t, r.Levels, 2)
		assert.EqualValues(t, 2, r.Levels[1].Versions)
		assert.EqualValues(t, 2, r.Levels[1].Behind)
		assert.Equal(t, []reads.ReasonSum{{Reason: reads.UnknownWrite, Reads: 2}, {Reason: reads.NoSaw, Reads: 1}}, r.Untold)
		require.Len(t, r.Examples, 2)
		assert.EqualValues(t, 6, r.Examples[0].Read.Place.Line)
		assert.Equal(t, "5", r.Examples[0].Read.Saw)
		assert.True(t, r.Examples[0].Read.ByVersion)
		assert.EqualValues(t, 8, r.Examples[1].Read.Place.Line)
		stale, untold := r.Sum()
		assert.Equal(t, []int64{0, 3}, []int64{stale, untold})
	}
}

// Where clocks make the rule put a write before one whose writer had seen it, what replicas show may go back: nothing that follows
// from the rule alone is stale. Under lww what the rule puts first stays first.
func TestNobodyCanTellWhereTheRuleIsAgainstWhatWritersHadSeen(t *testing.T) {
	for level, session := range map[string]string{"quorum": "", "bounded:1s": "", "session": `,"session":"s"`} {
		for rule, want := range map[string]string{"lww": "stale", "update-wins": "inverted"} {
			for later, ordered := range map[string]bool{ // what had seen the first write
				`"node":"eu","version":5,"id":"eu:1"`: false,
				`"node":"eu","version":9,"id":"eu:1"`: true,
				`"node":"us","version":7,"id":"us:2"`: true, // the rule does not tell them apart
			} {
				c := moments(fmt.Sprintf(`
					{"key":"k","value":1,"node":"us","version":7,"id":"us:1","seen":[],"start":@1,"end":@1.1%s}
					{"key":"k","value":2,%s,"seen":["us:1"],"start":@90,"end":@90.1}
					{"key":"k","value":3,"node":"ap","version":6,"id":"ap:1","seen":[],"start":@1,"end":@1.1}
					{"key":"k","op":"read","want":%q,"saw":"ap:1","start":@50,"end":@50.1%s}`, session, later, level, session))
				h, err := replay.Collect([]history.Source{history.Reader("h", strings.NewReader(strings.Join(c.lines, "\n")))}, history.Options{Reads: true})
				require.NoError(t, err)
				r, err := reads.Check(h, merge.MustParseTable("* * "+rule), reads.Options{Skew: time.Second})
				require.NoError(t, err)
				if ordered || want == "stale" {
					assert.EqualValues(t, 1, r.Levels[0].Stale, "%s, %s, %s: %v", level, rule, later, r.Untold)
				} else {
					assert.Equal(t, []reads.ReasonSum{{Reason: reads.Inverted, Reads: 1}}, r.Untold, "%s, %s, %s", level, rule, later)
				}
				require.NoError(t, h.Close())
			}
		}
	}
}

// Writes of one node that the rule does not tell apart are not against what it had seen, however many there are.
func TestWritesThatTheRuleDoesNotTellApartAreInOrder(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		fmt.Fprintf(&text, `{"key":"k","value":%d,"node":"us","version":%d,"id":"us:%d","start":@%d,"end":@%d.1}`+"\n", i, 1+i/50, i+1, i+1, i+1)
	}
	c := moments(text.String() + `{"key":"k","op":"read","want":"quorum","saw":null,"start":@500,"end":@500.1}`)
	h, err := replay.Collect([]history.Source{history.Reader("h", strings.NewReader(strings.Join(c.lines, "\n")))}, history.Options{Reads: true})
	require.NoError(t, err)
	defer h.Close()
	r, err := reads.Check(h, merge.MustParseTable("* * update-wins"), reads.Options{})
	require.NoError(t, err)
	assert.EqualValues(t, 1, r.Levels[0].Stale, "%v", r.Untold)
}

// A read that found nothing was fine as soon as the key was deleted an hour later, and one that tells a version, when that was used
// again.
func TestWhatCameLaterIsNotWhatAReadSaw(t *testing.T) {
	const found, version = `"saw":null`, `"saw":1`
	for _, c := range []struct {
		saw, later string
		skew       time.Duration
		want       string
	}{
		{found, `"op":"delete","version":3,"start":@3600,"end":@3601`, 0, "stale"},
		{found, `"op":"delete","version":3,"start":@3600,"end":@3601`, time.Second, "stale"},
		{found, `"op":"delete","version":3,"start":@12,"end":@13`, time.Second / 2, "stale"},
		{found, `"op":"delete","version":3,"start":@12,"end":@13`, 2 * time.Second, "ambiguous"}, // it may have been first
		{found, `"op":"delete","version":3,"start":@10.5,"end":@12`, 0, "fine"},                  // it was under way
		{found, `"op":"delete","version":3,"time":@3600`, 0, "ambiguous"},                        // called no later, and that is all
		{version, `"value":3,"version":1,"start":@3600,"end":@3601`, 0, "stale"},
	} {
		for _, want := range []string{"strong", "quorum", "bounded:1s", "session"} {
			session := ""
			if want == "session" {
				session = `,"session":"s"`
			}
			r := moments(strings.ReplaceAll(`
				{"key":"k","node":"us","id":"us:1","value":1,"version":1,"start":@1,"end":@1.1SESSION}
				{"key":"k","node":"us","id":"us:2","value":2,"version":2,"start":@2,"end":@2.1SESSION}
				{"key":"k","node":"eu","id":"eu:1",`+c.later+`}
				{"key":"k","op":"read","want":"`+want+`",`+c.saw+`,"start":@10,"end":@11SESSION}`, "SESSION", session))
			_, got := judged(t, r, reads.Options{Skew: c.skew}, 1)
			assert.Equal(t, c.want, got[4], "%+v, %s", c, want)
		}
	}
}

// Of what a write replaced a bounded read is told by when it was acknowledged, and not by its time alone: without an end it was
// stale where with one nobody could tell.
func TestABoundedReadIsHeldToWhenAWriteWasAcknowledged(t *testing.T) {
	for times, want := range map[string]string{
		`"time":@34,"start":@34,"end":@35`: "stale",
		`"start":@34,"end":@35`:            "stale",
		`"time":@34,"end":@35`:             "stale",
		`"time":@34,"start":@34,"end":@37`: "within_skew",
		`"time":@34,"start":@34`:           "not_acknowledged",
		`"time":@34`:                       "not_acknowledged",
		`"time":@37,"start":@34`:           "fine",
		`"time":@37`:                       "fine",
		`"tx":"t"`:                         "no_time",
	} {
		_, got := judged(t, moments(`
			{"key":"k","value":1,"node":"us","version":1,"id":"us:1","start":@1,"end":@1.1}
			{"key":"k","value":2,"node":"eu","version":2,"id":"eu:1",`+times+`}
			{"key":"k","op":"read","want":"bounded:5s","saw":"us:1","start":@41,"end":@42}`), reads.Options{}, 1)
		assert.Equal(t, want, got[3], times)
	}
	// By a stated lag it was.
	for lag, want := range map[time.Duration]string{time.Second: "stale", 3 * time.Second: "within_skew"} {
		_, got := judged(t, moments(`
			{"key":"k","value":1,"node":"us","version":1,"id":"us:1","start":@1,"end":@1.1}
			{"key":"k","value":2,"node":"eu","version":2,"id":"eu:1","time":@34}
			{"key":"k","op":"read","want":"bounded:5s","saw":"us:1","start":@41,"end":@42}`), reads.Options{Lag: lag}, 1)
		assert.Equal(t, want, got[3], lag)
	}
}

// A session's read without times was none, and what came after it fine.
func TestASessionsReadWithoutTimesMayHaveComeFirst(t *testing.T) {
	for _, want := range []string{"session", "strong"} {
		_, got := judged(t, moments(`
			{"key":"k","value":1,"node":"us","id":"us:1","start":@10,"end":@99}
			{"key":"k","op":"read","want":"session","saw":"us:1","session":"s"}
			{"key":"k","op":"read","want":"`+want+`","saw":null,"start":@41,"end":@42,"session":"s"}
			{"key":"k","op":"read","want":"`+want+`","saw":null,"start":@41,"end":@42,"session":"t"}
			{"key":"k","op":"read","want":"`+want+`","saw":null,"end":@101,"session":"t"}`), reads.Options{}, 1)
		assert.Equal(t, "no_read_time", got[3], want)
		assert.Equal(t, "fine", got[4], want)
		assert.Equal(t, "no_start", got[5], want)
	}
}

// A node wrote meanwhile when it did between the stale reads, for certain; one write before the first is what they missed, and no more.
func TestWhoWroteWhileAReplicaShowedNothingNew(t *testing.T) {
	for text, want := range map[string][]string{
		``: {},
		`{"key":"k","value":3,"node":"us","id":"us:3","seen":["us:2"],"start":@15,"end":@15.1}`:             {}, // before the first of them
		`{"key":"k","value":3,"node":"us","id":"us:3","seen":["us:2"],"start":@31,"end":@31.1}`:             {}, // and after the last
		`{"key":"k","value":3,"node":"us","id":"us:3","seen":["us:2"],"start":@25,"end":@25.1}`:             {"us"},
		`{"key":"k","field":"g","value":3,"node":"us","id":"us:3","seen":["us:2"],"start":@25,"end":@25.1}`: {"us"},
		`{"key":"k","value":3,"node":"us","id":"us:3","seen":["us:2"],"time":@25}`:                          {"us"},
		`{"key":"k","value":3,"node":"eu","id":"eu:3","seen":["us:2"],"start":@25,"end":@25.1}`:             {},
		`{"key":"k","value":3,"node":"us","id":"us:3","seen":["us:2"],"start":@20.2,"end":@20.3}`:           {}, // within the tolerance
	} {
		r := report(t, moments(aDay+text), reads.Options{Skew: 500 * time.Millisecond}, 1, 0)
		require.Len(t, r.Preferred, 1, text)
		assert.Equal(t, want, r.Preferred[0].Wrote, text)
	}
}

// A read that found nothing before the first write saw nothing, or a delete of which nobody knows how early it was made: either will do.
func TestAReadBeforeEverythingIsFineWhateverItSaw(t *testing.T) {
	c := moments(`
		{"key":"k","node":"us","id":"us:1","value":1,"version":1,"start":@20,"end":@21}
		{"key":"k","node":"eu","id":"eu:1","op":"delete","version":3,"time":@3600}
		{"key":"k","op":"read","want":"strong","saw":null,"start":"2026-05-20T12:00:10Z","end":"2026-05-20T12:00:10Z"}
		{"key":"k","op":"read","want":"strong","saw":null,"start":"2026-05-20T12:00:30Z","end":"2026-05-20T12:00:30Z"}`)
	_, got := judged(t, c, reads.Options{}, 1)
	assert.Equal(t, map[int]string{3: "fine", 4: "ambiguous"}, got)
}

// A call of which nothing says when it ended came before what its session began later, however long after its time, by the clock of
// another, a lag says that it was acknowledged; and not before what had begun earlier.
func TestASessionsCallsAreInTheOrderOfItsOwnClock(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Second, time.Minute} {
		c := moments(`
			{"key":"k","node":"us","id":"us:1","value":1,"time":@30,"start":@10,"session":"s"}
			{"key":"k","op":"read","want":"session","saw":null,"start":@11,"end":@12,"session":"s"}
			{"key":"j","node":"us","id":"us:2","value":1,"time":@5,"start":@20,"session":"s"}
			{"key":"j","op":"read","want":"session","saw":null,"start":@15,"end":@16,"session":"s"}
			{"key":"i","node":"us","id":"us:3","value":1,"time":@30,"start":"2026-05-20T12:00:10Z","session":"s"}
			{"key":"i","op":"read","want":"session","saw":null,"start":"2026-05-20T12:00:10Z","end":"2026-05-20T12:00:10Z","session":"s"}`)
		_, got := judged(t, c, reads.Options{Skew: 30 * time.Second, Lag: lag}, 1)
		assert.Equal(t, map[int]string{2: "stale", 4: "fine", 6: "within_skew"}, got, lag)
	}
}

// The later write has the earlier time, for its node's clock is behind: by the lag its writer looks as if it had been seen.
func TestALagIsAsUnsureAsTheClocks(t *testing.T) {
	c := moments(`
		{"key":"k","node":"us","id":"us:1","value":1,"version":1,"time":@50,"start":@10,"end":@11}
		{"key":"k","node":"eu","id":"eu:1","value":2,"version":2,"time":@5,"start":@40,"end":@41}
		{"key":"k","op":"read","want":"strong","saw":"us:1","start":@60,"end":@61}`)
	for skew, want := range map[time.Duration]string{0: "fine", 50 * time.Second: "within_skew"} {
		_, got := judged(t, c, reads.Options{Skew: skew, Lag: time.Second}, 1)
		assert.Equal(t, want, got[3], skew)
	}
}

// A delete was called before what its writer then saw: it was in place after that.
func TestNobodySawAWriteBeforeWhatItsWriterHadSeen(t *testing.T) {
	for seen, want := range map[string]string{`"us:1"`: "fine", `"us:1","us:2"`: "stale"} {
		for _, level := range []string{"strong", "quorum", "bounded:5s"} {
			_, got := judged(t, moments(`
				{"key":"k","node":"us","id":"us:1","value":1,"version":1,"seen":[],"start":@1,"end":@2}
				{"key":"k","op":"read","want":"`+level+`","saw":null,"start":@20,"end":@21}
				{"key":"k","node":"us","id":"us:2","value":2,"version":2,"seen":["us:1"],"start":@30,"end":@31}
				{"key":"k","node":"eu","id":"eu:1","op":"delete","version":3,"seen":[`+seen+`],"start":@15,"end":@40}`), reads.Options{}, 1)
			assert.Equal(t, want, got[2], level+" "+seen)
		}
	}
}

// A quorum read asks when a write was acknowledged, and a bounded one since when it was in place.
func TestAWriteWithoutATimeMayTellWhenItWasAcknowledged(t *testing.T) {
	for level, want := range map[string]string{"quorum": "fine", "bounded:5s": "no_time"} {
		_, got := judged(t, moments(`
			{"key":"k","value":1,"node":"us","version":1,"id":"us:1","start":@1,"end":@2}
			{"key":"k","value":2,"node":"us","version":2,"id":"us:2","end":@50}
			{"key":"k","op":"read","want":"`+level+`","saw":"us:1","start":@40,"end":@41}`), reads.Options{}, 1)
		assert.Equal(t, want, got[3], level)
	}
}
