package history

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
)

// A feed without mvcc_timestamp stamps every row of its initial scan with one moment. The rows look like writes until
// somebody names the moment.
func TestRowsOfANamedScanAreSnapshotRows(t *testing.T) {
	feed := []byte(`{"after":{"id":1,"n":5},"before":null,"key":[1],"updated":"1701102296662969433.0000000000"}
{"after":{"id":2,"n":6},"before":null,"key":[2],"updated":"1701102296662969433.0000000000"}
{"after":{"id":1,"n":7},"before":{"id":1,"n":5},"key":[1],"updated":"1701102311425045162.0000000000"}
`)
	kinds := func(opt Options) (kinds []Kind) {
		opt.Workers = 1
		records, aside, _ := scanned(t, feed, opt)
		require.Empty(t, aside)
		for _, r := range records {
			kinds = append(kinds, r.Kind)
		}
		return kinds
	}
	require.Equal(t, []Kind{Write, Write, Write}, kinds(Options{}))
	require.Equal(t, []Kind{Snapshot, Snapshot, Write},
		kinds(Options{Scans: []clock.Timestamp{{Wall: 1701102296662969433}}}))
}
