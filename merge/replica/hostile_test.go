package replica_test

import (
	"errors"
	"math/rand/v2"
	"runtime/metrics"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
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

// allocated returns how many bytes a call takes from the heap, and at most what others do meanwhile.
func allocated(call func()) uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(sample)
	before := sample[0].Value.Uint64()
	call()
	metrics.Read(sample)
	return sample[0].Value.Uint64() - before
}

// requireBounded holds what a message took to a bound by its length. What is made once, such as the digests, is in the first
// term.
func requireBounded(t *testing.T, message []byte, took uint64) {
	t.Helper()
	if bound := uint64(24<<20) + 4096*uint64(len(message)); took > bound {
		t.Fatalf("a message of %d bytes took %d, the bound is %d", len(message), took, bound)
	}
}

// FuzzServe has a region ask any question: it is answered, within bounded memory, and nothing changes.
func FuzzServe(f *testing.F) {
	w := &world{now: start}
	us, eu := open(f, "", options("us-east", w)), open(f, "", options("eu-west", w))
	add(f, us, "stock/lamp", 1)
	ask := func(request []byte) ([]byte, error) {
		f.Add(request)
		return us.Serve("eu-west", request), nil
	}
	_ = eu.Pull("us-east", ask)
	_, _ = eu.Audit("us-east", ask)
	_ = eu.Rebuild("us-east", ask)
	f.Fuzz(func(t *testing.T, request []byte) {
		was, seen := shows(us), us.Seen().String()
		took := allocated(func() {
			if len(us.Serve("eu-west", request)) == 0 {
				t.Fatal("no answer")
			}
		})
		requireBounded(t, request, took)
		require.Equal(t, was, shows(us))
		require.Equal(t, seen, us.Seen().String())
	})
}

// FuzzPull has a region answer anything to a question of ours: no panic, bounded memory, and what is refused changes nothing.
func FuzzPull(f *testing.F) {
	w := &world{now: start}
	us := open(f, "", options("us-east", w))
	add(f, us, "stock/lamp", 1)
	_ = open(f, "", options("eu-west", w)).Pull("us-east", func(request []byte) ([]byte, error) {
		answer := us.Serve("eu-west", request)
		f.Add(answer)
		return answer, nil
	})
	f.Fuzz(func(t *testing.T, answer []byte) {
		eu := open(t, "", options("eu-west", w))
		set(t, eu, "a", "", "ours")
		was := shows(eu)
		n := 0
		took := allocated(func() {
			err := eu.Pull("us-east", func([]byte) ([]byte, error) {
				if n++; n > 20 {
					return nil, errors.New("enough")
				}
				return answer, nil
			})
			if errors.Is(err, replica.ErrRefused) {
				require.Equal(t, was, shows(eu))
			}
		})
		requireBounded(t, answer, took)
		require.Equal(t, value.Value(`"ours"`), eu.Get("a", ""))
		set(t, eu, "b", "", "and it goes on")
	})
}

// FuzzDecodeBatch has a region send any batch: what is refused changes nothing, memory is bounded, and another region is
// heard all the same.
func FuzzDecodeBatch(f *testing.F) {
	w := &world{now: start}
	us, ap := open(f, "", options("us-east", w)), open(f, "", options("ap-south", w))
	add(f, us, "stock/lamp", 1)
	set(f, ap, "orders/2", "status", "paid")
	for _, seen := range []clock.Vector{{}, us.Seen()} {
		b := us.Since(seen)
		message, err := b.AppendBinary(nil)
		require.NoError(f, err)
		f.Add(message)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		took := allocated(func() {
			b, err := replica.DecodeBatch(data)
			if err != nil {
				return
			}
			again, err := b.AppendBinary(nil)
			require.NoError(t, err)
			require.Equal(t, data, again)
			eu := open(t, "", options("eu-west", w))
			was, seen := shows(eu), eu.Seen().String()
			if _, err := eu.Apply("us-east", b); errors.Is(err, replica.ErrRefused) {
				require.Equal(t, was, shows(eu))
				require.Equal(t, seen, eu.Seen().String())
			}
			pull(t, eu, ap)
			require.NotEmpty(t, eu.Get("orders/2", "status"))
		})
		requireBounded(t, data, took)
	})
}
