package clock

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
)

// Dot names one write for ever: the Seq-th of its node, counted from 1. The zero Dot names none. (Almeida,
// Baquero, Gonçalves, Preguiça, Fonte, "Scalable and Accurate Causality Tracking", DAIS 2014.)
type Dot struct {
	Node Node
	Seq  uint64
}

// IsZero reports whether d names no write.
func (d Dot) IsZero() bool { return d.Seq == 0 }

// Compare orders dots by the spelling of their node, then by their number. It is an order for printing and
// encoding; it says nothing of time or of who wins.
func (d Dot) Compare(e Dot) int {
	if c := cmp.Compare(d.Node, e.Node); c != 0 {
		return c
	}
	return cmp.Compare(d.Seq, e.Seq)
}

// String returns "node:seq".
func (d Dot) String() string { return string(d.Node) + ":" + strconv.FormatUint(d.Seq, 10) }

// ErrDot is returned by [ParseDot] and the decoders of [Dot] for what is not the name of a write.
var ErrDot = errors.New("not a dot")

// ParseDot is the inverse of [Dot.String]. The number is what follows the last colon: plain digits, without
// leading zeros, from 1.
func ParseDot(text string) (Dot, error) {
	at := strings.LastIndexByte(text, ':')
	if at < 0 || at+1 == len(text) || text[at+1] < '1' || text[at+1] > '9' {
		return Dot{}, fmt.Errorf("%w: %s", ErrDot, quote(text))
	}
	seq, err := strconv.ParseUint(text[at+1:], 10, 64)
	if err != nil {
		return Dot{}, fmt.Errorf("%w: %s", ErrDot, quote(text))
	}
	node := Node(text[:at])
	if err := node.Check(); err != nil {
		return Dot{}, fmt.Errorf("%w: %w", ErrDot, err)
	}
	return Dot{Node: node, Seq: seq}, nil
}

// Check returns an error that wraps [ErrDot] when d is neither the zero Dot nor the name of a write: a number without a
// node, a node without a number, or a node name that [Node.Check] refuses.
func (d Dot) Check() error {
	switch {
	case d == Dot{}:
		return nil
	case d.Seq == 0:
		return fmt.Errorf("%w: %q", ErrDot, d.String())
	}
	if err := d.Node.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrDot, err)
	}
	return nil
}

// MarshalText returns [Dot.String], and an empty text for the zero Dot. It is the form in JSON too, and as the key of a
// JSON object.
func (d Dot) MarshalText() ([]byte, error) {
	if err := d.Check(); err != nil || d == (Dot{}) {
		return nil, err
	}
	return []byte(d.String()), nil
}

// UnmarshalText is [ParseDot]; an empty text is the zero Dot.
func (d *Dot) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*d = Dot{}
		return nil
	}
	parsed, err := ParseDot(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

// dotFields is how many elements the array of an encoded dot has.
const dotFields = 2

// EncodeMsgpack writes d as an array: node, number.
func (d Dot) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := d.Check(); err != nil {
		return err
	}
	if err := e.EncodeArrayLen(dotFields); err != nil {
		return err
	}
	if err := e.EncodeString(string(d.Node)); err != nil {
		return err
	}
	return e.EncodeUint(d.Seq)
}

// DecodeMsgpack reads the array that [Dot.EncodeMsgpack] writes, whatever forms of msgpack its lengths and numbers have, in
// memory bounded by [MaxNodeLen]. On an error, which wraps [ErrDot], d is as it was.
func (d *Dot) DecodeMsgpack(from *msgpack.Decoder) error {
	n, err := from.DecodeArrayLen()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDot, err)
	}
	if n != dotFields {
		return fmt.Errorf("%w: %d fields, want %d", ErrDot, n, dotFields)
	}
	var read Dot
	if read.Node, err = decodeNode(from); err != nil {
		return fmt.Errorf("%w: %w", ErrDot, err)
	}
	if read.Seq, err = decodeUint(from); err != nil {
		return fmt.Errorf("%w: %w", ErrDot, err)
	}
	if err := read.Check(); err != nil {
		return err
	}
	*d = read
	return nil
}
