package drill

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

const two = "region eu = eu\nregion us = us\nlink * 10ms\n"

// at writes one write of a history, so many milliseconds into a day.
func at(ms int, node string, seq int, key, value string) string {
	day := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC).UnixNano()
	return fmt.Sprintf(`{"key":%q,"field":"f","value":%q,"node":%q,"time":%d,"id":"%s:%d"}`+"\n", key, value, node, day+int64(ms)*1e6, node, seq)
}

func readAt(ms int, node, key, want string) string {
	day := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC).UnixNano()
	return fmt.Sprintf(`{"key":%q,"op":"read","served_by":%q,"time":%d,"want":%q,"session":"s"}`+"\n", key, node, day+int64(ms)*1e6, want)
}

func runDrill(t testing.TB, script, text string) *Result {
	s, err := ParseScript("s.drill", []byte(script))
	require.NoError(t, err)
	r, err := Run(s, merge.MustParseTable("nodes eu < us\nref/* * refuse\n* * lww"), trafficOf(t, text), Options{})
	require.NoError(t, err)
	return r
}

// documentedScript returns the script of the package documentation.
func documentedScript(t *testing.T) string {
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	_, rest, found := strings.Cut(string(doc), "//\tdrill   ")
	require.True(t, found)
	script, _, found := strings.Cut("//\tdrill   "+rest, "\n//\n// What happens at a time:")
	require.True(t, found)
	return strings.ReplaceAll(strings.ReplaceAll(script, "//\t", ""), "//\n", "\n")
}

func TestDocumentedScriptRunsOnTheShop(t *testing.T) {
	script, err := ParseScript("lunch.drill", []byte(documentedScript(t)))
	require.NoError(t, err)
	text, err := os.ReadFile("../../examples/shop/shop.tb")
	require.NoError(t, err)
	table, err := merge.ParseTable("shop.tb", text)
	require.NoError(t, err)
	traffic, err := Collect([]history.Source{history.File("../../examples/shop/shop.ndjson.zst")}, history.Options{})
	require.NoError(t, err)
	var first []byte
	for range 2 {
		r, err := Run(script, table, traffic, Options{})
		require.NoError(t, err)
		require.True(t, r.Converged)
		require.Zero(t, r.Apart)
		require.NotZero(t, r.Totals[Refused], "eu-west finds no quorum")
		require.NotZero(t, r.Totals[Stuck])
		require.NotEmpty(t, r.Quorums)
		var out bytes.Buffer
		require.NoError(t, Text(&out, r))
		require.NoError(t, Markdown(&out, r))
		require.NoError(t, JSON(&out, r))
		if first != nil {
			require.True(t, bytes.Equal(first, out.Bytes()), "equal input, equal bytes")
		}
		first = out.Bytes()
	}
}

// Of a script with a mistake on nearly every line, all are told at once, with what was perhaps meant.
func TestAllMistakesOfAScriptAreToldAtOnce(t *testing.T) {
	text, err := os.ReadFile("testdata/mistakes.drill")
	require.NoError(t, err)
	_, err = ParseScript("mistakes.drill", text)
	require.Error(t, err)
	asItWas(t, "mistakes.golden", err.Error()+"\n")
}

// Each of its records was a mistake, a line each.
func TestAHistoryIsNoScript(t *testing.T) {
	for _, text := range []string{strings.Repeat(at(1, "eu", 1, "k", "a"), 1000), "\ufeff\n [{}]", "\x28\xb5\x2f\xfd\n\x00", "\x1f\x8b"} {
		_, err := ParseScript("s", []byte(text))
		require.EqualError(t, err, "s:1: this is a history and no script; the script comes first: drill SCRIPT HISTORY")
	}
}

func TestAScriptSaysItselfAgain(t *testing.T) {
	s := MustParseScript(documentedScript(t))
	require.Equal(t, s.Fingerprint(), MustParseScript(documentedScript(t)+"\n# a comment\n").Fingerprint())
	require.NotEqual(t, s.Fingerprint(), MustParseScript(documentedScript(t)+"\ncheck lost == 0\n").Fingerprint())
	for _, st := range s.Steps {
		again, err := ParseScript("s", []byte(strings.Join(slices.DeleteFunc(s.Lines(), func(l string) bool {
			return strings.HasPrefix(l, "at") || strings.HasPrefix(l, "step") || strings.HasPrefix(l, "within")
		}), "\n")+"\nat "+st.At.String()+" "+st.Do.String()))
		require.NoError(t, err, st.Do.String())
		require.Equal(t, st.Do.String(), again.Steps[0].Do.String())
	}
}

// A service asks for strong reads and gets those of its own region: nobody notices until the region is cut off.
func TestPlantedStaleReadsAreFound(t *testing.T) {
	text := at(10, "us", 1, "k", "old") + readAt(60, "eu", "k", "strong") + at(110, "us", 2, "k", "new") +
		readAt(150, "eu", "k", "strong") + readAt(160, "eu", "k", "bounded:1s") + readAt(170, "us", "k", "strong")
	cut := "at 00:00:00.100 cut eu for 100ms\n"
	r := runDrill(t, two+cut, text)
	require.EqualValues(t, 2, r.Totals[Stale])
	require.EqualValues(t, 50*time.Millisecond, r.Totals[Age])
	n, known := r.Count(string(finding.StaleRead))
	require.True(t, known)
	require.EqualValues(t, 1, n, "the bounded read got what it asked for")
	require.True(t, slices.ContainsFunc(r.Proposals, func(p Proposal) bool {
		return strings.Contains(p.Gap, "got those of their own region while it was cut off: 1 reads, up to 40ms behind")
	}), "%v", r.Proposals)

	r = runDrill(t, two+"class all = * reads quorum writes local\n"+cut, text)
	require.Zero(t, r.Totals[Stale])
	require.EqualValues(t, 3, r.Totals[Unread], "a quorum of two regions is both")

	r = runDrill(t, two+"class all = * reads bounded 45ms writes local\n"+cut, text)
	require.EqualValues(t, 1, r.Totals[Stale], "40 ms behind is within the bound")
	require.EqualValues(t, 1, r.Totals[Unread], "and 50 ms is not, and nobody else can be asked")
}

// Only strong and bounded reads were told.
func TestAStaleReadIsToldByWhatItWanted(t *testing.T) {
	text := at(10, "us", 1, "k", "old") + at(110, "us", 2, "k", "new") + readAt(150, "eu", "k", "%s")
	for want, stale := range map[string]string{
		"strong":       "h:3: stale_read: wanted a strong read, and eu was 40ms behind",
		"quorum":       "h:3: stale_read: wanted a quorum read, and eu was 40ms behind",
		"bounded:39ms": "h:3: stale_read: wanted a read at most 39ms behind, and eu was 40ms behind",
		"bounded:40ms": "", "session": "", "eventual": "",
	} {
		r := runDrill(t, two+"at 00:00:00.100 cut eu for 100ms\n", fmt.Sprintf(text, want))
		require.EqualValues(t, 1, r.Totals[Stale])
		require.Equal(t, stale, toldStale(r), want)
	}
}

// A session reads at us and then at eu, which is cut off.
func TestASessionThatHadReadMoreIsTold(t *testing.T) {
	readIn := func(session string, ms int, node, want string) string {
		return strings.Replace(readAt(ms, node, "k", want), `"session":"s"`, fmt.Sprintf(`"session":%q`, session), 1)
	}
	text := at(10, "us", 1, "k", "old") + at(110, "us", 2, "k", "new") + readIn("a", 120, "us", "session") + readIn("%s", 150, "eu", "%s") +
		readIn("a", 260, "eu", "session")
	cut := "at 00:00:00.100 cut eu for 100ms\n"
	for _, c := range [][3]string{
		{"a", "session", "h:4: stale_read: wanted a session read, and eu lacked what its session had read"},
		{"a", "strong", "h:4: stale_read: wanted a strong read, and eu was 40ms behind"},
		{"a", "eventual", ""},
		{"b", "session", ""}, // another session
	} {
		require.Equal(t, c[2], toldStale(runDrill(t, two+cut, fmt.Sprintf(text, c[1], c[0]))), "%v", c)
	}
	r := runDrill(t, two+"class all = * reads session writes local\n"+cut, fmt.Sprintf(text, "session", "a"))
	require.Empty(t, toldStale(r))
	require.EqualValues(t, 1, r.Totals[Unread], "nobody else can be asked")
	// A write that is under way was read: nobody was promised it, but who has read it.
	open := "region eu = eu\nregion us = us\nlink * 10ms\nclass all = * reads local writes quorum\nat 00:00:00.135 cut eu for 100ms\n"
	r = runDrill(t, open, at(10, "us", 1, "k", "old")+at(110, "us", 2, "k", "new")+readIn("a", 136, "us", "strong")+readIn("a", 137, "eu", "strong"))
	require.EqualValues(t, 0, r.Totals[Stale])
	require.Equal(t, "h:4: stale_read: wanted a strong read, and eu lacked what its session had read", toldStale(r))
}

