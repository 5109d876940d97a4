package redact

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// domainName is within what values have ranks: one field of a key; of all keys, where key is "". Where checks compare fields
// it is the first of them.
type domainName struct{ key, field string }

// domain is values in the order in which they are compared.
type domain struct {
	order
	values []value.Value
}

// order is how values are compared: by their text, unless it says otherwise.
type order struct {
	rule   *merge.Rule // where its profile has an order of its own for values whose stamps tie; else nil
	bySize bool        // numbers of one size are equal, however they are spelled
}

func (o order) compare(a, b value.Value) int {
	switch {
	case o.bySize:
		return value.Compare(a, b)
	case o.rule != nil:
		order, _ := o.rule.Compare(writeOf(a), writeOf(b))
		return order
	}
	return strings.Compare(string(a), string(b))
}

// domainOf puts values in order. It keeps one text of them all.
func domainOf(values map[value.Value]bool, o order) *domain {
	d := &domain{o, slices.SortedFunc(maps.Keys(values), o.compare)}
	var text strings.Builder
	for _, v := range d.values {
		text.WriteString(string(v))
	}
	rest := value.Value(text.String())
	for i, v := range d.values {
		d.values[i], rest = rest[:len(v)], rest[len(v):]
	}
	d.values = slices.Clip(d.values)
	return d
}

// memory returns about how many bytes the domain takes, with its name.
func (d *domain) memory() int64 {
	const itself, each = 250, 16
	n := int64(itself + each*len(d.values))
	for _, v := range d.values {
		n += int64(len(v))
	}
	return n
}

// token returns what stands for a value: its rank, in digits of a width, as a value of its kind. What a rule or a check makes
// of kinds stays so, and in text and by size tokens are in order.
func (d *domain) token(v value.Value, width int) (value.Value, bool) {
	at, ok := slices.BinarySearchFunc(d.values, v, d.compare)
	if !ok {
		return "", false
	}
	first := at
	for d.bySize && first > 0 && value.CompareSize(d.values[first-1], v) == 0 {
		first--
	}
	rank := fmt.Sprintf("%0*d", width, first+1)
	switch v.Kind() {
	case value.KindNumber:
		rank = "1" + rank
		if at > first { // another spelling of the same size, and greater in text
			rank += "." + strings.Repeat("0", at-first)
		}
		return value.Value(rank), true
	case value.KindString:
		return value.Text("r:" + rank), true
	case value.KindArray:
		return value.Array(value.Text("r:" + rank)), true
	case value.KindObject:
		return value.Object(value.Member{Name: "r", Value: value.Text(rank)}), true
	}
	return v, true // null, false and true have no others of their kind
}
