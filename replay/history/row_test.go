package history

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

func TestKeyOfARowIsWrittenAsPeopleWouldWriteIt(t *testing.T) {
	for _, c := range []struct {
		table string
		key   []value.Value
		want  string
	}{
		{"users", []value.Value{value.Text("ada")}, "users/ada"},
		{"users", []value.Value{value.Text("a/b c")}, "users/a/b c"},
		{"stock", []value.Value{"9007199254740993"}, "stock/9007199254740993"},
		{"stock", []value.Value{"1.50"}, "stock/1.50"},
		{"vehicles", []value.Value{value.Text("york"), "7"}, `vehicles/["york",7]`},
		{"odd/name%", []value.Value{"7"}, "odd%2Fname%25/7"},
		{"", []value.Value{"7"}, "7"},
		{"t", []value.Value{"true"}, "t/true"},
		{"t", []value.Value{value.Text("")}, `t/""`},
		{"t", []value.Value{value.Text(`["york",7]`)}, `t/"[\"york\",7]"`},
		{"t", []value.Value{value.Text(`"quoted"`)}, `t/"\"quoted\""`},
	} {
		assert.Equal(t, c.want, rowKey(c.table, c.key))
	}
}

// Two rows have one key only when they are one row: a column has one type, so a number is never compared with a text.
func TestKeysOfTwoRowsNeverMeet(t *testing.T) {
	tables := []string{"a", "a/b", "a%2Fb", "a%", "a/", "/", "%", "%25"}
	texts := []string{"", "b", "/b", "b/c", `"`, `""`, `"b"`, "[", `["b"]`, `["b","c"]`, "%2Fb", `b","c`}
	var keys [][]value.Value
	for _, a := range texts {
		keys = append(keys, []value.Value{value.Text(a)})
		for _, b := range texts {
			keys = append(keys, []value.Value{value.Text(a), value.Text(b)})
		}
	}
	type row struct {
		table string
		key   value.Value
		parts int
	}
	seen := map[string]row{}
	for _, table := range tables {
		for _, key := range keys {
			text, this := rowKey(table, key), row{table, value.Array(key...), len(key)}
			other, found := seen[text]
			require.False(t, found, "%q is the key of %v and of %v", text, this, other)
			seen[text] = this
		}
	}
}

func TestImageCompletesItselfWithTheImageBefore(t *testing.T) {
	before := image{{Name: "gone", Value: "1"}, {Name: "null", Value: "null"}, {Name: "same", Value: "2"}, {Name: "was", Value: "3"}}
	after := image{{Name: "new", Value: "4"}, {Name: "newly null", Value: "null"}, {Name: "null", Value: "null"}, {Name: "same", Value: "2"}, {Name: "was", Value: "5"}}
	assert.Equal(t, image{
		{Name: "gone", Value: "null", Before: "1"},
		{Name: "new", Value: "4", Before: "null"},
		{Name: "newly null", Value: "null"}, // written, though nothing shows it
		{Name: "null", Value: "null", Before: "null"},
		{Name: "same", Value: "2", Before: "2"},
		{Name: "was", Value: "5", Before: "3"},
	}, after.over(before, new(Batch)))
}

// A number that stands as text in an export is one when it is written as JSON would write it.
func TestNumbersInTextAreThoseOfJSON(t *testing.T) {
	for _, text := range []string{"0", "7", "-7", "10", "0.5", "-0", "-0.50", "1e5", "1.5E-3", strings.Repeat("9", 50)} {
		v, ok := numberOf(text)
		require.True(t, ok, text)
		require.EqualValues(t, text, v)
	}
	for _, text := range []string{"", "-", "007", "00", "-07", "+7", "7 ", " 7", "1.", ".5", "0x1", "1e", "--7", "NaN", "1_000", "7a", strings.Repeat("0", 50)} {
		_, ok := numberOf(text)
		require.False(t, ok, text)
	}
}
