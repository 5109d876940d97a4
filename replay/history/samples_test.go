package history

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// samples is a folder of real exports that may lie beside the repository; their licences keep them out of it.
const samples = "../../../shared/samples"

// TestRealExportsAreReadToTheLastRecord reads what vendors and users of the three databases published. Many of them
// lack what a dry run needs, a key or a plausible time, and are told to.
func TestRealExportsAreReadToTheLastRecord(t *testing.T) {
	type want struct {
		writes, snapshots, watermarks, aside int
		code                                 finding.Code // of everything set aside
	}
	wants := map[string]want{
		"cockroachdb/cdc-queries-L0121.ndjson":                                {aside: 11, code: finding.MissingField},
		"cockroachdb/changefeed-examples-L0119.ndjson":                        {aside: 4, code: finding.MissingField},
		"cockroachdb/changefeed-examples-L0260.ndjson":                        {aside: 4, code: finding.BadField}, // Avro
		"cockroachdb/changefeed-message-envelopes-L0064.json":                 {aside: 1, code: finding.MissingField},
		"cockroachdb/changefeed-message-envelopes-L0116.json":                 {aside: 1, code: finding.MissingField},
		"cockroachdb/changefeed-message-envelopes-L0162.json":                 {aside: 1, code: finding.MissingField},
		"cockroachdb/changefeed-message-envelopes-L0309.json":                 {writes: 1}, // before equals after
		"cockroachdb/changefeed-message-envelopes-L0488.ndjson":               {writes: 1},
		"cockroachdb/changefeed-message-envelopes-L0508.ndjson":               {writes: 1},
		"cockroachdb/changefeed-message-envelopes-L0536.json":                 {writes: 1},
		"cockroachdb/changefeed-message-envelopes-L0691.ndjson":               {writes: 1},
		"cockroachdb/changefeed-message-envelopes-L0764.ndjson":               {writes: 2},
		"cockroachdb/changefeed-messages-L0091.ndjson":                        {writes: 8},
		"cockroachdb/changefeed-messages-L0551.ndjson":                        {writes: 2},
		"cockroachdb/changefeeds-on-tables-with-column-families-L0206.ndjson": {writes: 4},
		"dynamodb/docs-Streams.Lambda.Tutorial-L0244.json":                    {writes: 1},
		"dynamodb/docs-full-export-L0031.json":                                {watermarks: 1},
		"dynamodb/docs-full-export-L0055.json":                                {watermarks: 1},
		"dynamodb/docs-full-export-L0081.json":                                {snapshots: 1},
		"dynamodb/docs-full-export-L0139.txt":                                 {aside: 1, code: finding.BadSyntax}, // Ion
		"dynamodb/docs-time-to-live-ttl-streams-L0047.json":                   {aside: 1, code: finding.BadField},  // no export
		"dynamodb/dynamodb-event.json":                                        {writes: 2},
		"dynamodb/incremental-parser-test-literals.ndjson":                    {aside: 8},
		"spanner/bufferInput.json":                                            {writes: 1},
		"spanner/docs-data-change-records.ndjson":                             {writes: 5},
	}
	read := 0
	for _, format := range []Format{CockroachDB, DynamoDB, Spanner} {
		files, err := filepath.Glob(filepath.Join(samples, string(format), "*"))
		require.NoError(t, err)
		for _, file := range files {
			read++
			name := string(format) + "/" + filepath.Base(file)
			expected, known := wants[name]
			if !assert.True(t, known, "%s is new", name) {
				continue
			}
			got := importAll(Options{Format: format}, File(file))
			require.NoError(t, got.err, name)
			checkTold(t, got)
			found := want{aside: len(got.aside), code: expected.code}
			for _, rec := range got.records {
				switch rec.Kind {
				case Write:
					found.writes++
				case Snapshot:
					found.snapshots++
				default:
					found.watermarks++
				}
			}
			for _, f := range got.aside {
				if expected.code != "" {
					assert.Equal(t, expected.code, f.Code, name)
				}
			}
			assert.Equal(t, expected, found, fmt.Sprintf("%s:\n%s", name, got))
		}
	}
	if read == 0 {
		t.Skip("no samples beside the repository")
	}
}