// A read that shows the winner was told as stale because its replica lacked what the winner beats.
func TestAReadThatShowsWhatItWouldWithAllWritesIsNotToldAsStale(t *testing.T) {
	field := func(line, field string) string { return strings.Replace(line, `"field":"f"`, `"field":"`+field+`"`, 1) }
	readOf := func(line, field string) string { return strings.Replace(line, `"op"`, `"field":"`+field+`","op"`, 1) }
	read := readAt(150, "eu", "k", "strong")
	table := merge.MustParseTable("nodes eu < us\nset/* * add-wins\ncnt/* * counter\n* a,b lww together\n* * lww")
	behind := func(line, ms int) string {
		return fmt.Sprintf("h:%d: stale_read: wanted a strong read, and eu was %dms behind", line, ms)
	}
	set := func(line, op, key string) string {
		return strings.NewReplacer(`"field"`, `"op":"`+op+`","field"`, `"k"`, `"`+key+`"`).Replace(line)
	}
	gone := `{"key":"k","field":"f","op":"delete","node":"us","time":1779235200115000000,"id":"us:2"}` + "\n"
	for name, c := range map[string]struct{ text, told string }{
		"the winner":           {at(110, "us", 1, "k", "1") + at(120, "eu", 1, "k", "2") + read, ""},
		"a loser":              {at(110, "us", 1, "k", "1") + at(120, "eu", 1, "k", "2") + at(130, "us", 2, "k", "3") + read, behind(4, 20)},
		"nothing":              {at(110, "us", 1, "k", "1") + read, behind(2, 40)},
		"nothing, as deleted":  {`{"key":"k","op":"delete","node":"us","time":1779235200110000000,"id":"us:1"}` + "\n" + read, ""},
		"a deleted one":        {at(10, "eu", 1, "k", "1") + `{"key":"k","op":"delete","node":"us","time":1779235200110000000,"id":"us:1"}` + "\n" + read, behind(3, 40)},
		"another field":        {at(110, "us", 1, "k", "1") + field(at(120, "eu", 1, "k", "2"), "g") + readOf(read, "g"), ""},
		"that field":           {at(110, "us", 1, "k", "1") + field(at(120, "eu", 1, "k", "2"), "g") + readOf(read, "f"), behind(3, 40)},
		"one of the record":    {at(110, "us", 1, "k", "1") + field(at(120, "eu", 1, "k", "2"), "g") + read, behind(3, 40)},
		"of several together":  {field(at(110, "us", 1, "k", "1"), "a") + readOf(read, "b"), behind(2, 40)},
		"beside them":          {field(at(110, "us", 1, "k", "1"), "a") + readOf(read, "c"), ""},
		"a part of a sum":      {strings.NewReplacer(`"k"`, `"cnt/1"`, `"field":"f","value":"`, `"op":"add","field":"f","value":`, `","node"`, `,"node"`).Replace(at(110, "us", 1, "k", "1")+at(120, "eu", 1, "k", "2")) + set(read, "", "cnt/1"), behind(3, 40)},
		"an element it has":    {set(at(120, "eu", 1, "k", "1")+at(110, "us", 1, "k", "1"), "insert", "set/1") + set(read, "", "set/1"), ""},
		"an element it lacks":  {set(at(120, "eu", 1, "k", "1")+at(110, "us", 1, "k", "2"), "insert", "set/1") + set(read, "", "set/1"), behind(3, 40)},
		"set and deleted":      {at(110, "us", 1, "k", "1") + gone + field(at(145, "us", 3, "k", "2"), "g") + readAt(150, "eu", "k", "bounded:20ms"), ""},
		"and set again":        {at(110, "us", 1, "k", "1") + gone + at(120, "us", 3, "k", "2") + read, behind(4, 30)},
		"a remove of no elem.": {set(at(110, "us", 1, "k", "2"), "remove", "set/1") + set(at(120, "eu", 1, "k", "1"), "insert", "set/1") + set(read, "", "set/1"), ""},
	} {
		r, err := Run(MustParseScript(two+"at 00:00:00.100 cut eu for 100ms\n"), table, trafficOf(t, c.text), Options{})
		require.NoError(t, err)
		require.Equal(t, c.told, toldStale(r), name)
		require.EqualValues(t, 1, r.Totals[Stale], "%s: a write was lacking", name)
	}
}

// toldStale returns the one stale read that a drill tells, "" for none.
func toldStale(r *Result) string {
	for _, f := range r.Findings {
		if f.Code == finding.StaleRead {
			if f.Count == 1 {
				return f.Examples[0].String()
			}
			return fmt.Sprint(f.Count, " of them")
		}
	}
	return ""
}

func TestReadsOfWritesThatAreLostLaterAreCounted(t *testing.T) {
	text := at(110, "eu", 1, "k", "theirs") + readAt(120, "eu", "k", "eventual") + at(130, "us", 1, "k", "ours")
	r := runDrill(t, two+"at 00:00:00.100 cut eu for 100ms\n", text)
	require.EqualValues(t, 1, r.Totals[Lost])
	require.Equal(t, "eu", r.Lost[0].Region)
	require.EqualValues(t, 1, r.Lost[0].Reads)
	require.EqualValues(t, 1, r.Classes[0].Doomed)
	require.EqualValues(t, 0, runDrill(t, two, at(10, "eu", 1, "k", "theirs")+at(130, "us", 1, "k",
		"ours")).Totals[Lost], "without the cut it was seen")
	// A read of another field, and one that was shown nothing of it but another field, had counted too.
	both := strings.Replace(at(110, "eu", 1, "k", "theirs"), `"field":"f","value":"theirs"`, `"fields":{"f":"theirs","g":"theirs"}`, 1)
	of := func(ms int, field string) string {
		return strings.Replace(readAt(ms, "eu", "k", "eventual"), `"op"`, `"field":"`+field+`","op"`, 1)
	}
	r = runDrill(t, two+"at 00:00:00.100 cut eu for 100ms\n", both+of(120, "g")+of(121, "f")+readAt(122, "eu", "k", "eventual")+
		at(130, "us", 1, "k", "ours")+readAt(300, "eu", "k", "eventual"))
	require.EqualValues(t, 1, r.Totals[Lost])
	require.Equal(t, "f", r.Lost[0].Field)
	require.EqualValues(t, 2, r.Lost[0].Reads)
	require.EqualValues(t, 2, r.Classes[0].Doomed)
}

// A write that waited for its turn was counted again each time that it was looked at.
func TestAWriteThatWaitsForItsTurnBeginsOnce(t *testing.T) {
	text := at(110, "eu", 1, "k", "1") + at(111, "eu", 2, "k", "2") + at(112, "eu", 3, "k", "3")
	for _, r := range runDrill(t, two+"class critical = * reads local writes quorum\n", text).Regions {
		require.EqualValues(t, map[string]int{"eu": 3, "us": 0}[r.Region], r.Writes, r.Region)
		require.Equal(t, r.Writes, r.Accepted, r.Region)
	}
}

// Without a quorum a write is refused, and so nothing is lost that was acknowledged.
func TestAQuorumRefusesWhatALocalWriteLoses(t *testing.T) {
	text := at(110, "eu", 1, "k", "theirs") + at(130, "us", 1, "k", "ours") + at(300, "eu", 2, "k", "later")
	cut := "at 00:00:00.100 cut eu for 100ms\n"
	r := runDrill(t, two+"class critical = * reads local writes local\n"+cut, text)
	require.EqualValues(t, 1, r.Totals[SplitKeys])
	require.EqualValues(t, 0, r.Totals[Refused])
	s := r.SplitBrain[0]
	require.Equal(t, []string{"eu", "us"}, s.Sides)
	require.Equal(t, []string{"00:00:00.130", "00:00:00.210", "00:00:00.210"}, []string{r.hours(s.From),
		r.hours(s.Shown), r.hours(s.To)})

	r = runDrill(t, two+"class critical = * reads local writes quorum\n"+cut, text)
	require.EqualValues(t, 0, r.Totals[SplitKeys])
	require.EqualValues(t, 2, r.Totals[Refused])
	require.EqualValues(t, 40*time.Millisecond, r.Totals[Latency], "there and back, twice: it asks, and then it gives")
	require.Len(t, r.Quorums, 2, "in both regions; reads need none")
}

func TestAFailedCheckTakesItsRollbackAndTheDrillGoesOn(t *testing.T) {
	var text strings.Builder
	for i := range 40 {
		text.WriteString(at(100+i, "eu", i+1, "k", fmt.Sprint(i)))
	}
	r := runDrill(t, two+"class critical = * reads local writes quorum\nat 00:00:00.100 cut eu for 1h\ncheck critical refused <= 3 else rollback heal\nwithin 15ms of heal: converged", text.String())
	require.False(t, r.Passed)
	require.EqualValues(t, 4, r.Totals[Refused], "the fourth brings the rollback, and the rest is taken")
	require.EqualValues(t, 36, r.Totals[Writes])
	require.Equal(t, "heal", r.Checks[0].Rollback)
	require.Equal(t, []string{"cut eu for 1h", "failed: check critical refused <= 3: it is 4", "rollback: heal",
		"heal", "met: within 15ms of heal: converged, after 0s"},
		func() (what []string) {
			for _, e := range r.Timeline {
				what = append(what, e.What)
			}
			return what
		}())
}

func TestABackupTakesAcknowledgedWritesWithIt(t *testing.T) {
	text := at(10, "eu", 1, "a", "1") + at(110, "eu", 2, "b", "2") + at(50, "us", 1, "c", "3")
	r := runDrill(t, two+"at 00:00:00.100 cut eu for 100ms\nat 00:00:00.150 restart eu from backup 00:00:00.020\n", text)
	require.EqualValues(t, 1, r.Totals[Vanished], "b was nowhere else")
	require.EqualValues(t, 1, r.Totals[Lost])
	require.True(t, r.Converged, "c comes again")
	require.Zero(t, r.Apart)
}

func TestAFullQueueThrottlesByFairShares(t *testing.T) {
	regions := "region eu = eu-*\nregion us = us\nlink * 10ms bandwidth 100/s queue 20 "
	var text strings.Builder
	for i := range 200 {
		text.WriteString(at(100+i, "eu-loud", i+1, fmt.Sprintf("k%d", i), "v"))
		if i%20 == 0 {
			text.WriteString(at(100+i, "eu-quiet", i/20+1, fmt.Sprintf("q%d", i), "v"))
		}
	}
	r := runDrill(t, regions+"throttle", text.String())
	require.True(t, r.Converged)
	require.EqualValues(t, 210, r.Totals[Writes], "all get in, in the end")
	require.Len(t, r.Throttled, 1, "one node is loud, and the other keeps its share")
	require.Equal(t, "eu-loud", string(r.Throttled[0].Node))
	require.LessOrEqual(t, r.Totals[Backlog], int64(20))

	r = runDrill(t, regions+"refuse", text.String())
	require.Len(t, r.Throttled, 1)
	require.Equal(t, r.Throttled[0].Refused, r.Totals[Refused])
	require.EqualValues(t, 210, r.Totals[Refused]+r.Totals[Writes])
}

