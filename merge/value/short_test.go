package value_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// What the short methods read, the general ones read alike; and they stay where they are when they say no.
func TestShortMethodsReadWhatTheGeneralOnesDo(t *testing.T) {
	for _, text := range []string{
		`{"key":"a","version":12,"x":0}`, `{"":1}`, `{"sevenby":"t","eightbyt":2}`, `{"k" :1}`, `{ "k":1}`, `{"k": 1}`,
		`{"k":"é"}`, `{"k":"a\n"}`, `{"k":01}`, `{"k":-1}`, `{"k":1.5}`, `{"k":1e3}`, `{"k":12345678901234567890}`,
		`{"k":9999999999999999999}`, `{"k":1 }`, `{"k":null}`, `{"k":[1]}`, `{"k\":":1}`, `{"k":"`, `{"k":1`, `{"k`, `{"k"`,
		"{\"k\":\"a\x01\"}", "{\"k\xff\":\"a\"}", `{"k":"a","k":"b"}`, `{"k":"a";"l":"b"}`, `{}`, `{"a":"b"}   `,
	} {
		var fast, slow value.Scanner
		fast.Reset([]byte(text), value.Limits{})
		slow.Reset([]byte(text), value.Limits{})
		require.NoError(t, fast.Object())
		require.NoError(t, slow.Object())
		for n := 0; ; n++ {
			short, size := fast.ShortMember(n)
			require.Equal(t, slow.Offset(), fast.Offset())
			name, ok, err := slow.Member(n)
			if size > 0 {
				require.NoError(t, err, text)
				require.Equal(t, pack(name), short)
				fast.Pass(size)
			} else {
				_, _, _ = fast.Member(n)
			}
			require.Equal(t, slow.Offset(), fast.Offset(), text)
			if err != nil || !ok {
				break
			}
			before := fast.Offset()
			v, err := slow.Value()
			if s, ok := fast.ShortText(); ok {
				want, _ := v.Text()
				require.Equal(t, want, s, text)
			} else if n, ok := fast.ShortUint(); ok {
				require.Equal(t, string(v), strconv.FormatUint(n, 10), text)
			} else {
				require.Equal(t, before, fast.Offset(), text)
				_, _ = fast.Value()
			}
			require.Equal(t, slow.Offset(), fast.Offset(), text)
			if err != nil {
				break
			}
		}
	}
}

func pack(name string) value.ShortName {
	n := value.ShortName(0)
	for i := range len(name) {
		n |= value.ShortName(name[i]) << (8 * i)
	}
	return n
}
