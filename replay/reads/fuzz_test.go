package reads_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

var anyRule = merge.MustParseTable("c/* * counter\ns/* * add-wins\nd/* * delete-wins\nm/* * max\n* * lww")

// FuzzCheck judges whatever can be read of any text: every read once, and alike however it is read.
func FuzzCheck(f *testing.F) {
	f.Add(strings.Join(atRandom(3, true).lines[:60], "\n"), uint16(0), uint16(0))
	f.Add(`{"key":"k","value":1,"node":"a","start":5,"end":9223372036854775807}`+"\n"+`{"key":"k","op":"read","want":"strong","saw":null,"start":7}`, uint16(9), uint16(3))
	f.Add(`{"key":"d/1","op":"delete","node":"a","id":"a:1","session":"s","start":3}`+"\n"+`{"key":"d/1","op":"read","want":"strong","saw":null,"start":7,"end":7,"session":"s","served_by":",,a"}`+"\n"+
		`{"key":"d/1","op":"read","want":"bounded:2562047h47m16s","saw":"a:1","start":1,"served_by":"b"}`, uint16(1), uint16(1))
	f.Add(`{"key":"c/1","op":"add","field":"n","value":1,"node":"a","version":7}`+"\n"+`{"key":"c/1","op":"add","field":"n","value":1,"node":"b","version":7,"seen":{"a":1}}`+"\n"+
		`{"key":"c/1","op":"read","field":"n","want":"quorum","saw":7,"start":1,"end":9}`, uint16(0), uint16(0))
	f.Fuzz(func(t *testing.T, text string, skew, memory uint16) {
		var first []byte
		for _, workers := range []int{1, 3} {
			h, err := replay.Collect([]history.Source{{Name: "h", Format: history.Native, Open: history.Reader("h", strings.NewReader(text)).Open}}, history.Options{Reads: true, Workers: workers, Memory: int64(memory)})
			if err != nil {
				t.Skip()
			}
			places := make(map[finding.Place]bool)
			r, err := reads.Check(h, anyRule, reads.Options{Skew: time.Duration(skew), Workers: workers, Limit: int(memory % 16), Each: func(_, _ string, at finding.Place, v reads.Verdict) {
				require.False(t, places[at], "judged twice")
				places[at] = true
				require.Equal(t, v.Outcome == reads.CannotTell, v.Reason != "")
			}})
			require.NoError(t, err)
			require.NoError(t, h.Close())
			sum := int64(0)
			for _, l := range r.Levels {
				require.Equal(t, l.Reads, l.Fine+l.Stale+l.CannotTell, l.Level)
				sum += l.Reads
			}
			require.Equal(t, h.Reads(), sum)
			require.Equal(t, sum, r.Reads)
			data, err := json.Marshal(r)
			require.NoError(t, err)
			if first == nil {
				first = data
			}
			require.Equal(t, string(first), string(data))
		}
	})
}