func TestTheLimitIsWhereTheBandwidthIs(t *testing.T) {
	var text strings.Builder
	for i := range 1000 {
		text.WriteString(at(100+i*10, "eu", i+1, fmt.Sprintf("k%d", i), "v"))
	}
	s := MustParseScript(two[:strings.Index(two, "link")] + "link * 10ms bandwidth 400/s\nstuck after 500ms\n")
	limit, err := FindLimit(s, merge.MustParseTable("* * lww"), trafficOf(t, text.String()), Options{})
	require.NoError(t, err)
	require.True(t, limit.Keeps >= 3.5 && limit.Keeps <= limit.Fails && limit.Fails <= 5,
		"%s: 100 writes a second on a link of 400", limit)
}

func TestLoadMakesMoreOfTheSameOrFaster(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		text.WriteString(at(i*1000+1, "eu", i+1, fmt.Sprintf("k/%d", i%10), fmt.Sprint(i)))
	}
	window := " from 00:00:20 for 50s\n"
	require.EqualValues(t, 150, runDrill(t, two+"load x2"+window, text.String()).Totals[Writes])
	require.EqualValues(t, 110, runDrill(t, two+"load x3 k/3"+window, text.String()).Totals[Writes])
	require.EqualValues(t, 50, runDrill(t, two+"load x0"+window, text.String()).Totals[Writes])
	r := runDrill(t, two+"load faster x50"+window, text.String())
	require.EqualValues(t, 100, r.Totals[Writes])
	require.EqualValues(t, 1, r.Links[0].Peak, "a write every 20 ms on a link of 10 ms")
	require.True(t, r.Converged)
}

func TestAWriterThatHadSeenWhatACutHidesIsTold(t *testing.T) {
	text := at(110, "us", 1, "k", "a") + strings.Replace(at(150, "eu", 1, "k", "b"), "}\n", `,"seen":{"us":1}}`+"\n", 1)
	require.EqualValues(t, 0, runDrill(t, two, text).Totals[Hidden])
	r := runDrill(t, two+"at 00:00:00.100 cut eu for 100ms\n", text)
	require.EqualValues(t, 1, r.Totals[Hidden])
	require.Equal(t, "h:2", r.CutDeps[0].Place.String())
	require.Equal(t, "h:1", r.CutDeps[0].Other.String())
}

func TestAnotherTableAndTheCalmDayCompare(t *testing.T) {
	text := at(110, "eu", 1, "k", "1") + at(130, "us", 1, "k", "2")
	s := MustParseScript(two + "at 00:00:00.100 cut eu for 100ms\nat 00:00:00.120 table kinder.tb\ncheck lost == 0\n")
	traffic := trafficOf(t, text)
	lww, all := merge.MustParseTable("* * lww"), merge.MustParseTable("* * keep-all")
	_, err := Run(s, lww, traffic, Options{})
	require.ErrorContains(t, err, `"kinder.tb", which was not given`)
	r, err := Run(s, lww, traffic, Options{Tables: map[string]*merge.Table{"kinder.tb": all}})
	require.NoError(t, err)
	require.EqualValues(t, 0, r.Totals[Lost], "under the other table both are kept")
	without, err := Run(MustParseScript(two+"at 00:00:00.100 cut eu for 100ms\ncheck lost == 0\n"), lww, traffic, Options{})
	require.NoError(t, err)
	calm, err := Run(s.Calm(), lww, traffic, Options{})
	require.NoError(t, err)
	c := Compare(r, without, calm)
	require.True(t, c.Different())
	require.False(t, Compare(r, r).Different())
	var out bytes.Buffer
	require.NoError(t, c.Text(&out))
	require.Regexp(t, `lost +0 +1 +0`, out.String())
}

func TestARunbookIsAudited(t *testing.T) {
	s := MustParseScript(documentedScript(t))
	table := merge.MustParseTable("* * lww")
	var out strings.Builder
	require.NoError(t, Runbook(&out, s, table))
	require.Empty(t, Audit(out.String(), s, table))
	require.Contains(t, out.String(), "tell support which carts changed")
	require.Len(t, Audit(out.String(), s, merge.MustParseTable("* * fww")), 1)
	require.Len(t, Audit(out.String(), MustParseScript(strings.Replace(documentedScript(t), "40ms", "41ms", 1)),
		table), 2, "topology and script")
	require.Len(t, Audit("", s, table), 3)
}

func TestWhatDoesNotFitTheHistoryIsTold(t *testing.T) {
	text := at(10, "eu", 1, "k", "v") + at(20, "mars", 1, "k", "v")
	_, err := Run(MustParseScript(two), merge.MustParseTable("* * lww"), trafficOf(t, text), Options{})
	require.ErrorContains(t, err, `no region for "mars" of the history`)
	_, err = Run(MustParseScript(two+"at 2027-01-01T00:00:00Z cut eu\nat 12:00 restart eu from backup 13:00\n"),
		merge.MustParseTable("* * lww"),
		trafficOf(t, at(10, "eu", 1, "k", "v")), Options{})
	require.ErrorContains(t, err, "drill:4: 2027-01-01T00:00:00Z is more than a day from the history")
	require.ErrorContains(t, err, "drill:5: a backup of 13:00 does not exist at 12:00")
	// The first kind of mistake was all that was told, and a timer or a load on another day was none.
	_, err = Run(MustParseScript(two+"load x2 from 2027-01-01T00:00:00Z for 1h\nwithin 1m of 2027-01-02T00:00:00Z: converged\nat 12:00 table other.tb\n"),
		merge.MustParseTable("* * lww"), trafficOf(t, text), Options{})
	for _, wrong := range []string{`no region for "mars" of the history`, "drill:4: 2027-01-01T00:00:00Z is more than a day from the history",
		"drill:5: 2027-01-02T00:00:00Z is more than a day from the history", `the drill switches to the rule table "other.tb", which was not given`} {
		require.ErrorContains(t, err, wrong)
	}
}

// It passed, from never to never.
func TestADrillInWhichNothingHappensIsAMistake(t *testing.T) {
	for text, why := range map[string]string{
		"": "the history has no writes and no reads",
		`{"key":"k","field":"f","value":1,"node":"eu","version":1}` + "\n" + `{"key":"k","field":"f","value":2,"node":"us","version":2}` + "\n": "of the 2 records of the history none says when it was",
	} {
		_, err := Run(MustParseScript(two+"at 12:00 cut eu for 1m\nwithin 1m of heal: converged"), merge.MustParseTable("* * lww"), trafficOf(t, text), Options{})
		require.EqualError(t, err, "drill: drill: nothing happens in the drill: "+why)
	}
	r := runDrill(t, two, at(1, "eu", 1, "k", "a")+at(2, "us", 2, "k", "b")+`{"key":"k","field":"f","value":1,"node":"eu","version":1}`+"\n")
	var b bytes.Buffer
	require.NoError(t, Text(&b, r))
	require.Contains(t, b.String(), "\n  LEFT OUT: 1 record of the history")
}

// A check of a class or of keys that nobody writes, or of reads that nobody made, was passed.
func TestWhatCouldMeasureNothingIsNotPassed(t *testing.T) {
	script := two + "class critical = ledgerr/*\nclass rest = *\n"
	text := at(10, "us", 1, "ledger/1", "a") + at(20, "eu", 1, "ledger/1", "b") + readAt(30, "eu", "nobody/1", "strong")
	for check, nothing := range map[string]string{
		"check critical split-brain == 0": "no write to a critical key of class critical",
		"check rest split-brain == 0":     "no write to a critical key of class rest",
		"check lost ordrs/* <= 0":         "no write to ordrs/*",
		"check ordrs/* writes <= 3":       "no write to ordrs/*",
		"check stale ledger/* <= 0":       "no read of ledger/*",
		"check stale == 0":                "",
		"check nobody/* unread == 0":      "",
		"check critical refused == 0":     "no write to class critical",
		"check backlog <= 9":              "",
		"check rest lost == 0":            "",
		"at 00:00:00.015 check lost == 0": "",
		"at 00:00:00.009 check lost == 0": "no write",
		"at 00:00:00.012 cut eu for 1ms\nwithin 1s of heal: lost ordrs/* == 0": "no write to ordrs/*",
		"at 00:00:00.012 cut eu for 1ms\nwithin 1s of heal: lost == 0":         "",
	} {
		t.Run(check, func(t *testing.T) {
			r := runDrill(t, script+check, text)
			require.Empty(t, r.Failed())
			require.False(t, r.Broken())
			require.Equal(t, nothing == "", r.Passed)
			var b bytes.Buffer
			require.NoError(t, Text(&b, r))
			require.NoError(t, JUnit(&b, r))
			require.NoError(t, Compare(r, r).Text(&b))
			if nothing == "" {
				require.Empty(t, r.Untried())
				require.NotContains(t, b.String(), "UNTRIED")
				return
			}
			require.Len(t, r.Untried(), 1)
			require.Contains(t, r.Untried()[0], ": "+nothing)
			require.Contains(t, b.String(), "\n  UNTRIED: script")
			require.Contains(t, b.String(), `<skipped message="`+nothing+`"></skipped>`)

			r = runDrill(t, script+check+" or idle", text)
			require.True(t, r.Passed)
			require.Empty(t, r.Untried())
			b.Reset()
			require.NoError(t, Text(&b, r))
			require.Contains(t, b.String(), "  idle ")
		})
	}
	r := runDrill(t, script+"check ordrs/* writes >= 1 or idle", text)
	require.Len(t, r.Failed(), 1, "none is too few")
}

// The cut of a region that no node of the history lives in was passed, and not a word was said.
func TestARegionInWhichNothingBeganIsTold(t *testing.T) {
	text := at(10, "us", 1, "k", "a") + at(20, "eu", 1, "k", "b")
	said := func(script string) string {
		var b bytes.Buffer
		require.NoError(t, Text(&b, runDrill(t, script, text)))
		return b.String()
	}
	require.Contains(t, said(two+"region xx = mars-*\n"), "\n  no write of the history began in xx\n")
	require.Contains(t, said(two+"region xx = mars-*\nat 00:00:00.015 cut xx for 1ms\nat 00:00:00.018 stop xx for 1ms\n"),
		"\n  NO WRITE of the history began in xx (line 4), which is what lines 5 and 6 are about\n")
	require.NotContains(t, said(two), "began in")
}

