package faultio

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAWriterFailsAtOneWrite(t *testing.T) {
	w := Writer(2)
	for _, fails := range []bool{false, true, false, false} {
		_, err := w.Write([]byte("a"))
		assert.Equal(t, fails, err != nil)
	}
}

func TestAReaderFailsOnceAndGoesOn(t *testing.T) {
	r := Reader([]byte("ab"), []byte("cd"))
	var read []string
	for range 4 {
		var b [8]byte
		n, err := r.Read(b[:])
		read = append(read, string(b[:n]))
		if err != nil {
			assert.ErrorIs(t, err, Err)
			read = append(read, "failed")
		}
	}
	assert.Equal(t, []string{"ab", "", "failed", "cd", "", "failed"}, read, "and fails at the end, as it must at some time")
}
