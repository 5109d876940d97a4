package value

import (
	"unsafe"

	"github.com/tiebreakhq/tiebreak/merge/finding"
)

// Check returns an error unless v is one value in canonical text and within lim. It is for values that were made by
// conversion, or come from a form that has to be canonical: what [Parse] would rewrite is refused. The error is an
// [*Error].
func (v Value) Check(lim Limits) error {
	lim = lim.orDefault()
	text := unsafe.Slice(unsafe.StringData(string(v)), len(v)) // only read, and not kept
	if len(v) <= lim.Bytes && len(v) > 0 && canonicalEnd(text, 0, 0, &lim) == len(v) {
		return nil
	}
	parsed, err := Parse(text, lim)
	if err != nil {
		return err
	}
	if parsed != v {
		return fail(finding.BadSyntax, 0, "the text is not canonical")
	}
	return nil
}