func TestANodeWithoutARegionIsToldTheNearestLine(t *testing.T) {
	text := at(10, "us", 1, "k", "v") + at(20, "eu-1", 1, "k", "v") + at(30, "ap", 1, "k", "v")
	run := func(script string) error {
		_, err := Run(MustParseScript("region us = us\n"+script+"\nlink * 1ms"), merge.MustParseTable("* * lww"), trafficOf(t, text), Options{})
		return err
	}
	require.EqualError(t, run("region eu = eu_*"), `drill: drill: no region for "ap", "eu-1" of the history; did line 2 mean "eu-1", where eu has "eu_*"?`)
	require.EqualError(t, run("region mars = mars-*"), `drill: drill: no region for "ap", "eu-1" of the history; add a line such as: region elsewhere = *`)
	require.NoError(t, run("region eu = EU-* eu-* ap"))
}

// Who reads feeds with -origin has named their regions and that column already: to name them was the advice.
func TestDeletesThatMayBeOneAreToldWithWhatNarrowsThem(t *testing.T) {
	day := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	line := func(at time.Duration, before, after string) string {
		row := func(origin string) string {
			if origin == "" {
				return "null"
			}
			return fmt.Sprintf(`{"id":1,"v":%q,"origin":%q}`, origin, origin)
		}
		return fmt.Sprintf(`{"after":%s,"before":%s,"key":[1],"topic":"t","updated":"%d.0000000000"}`, row(after), row(before), day.Add(at).UnixNano()) + "\n"
	}
	us := line(0, "", "us") + line(10*time.Second, "us", "")
	eu := line(100*time.Millisecond, "", "us") + line(9900*time.Millisecond, "us", "eu") + line(10100*time.Millisecond, "eu", "")
	run := func(drift time.Duration) error {
		var sources []history.Source
		for region, text := range map[string]string{"us": us, "eu": eu} {
			s := history.Reader(region, strings.NewReader(text))
			s.Region = region
			sources = append(sources, s)
		}
		h, err := replay.Collect(sources, history.Options{Origin: "origin", Regions: []string{"us", "eu"}})
		require.NoError(t, err)
		defer h.Close()
		traffic, err := NewTraffic(h, nil, replay.Options{MaxDrift: drift})
		require.NoError(t, err)
		_, err = Run(MustParseScript("region us = us\nregion eu = eu\nlink * 1ms"), merge.MustParseTable("* * lww"), traffic, Options{})
		return err
	}
	require.EqualError(t, run(0), "drill: drill: the feeds of the regions leave open where 2 writes of the history began, or which of them are one delete; "+
		"a smaller -max-drift leaves less open, if the clocks of the regions keep to it")
	require.NoError(t, run(50*time.Millisecond))
}

// The node without a name was to be given a region: nothing says that all those writes are of one node. Reads may have one.
func TestWritesOfNobodyNeedAnOrigin(t *testing.T) {
	run := func(text, script string) error {
		_, err := Run(MustParseScript(script+"link * 1ms"), merge.MustParseTable("* * lww"), trafficOf(t, text), Options{})
		return err
	}
	elsewhere := "region us = us\nregion elsewhere = *\n"
	day := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	feed := fmt.Sprintf(`{"after":{"id":1,"name":"a"},"key":[1],"topic":"users","updated":"%d.0000000000"}`+"\n", day.UnixNano())
	for _, script := range []string{elsewhere, two[:strings.Index(two, "link")]} {
		require.EqualError(t, run(feed+strings.Replace(feed, `"key":[1]`, `"key":[2]`, 1), script), "drill: drill: nothing says where 2 writes of the history began; "+
			"name the region of each export with -region NAME=FILE, or the column that says it with -origin COLUMN")
	}
	reads := at(10, "us", 1, "k", "v") + fmt.Sprintf(`{"key":"k","op":"read","time":%d}`+"\n", day.UnixNano())
	require.NoError(t, run(reads, elsewhere))
	require.ErrorContains(t, run(reads, "region us = us\nregion eu = eu\n"), "nothing says who served 1 read of the history; let a region have them")
}

// An incident on the day before was accepted, and what had to be so within 5m of its heal was so after 0s.
func TestWhatMissesTheHistoryIsAMistake(t *testing.T) {
	text := at(3600e3, "us", 1, "k", "a") + at(2*3600e3, "eu", 1, "k", "b")
	run := func(lines string) error {
		_, err := Run(MustParseScript(two+lines), merge.MustParseTable("* * lww"), trafficOf(t, text), Options{})
		return err
	}
	for _, lines := range []string{
		"at 2026-05-19T12:00:00Z cut eu for 1h", "at 00:10 stop eu for 50m", "at 02:02 skew eu +1s", "at 03:00 link * 1s", "at 00:30 heal",
		"at 00:30 restart eu from backup 00:20", "load x2 from 03:00 for 1h", "load x2 from 00:00 for 1h", "within 5m of 00:30: converged",
	} {
		require.ErrorContains(t, run(lines), ": the history is from 2026-05-20T01:00:00Z to 2026-05-20T02:00:00Z", lines)
	}
	require.ErrorContains(t, run("at 2026-05-19T12:00:00Z cut eu for 1h"), "drill:4: cut eu for 1h: nothing happens at 2026-05-19T12:00:00Z: ")
	for _, lines := range []string{
		"at 00:10 cut eu", "at 00:10 cut eu for 51m", "at 02:00 cut eu for 1h\nat 03:00 heal", "at 00:10 step \"begin\"", "at 03:00 check lost <= 1",
		"load x2 from 00:00 for 90m", "at 00:10 cut eu\nwithin 2h of 02:30: converged",
	} {
		require.NoError(t, run(lines), lines)
	}
}

// A check showed its first breach as if that had been all.
func TestAFailedCheckSaysWhereItBeganAndWhereItEnded(t *testing.T) {
	r := runDrill(t, two+"check writes <= 1", at(10, "us", 1, "k", "a")+at(20, "eu", 1, "k", "b")+at(30, "eu", 2, "k", "c"))
	require.EqualValues(t, 2, r.Checks[0].Value)
	require.EqualValues(t, 3, r.Checks[0].Final)
	require.Equal(t, []string{"s.drill:4: check writes <= 1: it was 2 at 2026-05-20T00:00:00.02Z, and 3 at the end"}, r.Failed())
	var b bytes.Buffer
	require.NoError(t, Text(&b, r))
	require.Contains(t, b.String(), "check writes <= 1  2, 3 at the end  at 00:00:00.020")
	require.NoError(t, JUnit(&b, r))
	require.Contains(t, b.String(), `failure message="it was 2 at 2026-05-20T00:00:00.02Z, and 3 at the end"`)
}

func TestARunbookSaysNothingOfWhatThereIsNot(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, Runbook(&b, MustParseScript(two+"check lost == 0"), merge.MustParseTable("* * lww")))
	require.NotContains(t, b.String(), "## Steps")
	require.NotContains(t, b.String(), "## Promised")
	require.Contains(t, b.String(), "| what |\n| --- |\n| lost == 0 |\n")
}

// What a history says can't move a reader's cursor, or make Markdown of its own.
func TestReportsEscapeWhatTheHistorySays(t *testing.T) {
	text := at(110, "eu", 1, "k\x1b[2J|<b>", "theirs") + at(130, "us", 1, "k\x1b[2J|<b>", "ours")
	text = strings.ReplaceAll(text, `\x1b`, `\u001b`)
	r := runDrill(t, two+"class critical = *\nat 00:00:00.100 cut eu for 100ms\n", text)
	for _, write := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return Text(b, r) },
		func(b *bytes.Buffer) error { return Markdown(b, r) },
		func(b *bytes.Buffer) error { return JSON(b, r) },
	} {
		var b bytes.Buffer
		require.NoError(t, write(&b))
		require.NotContains(t, b.String(), "\x1b")
		require.Contains(t, b.String(), "u001b")
	}
	var b bytes.Buffer
	require.NoError(t, Markdown(&b, r))
	require.NotContains(t, b.String(), "<b>")
}

// What a drill on which nothing happens and links take no time loses is what a plain dry run finds, which learns from the
// records who had seen what.
func TestADrillLosesWhatAPlainDryRunOfItLoses(t *testing.T) {
	saw, compared := map[string]int64{}, 0
	for seed := range uint64(120) {
		rng := rand.New(rand.NewPCG(seed, 2))
		// Going back to a backup of before everything makes the drill note what every writer had seen.
		script := threeRegions.script([]string{"at 00:00:00.005 restart a from backup 00:00:00.001", threeRegions.steps[rng.IntN(5)]}, "local", "local")
		table := merge.MustParseTable("nodes a < b < c\nset/* * remove-wins\nany/* * grow-only\ncnt/* * counter\nref/* * prefer 3 > 2 > 1\nsib/* * keep-all\n* * lww")
		text := oracleHistory(rng, 30)
		if seed%2 == 1 {
			text = wholeHistory(rng, 60)
		}
		traffic := trafficOf(t, text)
		w, err := newWorld(MustParseScript(script), table, traffic, &Options{})
		require.NoError(t, err)
		w.run()
		r := w.result(table, nil)
		if !closed(w) {
			continue // a history can't say it: who has seen a write has seen there what its writer had
		}
		compared++
		// The drill, as a history: each write with the ids of those on its key that its writer had seen.
		var b bytes.Buffer
		out := history.NewWriter(&b, history.Native)
		for i := range traffic.writes {
			if w.plays[i].status != isAccepted {
				continue
			}
			op := *w.op(int32(i))
			rec := history.Record{Key: op.Key, Op: op.Kind, Node: op.Stamp.Node, Time: op.Stamp.Time,
				Precision: history.Nanosecond, ID: op.Dot.String() + "@" + op.Key, Knows: true}
			for j := range traffic.writes {
				other := &traffic.writes[j]
				if other.key == traffic.writes[i].key && j != i && w.plays[j].status == isAccepted && op.Seen.Has(traffic.op(int32(j)).Dot) {
					rec.Seen = append(rec.Seen, traffic.op(int32(j)).Dot.String()+"@"+op.Key)
				}
			}
			for _, f := range op.Fields {
				rec.Fields = append(rec.Fields, history.Field(f))
			}
			require.NoError(t, out.Write(&rec))
		}
		require.NoError(t, out.Close())
		h, err := replay.Collect([]history.Source{history.Reader("h", &b)}, history.Options{})
		require.NoError(t, err)
		report := h.Run(table, replay.Options{})
		require.Equal(t, report.Totals.Writes, r.Totals[Writes])
		require.Equal(t, replay.Count{Min: r.Totals[Lost], Max: r.Totals[Lost]}, report.Totals.Lost, "seed %d", seed)
		for _, l := range r.Lost {
			saw[l.Key] += int64(seed % 2)
		}
	}
	require.Greater(t, compared, 40)
	for _, key := range []string{"cnt/1", "any/1", "set/1", "x"} {
		require.NotZero(t, saw[key], "nothing of %s was ever lost", key)
	}
}

