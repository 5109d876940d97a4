package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// An array is as long as a source may be: its elements are the documents, however it is laid out and wherever chunks end.
func TestAnArrayIsAsLongAsItIs(t *testing.T) {
	var messages []string
	for i := range 40 {
		messages = append(messages, fmt.Sprintf(`{"after": {"v": %d, "l": [1, [2]]}, "key": [%d], "topic": "t", "updated": "17011022966629694%02d.0000000000"}`, i, i, i))
	}
	small := Options{Limits: value.Limits{Bytes: 400}, chunk: 1 << 10}
	want := importText("feed", strings.Join(messages, "\n"), small)
	require.Len(t, want.records, len(messages))
	for name, text := range map[string]string{
		"one line":     "[" + strings.Join(messages, ",") + "]",
		"flush":        "[\n" + strings.Join(messages, ",\n") + "\n]\n",
		"indented":     " [\r\n  " + strings.Join(messages, ",\n  ") + "\n]",
		"comma first":  "[ " + strings.Join(messages, "\n , ") + " ]",
		"two of them":  "[" + strings.Join(messages[:20], ",") + "]\n[" + strings.Join(messages[20:], ",") + "]",
		"and one more": "[" + strings.Join(messages[:39], ",") + "]" + messages[39],
	} {
		for _, opt := range []Options{small, {}, {chunk: 600}} {
			got := importText("feed", text, opt)
			require.NoError(t, got.err, name)
			require.Empty(t, got.aside, name)
			require.Len(t, got.records, len(want.records), name)
			for i := range got.records {
				require.Equal(t, want.records[i].ID, got.records[i].ID, name)
				require.Equal(t, want.records[i].Fields, got.records[i].Fields, name)
			}
		}
	}

	cut := importText("feed", "[\n"+strings.Join(messages, ",\n"), small)
	assert.Len(t, cut.records, len(messages))
	require.Len(t, cut.aside, 1)
	assert.Equal(t, finding.TruncatedInput, cut.aside[0].Code)
	assert.EqualValues(t, len(messages)+1, cut.aside[0].Place.Line)

	// One that is no larger than a document may be was lost as a whole.
	for _, layout := range []string{"", "\n", "\n  "} {
		text := "[" + layout + strings.Join(messages, ","+layout)
		cut = importText("feed", text[:len(text)-10], Options{})
		require.Len(t, cut.records, len(messages)-1)
		require.Len(t, cut.aside, 1)
		require.Equal(t, finding.TruncatedInput, cut.aside[0].Code)
		require.EqualValues(t, 1+strings.Count(text, "\n"), cut.aside[0].Place.Line)
	}

	// Wherever the last chunk ends.
	for size := 600; size < 1200; size += 7 {
		few := "[" + strings.Join(messages[:6], ",")
		got := importText("feed", few, Options{Limits: value.Limits{Bytes: 400}, chunk: size})
		require.Len(t, got.records, 6)
		require.Len(t, got.aside, 1, "chunks of %d", size)
	}
	whole := "[" + strings.Join(messages[:6], ",")
	exact := importText("feed", whole, Options{Limits: value.Limits{Bytes: 400}, chunk: len(whole)})
	require.Len(t, exact.aside, 1)

	cut = importText("feed", "[\n"+strings.Join(messages, ",\n")[:3000], small)
	require.Len(t, cut.aside, 1)
	assert.Equal(t, finding.TruncatedInput, cut.aside[0].Code)

	long := importText("feed", "[\n"+strings.Join(messages[:5], ",\n")+",\n{\"after\": \""+strings.Repeat("x", 500)+"\"},\n"+strings.Join(messages[5:], ",\n")+"\n]", small)
	assert.Len(t, long.records, len(messages))
	require.Len(t, long.aside, 1)
	assert.Equal(t, finding.TooLarge, long.aside[0].Code)
	assert.EqualValues(t, 7, long.aside[0].Place.Line)

	broken := importText("feed", "[\n  "+strings.Join(messages[:5], ",\n  ")+",\n  x,\n  "+strings.Join(messages[5:], ",\n  ")+"\n]\n"+messages[0], small)
	assert.Len(t, broken.records, len(messages)+1)
	require.Len(t, broken.aside, 1)
	assert.Equal(t, finding.BadSyntax, broken.aside[0].Code)
	assert.EqualValues(t, 7, broken.aside[0].Place.Line)

	nested := importText("feed", messages[0]+"\n[["+strings.Join(messages[1:], ",")+"]]", small)
	assert.Len(t, nested.records, 1)
	require.NotEmpty(t, nested.aside)
	assert.Equal(t, finding.TooLarge, nested.aside[0].Code)
}

func TestWhatIsNotReadIsCalledByItsName(t *testing.T) {
	for text, want := range map[string]string{
		"PAR1\x15\x04": "it is Parquet: write the export as JSON", "Obj\x01\x04": "it is Avro", "$ion_1_0 {Item:{}}": "it is Amazon Ion: write the export as DynamoDB JSON",
		"PK\x03\x04\x14": "it is a ZIP archive: unpack it first", "BZh91AY": "it is bzip2: unpack it first",
		"id,status\n1,new\n2,paid\n": "it is CSV: write the export as JSON", "\ufeffid;name\r\n1;\"a;b\"": "it is CSV", "id\tname\n1\tx\n": "it is CSV",
		"\xff\xfe{\x00\"\x00": "it is UTF-16: write it as UTF-8", "\xfe\xff\x00{": "it is UTF-16", "{\x00\"\x00": "it is UTF-16", "\x00{\x00\"": "it is UTF-16",
	} {
		got := importText("f", text, Options{})
		require.ErrorIs(t, got.err, ErrFormat)
		require.ErrorContains(t, got.err, want)
	}
	for _, text := range []string{"not, a record\n", "no, record\nnor this\n", "a,b\n{\"key\":\"k\",\"value\":1,\"node\":\"n\"}\n", "{\"key\",\n{\"key\",\n"} {
		require.NoError(t, importText("f", text, Options{}).err, "damage is set aside line by line")
	}
}

// A message of a feed that stands among native records was told as a record with an unknown member, and no more.
func TestAForeignLineAmongNativeOnesIsCalledByItsFormat(t *testing.T) {
	const record = `{"key":"k","value":1,"node":"n"}` + "\n"
	got := importText("f", record+`{"after":{"id":1},"key":[1],"topic":"orders","updated":"1701102296662969401.0000000000"}`+"\n"+`{"key":"k","valeu":1}`+"\n", Options{})
	require.Len(t, got.aside, 2)
	require.Equal(t, finding.UnknownField, got.aside[0].Code)
	require.Contains(t, got.aside[0].Detail, "; it looks like cockroachdb in a native file")
	require.NotContains(t, got.aside[1].Detail, "looks like")
}
