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

func TestMessageDeliveredAgainAfterARestartHasTheSameID(t *testing.T) {
	const message = `{"after": {"v": 1}, "key": [1], "topic": "t", "updated": "1701102296662969433.0000000001"}` + "\n"
	got := importText("feed", message+message, Options{})
	require.Len(t, got.records, 2)
	assert.Equal(t, "t/1@1701102296662969433.0000000001", got.records[0].ID)
	assert.Equal(t, got.records[0].ID, got.records[1].ID)
}

// Two clusters that write one row in the same nanosecond are two writers, not one message twice.
func TestWritesOfTwoClustersAtOneTimeHaveTwoIDsWhereTheDataTellsThemApart(t *testing.T) {
	enriched := func(cluster string) string {
		return `{"after": {"v": 1}, "key": {"id": 1}, "source": {"table_name": "t", "cluster_id": "` + cluster +
			`", "ts_hlc": "1701102296662969433.0000000001"}}` + "\n"
	}
	got := importText("feed", enriched("a")+enriched("b"), Options{})
	require.Len(t, got.records, 2)
	assert.NotEqual(t, got.records[0].ID, got.records[1].ID)

	withOrigin := func(origin string) string {
		return `{"after": {"v": 1, "_source": "` + origin + `"}, "key": [1], "topic": "t", "updated": "1701102296662969433.0000000001"}` + "\n"
	}
	got = importText("feed", withOrigin("eu")+withOrigin("us"), Options{Origin: "_source"})
	require.Len(t, got.records, 2)
	assert.NotEqual(t, got.records[0].ID, got.records[1].ID)
	assert.EqualValues(t, "us", got.records[1].Node)
}

func TestRowOfAnInitialScanIsASnapshotWhereTheDataProvesItAndAWriteWithoutAPastElsewhere(t *testing.T) {
	const proven = `{"after": {"v": 1}, "before": null, "key": [1], "updated": "1701102296662969433.0000000000", "mvcc_timestamp": "1601102296662969433.0000000000"}`
	const unknown = `{"after": {"v": 1}, "before": null, "key": [1], "updated": "1701102296662969433.0000000000"}`
	const insert = `{"after": {"v": 1}, "before": null, "key": [1], "updated": "1701102296662969433.0000000000", "mvcc_timestamp": "1701102296662969433.0000000000"}`
	got := importText("feed", strings.Join([]string{proven, unknown, insert}, "\n"), Options{})
	require.Len(t, got.records, 3)
	assert.Equal(t, Snapshot, got.records[0].Kind)
	assert.EqualValues(t, int64(1601102296662969433), got.records[0].Time.Wall)
	assert.Equal(t, Write, got.records[1].Kind)
	assert.Equal(t, []Field{{Name: "v", Value: "1"}}, got.records[1].Fields)
	assert.Equal(t, Write, got.records[2].Kind)
	assert.Equal(t, []Field{{Name: "v", Value: "1", Before: value.Null}}, got.records[2].Fields)
}

// An enriched message carries the time at which the feed handled it, under a name that promises more.
func TestProcessingTimeIsNeverTheTimeOfAWrite(t *testing.T) {
	got := importText("feed", `{"after": {"v": 1}, "key": {"id": 1}, "op": "c", "ts_ns": 1743792394409866000}`, Options{})
	require.Len(t, got.records, 1)
	assert.True(t, got.records[0].Time.IsZero())
	assert.Empty(t, got.records[0].ID)
}

// The image before a delete names who wrote the row, not who deleted it.
func TestDeleteDoesNotBorrowItsOriginFromTheRowItDeleted(t *testing.T) {
	text := `{"after": null, "before": {"_source": "us"}, "key": [1], "updated": "1701102296662969433.0000000000"}`
	source := Reader("feed", strings.NewReader(text))
	source.Region = "eu"
	got := importAll(Options{Origin: "_source"}, source)
	require.Len(t, got.records, 1)
	assert.EqualValues(t, "eu", got.records[0].Node)
}

