package clock

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"
)

// quoteLen is how many bytes of a hostile text go into an error.
const quoteLen = 64

func quote(text string) string {
	if len(text) > quoteLen {
		return strconv.Quote(text[:quoteLen]) + "..."
	}
	return strconv.Quote(text)
}

// errType is returned by the readers below for a msgpack value of another type than the one due.
var errType = errors.New("unexpected msgpack type")

// decodeUint reads an unsigned number. The library alone would read nil as 0 and -1 as 2^64-1.
func decodeUint(d *msgpack.Decoder) (uint64, error) {
	code, err := d.PeekCode()
	if err != nil {
		return 0, err
	}
	if code > msgpcode.PosFixedNumHigh && (code < msgpcode.Uint8 || code > msgpcode.Uint64) {
		return 0, fmt.Errorf("%w %#x", errType, code)
	}
	return d.DecodeUint64()
}

// decodeNode reads a name, which it does not check: of the two forms that [MaxNodeLen] leaves to a name, neither can
// declare more than 255 bytes.
func decodeNode(d *msgpack.Decoder) (Node, error) {
	code, err := d.PeekCode()
	if err != nil {
		return "", err
	}
	if !msgpcode.IsFixedString(code) && code != msgpcode.Str8 {
		return "", fmt.Errorf("%w %#x", errType, code)
	}
	name, err := d.DecodeString()
	return Node(name), err
}
