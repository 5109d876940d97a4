package history

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// The stream of each region tells of a write in its own way; the stamp in the item is what they share.
func TestWriteToAGlobalTableOf2017HasOneIDInEveryRegion(t *testing.T) {
	const item = `{"id": {"S": "a"}, "v": {"N": "2"}, "aws:rep:deleting": {"BOOL": false}, "aws:rep:updateregion": {"S": "eu-west-1"}, "aws:rep:updatetime": {"N": "1479748889.250001"}}`
	record := func(event string, seconds int, more string) string {
		return fmt.Sprintf(`{"eventID": %q, "eventName": %q, "eventVersion": "1.1", "dynamodb": {"ApproximateCreationDateTime": %d, "Keys": {"id": {"S": "a"}}, %s}}`,
			fmt.Sprint(event, seconds), event, seconds, more)
	}
	us := record("INSERT", 1479748891, `"NewImage": `+item)
	asia := record("MODIFY", 1479748893, `"OldImage": {"id": {"S": "a"}, "v": {"N": "1"}}, "NewImage": `+item)
	gone := strings.Replace(item, "false", "true", 1)
	got := importText("streams", strings.Join([]string{
		us, asia,
		record("MODIFY", 1479748899, `"OldImage": {"id": {"S": "a"}, "v": {"N": "1"}}, "NewImage": `+gone),
		record("REMOVE", 1479748999, `"OldImage": `+gone),
	}, "\n"), Options{})
	require.Len(t, got.records, 4)
	for i, rec := range got.records {
		assert.Equal(t, "a@1479748889250001000.0000000000@eu-west-1", rec.ID)
		assert.EqualValues(t, "eu-west-1", rec.Node)
		assert.Equal(t, i >= 2, rec.Op == merge.Delete)
	}
}

// Tables that were upgraded keep the attributes of 2017 in their items for ever.
func TestStampLeftOverFromAnEarlierWriteIsNotBelieved(t *testing.T) {
	const stamp = `"aws:rep:updateregion": {"S": "us-east-1"}, "aws:rep:updatetime": {"N": "1479748889.250001"}`
	text := `{"eventID": "e", "eventName": "MODIFY", "eventVersion": "1.1", "dynamodb": {"ApproximateCreationDateTime": 1679748889, ` +
		`"Keys": {"id": {"S": "a"}}, "OldImage": {"v": {"N": "1"}, ` + stamp + `}, "NewImage": {"v": {"N": "2"}, ` + stamp + `}}}`
	source := Reader("stream", strings.NewReader(text))
	source.Region = "eu-west-1"
	got := importAll(Options{}, source)
	require.Len(t, got.records, 1)
	assert.EqualValues(t, "eu-west-1", got.records[0].Node)
	assert.Equal(t, "e", got.records[0].ID)
	assert.EqualValues(t, int64(1679748889_000000000), got.records[0].Time.Wall)
	assert.Equal(t, []Field{{Name: "v", Value: "2", Before: "1"}}, got.records[0].Fields)
}

func TestDeleteByTimeToLiveIsADelete(t *testing.T) {
	got := importText("stream", `{"eventID": "e", "eventName": "REMOVE", "eventVersion": "1.1", `+
		`"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}, `+
		`"dynamodb": {"ApproximateCreationDateTime": 1679748889, "Keys": {"id": {"S": "a"}}, "StreamViewType": "KEYS_ONLY"}}`, Options{})
	require.Len(t, got.records, 1)
	assert.Equal(t, merge.Delete, got.records[0].Op)
	assert.Equal(t, Write, got.records[0].Kind)
}

// DynamoDB nests 32 levels; its typed JSON takes two for each. The record around them is within what Options can allow,
// and beyond the default.
func TestDeepestItemIsReadOnceTheLimitAllowsIt(t *testing.T) {
	deep := `{"S": "x"}`
	for range 31 {
		deep = `{"M": {"m": ` + deep + `}}`
	}
	text := `{"eventID": "e", "eventName": "INSERT", "tableName": "t", "dynamodb": {"ApproximateCreationDateTime": 1679748889000, ` +
		`"Keys": {"id": {"S": "a"}}, "NewImage": {"v": ` + deep + `}}}`
	got := importText("stream", text, Options{Format: DynamoDB})
	require.Len(t, got.aside, 1)
	assert.Equal(t, finding.TooDeep, got.aside[0].Code)
	got = importText("stream", text, Options{Limits: value.Limits{Depth: 80}})
	require.Empty(t, got.aside)
	require.Len(t, got.records, 1)
	assert.Equal(t, 31, strings.Count(string(got.records[0].Fields[0].Value), "{"))
}

func TestSetsAreEqualWhateverTheirOrder(t *testing.T) {
	read := func(typed string) value.Value {
		t.Helper()
		var doc value.Doc
		ref, err := doc.Parse([]byte(typed), value.Limits{})
		require.NoError(t, err)
		v, bad := attribute("a", ref)
		require.Nil(t, bad)
		return v
	}
	assert.Equal(t, read(`{"NS": ["10", "9", "-1"]}`), read(`{"NS": ["-1", "10", "9"]}`))
	assert.Equal(t, read(`{"SS": ["b", "a"]}`), read(`{"SS": ["a", "\u0062"]}`))
	assert.NotEqual(t, read(`{"L": [{"S": "b"}, {"S": "a"}]}`), read(`{"L": [{"S": "a"}, {"S": "b"}]}`))
	assert.EqualValues(t, `["9","10"]`, read(`{"L": [{"S": "9"}, {"S": "10"}]}`))
}

// Of two writes of one second the later one has the greater stamp: their numbers say which that is.
func TestStreamsKeepTheOrderWithinASecond(t *testing.T) {
	record := func(event, number, image string) string {
		return `{"eventID":"` + number + `","eventName":"` + event + `","eventVersion":"1.1","dynamodb":{"ApproximateCreationDateTime":1700000000,` +
			`"Keys":{"id":{"S":"a"}},` + image + `"SequenceNumber":"` + number + `","StreamViewType":"NEW_IMAGE"}}`
	}
	const set = `"NewImage":{"id":{"S":"a"},"v":{"N":"1"}},`
	got := importText("s", record("REMOVE", "4421584500000000017450439091", "")+record("INSERT", "4421584500000000017450439092", set), Options{})
	require.Len(t, got.records, 2)
	assert.Equal(t, 1, got.records[1].Time.Compare(got.records[0].Time))
	assert.Equal(t, Second, got.records[1].Precision)

	got = importText("s", record("INSERT", "one", set), Options{})
	require.Len(t, got.records, 1)
	assert.Zero(t, got.records[0].Time.Logical)
}
