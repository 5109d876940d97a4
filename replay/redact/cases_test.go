package redact_test

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/redact"
)

var hashes = regexp.MustCompile(`h:[0-9a-f]{32}`)

// lettered gives each hash a letter, in the order in which they come.
func lettered(text string) string {
	letters := make(map[string]string)
	return hashes.ReplaceAllStringFunc(text, func(h string) string {
		if letters[h] == "" {
			letters[h] = "h:" + string(rune('a'+len(letters)))
		}
		return letters[h]
	})
}

// What becomes of values: the lines are field, value, op and before of writes to k/1 by a and b in turn, or to the key that is
// named first, all at one time unless "@" says otherwise.
func TestValuesBecomeWhatTheirRuleNeeds(t *testing.T) {
	for _, c := range []struct {
		name, table string
		writes      string // a record a line, without what all have
		want        string
		depends     int    // on values: how many keys
		kept        string // keys whose decisions would have changed
	}{
		{
			name: "equal values of a field have one hash, on all keys; those of two fields don't", table: "* * lww",
			writes: `{"key":"k/1","field":"mail","value":"a@x","time":1}
{"key":"k/2","field":"mail","value":"a@x","time":2}
{"key":"k/2","field":"name","value":"a@x","time":3}
{"key":"k/2","field":"name","value":"b","time":4,"before":"a@x"}
{"key":"k/2","field":"name","value":null,"time":5,"before":"b"}`,
			want: `"h:a"
"h:a"
"h:b"
"h:c" before "h:b"
null before "h:c"`,
		},
		{
			name: "stamps that tie leave it to the values: they have ranks, in that key", table: "* * lww",
			writes: `{"key":"k/1","field":"f","value":"b","time":1,"node":"a"}
{"key":"k/1","field":"f","value":"c","time":1,"node":"b"}
{"key":"k/1","field":"f","value":"a","time":0,"node":"b"}
{"key":"k/2","field":"f","value":"b","time":1}`,
			want: `"r:0002"
"r:0003"
"r:0001"
"h:a"`,
			depends: 1,
		},
		{
			name: "and none where a declared order of nodes decides", table: "nodes a < b\n* * lww",
			writes: `{"key":"k/1","field":"f","value":"b","time":1,"node":"a"}
{"key":"k/1","field":"f","value":"c","time":1,"node":"b"}`,
			want: `"h:a"
"h:b"`,
		},
		{
			name: "a rank keeps the kind: null is greater than a text, and less than an object", table: "* * lww",
			writes: `{"key":"k/1","field":"f","value":{"a":1},"time":1,"node":"a"}
{"key":"k/1","field":"f","value":null,"time":1,"node":"b"}
{"key":"k/1","field":"f","value":[2],"time":1,"node":"c"}
{"key":"k/1","field":"f","value":"x","time":1,"node":"d"}
{"key":"k/1","field":"f","value":7,"time":1,"node":"e"}
{"key":"k/1","field":"f","value":true,"time":1,"node":"f"}`,
			want: `{"r":"0006"}
null
["r:0003"]
"r:0001"
10002
true`,
			depends: 1,
		},
		{
			name: "numbers of one size in two spellings stay of one size, for max leaves it to the time", table: "* * max",
			writes: `{"key":"k/1","field":"f","value":1.0,"time":3}
{"key":"k/1","field":"f","value":1,"time":2}
{"key":"k/1","field":"f","value":1e0,"time":1}
{"key":"k/1","field":"f","value":-9,"time":4}
{"key":"k/1","field":"f","value":10,"time":0}`,
			want: `10002.0
10002
10002.00
10001
10005`,
			depends: 1,
		},
		{
			name: "min by size, and not by text", table: "* * min",
			writes: `{"key":"k/1","field":"f","value":9,"time":1}
{"key":"k/1","field":"f","value":10,"time":2}
{"key":"k/1","field":"g","value":10,"time":2}`,
			want: `10001
10002
"h:a"`,
			depends: 1,
		},
		{
			name: "of the highest row the column has ranks", table: "* * highest n",
			writes: `{"key":"k/1","fields":{"n":9,"name":"x"},"time":1}
{"key":"k/1","fields":{"n":10,"name":"y"},"time":2}
{"key":"k/1","value":{"n":8,"name":"x"},"time":3}`,
			want: `n 10002 name "h:a"
n 10003 name "h:b"
{"n":10001,"name":"h:a"}`,
			depends: 1,
		},
		{
			name: "a check compares two fields, by size", table: "* * lww\ncheck k/* low <= high",
			writes: `{"key":"k/1","field":"low","value":9,"time":1,"node":"a"}
{"key":"k/1","field":"high","value":10,"time":1,"node":"b"}
{"key":"k/1","field":"high","value":9.0,"time":2,"node":"b"}
{"key":"j/1","field":"low","value":9,"time":2,"node":"b"}`,
			want: `10001
10003
10001.0
"h:a"`,
		},
		{
			name: "one value in two fields that a check compares is one rank", table: "* * lww\ncheck k/* low == high",
			writes: `{"key":"k/1","field":"low","value":"x","time":1,"node":"a"}
{"key":"k/1","field":"high","value":"x","time":1,"node":"b"}`,
			want: `"r:0001"
"r:0001"`,
		},
		{
			name: "and so over all keys, where one of them is unique", table: "* * lww\nunique k/* low\ncheck k/2* low < high",
			writes: `{"key":"k/1","field":"low","value":"c","time":1,"node":"a"}
{"key":"k/2","field":"low","value":"b","time":1,"node":"b"}
{"key":"k/2","field":"high","value":"c","time":2,"node":"a"}
{"key":"k/3","field":"high","value":"c","time":2,"node":"a"}`,
			want: `"r:0002"
"r:0001"
"r:0002"
"h:a"`,
		},
		{
			name: "a profile may order values that tie by size", table: "profile cassandra\n* f lww\n* * lww together",
			writes: `{"key":"k/1","field":"f","value":9,"time":1,"node":"a"}
{"key":"k/1","field":"f","value":10,"time":1,"node":"b"}
{"key":"k/1","field":"f","value":9.0,"time":1,"node":"b"}
{"key":"k/1","fields":{"g":9,"h":1},"time":1,"node":"a"}
{"key":"k/1","fields":{"g":10,"h":1},"time":1,"node":"b"}`,
			want: `10001
10003
10002
g 10002 h "h:a"
g 10001 h "h:a"`,
			depends: 1,
		},
		{
			name: "a check of what is counted keeps what that is compared with", table: "* n counter\n* * lww\ncheck k/* n <= most",
			writes: `{"key":"k/1","field":"n","value":3,"op":"add","time":1}
{"key":"k/1","field":"most","value":5,"time":2}
{"key":"j/1","field":"most","value":5,"time":2}`,
			want: `3
5
"h:a"`,
		},
		{
			name: "what is compared with a constant stays, and what is compared with that", table: "* * lww\ncheck k/* low <= high\ncheck k/* high > 0",
			writes: `{"key":"k/1","field":"low","value":9,"time":1,"node":"a"}
{"key":"k/1","field":"high","value":10,"time":1,"node":"b"}
{"key":"k/1","field":"other","value":10,"time":1,"node":"b"}`,
			want: `9
10
"h:a"`,
		},
		{
			name: "where one key needs the order of a unique field, all have it", table: "* * lww\nunique k/* mail",
			writes: `{"key":"k/1","field":"mail","value":"b","time":1,"node":"a"}
{"key":"k/1","field":"mail","value":"c","time":1,"node":"b"}
{"key":"k/2","field":"mail","value":"c","time":1,"node":"b"}
{"key":"k/3","field":"mail","value":"a","time":1,"node":"b"}
{"key":"j/3","field":"mail","value":"a","time":1,"node":"b"}`,
			want: `"r:0002"
"r:0003"
"r:0003"
"r:0001"
"h:a"`,
			depends: 1,
		},
		{
			name: "fields decided together", table: "* a,b lww together\n* * lww",
			writes: `{"key":"k/1","fields":{"a":"x","b":"x"},"time":1,"node":"a","before":{"a":"w"}}
{"key":"k/1","fields":{"a":"x","b":"y"},"time":1,"node":"b"}
{"key":"k/1","field":"a","op":"delete","time":2,"node":"b","before":"x"}`,
			want: `a "h:a" before "h:b" b "r:0001"
a "h:a" b "r:0002"
a  before "h:a"`, // which beats both
		},
		{
			name: "sets and unions: element by element", table: "* set add-wins\n* union union\n* * lww",
			writes: `{"key":"k/1","field":"set","value":["x","y"],"time":1,"before":["x"]}
{"key":"k/1","field":"set","value":"y","op":"remove","time":2}
{"key":"k/1","field":"set","value":["x"],"op":"insert","time":3}
{"key":"k/1","field":"set","value":[["x"],null],"time":4}
{"key":"k/1","field":"union","value":["x",1],"time":5}
{"key":"k/1","field":"union","value":"x","time":6}
{"key":"k/1","field":"list","value":["x","y"],"time":7}`,
			want: `["h:a","h:b"] before ["h:a"]
"h:b"
"h:c"
["h:c",null]
["h:d","h:e"]
"h:d"
"h:f"`,
		},
		{
			name: "what is counted stays, and the image that a difference is taken from; flags stay", table: "* n counter\n* up enable-wins\n* * lww",
			writes: `{"key":"k/1","field":"n","value":-2,"op":"add","time":1}
{"key":"k/1","field":"n","value":7,"time":2,"before":5}
{"key":"k/1","field":"n","value":"seven","time":3}
{"key":"k/1","field":"up","value":true,"time":4}
{"key":"k/1","field":"up","value":"yes","time":5}`,
			want: `-2
7 before 5
"h:a"
true
"h:b"`,
		},
		{
			name: "what is added where nothing is counted is a number all the same, and equal to one that was set", table: "* * lww",
			writes: `{"key":"k/1","field":"f","value":5,"time":1}
{"key":"k/1","field":"f","value":5,"op":"add","time":2}
{"key":"k/1","field":"f","value":"five","time":0}
{"key":"k/1","field":"g","value":5,"time":0}`,
			want: `5
5
"h:a"
"h:b"`,
		},
		{
			name: "what the table prefers stands in the table", table: "* * prefer closed > open",
			writes: `{"key":"k/1","field":"f","value":"open","time":1}
{"key":"k/1","field":"f","value":"closed","time":2}
{"key":"k/1","field":"f","value":"mine","time":3}`,
			want: `"open"
"closed"
"h:a"`,
			depends: 1,
		},
		{
			name: "a whole record is one value, and a delete has what it found", table: "* * lww",
			writes: `{"key":"k/1","value":{"mail":"a@x"},"time":1}
{"key":"k/1","op":"delete","time":2,"before":{"mail":"a@x"}}
{"key":"k/1","op":"delete","time":3}`,
			want: `"h:a"
 before "h:a"
`,
		},
		{
			name: "one id with two values of one stamp: which counts is left to the values", table: "* * lww",
			writes: `{"key":"k/1","field":"f","value":"b","time":1,"node":"a","id":"1"}
{"key":"k/1","field":"f","value":"a","time":1,"node":"a","id":"1"}`,
			want: `"r:0002"
"r:0001"`,
			depends: 1,
		},
		{
			name: "where a check and a tie order two values in two ways, the key stays as it is", table: "* * lww\ncheck k/* a <= b",
			writes: `{"key":"k/1","field":"a","value":9,"time":1,"node":"a"}
{"key":"k/1","field":"a","value":10,"time":1,"node":"b"}
{"key":"k/1","field":"c","value":"shows","time":1,"node":"b"}`,
			want: `9
10
"shows"`,
			depends: 1, kept: "k/1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var text strings.Builder
			for i, w := range strings.Split(c.writes, "\n") {
				w = regexp.MustCompile(`"time":(\d)`).ReplaceAllString(w, `"time":"2026-03-01T12:00:0${1}Z"`)
				if !strings.Contains(w, `"node"`) {
					w = strings.TrimSuffix(w, "}") + fmt.Sprintf(`,"node":"%c"}`, 'a'+i%2)
				}
				text.WriteString(w + "\n")
			}
			table := merge.MustParseTable(c.table)
			o := hide(t, table, text.String())
			var got strings.Builder
			each(t, o.text, func(rec *history.Record) {
				for i, f := range rec.Fields {
					got.WriteString([]string{"", " "}[min(i, 1)])
					if len(rec.Fields) > 1 || rec.Op == merge.Delete && f.Name != "" {
						got.WriteString(f.Name + " ")
					}
					got.WriteString(string(f.Value))
					if !f.Before.IsAbsent() {
						got.WriteString(" before " + string(f.Before))
					}
				}
				got.WriteString("\n")
			})
			require.Equal(t, c.want+"\n", lettered(got.String()))
			require.Equal(t, c.depends, o.learned.Dependent.Count)
			require.Equal(t, c.kept, strings.Join(o.kept, ","))
			require.Equal(t, decisions(t, table, text.String()), decisions(t, table, o.text))
			require.Equal(t, o.text, hide(t, table, text.String()).text, "equal input, equal bytes")
		})
	}
}

