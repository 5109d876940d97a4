package history

import (
	"encoding/hex"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// framed returns a frame of a record of key "k" and node "n" with one more member, written in hexadecimal.
func framed(t testing.TB, member string) []byte {
	t.Helper()
	tail, err := hex.DecodeString(strings.ReplaceAll(member, " ", ""))
	require.NoError(t, err)
	content := append([]byte("\x83\xa3key\xa1k\xa4node\xa1n"), tail...)
	return append([]byte{bin16, byte(len(content) >> 8), byte(len(content))}, content...)
}

const hexValue = "a5 76616c7565 " // "value"

func parseFrames(data []byte) *Batch {
	p := parser{opt: &Options{}}
	b := new(Batch)
	p.frames(&chunk{format: Msgpack, name: "h", line: 1, data: data}, b)
	return b
}

func TestPackedValuesBecomeCanonical(t *testing.T) {
	for packed, want := range map[string]value.Value{
		"c0":                                     "null",
		"c2":                                     "false",
		"c3":                                     "true",
		"00":                                     "0",
		"7f":                                     "127",
		"e0":                                     "-32",
		"ff":                                     "-1",
		"cc ff":                                  "255",
		"cd 0001":                                "1", // longer than it must be, and the same number
		"ce ffffffff":                            "4294967295",
		"cf ffffffffffffffff":                    "18446744073709551615",
		"d0 80":                                  "-128",
		"d1 ff7f":                                "-129",
		"d2 80000000":                            "-2147483648",
		"d3 8000000000000000":                    "-9223372036854775808",
		"ca 3dcccccd":                            "0.1",
		"cb 3fb999999999999a":                    "0.1",
		"cb 3ff0000000000000":                    "1",
		"cb 7e37e43c8800759c":                    "1e+300",
		"cb 8000000000000000":                    "-0",
		"c7 05 01 31322e3530":                    "12.50",
		"d5 01 2d30":                             "-0",
		"d8 01 31323334353637383930313233343536": "1234567890123456",
		"a0":                                     `""`,
		"a3 61c3a9":                              `"aé"`,
		"d9 02 220a":                             `"\"\n"`,
		"da 0001 61":                             `"a"`,
		"db 00000001 61":                         `"a"`,
		"90":                                     "[]",
		"92 01 91 c0":                            "[1,[null]]",
		"dc 0001 01":                             "[1]",
		"dd 00000001 01":                         "[1]",
		"80":                                     "{}",
		"82 a162 01 a161 02":                     `{"a":2,"b":1}`,
		"de 0001 a161 02":                        `{"a":2}`,
		"df 00000001 a161 80":                    `{"a":{}}`,
		"83 a163 91c0 a161 01 a162 02":           `{"a":1,"b":2,"c":[null]}`,
	} {
		b := parseFrames(framed(t, hexValue+packed))
		require.Empty(t, b.Aside, packed)
		require.Len(t, b.Records, 1)
		assert.Equal(t, want, b.Records[0].Fields[0].Value, packed)
		again, err := value.Parse([]byte(want), value.Limits{})
		assert.NoError(t, err)
		assert.Equal(t, want, again)
	}
}

// An encoder may write a number that is not negative as any type of integer.
func TestPackedIntegersAreReadWhateverTheirType(t *testing.T) {
	versioned := func(packed string) *Batch {
		data := framed(t, hexValue+"01 a7 76657273696f6e "+packed) // "version"
		data[3] = 0x84
		return parseFrames(data)
	}
	for packed, want := range map[string]uint64{
		"05": 5, "cc 05": 5, "cd 0005": 5, "ce 00000005": 5, "cf 0000000000000005": 5,
		"d0 05": 5, "d1 0005": 5, "d2 00000005": 5, "d3 0000000000000005": 5, "d3 7fffffffffffffff": 1<<63 - 1,
	} {
		b := versioned(packed)
		require.Empty(t, b.Aside, packed)
		require.Len(t, b.Records, 1)
		assert.Equal(t, want, b.Records[0].Version, packed)
	}
	for _, packed := range []string{"ff", "d0 ff", "d3 8000000000000000", "cb 4014000000000000", "a1 35", "c3"} {
		assert.Len(t, versioned(packed).Aside, 1, packed)
	}
}

func TestBadFramesAreSetAsideWithTheirCode(t *testing.T) {
	nested := strings.Repeat("91", 65) + "c0"
	good := framed(t, hexValue+"01")
	for packed, code := range map[string]finding.Code{
		hexValue:                               finding.TruncatedInput,
		hexValue + "cd 00":                     finding.TruncatedInput,
		hexValue + "a2 61":                     finding.TruncatedInput,
		hexValue + "dd ffffffff":               finding.TruncatedInput, // asks for 64 GiB in other decoders
		hexValue + "df ffffffff a161 01":       finding.TruncatedInput,
		hexValue + "db ffffffff 61":            finding.TruncatedInput,
		hexValue + "c9 ffffffff 01 31":         finding.TruncatedInput,
		hexValue + "c7 01":                     finding.TruncatedInput,
		hexValue + "01 01":                     finding.BadSyntax,
		hexValue + "c1":                        finding.BadSyntax,
		hexValue + "c4 01 00":                  finding.BadSyntax,
		hexValue + "d6 ff 00000000":            finding.BadSyntax, // a timestamp
		hexValue + "81 01 01":                  finding.BadSyntax, // a name that is none
		hexValue + "a1 ff":                     finding.BadUTF8,
		hexValue + "81 a1ff 01":                finding.BadUTF8,
		"a1 ff 01":                             finding.UnknownField,
		"a1 78 01":                             finding.UnknownField,
		"a3 6b6579 a16b":                       finding.DuplicateField,
		hexValue + "82 a161 01 a161 02":        finding.DuplicateField,
		hexValue + "83 a162 01 a161 02 a16201": finding.DuplicateField,
		hexValue + "ca 7fc00000":               finding.NonFinite,
		hexValue + "cb 7ff0000000000000":       finding.NonFinite,
		hexValue + "c7 02 01 3031":             finding.BadNumber,
		hexValue + "d4 01 20":                  finding.BadNumber,
		hexValue + "c7 00 01":                  finding.BadNumber,
		hexValue + nested:                      finding.TooDeep,
		"a2 6964 01":                           finding.BadField, // id
		"a2 6964 a0":                           finding.BadField,
		"a7 76657273696f6e ff":                 finding.BadNumber, // version
		"a4 74696d65 ce 65920080":              finding.ImplausibleUnit,
		"a4 74696d65 cb 3ff8000000000000":      finding.BadTime, // a float is no time
	} {
		data := append(append(append([]byte{}, good...), framed(t, packed)...), good...)
		b := parseFrames(data)
		assert.Len(t, b.Records, 2, "reading goes on after %s", packed)
		if assert.Len(t, b.Aside, 1, packed) {
			assert.Equal(t, code, b.Aside[0].Code, "%s: %s", packed, b.Aside[0].Detail)
			assert.Equal(t, int64(2), b.Aside[0].Place.Line)
		}
	}
}

func TestLimitsOfAFrameHoldOnBothSides(t *testing.T) {
	for packed, code := range map[string]finding.Code{
		"91 91 01":                           "",
		"91 91 90":                           finding.TooDeep,
		"83 a161 01 a162 01 a163 01":         "",
		"84 a161 01 a162 01 a163 01 a164 01": finding.TooLarge,
	} {
		p := parser{opt: &Options{Limits: value.Limits{Depth: 2, Members: 3}}}
		var b Batch
		p.frames(&chunk{line: 1, data: framed(t, hexValue+packed)}, &b)
		if code == "" {
			assert.Empty(t, b.Aside, packed)
		} else if assert.Len(t, b.Aside, 1, packed) {
			assert.Equal(t, code, b.Aside[0].Code, packed)
		}
	}
}

// TestADeclaredLengthAsksForNoMemory: five bytes must not ask for gigabytes.
func TestADeclaredLengthAsksForNoMemory(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, packed := range []string{"dd ffffffff", "df ffffffff", "db ffffffff", "c9 ffffffff 01"} {
		parseFrames(framed(t, hexValue+packed))
	}
	_, aside, _ := scanned(t, []byte{bin32, 0xff, 0xff, 0xff, 0xff, 0x80}, Options{})
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8<<20))
	require.Len(t, aside, 1)
	assert.Equal(t, finding.TooLarge, aside[0].Code)
}

