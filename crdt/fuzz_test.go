package crdt

import (
	"math/rand"
	"testing"
)

// fuzzDecoder gives a decoder what the fuzzer makes of its own frames, as it is and with a checksum that is right.
func fuzzDecoder(f *testing.F, name string) {
	k := wiredKinds[name]
	r := rand.New(rand.NewSource(1))
	for range 10 {
		f.Add(k.frame(r))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_ = k.reads(t, data)
		_ = k.reads(t, reseal(data))
	})
}

func FuzzDecodeGCounter(f *testing.F) { fuzzDecoder(f, "GCounter") }

func FuzzDecodePNCounter(f *testing.F) { fuzzDecoder(f, "PNCounter") }

func FuzzDecodeBoundedCounter(f *testing.F) { fuzzDecoder(f, "BoundedCounter") }

func FuzzDecodeMaxRegister(f *testing.F) { fuzzDecoder(f, "MaxRegister") }

func FuzzDecodeMinRegister(f *testing.F) { fuzzDecoder(f, "MinRegister") }

func FuzzDecodeLatticeRegister(f *testing.F) { fuzzDecoder(f, "LatticeRegister") }

func FuzzDecodeGSet(f *testing.F) { fuzzDecoder(f, "GSet") }

func FuzzDecodeAppendLog(f *testing.F) { fuzzDecoder(f, "AppendLog") }

func FuzzDecodeORSet(f *testing.F) { fuzzDecoder(f, "ORSet") }

func FuzzDecodeRWSet(f *testing.F) { fuzzDecoder(f, "RWSet") }

func FuzzDecodeEWFlag(f *testing.F) { fuzzDecoder(f, "EWFlag") }

func FuzzDecodeDWFlag(f *testing.F) { fuzzDecoder(f, "DWFlag") }

func FuzzDecodeMVRegister(f *testing.F) { fuzzDecoder(f, "MVRegister") }

func FuzzDecodeResetCounter(f *testing.F) { fuzzDecoder(f, "ResetCounter") }

func FuzzDecodeMap(f *testing.F) { fuzzDecoder(f, "Map") }

func FuzzDecodeMapOfRegisters(f *testing.F) { fuzzDecoder(f, "Map of registers") }

func FuzzDecodeNestedMap(f *testing.F) { fuzzDecoder(f, "nested Map") }

func FuzzParseDecimal(f *testing.F) {
	for _, text := range []string{"0", "-1.50e3", "1e999999999", "123456789012345678901234567890.5", "9223372036854775808"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDecimal(text)
		if err != nil {
			return
		}
		again, err := ParseDecimal(d.String())
		if err != nil || again.String() != d.String() || !again.Equal(d) || rat(d).Cmp(rat(again)) != 0 {
			t.Errorf("%q reads as %s, which reads as %s (%v)", text, d, again, err)
		}
		if !d.Sub(d).Equal(Decimal{}) || !d.Add(d).Sub(d).Equal(d) {
			t.Errorf("%q: sums are not exact", text)
		}
	})
}
