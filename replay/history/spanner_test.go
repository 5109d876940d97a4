package history

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A transaction may write one row twice, in two records of one commit timestamp.
func TestWritesOfOneTransactionKeepTheirOrderAndFindTogether(t *testing.T) {
	record := func(sequence, table string) string {
		return `{"data_change_record": {"commit_timestamp": "2022-09-27T12:30:00.123456Z", "record_sequence": "` + sequence +
			`", "server_transaction_id": "tx", "table_name": "` + table + `", "mods": [{"keys": {"id": "1"}, "new_values": {"a": 1}}], "mod_type": "UPDATE"}}`
	}
	sequences := []string{"00000000", "00000009", "0000000a", "00000010", "ffffffff"}
	var lines []string
	for _, s := range sequences {
		lines = append(lines, record(s, "t"))
	}
	slices.Reverse(lines) // partitions come in any order
	got := importText("stream", strings.Join(lines, "\n"), Options{})
	require.Len(t, got.records, len(sequences))
	slices.SortFunc(got.records, func(a, b Record) int { return a.Time.Compare(b.Time) })
	for i, rec := range got.records {
		assert.Equal(t, "tx/"+sequences[i]+"/1", rec.ID)
		assert.Equal(t, "tx", rec.Tx)
	}
}

// Two exports of one stream, by the query API and by Dataflow, hold the same writes.
func TestBothSpellingsNameAWriteAlike(t *testing.T) {
	got := importText("stream", `{"data_change_record": {"commit_timestamp": "2023-05-31T09:57:12.194991Z", "record_sequence": "00000000", `+
		`"server_transaction_id": "tx", "table_name": "t", "column_types": [{"name": "n", "type": {"code": "INT64"}}], `+
		`"mods": [{"keys": {"id": "1"}, "new_values": {"n": "5"}, "old_values": {}}], "mod_type": "UPDATE", "value_capture_type": "NEW_VALUES"}}
{"commitTimestamp": {"seconds": 1685527032, "nanos": 194991000}, "recordSequence": "00000000", "serverTransactionId": "tx", "tableName": "t", `+
		`"rowType": [{"name": "n", "type": {"code": "{\"code\":\"INT64\"}"}}], "mods": [{"keysJson": "{\"id\":\"1\"}", "newValuesJson": "{\"n\":\"5\"}", `+
		`"oldValuesJson": "{}"}], "modType": "UPDATE", "valueCaptureType": "NEW_VALUES"}`, Options{})
	require.Len(t, got.records, 2)
	a, b := got.records[0], got.records[1]
	b.Place = a.Place
	assert.Equal(t, a, b)
}