// closed reports whether whoever had seen a write had seen all that its writer had seen, of each key.
func closed(w *world) bool {
	for i := range w.plays {
		for j := range w.plays {
			a, b := w.base(int32(i)), w.base(int32(j))
			if a.key != b.key || i == j || w.plays[i].status != isAccepted || w.plays[j].status != isAccepted || !w.seen[i].Has(w.dot(int32(j))) {
				continue
			}
			if !w.seen[i].Covers(w.seen[j]) {
				return false
			}
		}
	}
	return true
}

// wholeHistory makes a history in which counters and sets are written as a whole, with what they replaced and without: what can't
// be added takes no other's place, and a set that of what it changes alone.
func wholeHistory(r *rand.Rand, writes int) string {
	var b strings.Builder
	day := time.Date(2026, 5, 20, 0, 0, 0, 0, time.UTC)
	seqs := map[string]int{}
	for i := range writes {
		key := []string{"cnt/1", "any/1", "set/1", "x", "sib/1"}[r.IntN(5)]
		node := string(rune('a' + r.IntN(3)))
		seqs[node]++
		values := []string{"0", "1", "2"}
		if key == "any/1" || key == "set/1" {
			values = []string{"[]", "[1]", "[2]", "[1,2,3]"}
		}
		rest := `"op":"set","value":` + values[r.IntN(len(values))]
		switch r.IntN(8) {
		case 0, 1:
			rest += `,"before":` + values[r.IntN(len(values))]
		case 2:
			rest = `"op":"delete"`
		case 3:
			rest = `"op":"` + []string{"add", "add", "insert", "remove"}[r.IntN(4)] + `","value":1` // of use to some, and not to others
		}
		fmt.Fprintf(&b, `{"key":%q,"field":"f",%s,"node":%q,"time":%d,"id":"%s:%d"}`+"\n", key, rest, node,
			day.Add(5*time.Millisecond+time.Duration(i)*50*time.Millisecond/time.Duration(writes)).UnixNano(), node, seqs[node])
	}
	return b.String()
}

// A link keeps order: what was sent when it was slow arrives before what is sent after it has become fast.
func TestALinkKeepsOrderWhenItGetsFaster(t *testing.T) {
	text := at(110, "eu", 1, "slow", "1") + at(125, "eu", 2, "fast", "2") + readAt(150, "us", "fast",
		"eventual") + readAt(211, "us", "fast", "eventual")
	r := runDrill(t, two+"at 00:00:00.100 link eu us 100ms for 20ms\n", text)
	require.EqualValues(t, 1, r.Totals[Stale])
	require.EqualValues(t, 25*time.Millisecond, r.Totals[Age])
}

// What is accepted after the event is not waited for, and told: the regions were said to be of one state while they were not.
func TestConvergedIsOfWhatWasAcceptedByTheEvent(t *testing.T) {
	const script = two + "at 00:00:00.100 cut eu for 100ms\nwithin 1s of heal: converged\n"
	for text, want := range map[string][]int64{ // when it was met, in ms after the heal, and how many later writes were on the way
		at(110, "eu", 1, "k", "1") + at(208, "us", 1, "l", "2"): {10, 1},
		at(110, "eu", 1, "k", "1") + at(220, "us", 1, "l", "2"): {10, 0},
		at(80, "eu", 1, "k", "1") + at(201, "us", 1, "l", "2"):  {0, 0},
		at(110, "eu", 1, "k", "1"):                              {10, 0},
	} {
		r := runDrill(t, script, text)
		require.True(t, r.Passed && r.Converged)
		tm := r.Timers[0]
		require.Equal(t, want, []int64{tm.Took.Milliseconds(), tm.Later}, text)
		var out bytes.Buffer
		require.NoError(t, Text(&out, r))
		require.Equal(t, want[1] > 0, strings.Contains(out.String(), "after 10ms, 1 later on the way"), out.String())
	}
}

func TestWhatHappensAtTheDeadlineIsInTime(t *testing.T) {
	text := at(110, "eu", 1, "k", "1") + at(400, "eu", 2, "k", "2")
	script := two + "at 00:00:00.100 cut eu for 100ms\nwithin %s of heal: converged\n"
	require.True(t, runDrill(t, fmt.Sprintf(script, "10ms"), text).Timers[0].Met)
	r := runDrill(t, fmt.Sprintf(script, "9ms"), text)
	require.False(t, r.Timers[0].Met)
	require.Equal(t, []string{"s.drill:5: within 9ms of heal: converged: missed at 2026-05-20T00:00:00.209Z"}, r.Failed())
}

// The question arrives, the write is made, and the cut takes the answers: the client knows nothing, and the write is there.
func TestAWriteWhoseAnswerIsCutIsUnknown(t *testing.T) {
	text := at(100, "eu", 1, "k", "v") + at(5000, "us", 1, "k", "later")
	script := "region eu = eu\nregion us = us\nlink * 10ms\ntimeout after 1s\nclass all = * reads local writes quorum\n"
	cutAt := func(ms int) *Result {
		return runDrill(t, fmt.Sprintf("%sat 00:00:00.%03d cut eu for 3s\n", script, ms), text)
	}
	r := cutAt(141)
	require.EqualValues(t, []int64{0, 0, 2}, []int64{r.Totals[Unknown], r.Totals[Refused], r.Totals[Writes]}, "asked and given: 40ms")
	require.EqualValues(t, 40*time.Millisecond, r.Classes[0].WriteLatency.Max)

	r = cutAt(115) // before it is made
	require.EqualValues(t, []int64{0, 1, 1}, []int64{r.Totals[Unknown], r.Totals[Refused], r.Totals[Writes]})

	for _, ms := range []int{125, 135} { // the write, or its answer, is on its way
		r = cutAt(ms)
		require.EqualValues(t, []int64{1, 0, 2}, []int64{r.Totals[Unknown], r.Totals[Refused], r.Totals[Writes]}, "cut at %d", ms)
		require.EqualValues(t, 1, r.Regions[0].Unknown)
		require.EqualValues(t, 1, r.Classes[0].WriteLatency.Count, "of the other")
		require.True(t, r.Converged, "the write spreads after the heal")
		require.EqualValues(t, 0, r.Totals[Hidden])
		require.True(t, slices.ContainsFunc(r.Proposals, func(p Proposal) bool { return strings.Contains(p.Gap, "never got an answer") }))
	}
}

// A quorum does not make two writers of one moment one after the other: neither could have seen the other.
func TestTwoQuorumWritesOfOneMomentConflict(t *testing.T) {
	script := "region eu = eu\nregion us = us\nlink * 10ms\nclass all = * reads local writes quorum\n"
	r := runDrill(t, script, at(100, "eu", 1, "ref/1", "a")+at(105, "us", 1, "ref/1", "b"))
	require.EqualValues(t, 2, r.Totals[Undecided])
	r = runDrill(t, script, at(100, "eu", 1, "ref/1", "a")+at(140, "us", 1, "ref/1", "b"))
	require.EqualValues(t, 0, r.Totals[Undecided], "the first was acknowledged when the second began")
}

// R and W by region: three regions of which two must read and two must write.
func TestQuorumsThatOverlapSeeTheLastAcknowledgedWrite(t *testing.T) {
	text := at(100, "eu", 1, "k", "v") + readAt(139, "us", "k", "strong") + readAt(141, "us", "k", "strong")
	script := "region eu = eu\nregion us = us\nregion ap = ap\nlink eu ap 10ms\nlink * 500ms\nclass all = * reads %s writes 2 of 3\n"
	r := runDrill(t, fmt.Sprintf(script, "local"), text)
	require.EqualValues(t, 1, r.Totals[Stale], "the first began before the write was acknowledged, by eu and ap")
	r = runDrill(t, fmt.Sprintf(script, "2 of 3"), text)
	require.EqualValues(t, 0, r.Totals[Stale])
	require.EqualValues(t, time.Second, r.Classes[0].ReadLatency.Max)
}

// While a table is rolled out, regions of the old and of the new one refuse to mix.
func TestATableThatIsRolledOutHoldsWritesBack(t *testing.T) {
	text := at(110, "eu", 1, "ref/1", "a") + at(130, "us", 1, "ref/1", "b") + readAt(190, "eu", "ref/1", "strong") +
		at(300, "eu", 2, "ref/1", "c")
	script := two + "stuck after 50ms\nclass critical = ref/*\nat 00:00:00.100 table new.tb in eu\nat 00:00:00.200 table new.tb in us\nwithin 10ms of 00:00:00.200: converged\n"
	s := MustParseScript(script)
	table, kinder := merge.MustParseTable("nodes eu < us\n* * refuse"), merge.MustParseTable("nodes eu < us\n* * keep-all")
	opt := Options{Tables: map[string]*merge.Table{"new.tb": kinder}}
	r, err := Run(s, table, trafficOf(t, text), opt)
	require.NoError(t, err)
	require.True(t, r.Passed, "%v", r.Failed())
	require.Len(t, r.AtOdds, 1)
	odds := r.AtOdds[0]
	require.Equal(t, []string{"eu", "us"}, odds.Sides)
	require.Equal(t, []string{kinder.Fingerprint(), table.Fingerprint()}, odds.Fingerprints)
	require.Equal(t, []string{"00:00:00.100", "00:00:00.200"}, []string{r.hours(odds.From), r.hours(odds.To)})
	require.EqualValues(t, 2, odds.Held)
	require.EqualValues(t, 1, r.Totals[SplitKeys])
	require.EqualValues(t, 2, r.Totals[Stuck])
	require.EqualValues(t, 1, r.Totals[Stale])
	require.EqualValues(t, 0, r.Totals[Undecided], "the new table keeps both")
	n, _ := r.Count(string(finding.RuleMismatch))
	require.EqualValues(t, 1, n)

	r, err = Run(MustParseScript(strings.Replace(script, "at 00:00:00.200 table new.tb in us\n", "", 1)), table, trafficOf(t, text), opt)
	require.NoError(t, err)
	require.True(t, r.Mixed && !r.Converged && !r.Passed, "never rolled out to the end")

	// Another file with the same rules is the same table.
	same := Options{Tables: map[string]*merge.Table{"new.tb": merge.MustParseTable("nodes eu < us\n* * refuse")}}
	r, err = Run(s, table, trafficOf(t, text), same)
	require.NoError(t, err)
	require.Empty(t, r.AtOdds)
	require.Zero(t, r.Totals[Stuck])
}

