package value

import (
	"encoding/binary"
	"math/bits"
)

// What most members are, a [Scanner] can read in fewer steps: a short name and a plain text or an integer, with no white
// space between them. The three methods below read that and nothing else; of all else they say no and stay where they
// are, for [Scanner.Member], [Scanner.Text] and [Scanner.Value] to read it, or to say what is wrong with it.

// ShortName is a name of one to seven bytes, the first in the lowest bits.
type ShortName uint64

// ShortMember returns the name of the next member, as [Scanner.Member] would, and how many bytes there are up to its
// value, for [Scanner.Pass]. size is 0 when it is no short name.
func (s *Scanner) ShortMember(n int) (name ShortName, size int) {
	text, at := s.text, s.at
	if n > 0 {
		if at >= len(text) || text[at] != ',' {
			return 0, 0
		}
		at++
	}
	if at+10 > len(text) || text[at] != '"' {
		return 0, 0
	}
	w := binary.LittleEndian.Uint64(text[at+1 : at+9])
	quote := w ^ everyByte*'"'
	mark := (quote - everyByte) &^ quote & everyHigh // the lowest mark is true: see plainEnd
	length := bits.TrailingZeros64(mark) >> 3
	if length == 0 || length > 7 || text[at+2+length] != ':' {
		return 0, 0
	}
	return ShortName(w & (1<<(8*length) - 1)), at + 3 + length - s.at
}

// Pass passes over so many bytes.
func (s *Scanner) Pass(size int) { s.at += size }

// ShortText reads a string of ASCII without escapes.
func (s *Scanner) ShortText() (text string, ok bool) {
	at := s.at
	if at >= len(s.text) || s.text[at] != '"' {
		return "", false
	}
	end, ascii := plainEnd(s.text, at+1)
	if end == len(s.text) || s.text[end] != '"' || !ascii {
		return "", false
	}
	s.at = end + 1
	return share(s.text[at+1 : end]), true
}

// ShortUint reads an integer of up to 19 digits that another member follows or the end of the object.
func (s *Scanner) ShortUint() (n uint64, ok bool) {
	text, at := s.text, s.at
	end := min(len(text), at+20)
	for ; at < end; at++ {
		digit := text[at] - '0'
		if digit > 9 {
			break
		}
		n = n*10 + uint64(digit)
	}
	if length := at - s.at; at == end || length == 0 || length > 1 && text[s.at] == '0' || text[at] != ',' && text[at] != '}' {
		return 0, false
	}
	s.at = at
	return n, true
}