func TestSummaryNamesTheLineThatKeepsValues(t *testing.T) {
	table := merge.MustParseTable("* n counter\n* * lww\n\ncheck k/* low >= 0\nunique k/* mail")
	o := hide(t, table, `{"key":"k/1","field":"n","value":1,"op":"add","node":"a"}
{"key":"k/1","fields":{"low":1,"mail":"a@x","name":null},"node":"a"}
{"key":"k/2","field":"low","value":3,"node":"a"}
`)
	require.Equal(t, []string{
		"table:1: * n counter: 1 value kept as is",
		"table:2: * * lww: 1 value hashed",
		"table:4: check k/* low >= 0: 2 values kept as is",
	}, o.summary.Lines(table))
	table = merge.MustParseTable("* * max")
	o = hide(t, table, `{"key":"k/1","field":"n","value":"x","node":"a"}
{"key":"k/1","field":"n","value":"y","node":"b"}
`)
	require.Equal(t, []string{"table:1: * * max: 2 values ranked"}, o.summary.Lines(table))
	require.Greater(t, o.learned.Memory, int64(0))
	require.Equal(t, "6 values hashed, 5 ranked, 4 kept as is", redact.Count{Hashed: 6, Ranked: 5, Kept: 4}.String())
}

func TestNamesAreFewAndSorted(t *testing.T) {
	var keys []string
	for i := range 12 {
		keys = append(keys, fmt.Sprintf("k/%02d", 99-i))
	}
	require.Equal(t, "12 keys: k/88, k/89, k/90, k/91, k/92, k/93, k/94, k/95, k/96, k/97 and 2 more", redact.NamesOf(keys).String())
	require.Equal(t, "1 key: k/99", redact.NamesOf(keys[:1]).String())
}

