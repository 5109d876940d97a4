package value

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckTakesCanonicalTextAndNothingElse(t *testing.T) {
	for text, ok := range map[Value]bool{
		`null`: true, `1.50`: true, `"é\n"`: true, `[1,[2]]`: true, `{"a":1,"b":{}}`: true,
		``: false, ` 1`: false, `1 `: false, `[1, 2]`: false, `{"b":1,"a":2}`: false, `{"a":1,"a":1}`: false,
		`"\u0041"`: false, `"\/"`: false, "\"\xff\"": false, `01`: false, `NaN`: false, `"open`: false, `1,2`: false,
	} {
		require.Equal(t, ok, text.Check(Limits{}) == nil, string(text))
	}
	require.Error(t, Value(`[[1]]`).Check(Limits{Depth: 1}))
	require.NoError(t, Value(`[[1]]`).Check(Limits{Depth: 2}))
	require.Error(t, Value(`"four"`).Check(Limits{Bytes: 5}))
	require.NoError(t, Value(`"four"`).Check(Limits{Bytes: 6}))
}
