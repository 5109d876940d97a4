package replay

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// A key's hash is that of its words of eight bytes and, where some bytes are left, of a word of them with letters before.
func TestHashPlainIsThatOfTheWords(t *testing.T) {
	oracle := func(key string) uint64 {
		h := uint64(len(key))
		mix := func(w uint64) {
			h = (h ^ w) * 0x9e3779b97f4a7c15
			h ^= h >> 29
		}
		for len(key) >= 8 {
			w := uint64(0)
			for i := range 8 {
				w |= uint64(key[i]) << (8 * i)
			}
			mix(w)
			key = key[8:]
		}
		if key != "" {
			w := uint64(0x6161616161616161)
			for i := range len(key) {
				w = w<<8 | uint64(key[i])
			}
			mix(w)
		}
		return h ^ h>>32
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		key := make([]byte, r.IntN(40))
		plain := true
		for i := range key {
			if key[i] = byte('[' + r.IntN(0x80-'[')); r.IntN(60) == 0 {
				key[i] = byte(r.IntN(256))
			}
			plain = plain && key[i] > ' ' && key[i] < 0x80 && (key[i] < 'A' || key[i] > 'Z')
		}
		hash, ok := hashPlain(string(key))
		require.Equal(t, oracle(string(key)), hash, "%q", key)
		require.Equal(t, plain, ok, "%q", key)
	}
}