func TestSecretIsLongEnoughAndDecidesAlone(t *testing.T) {
	table := merge.MustParseTable("* * lww")
	_, err := redact.New(table, secret[:redact.MinSecret-1])
	require.EqualError(t, err, "the secret has 15 bytes, and it takes 16")
	hash := func(secret []byte) value.Value {
		r, err := redact.New(table, secret)
		require.NoError(t, err)
		rec := history.Record{Key: "k", Fields: []history.Field{{Name: "f", Value: `"x"`}}}
		r.Record(&rec, redact.Summary{})
		return rec.Fields[0].Value
	}
	require.NotEqual(t, hash(secret), hash(bytes.ToUpper(secret)))
	// Frozen: whoever keeps a secret gets the same hashes tomorrow.
	require.Equal(t, value.Value(`"h:c0e0335518ffcd0f11216a2ac81d981b"`), hash(secret))
}

func TestFunctionOfOnesOwnIsRefused(t *testing.T) {
	own := merge.Custom{Name: "left", Merge: func(a, _ value.Value) value.Value { return a }}
	table := merge.MustParseTable("k/* * lww\n* * left", own)
	_, err := redact.New(table, secret)
	require.EqualError(t, err, "table:2: left is a function of your own, which reads values: none under it can be hidden")
}

