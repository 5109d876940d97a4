package merge

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// Each line is wrong in one way, and the mistake says in which.
func TestAMistakeInALineSaysWhatIsWrongWithIt(t *testing.T) {
	for line, want := range map[string]string{
		"* a,,b lww":           `an empty name in the fields "a,,b"`,
		"* * prefer together":  "prefer: ",
		"* * highest together": "highest: ",
		"* * lww twice":        "lww does not take twice",
	} {
		_, err := ParseTable("rules.tb", []byte(line))
		assert.ErrorContains(t, err, want, line)
	}
}
