package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// MinSecret is how many bytes a secret has at least: what can be guessed hides nothing.
const MinSecret = 16

// hashBytes is how much of a hash is written.
const hashBytes = 16

// Redactor hides values under one table with one secret. One goroutine at a time may use it.
type Redactor struct {
	table   *merge.Table
	mac     hash.Hash
	kept    map[string]bool        // keys whose values stay
	domains map[domainName]*domain // of what has to be in order
	added   map[domainName]bool    // fields of keys that a number was added to, under a rule that takes it for a value
	width   int                    // of a rank, in digits
	sum     [sha256.Size]byte      // of the value at hand
}

// New returns a redactor that has learned nothing yet. The error is of a secret that is too short, or of a line of the table
// whose rule is a user's own function: nobody knows what that reads in its values.
func New(table *merge.Table, secret []byte) (*Redactor, error) {
	if len(secret) < MinSecret {
		return nil, fmt.Errorf("the secret has %d bytes, and it takes %d", len(secret), MinSecret)
	}
	for _, rule := range table.Rules {
		if rule.Func() != nil {
			return nil, fmt.Errorf("%s:%d: %s is a function of your own, which reads values: none under it can be hidden", table.File, rule.Line, rule.Name)
		}
	}
	return &Redactor{table: table, mac: hmac.New(sha256.New, secret),
		kept: make(map[string]bool), domains: make(map[domainName]*domain), added: make(map[domainName]bool)}, nil
}

// Keep leaves the values of keys as they are.
func (r *Redactor) Keep(keys []string) {
	for _, key := range keys {
		r.kept[key] = true
	}
}

// Record hides the values of a record, where they stand, and counts them into sum.
func (r *Redactor) Record(rec *history.Record, sum Summary) {
	for i := range rec.Fields {
		f := &rec.Fields[i]
		rule := r.table.Rule(rec.Key, f.Name)
		f.Value = r.hide(rec.Key, rule, f.Name, f.Value, rec.Op, sum)
		f.Before = r.hide(rec.Key, rule, f.Name, f.Before, merge.Set, sum)
	}
}

// hide returns what stands for a value that an operation of a kind has in a field.
func (r *Redactor) hide(key string, rule *merge.Rule, field string, v value.Value, op merge.Kind, sum Summary) value.Value {
	return eachPart(rule, field, op, v, func(name string, part value.Value) value.Value {
		if part == value.Null {
			return part
		}
		t := r.treat(key, name, rule)
		if r.kept[key] || op == merge.Add || t.keeps(part) {
			sum.add(t.line, Count{Kept: 1})
			return part
		}
		if d := r.domains[t.domain]; d != nil {
			if token, ok := d.token(part, r.width); ok {
				sum.add(t.line, Count{Ranked: 1})
				return token
			}
		}
		sum.add(t.line, Count{Hashed: 1})
		return r.hash(name, part)
	})
}

// eachPart returns a value with each of its parts replaced. A part is what a rule compares as one: the value; an element,
// where the rule is for sets; a field, where the whole record is decided by fields together.
func eachPart(rule *merge.Rule, field string, op merge.Kind, v value.Value, replace func(field string, part value.Value) value.Value) value.Value {
	switch {
	case v.IsAbsent():
		return v
	case rule.Together && field == "" && v.Kind() == value.KindObject:
		var members []value.Member
		for name, part := range v.Members() {
			members = append(members, value.Member{Name: name, Value: replace(name, part)})
		}
		return value.Object(members...)
	case byElement(rule, op) && v.Kind() == value.KindArray:
		var elements []value.Value
		for part := range v.Elements() {
			elements = append(elements, replace(field, part))
		}
		return value.Array(elements...)
	}
	return replace(field, v)
}

// byElement reports whether a rule takes an array for its elements. What is put into a set, or taken out, is one element.
func byElement(rule *merge.Rule, op merge.Kind) bool {
	return rule.Name == "union" || isSet(rule) && op == merge.Set
}

func isSet(rule *merge.Rule) bool {
	return slices.Contains([]string{"grow-only", "add-wins", "remove-wins"}, rule.Name)
}

// showsSeveral reports whether the cells of a rule show several writes at once.
func showsSeveral(rule *merge.Rule) bool {
	return isSet(rule) || slices.Contains([]string{"union", "keep-all", "append"}, rule.Name)
}

// hash returns what stands for a value where it is enough to know it again. It depends on the field, so that nobody sees that
// two fields have one value, and on nothing else but the secret.
func (r *Redactor) hash(field string, v value.Value) value.Value {
	r.mac.Reset()
	var size [8]byte
	binary.BigEndian.PutUint64(size[:], uint64(len(field)))
	for _, text := range []string{"tiebreak.redact/v1", string(size[:]), field, string(v)} {
		_, _ = r.mac.Write([]byte(text)) // it takes everything
	}
	var token strings.Builder
	token.WriteString(`"h:`)
	token.WriteString(hex.EncodeToString(r.mac.Sum(r.sum[:0])[:hashBytes]))
	token.WriteByte('"')
	return value.Value(token.String())
}
