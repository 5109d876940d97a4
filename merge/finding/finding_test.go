package finding

import (
	"cmp"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAPlaceIsWrittenAsFarAsItIsKnown(t *testing.T) {
	for want, p := range map[string]Place{
		"": {}, "f": {File: "f"}, "f:1": {File: "f", Line: 1}, "f:1#1": {File: "f", Line: 1, Item: 1}, "f:12#3": {File: "f", Line: 12, Item: 3},
	} {
		assert.Equal(t, want, p.String())
	}
}

func TestPlacesAreOrderedByFileLineAndItem(t *testing.T) {
	ascending := []Place{{}, {File: "a"}, {"a", 1, 0}, {"a", 1, 2}, {"a", 2, 1}, {"a", 10, 0}, {"b", 0, 0}, {"b", 1, 1}}
	for i, p := range ascending {
		for j, q := range ascending {
			assert.Equal(t, cmp.Compare(i, j), p.Compare(q), "%s, %s", p, q)
		}
	}
}

func TestAFindingSaysWhereAndWhat(t *testing.T) {
	f := Finding{Code: BadTime, Key: "k", Field: "f"}
	assert.Equal(t, "bad_time", f.String())
	f.Detail = `"x" is no time`
	assert.Equal(t, `bad_time: "x" is no time`, f.String())
	f.Place = Place{File: "in", Line: 3}
	assert.Equal(t, `in:3: bad_time: "x" is no time`, f.String())
	f.Detail = ""
	assert.Equal(t, "in:3: bad_time", f.String())
}