func TestAStreamWithoutAFrameWhereOneIsDueEndsThere(t *testing.T) {
	good := framed(t, hexValue+"01")
	data := append(append(append([]byte{}, good...), "garbage"...), good...)
	for _, chunk := range []int{1, 16, 1 << 20} {
		records, aside, _ := scanned(t, data, Options{chunk: chunk})
		assert.Len(t, records, 1)
		require.Len(t, aside, 1)
		assert.Equal(t, finding.BadSyntax, aside[0].Code)
		assert.Equal(t, int64(2), aside[0].Place.Line)
		assert.Contains(t, aside[0].Detail, "not read")
	}
	for cut := 1; cut < len(good); cut++ {
		records, aside, _ := scanned(t, append(append([]byte{}, good...), good[:cut]...), Options{})
		assert.Len(t, records, 1)
		require.Len(t, aside, 1)
		assert.Equal(t, finding.TruncatedInput, aside[0].Code)
	}
}

// FuzzFrames makes sure that a stream of anything ends, and that what comes out of it reads back.
func FuzzFrames(f *testing.F) {
	for _, packed := range []string{"01", "83 a163 91c0 a161 01 a162 02", "dd ffffffff", "c7 05 01 31322e3530", "cb 3fb999999999999a"} {
		f.Add(framed(f, hexValue+packed))
	}
	f.Add(append(framed(f, hexValue+"c0"), 0xc6, 0xff, 0xff, 0xff, 0xff))
	f.Add(written(f, Msgpack, Record{Kind: Read, Key: "k", Reading: &Reading{NotFound: true}}))
	f.Fuzz(func(t *testing.T, data []byte) {
		records, aside, stats := scanned(t, data, Options{Format: Msgpack, Workers: 1})
		require.LessOrEqual(t, int64(len(records)+len(aside)), stats.Lines+1)
		for _, rec := range records {
			for _, format := range []Format{Native, Msgpack} {
				requireReadsBack(t, format, rec)
			}
		}
	})
}
