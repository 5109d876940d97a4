package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tiebreakhq/tiebreak/crdt"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// ErrRule is that of typed access to a field which the table gives a rule of another type: of a [Counter] where it says lww, for
// one. Nothing is written then.
var ErrRule = errors.New("the field is of another type")

// field is a field of a key that is accessed as what its rule makes it. Once is the request of its writes.
type field struct {
	r               *Replica
	key, name, once string
	what            string
	rules           []string
}

func (f *field) check() error {
	if rule := f.r.opt.Table.Rule(f.key, f.name); !slices.Contains(f.rules, rule.Name) {
		return fmt.Errorf("%q %q as a %s: %w: the table says %s", f.key, f.name, f.what, ErrRule, rule.Name)
	}
	return nil
}

func (f *field) write(kind merge.Kind, v value.Value) (Receipt, error) {
	if err := f.check(); err != nil {
		return Receipt{}, err
	}
	return f.r.Write(Write{Key: f.key, Kind: kind, Fields: []merge.Field{{Name: f.name, Value: v}}, Request: f.once})
}

func (f *field) read() (value.Value, error) {
	if err := f.check(); err != nil {
		return "", err
	}
	f.r.mu.Lock()
	defer f.r.mu.Unlock()
	if err := f.r.closed(); err != nil {
		return "", fmt.Errorf("read %q: %w", f.key, err)
	}
	return f.r.state.Get(f.key, f.name), nil
}

func (f *field) elements() ([]value.Value, error) {
	v, err := f.read()
	if err != nil || v.IsAbsent() {
		return nil, err
	}
	return slices.Collect(v.Elements()), nil
}

// Counter is a field under the rule counter: no increment is lost, and none counts twice.
type Counter struct{ field }

// Counter returns access to a field as a counter. That it is none is the error of the methods, [ErrRule].
func (r *Replica) Counter(key, name string) Counter {
	return Counter{field{r: r, key: key, name: name, what: "counter", rules: []string{"counter"}}}
}

// Once returns the same access, whose one write carries out a request: see [Write.Request].
func (c Counter) Once(request string) Counter { c.once = request; return c }

// Add raises the counter by n, which may be negative.
func (c Counter) Add(n int64) (Receipt, error) { return c.write(merge.Add, value.Int(n)) }

// AddDecimal is [Counter.Add] of a decimal number, exactly. One with more digits before the point or after it than
// [merge.MaxIncrementDigits], which a counter would not count, is refused with an error that wraps [ErrRefused].
func (c Counter) AddDecimal(d crdt.Decimal) (Receipt, error) {
	if most := merge.MaxIncrementDigits; !d.Fits(most, most) {
		why := merge.Refusal{Code: finding.TooLarge, Place: -1, Detail: fmt.Sprintf("an increment of more than %d digits before or after the point", most)}
		return Receipt{}, fmt.Errorf("%q %q: %w", c.key, c.name, &RefusedError{c.r.opt.Node, []merge.Refusal{why}})
	}
	return c.write(merge.Add, value.Number(d))
}

// Value returns what the counter shows, 0 when nothing was added.
func (c Counter) Value() (crdt.Decimal, error) {
	v, err := c.read()
	if err != nil || v.IsAbsent() {
		return crdt.Decimal{}, err
	}
	return v.Decimal()
}

// Set is a field under the rule grow-only, add-wins or remove-wins.
type Set struct{ field }

// Elements returns access to a field as a set ([Replica.Set] writes a value). That it is none is the error of the methods,
// [ErrRule].
func (r *Replica) Elements(key, name string) Set {
	return Set{field{r: r, key: key, name: name, what: "set", rules: []string{"grow-only", "add-wins", "remove-wins"}}}
}

// Once returns the same access, whose one write carries out a request: see [Write.Request].
func (s Set) Once(request string) Set { s.once = request; return s }

// Insert puts an element into the set.
func (s Set) Insert(v value.Value) (Receipt, error) { return s.write(merge.Insert, v) }

// Remove takes an element out of the set: what was inserted of it by writers that this replica has heard. Under grow-only
// nothing can be taken out, as the verdict says.
func (s Set) Remove(v value.Value) (Receipt, error) { return s.write(merge.Remove, v) }

// Has reports whether an element is in the set.
func (s Set) Has(v value.Value) (bool, error) {
	all, err := s.elements()
	return slices.Contains(all, v), err
}

// All returns the elements, ascending by [value.Compare].
func (s Set) All() ([]value.Value, error) { return s.elements() }

// Flag is a field under the rule enable-wins or disable-wins.
type Flag struct{ field }

// Flag returns access to a field as a flag. That it is none is the error of the methods, [ErrRule].
func (r *Replica) Flag(key, name string) Flag {
	return Flag{field{r: r, key: key, name: name, what: "flag", rules: []string{"enable-wins", "disable-wins"}}}
}

// Once returns the same access, whose one write carries out a request: see [Write.Request].
func (f Flag) Once(request string) Flag { f.once = request; return f }

// Enable sets the flag.
func (f Flag) Enable() (Receipt, error) { return f.write(merge.Set, value.Bool(true)) }

// Disable is the opposite of [Flag.Enable].
func (f Flag) Disable() (Receipt, error) { return f.write(merge.Set, value.Bool(false)) }

// On reports whether the flag is enabled. One that nobody has set is not.
func (f Flag) On() (bool, error) {
	v, err := f.read()
	on, _ := v.Bool()
	return on, err
}

// Entries is a field under the rule append: a log in the order of time.
type Entries struct{ field }

// Entries returns access to a field as a log. That it is none is the error of the methods, [ErrRule].
func (r *Replica) Entries(key, name string) Entries {
	return Entries{field{r: r, key: key, name: name, what: "log", rules: []string{"append"}}}
}

// Once returns the same access, whose one write carries out a request: see [Write.Request].
func (e Entries) Once(request string) Entries { e.once = request; return e }

// Append adds an entry.
func (e Entries) Append(v value.Value) (Receipt, error) { return e.write(merge.Set, v) }

// All returns the entries, earliest first.
func (e Entries) All() ([]value.Value, error) { return e.elements() }

// Siblings is a field under the rule keep-all: of concurrent writes, all are kept until a later one has seen them.
type Siblings struct{ field }

// Siblings returns access to a field as what several may have written at once. That it is none is the error of the methods,
// [ErrRule].
func (r *Replica) Siblings(key, name string) Siblings {
	return Siblings{field{r: r, key: key, name: name, what: "multi-value register", rules: []string{"keep-all"}}}
}

// Once returns the same access, whose one write carries out a request: see [Write.Request].
func (s Siblings) Once(request string) Siblings { s.once = request; return s }

// Set writes a value in place of all that this replica has heard of.
func (s Siblings) Set(v value.Value) (Receipt, error) { return s.write(merge.Set, v) }

// All returns the values, that of the greatest claim first.
func (s Siblings) All() ([]value.Value, error) { return s.elements() }
