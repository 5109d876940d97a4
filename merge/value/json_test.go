package value_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// A report that holds a value showed it as a string of JSON once.
func TestAValueIsItselfInJSON(t *testing.T) {
	type holder struct {
		V value.Value `json:"v"`
		W value.Value `json:"w,omitempty"`
	}
	for text, v := range map[string]value.Value{
		`{"v":"paid"}`:              value.Text("paid"),
		`{"v":9007199254740993.10}`: "9007199254740993.10",
		`{"v":{"a":[1,null]}}`:      `{"a":[1,null]}`,
		`{"v":null}`:                value.Null,
	} {
		out, err := json.Marshal(holder{V: v})
		require.NoError(t, err)
		require.Equal(t, text, string(out))
		var back holder
		require.NoError(t, json.Unmarshal(out, &back))
		require.Equal(t, v, back.V)
	}
	out, err := json.Marshal(holder{})
	require.NoError(t, err)
	require.Equal(t, `{"v":null}`, string(out))
}
