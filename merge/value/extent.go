package value

// Extent says where a JSON text ends that begins with text[0], an opening bracket, judging by brackets and strings
// alone. It is for streams of texts that stand over several lines or side by side without a line break.
//
// It returns the offset after the closing bracket and [Whole]; or [Cut] when text ends before that; or [Broken] and the
// offset of a line break from which on text can't belong to the value: one inside a string, or one that "{" follows in
// the first column where no value may stand, which is how a record looks whose neighbour before it was torn.
func Extent(text []byte) (end int, whole Wholeness) {
	depth, deepest := 0, 0
	arrays := uint64(0) // the innermost 64 levels, an array is 1; beyond them nothing is judged broken by a "{"
	for at := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			for at++; ; at += 2 {
				at, _ = plainEnd(text, at)
				if at >= len(text) {
					return 0, Cut
				}
				if text[at] == '"' {
					break
				}
				if text[at] == '\n' {
					return at, Broken
				}
				if text[at] != '\\' {
					at-- // some other control character: not for us to judge
				}
			}
		case '{':
			if at > 0 && text[at-1] == '\n' && deepest <= 64 && !valueDue(text[:at], arrays&1 == 1) {
				return at - 1, Broken
			}
			arrays <<= 1
			depth++
			deepest = max(deepest, depth)
		case '[':
			arrays = arrays<<1 | 1
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			arrays >>= 1
			if depth--; depth <= 0 {
				return at + 1, Whole
			}
		}
	}
	return 0, Cut
}

// Wholeness is how much of a value a text holds.
type Wholeness uint8

// What [Extent] finds.
const (
	Whole  Wholeness = iota // all of it
	Cut                     // its beginning
	Broken                  // its beginning, and then something else
)

// valueDue reports whether a value may follow on text inside an array or an object.
func valueDue(text []byte, inArray bool) bool {
	for at := len(text) - 1; at >= 0; at-- {
		switch text[at] {
		case ' ', '\t', '\r', '\n':
			continue
		case ':':
			return !inArray
		case ',', '[':
			return inArray
		}
		return false
	}
	return false
}