// Whatever differs but for values that are hidden as they should be is found, and the keys are named where it shows.
func TestCompareFindsWhatIsDecidedOtherwise(t *testing.T) {
	table := merge.MustParseTable("nodes a < b\n* g,h lww together\n* set add-wins\n* * lww\nunique * f")
	r, err := redact.New(table, secret)
	require.NoError(t, err)
	hidden := func(text string) string {
		return each(t, text, func(rec *history.Record) { r.Record(rec, redact.Summary{}) })
	}
	const stamp = `"time":"2026-03-01T12:00:00Z"`
	const first = `{"key":"k/1","field":"f","value":"x","node":"a",` + stamp + `,"version":1,"id":"a:1"}` + "\n"
	const then = `{"key":"k/1","field":"f","value":"w","node":"b",` + stamp + `,"version":2,"id":"b:1","seen":["a:1"]}` + "\n"
	const group = `{"key":"k/2","fields":{"g":"x","h":"y"},"node":"a",` + stamp + `}` + "\n"
	const set = `{"key":"k/3","field":"set","value":["x","y"],"node":"b",` + stamp + `}` + "\n"
	const added = `{"key":"k/4","field":"f","op":"add","value":5,"node":"b",` + stamp + `}` + "\n"
	const loser = `{"key":"k/0","field":"lost","value":"x","node":"a",` + stamp + `}` + "\n"
	const winner = `{"key":"k/0","field":"lost","value":"y","node":"b",` + stamp + `}` + "\n"
	const plain = first + then + group + set + added + loser + winner
	replaced := func(old, new string) string { return hidden(strings.ReplaceAll(plain, old, new)) }
	for _, c := range []struct {
		name, other string
		keys        []string
	}{
		{"another value is kept", replaced(`"w","node":"b"`, `"z","node":"b"`), []string{"k/1"}},
		{"and of fields decided together", replaced(`"h":"y"`, `"h":"z"`), []string{"k/2"}},
		{"and where it is a number", replaced(`"value":5`, `"value":6`), []string{"k/4"}},
		{"values show", plain, []string{"k/0", "k/1", "k/2"}}, // a set shows several: its values are not compared
		{"another id", replaced(`"id":"b:1"`, `"id":"b:2"`), []string{"k/1"}},
		{"another node", strings.Replace(hidden(plain), `"node":"a","time":"2026-03-01T12:00:00Z"}`, `"node":"b",`+stamp+`}`, 1), []string{"k/2"}},
		{"what lost has the value that is kept", replaced(loser, strings.ReplaceAll(loser, "x", "y")), []string{"k/0"}},
		{"a key too few", replaced(group, ""), []string{"k/2"}},
		{"the last key too few", replaced(added, ""), []string{"k/4"}},
		{"a key too many", hidden(strings.ReplaceAll(group, "k/2", "a/0") + plain), []string{"a/0"}},
		{"the last key too many", hidden(plain + strings.ReplaceAll(group, "k/2", "k/9")), []string{"k/9"}},
		{"a field too many", hidden(plain + strings.ReplaceAll(added, `"field":"f"`, `"field":"e"`)), []string{"k/4"}},
		{"another field", replaced(`"field":"f","op":"add"`, `"field":"e","op":"add"`), []string{"k/4"}},
		{"delivered once more", hidden(plain + then), []string{"k/1"}},
		{"known in another way, which no key shows", replaced(`"seen":["a:1"]`, `"base":1`), nil},
	} {
		a, b := collect(t, plain), collect(t, c.other)
		keys, same, err := r.Compare(a, b)
		require.NoError(t, err)
		require.False(t, same, c.name)
		require.Equal(t, c.keys, keys, c.name)
		_, _ = a.Close(), b.Close()
	}
	a, b := collect(t, plain), collect(t, hidden(plain))
	keys, same, err := r.Compare(a, b)
	require.NoError(t, err)
	require.True(t, same)
	require.Empty(t, keys)
	_, _ = a.Close(), b.Close()
}
