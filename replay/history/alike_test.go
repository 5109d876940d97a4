package history

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What is read of a document does not depend on how many like it came before: of a feed in which most are alike, all that is
// read is what is read of each document by itself.
func TestDocumentsThatAreAlikeAreReadLikeOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and one goroutine")
	}
	r := rand.New(rand.NewPCG(3, 4))
	values := []string{`1`, `"a"`, `null`, `"\u00e9"`, `"é"`, `"\n"`, `{"x":1}`, `-0.5e3`, `[1,2]`, `"` + strings.Repeat("long", 9) + `"`}
	oddities := []string{"01", "\"\xff\"", `{"x":1,"x":2}`, `1}`, `1`, `"updated":`}
	tables := [][]string{{"id", "email", "origin"}, {"id", "count"}, {"origin", "id"}}
	document := func(i int) string {
		table := tables[r.IntN(len(tables))]
		row := func() string {
			var columns []string
			for _, name := range table {
				v := fmt.Sprint(i)
				switch {
				case name == "origin":
					v = `"eu"`
				case name == "email" && r.IntN(8) > 0:
					v = fmt.Sprintf("%q", fmt.Sprint("a@b", i))
				case r.IntN(60) == 0:
					v = oddities[r.IntN(len(oddities))]
				case name != "id" && r.IntN(3) == 0:
					v = values[r.IntN(len(values))]
				}
				columns = append(columns, fmt.Sprintf("%q:%s", name, v))
			}
			return "{" + strings.Join(columns, ",") + "}"
		}
		time := fmt.Sprintf("%d.%010d", 1750000000000000000+int64(i), r.IntN(2))
		return fmt.Sprintf(`{"after":%s,"before":%s,"key":[%d],"mvcc_timestamp":%q,"topic":"t","updated":%q}`, row(), row(), i, time, time)
	}
	var feed []string
	var want told
	for i := range 5000 {
		feed = append(feed, document(i))
		one := importText("h", feed[i]+"\n", Options{Format: CockroachDB, Origin: "origin"})
		require.NoError(t, one.err)
		for _, rec := range one.records {
			rec.Place.Line = int64(i + 1)
			want.records = append(want.records, rec)
		}
		for _, f := range one.aside {
			f.Place.Line = int64(i + 1)
			want.aside = append(want.aside, f)
		}
	}
	got := importText("h", strings.Join(feed, "\n"), Options{Format: CockroachDB, Origin: "origin", Workers: 1})
	require.NoError(t, got.err)
	require.Equal(t, want.aside, got.aside)
	require.Equal(t, want.records, got.records)
	require.NotEmpty(t, want.aside)
	require.Greater(t, len(want.records), 4000)
}
