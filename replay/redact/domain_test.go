package redact

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// The elements of any array have ranks that compare as they do: by size, or by text.
func FuzzRanksCompareAsValuesDo(f *testing.F) {
	f.Add(`[1,1.0,10,9,-3,-20,0.1e1,"a","a b","B",null,true,false,[1],[],{},{"a":1},""]`)
	f.Add(`["x","x","y"]`)
	f.Fuzz(func(t *testing.T, text string) {
		array, err := value.Parse([]byte(text), value.Limits{})
		if err != nil {
			return
		}
		all := make(map[value.Value]bool)
		for v := range array.Elements() {
			if all[v] = true; len(all) == 64 {
				break
			}
		}
		for _, o := range []order{{bySize: true}, {}} {
			d := domainOf(all, o)
			require.Len(t, d.values, len(all))
			size := strings.Compare
			if o.bySize {
				size = func(a, b string) int { return value.CompareSize(value.Value(a), value.Value(b)) }
			}
			var before, token value.Value
			for i, v := range d.values {
				got, ok := d.token(v, minWidth)
				require.True(t, ok)
				require.NoError(t, got.Check(value.Limits{}))
				require.Equal(t, v.Kind(), got.Kind())
				if i > 0 {
					require.Equal(t, size(string(before), string(v)), size(string(token), string(got)), "%s %s became %s %s", before, v, token, got)
					require.Equal(t, -1, cmp.Or(size(string(token), string(got)), strings.Compare(string(token), string(got))))
				}
				before, token = v, got
			}
			_, ok := d.token(`"not among them, surely"`, minWidth)
			require.Equal(t, slices.Contains(d.values, `"not among them, surely"`), ok)
		}
	})
}