// What was lost under the table that a drill goes over to was told by the line of that one, in the file of the first. What is held
// back is counted by the link, and a write is on several: it was told as if it were all.
func TestALineIsOfTheTableThatDecided(t *testing.T) {
	text := at(110, "eu", 1, "k", "a") + at(111, "us", 1, "k", "b") + at(112, "us", 2, "l", "c") + at(400, "eu", 2, "m", "d")
	parse := func(file, text string) *merge.Table {
		table, err := merge.ParseTable(file, []byte(text))
		require.NoError(t, err)
		return table
	}
	opt := Options{Tables: map[string]*merge.Table{"new": parse("new.tb", "nodes eu < us\n#\n* * lww")}}
	for script, want := range map[string]string{"": "old.tb:2", "at 00:00:00.200 table new\n": "new.tb:3"} {
		old := parse("old.tb", "nodes eu < us\n* * lww")
		if script != "" {
			old = parse("old.tb", "nodes eu < us\n* * keep-all")
		}
		r, err := Run(MustParseScript(two+script), old, trafficOf(t, text), opt)
		require.NoError(t, err)
		require.Len(t, r.Lost, 1)
		require.Equal(t, want, fmt.Sprintf("%s:%d", r.Lost[0].Table, r.Lost[0].Line))
		file, line, _ := strings.Cut(want, ":")
		require.True(t, slices.ContainsFunc(r.Proposals, func(p Proposal) bool {
			return strings.Contains(p.Do, "line "+line+" of "+file+",")
		}), "%v", r.Proposals)
	}
	// Two writes wait on each of the links to ap, four in all.
	s := MustParseScript("region eu = eu\nregion us = us\nregion ap = ap\nlink * 10ms\nat 00:00:00.100 table new in ap\nat 00:00:00.200 table new\n")
	r, err := Run(s, parse("old.tb", "* * keep-all"), trafficOf(t, text+at(113, "eu", 3, "n", "e")), opt)
	require.NoError(t, err)
	require.Len(t, r.AtOdds, 2)
	require.True(t, slices.ContainsFunc(r.Proposals, func(p Proposal) bool {
		return p.Gap == "up to 2 writes were held back between two regions with different rule tables"
	}), "%v", r.Proposals)
}

// A region of several nodes: what happens to one of them does not happen to the others.
func TestANodeOfARegionFailsAlone(t *testing.T) {
	regions := "region eu = eu-* apart 1ms\nregion us = us\nlink * 10ms\n"
	text := at(10, "eu-1", 1, "a", "1") + at(20, "eu-2", 1, "b", "2") + at(110, "eu-2", 2, "c", "3") + at(112, "us", 1, "d", "4") +
		readAt(150, "eu-1", "c", "strong")
	r := runDrill(t, regions+"at 00:00:00.100 stop eu-2 for 100ms\n", text)
	require.EqualValues(t, 1, r.Totals[Unavailable])
	require.EqualValues(t, 3, r.Totals[Writes])
	require.EqualValues(t, 2, r.Regions[0].Replicas)

	// eu-2 goes back an hour: eu-1 has its writes, and gives them back.
	back := "at 00:00:00.120 restart eu-2 from backup 00:00:00.005\n"
	r = runDrill(t, regions+back, text)
	require.EqualValues(t, 0, r.Totals[Vanished])
	require.EqualValues(t, 0, r.Totals[Stale])
	require.True(t, r.Converged && r.Apart == 0)
	// Without replicas of their own in the script, the restart gives them some.
	require.EqualValues(t, 2, runDrill(t, strings.Replace(regions, " apart 1ms", "", 1)+back, text).Regions[0].Replicas)
	// The whole region loses what us has not had yet.
	r = runDrill(t, regions+strings.Replace(back, "eu-2", "eu", 1)+"at 00:00:00.105 cut eu for 50ms\n", text)
	require.EqualValues(t, 1, r.Totals[Vanished])

	// A write by quorum wants most of the replicas of two regions; with one of two nodes gone eu is none.
	quorum := regions + "class all = * reads quorum writes quorum\n"
	require.EqualValues(t, 0, runDrill(t, quorum, text).Totals[Refused])
	r = runDrill(t, quorum+"at 00:00:00.100 stop eu-1 for 100ms\n", text)
	require.EqualValues(t, 2, r.Totals[Refused])
}

// A quorum answered the read on the day itself: in the drill it is one of the region of the first that did.
func TestAReadThatSeveralReplicasServedIsOfTheFirst(t *testing.T) {
	text := at(110, "us", 1, "k", "new") + readAt(150, "us,eu", "k", "strong") + readAt(151, "eu,us", "k", "strong")
	r := runDrill(t, two+"at 00:00:00.100 cut eu for 100ms\n", text)
	require.Equal(t, []int64{1, 1}, []int64{r.Regions[0].Reads, r.Regions[1].Reads})
	require.EqualValues(t, 1, r.Regions[0].Stale)
	// Spaces around a name are no part of it.
	spaced := strings.NewReplacer(`"us,eu"`, `" us , eu"`, `"eu,us"`, `" eu "`).Replace(text) + strings.Replace(readAt(152, " ", "k", "strong"), `"op"`, `"node":"us","op"`, 1)
	r = runDrill(t, two+"at 00:00:00.100 cut eu for 100ms\n", spaced)
	require.Equal(t, []int64{1, 2}, []int64{r.Regions[0].Reads, r.Regions[1].Reads})
}

// A write whose writer was shown another by a quorum is on no other side. Where nobody who can be asked has it, there are two
// sides, and it is no use to propose a quorum.
func TestAWriteThatAQuorumShowedIsOfTheSameSide(t *testing.T) {
	const quorum = "class critical = * writes quorum\n"
	r := runDrill(t, "region ap = ap\nlink eu us 800ms\n"+two+quorum+"at 00:00:00.200 cut eu for 1s\n",
		at(0, "eu", 1, "k", "b")+at(300, "us", 1, "k", "c")+at(400, "us", 2, "k", "d"))
	require.EqualValues(t, 0, r.Totals[SplitKeys], "what is on its way from eu is in ap, which us asks")
	require.EqualValues(t, 1, r.Classes[0].Prevented)

	r = runDrill(t, "region ap = ap\n"+two+quorum+"at 00:00:00.400 cut ap for 200ms\nat 00:00:00.590 cut eu for 2s\nat 00:00:00.595 restart us from backup 00:00:00.100\n",
		at(500, "eu", 1, "k", "b")+at(1500, "us", 1, "k", "c"))
	require.EqualValues(t, 1, r.Totals[SplitKeys], "us has forgotten what eu and it had acknowledged, and ap never had it")
	require.Equal(t, []string{"let a region that came back from a backup catch up with all others before it is asked: it has forgotten what a quorum had"},
		proposed(r, "two sides both wrote"))

	r = runDrill(t, "region sa = sa\nregion ap = ap\n"+two+"class critical = * writes 2 of 4\n"+
		"at 00:00:01.000 cut eu us\nat 00:00:01.000 cut eu ap\nat 00:00:01.000 cut sa us\nat 00:00:01.000 cut sa ap\n",
		at(1500, "eu", 1, "k", "b")+at(1500, "us", 1, "k", "c"))
	require.EqualValues(t, 1, r.Totals[SplitKeys])
	require.Equal(t, []string{"write critical by quorum"}, proposed(r, "two sides both wrote"))
}

// What a restart has taken away comes from a region that can send it.
func TestWhatABackupHasNotComesFromWhoIsReached(t *testing.T) {
	r := runDrill(t, two+"region ap = ap\nat 00:00:00.500 cut eu for 1s\nat 00:00:00.600 restart us from backup 00:00:00.050\nstuck after 300ms\n",
		at(100, "eu", 1, "k", "v")+at(2000, "us", 1, "k", "w"))
	require.EqualValues(t, 0, r.Totals[Stuck], "ap has it too")
}

// proposed returns what a result proposes to do about a gap.
func proposed(r *Result, gap string) (do []string) {
	for _, p := range r.Proposals {
		if strings.Contains(p.Gap, gap) {
			do = append(do, p.Do)
		}
	}
	return do
}

// A key that says who leads: the old leader renews its lease while the other side has chosen a new one.
func TestTwoLeadersAreTold(t *testing.T) {
	text := at(10, "eu", 1, "lease/1", "eu-a") + at(110, "eu", 2, "lease/1", "eu-a") + at(130, "us", 1, "lease/1", "eu-a") +
		at(140, "us", 2, "lease/1", "us-b") + at(120, "eu", 1, "lease/2", "eu-a") + at(150, "us", 1, "lease/2", "eu-a")
	r := runDrill(t, two+"leader lease/*\nstuck after 30ms\nat 00:00:00.100 cut eu for 100ms\n", text)
	require.Len(t, r.SplitBrain, 2)
	first, second := r.SplitBrain[0], r.SplitBrain[1]
	require.True(t, first.Leaders, "the second write of us names another than eu does")
	require.False(t, second.Leaders, "both sides name one")
	require.Equal(t, "lease/1", first.Key)
	require.Equal(t, []string{"00:00:00.130", "00:00:00.160", "00:00:00.210"}, []string{r.hours(first.From), r.hours(first.Shown),
		r.hours(first.To)}, "it is shown when a write of each side is stuck")
	var out strings.Builder
	require.NoError(t, Text(&out, r))
	require.Contains(t, out.String(), "eu, us: two leaders")
}

