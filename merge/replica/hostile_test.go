package replica_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/replica"
)

// garble returns a message with a few bytes changed, cut, repeated or put in.
func garble(chance *rand.Rand, message []byte) []byte {
	b := slices.Clone(message)
	for range 1 + chance.IntN(4) {
		if len(b) == 0 {
			return b
		}
		at := chance.IntN(len(b))
		switch chance.IntN(5) {
		case 0:
			b[at] = byte(chance.Uint32())
		case 1:
			b = b[:at]
		case 2:
			b = slices.Insert(b, at, b[at:min(len(b), at+chance.IntN(9))]...)
		case 3:
			b[at] ^= 1 << chance.IntN(8)
		case 4: // lengths beyond everything
			b = slices.Insert(b, at, 0xdd, 0xff, 0xff, 0xff, 0xff)
		}
	}
	return b
}

func TestARegionThatSendsAnyBytesChangesNothingWithWhatIsRefused(t *testing.T) {
	w := &world{now: start}
	eu, us := open(t, "", options("eu-west", w)), open(t, "", options("us-east", w))
	for i := range 20 {
		set(t, us, "orders/1", "status", string(rune('a'+i)))
		add(t, us, "stock/lamp", 1)
	}
	b := us.Since(clock.Vector{})
	message, err := b.AppendBinary(nil)
	require.NoError(t, err)
	chance := rand.New(rand.NewPCG(1, 2))
	refused, taken := 0, 0
	for range 20_000 {
		b, err := replica.DecodeBatch(garble(chance, message))
		if err != nil {
			refused++
			continue
		}
		state, seen := shows(eu), eu.Seen().String()
		if _, err := eu.Apply("us-east", b); err == nil {
			taken++
			continue // whatever was in it was an operation of us-east
		}
		refused++
		require.Equal(t, state, shows(eu))
		require.Equal(t, seen, eu.Seen().String())
	}
	t.Logf("%d refused, %d taken", refused, taken)

	// A third region is served all the same.
	ap := open(t, "", options("ap-south", w))
	set(t, ap, "orders/2", "status", "paid")
	_, err = eu.Apply("ap-south", ap.Since(eu.Seen()))
	require.NoError(t, err)
	require.NotEmpty(t, eu.Get("orders/2", "status"))
}

func TestAnyQuestionIsAnsweredAndAnyAnswerSurvived(t *testing.T) {
	w := &world{now: start}
	eu, us := open(t, "", options("eu-west", w)), open(t, "", options("us-east", w))
	for range 20 {
		add(t, us, "stock/lamp", 1)
		add(t, eu, "stock/lamp", 1)
	}
	chance := rand.New(rand.NewPCG(3, 4))
	for range 5_000 {
		_ = eu.Pull("us-east", func(request []byte) ([]byte, error) {
			us.Serve("eu-west", garble(chance, request))
			return garble(chance, us.Serve("eu-west", request)), nil
		})
	}
	pull(t, us, eu)
}

func FuzzServe(f *testing.F) {
	w := &world{now: start}
	us, eu := open(f, "", options("us-east", w)), open(f, "", options("eu-west", w))
	add(f, us, "stock/lamp", 1)
	_ = eu.Pull("us-east", func(request []byte) ([]byte, error) {
		f.Add(request)
		return us.Serve("eu-west", request), nil
	})
	_, _ = eu.Audit("us-east", func(request []byte) ([]byte, error) {
		f.Add(request)
		return us.Serve("eu-west", request), nil
	})
	f.Fuzz(func(t *testing.T, request []byte) {
		was := shows(us)
		if len(us.Serve("eu-west", request)) == 0 {
			t.Fatal("no answer")
		}
		require.Equal(t, was, shows(us))
	})
}

func FuzzDecodeBatch(f *testing.F) {
	w := &world{now: start}
	us := open(f, "", options("us-east", w))
	add(f, us, "stock/lamp", 1)
	b := us.Since(clock.Vector{})
	message, err := b.AppendBinary(nil)
	require.NoError(f, err)
	f.Add(message)
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := replica.DecodeBatch(data)
		if err != nil {
			return
		}
		again, err := b.AppendBinary(nil)
		require.NoError(t, err)
		require.Equal(t, data, again)
		_, _ = open(t, "", options("eu-west", w)).Apply("us-east", b)
	})
}
