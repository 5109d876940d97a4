// Package value holds values: JSON that is compared by its bytes.
//
// There are three types to know. A [Value] is one value as canonical text, comparable with ==. A [Scanner] walks through
// a text from left to right. A [Doc] is a parsed text in which one looks things up, by [Ref].
// Of texts that are mostly alike [Shapes] finds the ends and the values in a fraction of the time.
//
//	v, err := value.Parse([]byte(`{"b": 1.50, "a": "\u0041"}`), value.Limits{})
//	v                                   // {"a":"A","b":1.50}
//	v.Get("b").Decimal()                // 1.5, exactly
//	value.Compare(v, value.Null)        // 1: objects come after null
//
// All three are strict where other readers are not, because what they let pass silently changes a history: a member
// that stands twice, text that is not UTF-8, numbers beyond 2^53, NaN. Numbers keep every digit and go through no float.
// Depth, length and members are bounded by [Limits]; memory is bounded by the length of the text.
//
// HAZARD: values share memory with the text they were read from. A value kept for long keeps its text, and a text that
// is written to after it was read changes its values.
//
// The package does not print JSON for people, fill structs, or read a stream: a text is in memory, whole.
package value