// A write is stuck at its bound, whether or not anything else happens then, and until it is everywhere or gone.
func TestAWriteIsStuckAtItsBound(t *testing.T) {
	script := two + "stuck after 30ms\n"
	text := at(110, "eu", 1, "k", "v")
	r := runDrill(t, script+"at 00:00:00.100 cut eu\n", text)
	require.Len(t, r.Stuck, 1, "though nothing happens after it")
	require.Equal(t, []string{"00:00:00.110", "00:00:00.140", "never"}, []string{r.hours(r.Stuck[0].From), r.hours(r.Stuck[0].Shown), r.hours(r.Stuck[0].To)})
	require.Equal(t, []string{"k"}, r.Stuck[0].Keys)
	r = runDrill(t, script+"at 00:00:00.100 cut eu for 40ms\n", text)
	require.EqualValues(t, 1, r.Totals[Stuck], "it arrives 10ms after the heal")
	r = runDrill(t, script+"at 00:00:00.100 cut eu for 30ms\n", text)
	require.EqualValues(t, 0, r.Totals[Stuck], "it arrives at the bound")
	r = runDrill(t, script+"at 00:00:00.100 cut eu for 100ms\nat 00:00:00.170 restart eu from backup 00:00:00.050\n", text)
	require.EqualValues(t, 1, r.Totals[Vanished])
	require.Equal(t, "00:00:00.170", r.hours(r.Stuck[0].To), "what is gone is not stuck")
	r = runDrill(t, script+"at 00:00:00.150 restart us from backup 00:00:00.050\nat 00:00:00.150 cut us for 100ms\n", text)
	require.EqualValues(t, 1, r.Totals[Stuck], "it was everywhere, and a backup has taken it away again")
	require.Equal(t, "00:00:00.180", r.hours(r.Stuck[0].Shown))
}

// A quorum that is lost is shown by the first who is refused for it, and a full queue has no part in it.
func TestALostQuorumSaysWhatItRefused(t *testing.T) {
	text := at(120, "eu", 1, "a", "v") + at(130, "eu", 1, "b", "v") + readAt(140, "us", "a", "strong") + at(300, "us", 1, "a", "v")
	r := runDrill(t, two+"class critical = * reads quorum writes quorum\nat 00:00:00.100 cut eu for 100ms\n", text)
	require.Len(t, r.Quorums, 4)
	q := r.Quorums[0]
	require.Equal(t, []string{"eu", "writes", "00:00:00.100", "00:00:00.120", "00:00:00.200"}, []string{q.Region, q.Of, r.hours(q.From),
		r.hours(q.Shown), r.hours(q.To)})
	require.EqualValues(t, 2, q.Refused)
	require.Equal(t, []string{"a", "b"}, q.Keys)
	require.EqualValues(t, 1, r.Quorums[3].Refused, "the read in us")
	require.Zero(t, r.Quorums[1].Shown, "nobody has read in eu, so nobody has noticed")
	require.Empty(t, r.Throttled)
}

// What a narrow link has to carry takes its bandwidth the time, and the report says how the backlog grew and shrank.
func TestABacklogIsToldOverTime(t *testing.T) {
	var text strings.Builder
	for i := range 300 {
		text.WriteString(at(i*1000, "eu", i+1, fmt.Sprintf("k%d", i), "v"))
	}
	r := runDrill(t, "region eu = eu\nregion us = us\nlink * 10ms bandwidth 4/s\nat 00:01:00 cut eu for 2m\n", text.String())
	l := r.Links[0]
	require.Equal(t, "eu", l.From)
	require.EqualValues(t, 121, l.Peak, "two minutes, and the one that is made when the link is up again")
	// 120 at 4 a second, while one more comes each second: 40 seconds.
	require.InDelta(t, 40, l.Drain.Seconds(), 1)
	var most []int64
	for _, p := range l.Series {
		most = append(most, p.Backlog)
	}
	require.Equal(t, []int64{1, 60, 120, 121, 1}, most, "minute by minute")
	var out strings.Builder
	require.NoError(t, Text(&out, r))
	require.Regexp(t, `Backlog over time\n +from +eu > us.*\n(.*\n)* +00:02:00.000 +120`, out.String())
}

func TestWithoutBandwidthsNoLoadIsTooMuch(t *testing.T) {
	limit, err := FindLimit(MustParseScript(two), merge.MustParseTable("* * lww"), trafficOf(t, at(10, "eu", 1, "k", "v")), Options{})
	require.NoError(t, err)
	require.Equal(t, "no link has a bandwidth or a queue, so they keep pace at any load", limit.String())
	require.Len(t, limit.Runs, 1)
}

// What a level says of itself is what a script accepts: it said "2 regions".
func TestEveryLevelReadsBackFromItsText(t *testing.T) {
	const regions = "region eu = eu\nregion us = us\nregion ap = ap\nlink * 80ms\n"
	for text, want := range map[string]string{"local": "local", "session": "session", "bounded 5s": "bounded 5s", "quorum": "2 of 3", "all": "3 of 3", "1 of 3": "1 of 3"} {
		s := MustParseScript(regions + "class rest = * reads " + text)
		level := s.Classes[0].Reads
		require.Equal(t, want, level.String())
		require.Equal(t, level, MustParseScript(regions + "class rest = * reads " + level.String()).Classes[0].Reads)
	}
}

// A mistake in the line of the links that are left was also told as a link that is not there.
func TestAMistakeInALinkIsOne(t *testing.T) {
	for link, wrong := range map[string]string{
		"link * 80ms queue 10":  "s:4: ",
		"link * 80ms loss lots": "s:4: ",
		"link eu us 80ms":       "no link for eu > ap",
	} {
		_, err := ParseScript("s", []byte("region eu = eu\nregion us = us\nregion ap = ap\n"+link+"\n"))
		require.Error(t, err)
		require.Len(t, strings.Split(strings.TrimSpace(err.Error()), "\n"), 1, err.Error())
		require.ErrorContains(t, err, wrong)
	}
}

// A timer that was nearly missed on links without a bandwidth was sent to a limit that they don't have.
func TestALimitIsProposedToLinksThatHaveOne(t *testing.T) {
	text := at(110, "eu", 1, "k", "1") + at(400, "eu", 2, "k", "2")
	for link, want := range map[string][]string{
		"link * 10ms":                  {"links have no bandwidth", "give the links their bandwidth"},
		"link * 10ms bandwidth 1000/s": {"give the links more bandwidth", "see the limit"},
	} {
		for i, bound := range []string{"5ms", "11ms"} {
			r := runDrill(t, "region eu = eu\nregion us = us\n"+link+"\nat 00:00:00.100 cut eu for 100ms\nwithin "+bound+" of heal: converged\n", text)
			require.True(t, slices.ContainsFunc(r.Proposals, func(p Proposal) bool { return p.Line == 5 && strings.Contains(p.Do, want[i]) }), "%s, %s: %v", link, bound, r.Proposals)
		}
	}
}

// An action is what its own text says, whatever it is made of.
func TestEveryActionReadsBackFromItsText(t *testing.T) {
	const regions = "region eu = eu-1 eu-2\nregion us = us-1\nregion ap = ap-1\nregion \"the west\" = \"node \\\"1\\\"\"\nclass critical = ledger/* reads local writes local\nlink * 80ms\n"
	for _, text := range []string{
		"cut eu", "cut eu us", "cut eu > us", "cut eu > *", "cut eu for 1m30s", "cut eu > us for 1h30m", "heal", "heal eu us", "heal eu > us",
		"stop eu", "stop eu-2", "stop eu-2 for 5m", "start eu-2", "restart eu from backup 11:00", "restart eu-1 from backup 2026-05-19T23:59:59.5Z",
		"skew eu +500ms", "skew eu -2s for 10m", "drift eu +3ms/h", "drift us -1.5s/h for 2h", "freeze critical", "freeze critical for 3s", "thaw critical",
		"table other.tb", "table other.tb in eu", "table other.tb in eu-2",
		"link eu us 40ms", "link eu > us 40ms +-5ms loss 0.5% duplicate 1% reorder 2.25%", "link * 1ms bandwidth 1000000/s queue 500 refuse",
		"link eu us 40ms bandwidth 1250000B/s queue 1000000 throttle", "link eu us 40ms bandwidth 12345678.5/s for 10m",
		`step "call \"the\" vendor"`, "check undecided == 0", "check critical refused <= 3",
		"check lost ledger/* <= 3", `cut "the west" for 5m`, `cut us > "the west"`, `table "my other.tb" in "the west"`,
		`stop "node \"1\""`, `link "the west" us 5ms`,
	} {
		read := func(action string) Step {
			s, err := ParseScript("s", []byte(regions+"at 12:00 "+action))
			require.NoError(t, err, action)
			s.Steps[0].Line = 0
			if c := s.Steps[0].Do.Check; c != nil {
				c.Line = 0
			}
			return s.Steps[0]
		}
		first := read(text)
		require.Equal(t, first, read(first.Do.String()), "%s became %s", text, first.Do)
		require.Equal(t, text, first.Do.String())
	}
}

func TestTrafficSpansItsFirstAndLastMoment(t *testing.T) {
	traffic := trafficOf(t, `{"key":"k","value":1,"node":"us","time":"2026-05-20T12:00:01.5Z"}
{"key":"k","value":2,"node":"us","time":"2026-05-20T12:30:00Z"}
{"key":"k","value":3,"node":"eu","time":"2026-05-20T11:59:59Z"}`)
	first, last := traffic.Span()
	require.Equal(t, "2026-05-20T11:59:59Z 2026-05-20T12:30:00Z", first.Format(time.RFC3339Nano)+" "+last.Format(time.RFC3339Nano))
	first, last = trafficOf(t, "").Span()
	require.True(t, first.IsZero() && last.IsZero())
}

