package lww

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vmihailenco/msgpack/v5"
	"github.com/vmihailenco/msgpack/v5/msgpcode"

	"github.com/tiebreakhq/tiebreak/clock"
)

// Stamp is the claim a write makes to win. The zero Stamp loses against every one that has a version, a time or a
// declared node.
type Stamp struct {
	Version uint64          // the application's own count; 0 when it has none
	Time    clock.Timestamp // zero when the write has none
	Node    clock.Node      // where the write began
}

// String returns the stamp as "v7 1701102296662969433.0000000000 us-east", leaving out what it hasn't.
func (s Stamp) String() string {
	var parts []string
	if s.Version > 0 {
		parts = append(parts, fmt.Sprintf("v%d", s.Version))
	}
	if !s.Time.IsZero() {
		parts = append(parts, s.Time.String())
	}
	if s.Node != "" {
		parts = append(parts, string(s.Node))
	}
	return strings.Join(parts, " ")
}

// ErrStamp is returned by [Stamp.EncodeMsgpack] and [Stamp.DecodeMsgpack] for what isn't a stamp.
var ErrStamp = errors.New("not a stamp")

// stampFields is how many elements the array of an encoded stamp has.
const stampFields = 3

// EncodeMsgpack writes s as an array: version, time as [clock.Timestamp.EncodeMsgpack] writes it, node (empty when
// there is none). Equal stamps have equal bytes.
func (s Stamp) EncodeMsgpack(e *msgpack.Encoder) error {
	if err := s.Time.Check(); err != nil {
		return fmt.Errorf("%w: %w", ErrStamp, err)
	}
	if s.Node != "" {
		if err := s.Node.Check(); err != nil {
			return fmt.Errorf("%w: %w", ErrStamp, err)
		}
	}
	if err := e.EncodeArrayLen(stampFields); err != nil {
		return err
	}
	if err := e.EncodeUint(s.Version); err != nil {
		return err
	}
	if err := s.Time.EncodeMsgpack(e); err != nil {
		return err
	}
	return e.EncodeString(string(s.Node))
}

// DecodeMsgpack reads the array that [Stamp.EncodeMsgpack] writes, whatever forms of msgpack its numbers have, in memory bounded
// by [clock.MaxNodeLen]. On an error, which wraps [ErrStamp], s is as it was.
func (s *Stamp) DecodeMsgpack(d *msgpack.Decoder) error {
	read, err := decodeStamp(d)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrStamp, err)
	}
	*s = read
	return nil
}

func decodeStamp(d *msgpack.Decoder) (read Stamp, err error) {
	if n, err := d.DecodeArrayLen(); err != nil {
		return read, err
	} else if n != stampFields {
		return read, fmt.Errorf("%d fields, want %d", n, stampFields)
	}
	// The library reads nil, negative numbers and floats as unsigned ones; the code that comes next says what it is.
	code, err := d.PeekCode()
	if err != nil {
		return read, err
	}
	if code > msgpcode.PosFixedNumHigh && (code < msgpcode.Uint8 || code > msgpcode.Uint64) {
		return read, fmt.Errorf("version of msgpack type %#x", code)
	}
	if read.Version, err = d.DecodeUint64(); err != nil {
		return read, err
	}
	if err := read.Time.DecodeMsgpack(d); err != nil {
		return read, err
	}
	// Of the two forms that hold a node name neither can declare more than 255 bytes.
	if code, err = d.PeekCode(); err != nil {
		return read, err
	}
	if !msgpcode.IsFixedString(code) && code != msgpcode.Str8 {
		return read, fmt.Errorf("node of msgpack type %#x", code)
	}
	name, err := d.DecodeString()
	if err != nil {
		return read, err
	}
	if read.Node = clock.Node(name); name != "" {
		err = read.Node.Check()
	}
	return read, err
}