func TestCloudStorageFileNamesItsTopic(t *testing.T) {
	const start = "202311271624566629694330000000000-4bf2e0c1a4ddbbe7-1-3-00000000-"
	for name, want := range map[string]string{
		start + "orders-1.ndjson":                                 "orders",
		start + "shop-orders-1a.ndjson.gz":                        "shop-orders",
		"2023-11-27/" + start + "movr.public.users-1.ndjson.zst":  "movr.public.users",
		`c:\feeds\` + start + "orders-1.ndjson":                   "orders",
		start + "orders-1.csv":                                    "",
		start + "orders.ndjson":                                   "",
		"orders-1.ndjson":                                         "",
		"2023112716245666296943300000000-1-1-3-0-orders-1.ndjson": "",
		"202311271624566629694330000000000.RESOLVED":              "",
		"a-b-c-d-e-f-g.ndjson":                                    "",
		"-":                                                       "",
		"":                                                        "",
	} {
		assert.Equal(t, want, fileTopic(name), name)
	}
}

// A row that was written in us and replicated to eu is in the feeds of both, under two times: it is one write where both are read, and
// where it stands in the second says when it arrived.
func TestAnArrivalIsNoWriteOfItsOwn(t *testing.T) {
	row := func(wall int64) string {
		return fmt.Sprintf(`{"after":{"id":1,"v":1,"o":"us"},"before":null,"key":[1],"topic":"t","updated":"%d.0000000000","mvcc_timestamp":"%d.0000000000"}`, wall, wall)
	}
	item := func(event string, wall int, more string) string {
		return fmt.Sprintf(`{"eventID":%q,"eventName":"INSERT","eventVersion":"1.1","dynamodb":{"ApproximateCreationDateTime":%d,"SequenceNumber":"%d","Keys":{"id":{"S":"a"}},`+
			`"NewImage":{"id":{"S":"a"},"v":{"N":"1"},"o":{"S":"us"}%s}}}`, event, wall, wall, more)
	}
	// What a table of 2017 writes into the item where it arrives, it wrote at home by a record of its own.
	const stamp = `,"aws:rep:deleting":{"BOOL":false},"aws:rep:updateregion":{"S":"us"},"aws:rep:updatetime":{"N":"1701102296.250001"}`
	mods := func(nanos int) string {
		return fmt.Sprintf(`{"commitTimestamp":{"seconds":1701102296,"nanos":%d},"recordSequence":"00000001","serverTransactionId":"tx%d","tableName":"t","modType":"INSERT",`+
			`"mods":[{"keysJson":"{\"id\":\"1\"}","newValuesJson":"{\"o\":\"us\"}","oldValuesJson":"{}"}],"valueCaptureType":"NEW_ROW"}`, nanos, nanos)
	}
	for i, texts := range [][2]string{{mods(1000), mods(2000)}, {row(1701102296662969401), row(1701102296662969402)}, {item("e1", 1701102296, ""), item("e2", 1701102297, "")},
		{item("e1", 1701102296, ""), item("e2", 1701102297, stamp)}} {
		read := func(region, text string, regions ...string) told {
			source := Reader(region, strings.NewReader(text))
			source.Region = region
			return importAll(Options{Origin: "o", Regions: regions}, source)
		}
		us, eu := read("us", texts[0], "us", "eu"), read("eu", texts[1], "eu", "us")
		assert.Len(t, us.records, 1, "at home")
		assert.Equal(t, Write, us.records[0].Kind)
		if i == 0 { // nothing follows from where it stands
			assert.Empty(t, eu.records)
			assert.EqualValues(t, 1, eu.counts[finding.DuplicateOp])
		} else {
			assert.Equal(t, "us", us.records[0].Region)
			require.Len(t, eu.records, 1)
			assert.Equal(t, Arrival, eu.records[0].Kind)
			assert.Equal(t, "eu", eu.records[0].Region)
			if i > 1 {
				assert.EqualValues(t, 1701102297e9, eu.records[0].Time.Wall, "when it arrived")
			}
			assert.EqualValues(t, "us", eu.records[0].Node)
		}
		alone := read("eu", texts[1], "eu")
		require.Len(t, alone.records, 1, "nobody else has it")
		assert.Equal(t, Write, alone.records[0].Kind)
		assert.EqualValues(t, "us", alone.records[0].Node)
	}
}

// With split_column_families a file of cloud storage is of one family, and an enriched message names the table alone.
func TestFamiliesOfAnEnrichedFeedStayApart(t *testing.T) {
	const start = "202311271624566629694330000000000-4bf2e0c1a4ddbbe7-1-3-00000000-"
	const message = `{"after": {"v": 1}, "key": {"id": 1}, "op": "c", "source": {"table_name": "products", "ts_hlc": "1701102296662969433.0000000001"}}`
	for file, want := range map[string]string{
		start + "products+stock-1.ndjson": "products+stock/1",
		start + "products-1.ndjson":       "products/1",
		start + "others+stock-1.ndjson":   "products/1",
		"a+b.ndjson":                      "products/1",
	} {
		got := importText(file, message, Options{})
		require.Len(t, got.records, 1, file)
		assert.Equal(t, want, got.records[0].Key, file)
	}
}

func TestMessagesOfPubSubAreReadByTheNamesOfBothVersions(t *testing.T) {
	for _, text := range []string{
		`{"key": [1], "value": {"after": {"v": 1}, "updated": "1701102296662969433.0000000001"}, "topic": "t"}`,
		`{"Key": [1], "Value": {"after": {"v": 1}, "updated": "1701102296662969433.0000000001"}, "Topic": "t"}`,
	} {
		got := importText("feed", text, Options{})
		require.NoError(t, got.err, text)
		require.Len(t, got.records, 1, text)
		assert.Equal(t, "t/1@1701102296662969433.0000000001", got.records[0].ID)
	}
}

// A row that was written again with the values that it had is a write, of which no column claims anything.
func TestAWriteOfWhatWasThereIsAWriteWhereTheMessageSaysSo(t *testing.T) {
	const same = `{"after": {"v": 1}, "before": {"v": 1}, "key": [1], "updated": "1701102296662969433.0000000000"`
	got := importText("feed", same+`, "mvcc_timestamp": "1701102296662969433.0000000000"}`+"\n"+same+"}", Options{})
	require.Len(t, got.records, 2)
	assert.Equal(t, Write, got.records[0].Kind)
	assert.Equal(t, []Field{{Name: "v", Value: "1", Before: "1"}}, got.records[0].Fields)
	assert.Equal(t, Snapshot, got.records[1].Kind)
}