// What ends an incident ends those that are its own, and what would have ended it later has nothing to end then.
func TestAnIncidentEndsOnce(t *testing.T) {
	var text strings.Builder
	for i := range 100 {
		text.WriteString(at(100+i, "eu-1", i+1, "ref/1", fmt.Sprint(i)) + at(100+i, "eu-2", i+1, "x/1", fmt.Sprint(i)))
	}
	regions := "region eu = eu-1 eu-2\nregion us = us\nlink * 10ms\nclass critical = ref/*\nclass rest = *\n"
	what := func(r *Result) (all []string) {
		for _, e := range r.Timeline {
			all = append(all, r.hours(e.At)[9:]+" "+e.What)
		}
		return all
	}
	for _, c := range []struct {
		steps                string
		refused, unavailable int64
		timeline             []string
	}{
		{"at 00:00:00.110 freeze critical for 50ms", 50, 0, []string{"110 freeze critical for 50ms", "160 over: freeze critical for 50ms"}},
		{"at 00:00:00.110 freeze critical for 50ms\nat 00:00:00.120 thaw critical", 10, 0, []string{"110 freeze critical for 50ms", "120 thaw critical"}},
		{"at 00:00:00.110 freeze critical for 50ms\nat 00:00:00.120 thaw rest", 50, 0, []string{"110 freeze critical for 50ms", "120 thaw rest", "160 over: freeze critical for 50ms"}},
		{"at 00:00:00.110 stop eu-1 for 50ms\nat 00:00:00.120 start eu-1", 0, 10, []string{"110 stop eu-1 for 50ms", "120 start eu-1"}},
		{"at 00:00:00.110 stop eu-1 for 50ms\nat 00:00:00.120 start eu-2", 0, 50, []string{"110 stop eu-1 for 50ms", "120 start eu-2", "160 over: stop eu-1 for 50ms"}},
		{"at 00:00:00.110 stop eu for 50ms\nat 00:00:00.120 start eu-1", 0, 100, []string{"110 stop eu for 50ms", "120 start eu-1", "160 over: stop eu for 50ms"}},
		{"at 00:00:00.110 cut eu for 50ms\nat 00:00:00.120 heal us eu", 0, 0, []string{"110 cut eu for 50ms", "120 heal us eu"}},
		{"at 00:00:00.110 cut eu > us for 50ms\nat 00:00:00.120 heal us > eu", 0, 0, []string{"110 cut eu > us for 50ms", "120 heal us > eu", "160 over: cut eu > us for 50ms"}},
	} {
		r := runDrill(t, regions+c.steps, text.String())
		require.Equal(t, c.timeline, what(r))
		require.Equal(t, []int64{c.refused, c.unavailable}, []int64{r.Totals[Refused], r.Totals[Unavailable]}, c.steps)
	}
}

// A write that was everywhere between two restarts was stuck at the bound of the first.
func TestAWriteIsStuckFromTheRestartSinceWhichItIsMissing(t *testing.T) {
	script := strings.ReplaceAll(two, "10ms", "20ms") + "stuck after 35ms\nat 00:00:00.110 restart eu from backup 00:00:00.050\n"
	for steps, stuck := range map[string]int64{
		"at 00:00:00.140 restart eu from backup 00:00:00.050":                                  0, // it was back at 130
		"at 00:00:00.120 cut eu for 50ms":                                                      1,
		"at 00:00:00.120 cut eu for 50ms\nat 00:00:00.140 restart eu from backup 00:00:00.050": 1,
	} {
		r := runDrill(t, script+steps, at(60, "us", 1, "k", "1")+at(300, "us", 2, "k", "2"))
		require.Equal(t, stuck, r.Totals[Stuck], steps)
	}
}

// A window of stuck writes began with the one that was stuck first, though another had been accepted before that.
func TestStuckWritesBeginWithTheFirstThatWasAccepted(t *testing.T) {
	r := runDrill(t, two+"stuck after 35ms\nat 00:00:00.105 cut eu for 200ms\nat 00:00:00.110 restart eu from backup 00:00:00.050\n",
		at(60, "us", 1, "k", "1")+at(109, "us", 2, "k", "2")+at(400, "us", 3, "k", "3"))
	require.Len(t, r.Stuck, 1)
	require.EqualValues(t, 2, r.Stuck[0].Writes)
	require.Equal(t, "2026-05-20T00:00:00.06Z", r.Stuck[0].From.String())
}

// A node whose replica goes back to a backup has not seen what it wrote itself and lost: the state had it so, and what was counted not.
func TestANodeForgetsItsOwnWritesWithItsReplica(t *testing.T) {
	script := two + "at 00:00:00.120 restart eu from backup 00:00:00.100\n"
	for key, undecided := range map[string]int64{"k": 0, "ref/1": 2} {
		r := runDrill(t, script, at(10, "us", 1, key, "0")+at(115, "eu", 1, key, "1")+at(121, "eu", 2, key, "2"))
		require.EqualValues(t, 1-undecided/2, r.Totals[Lost], key)
		require.Equal(t, undecided, r.Totals[Undecided], key)
		r = runDrill(t, script, at(10, "us", 1, key, "0")+at(95, "eu", 1, key, "1")+at(121, "eu", 2, key, "2"))
		require.Zero(t, r.Totals[Lost]+r.Totals[Undecided], "%s: the backup has it", key)
		r = runDrill(t, script, at(10, "us", 1, key, "0")+at(115, "eu", 1, key, "1")+at(300, "eu", 2, key, "2"))
		require.Zero(t, r.Totals[Lost]+r.Totals[Undecided], "%s: it was sent again", key)
	}
}

// The heal of one link had healed all that its cut had cut.
func TestAHealIsOfTheLinksThatItNames(t *testing.T) {
	regions := "region eu = eu\nregion us = us\nregion ap = ap\nlink * 10ms\n"
	text := at(110, "eu", 1, "k", "1") + at(210, "us", 1, "k", "2") + at(310, "ap", 1, "k", "3")
	for heal, left := range map[string]string{
		"heal eu":                            "",
		"heal us":                            "eu>ap ap>eu",
		"heal eu us":                         "eu>ap ap>eu",
		"heal eu > us":                       "eu>ap us>eu ap>eu",
		"heal us ap":                         "eu>us eu>ap us>eu ap>eu",
		"heal us\nat 00:00:00.160 heal ap":   "",
		"heal us\nat 00:00:00.160 heal us":   "eu>ap ap>eu",
		"heal us\nat 00:00:00.160 cut us ap": "eu>ap us>ap ap>eu ap>us",
		"heal us ap\nat 00:00:00.200 heal":   "",
		"heal eu us\nat 00:00:00.200 cut eu us for 100ms": "eu>ap ap>eu",
	} {
		r := runDrill(t, regions+"at 00:00:00.100 cut eu\nat 00:00:00.150 "+heal+"\nwithin 20ms of heal: converged\n", text)
		var held []string
		for _, l := range r.Links {
			if l.Left > 0 {
				held = append(held, l.From+">"+l.To)
			}
		}
		require.Equal(t, left, strings.Join(held, " "), heal)
		require.Equal(t, heal != "heal us ap", r.Timers[0].Ran, "%s: it heals nothing", heal)
	}
}

// A timer may wait for what a rollback makes happen, and a script in which nothing does is mistaken.
func TestATimerMayWaitForARollback(t *testing.T) {
	for _, line := range []string{"check lost == 0 else rollback heal", "within 1s of 12:00: lost == 0 else rollback heal",
		"at 12:00 check lost == 0 else rollback heal"} {
		_, err := ParseScript("s", []byte(two+line+"\nwithin 1s of heal: converged"))
		require.NoError(t, err, line)
		_, err = ParseScript("s", []byte(two+strings.Replace(line, "heal", "stop eu", 1)+"\nwithin 1s of heal: converged"))
		require.ErrorContains(t, err, "nothing in the script makes a heal", line)
	}
}

// Load that comes faster comes within its window, in proportion.
func TestFasterLoadIsMadeSooner(t *testing.T) {
	var text strings.Builder
	for i := range 60 {
		text.WriteString(at(i*1000+1, "eu", i+1, fmt.Sprintf("k/%d", i), "v"))
	}
	by := func(moment string) int64 {
		r := runDrill(t, two+"load faster x10 from 00:00:20 for 30s\nat "+moment+" check writes >= 0", text.String())
		return r.Checks[0].Value
	}
	require.EqualValues(t, 20, by("00:00:19.999"))
	require.EqualValues(t, 20+11, by("00:00:21.050"), "ten of them, and the one at the beginning")
	require.EqualValues(t, 20+30, by("00:00:23"))
	require.EqualValues(t, 50, by("00:00:49"))
	require.EqualValues(t, 51, by("00:00:50.500"))
}

func TestEveryComparisonOfACheck(t *testing.T) {
	text := at(10, "eu", 1, "a/1", "1") + at(20, "eu", 2, "a/2", "2") + at(30, "us", 1, "b/1", "3")
	for check, holds := range map[string]bool{
		"writes < 3": false, "writes < 4": true, "writes <= 2": false, "writes <= 3": true, "writes > 3": false, "writes > 2": true,
		"writes >= 4": false, "writes >= 3": true, "writes == 2": false, "writes == 3": true, "writes != 3": false, "writes != 2": true,
		"writes a/* == 2": true, "writes b/* == 1": true, "writes first == 2": true, "rest writes == 1": true,
	} {
		r := runDrill(t, two+"class first = a/*\nclass rest = *\ncheck "+check, text)
		require.Equal(t, holds, r.Checks[0].Passed, check)
		r = runDrill(t, two+"class first = a/*\nclass rest = *\nat 00:00:00.031 check "+check, text)
		require.Equal(t, holds, r.Checks[0].Passed, "at a moment: %s", check)
	}
}

// A replica that came back from a backup is one more writer, which lives where it did before.
func TestAnIncarnationLivesWhereItsMemberDoes(t *testing.T) {
	text := `{"key":"k","field":"f","value":1,"node":"us","time":"2026-05-20T12:00:00Z","id":"us:1","seen":{}}
{"key":"k","field":"f","value":2,"node":"us","time":"2026-05-20T12:00:01Z","id":"us~2:1","seen":{"us":1}}
{"key":"k","field":"f","value":3,"node":"eu","time":"2026-05-20T12:00:02Z","id":"eu:1","seen":{"us":1,"us~2":1}}
`
	for _, apart := range []string{"", " apart 1ms"} {
		r := runDrill(t, "region eu = eu\nregion us = us"+apart+"\nlink * 10ms\n", text)
		require.Len(t, r.Regions, 2)
		require.EqualValues(t, 1, r.Regions[1].Replicas)
		require.EqualValues(t, 3, r.Totals[Writes])
	}
}
