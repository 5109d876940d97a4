package crdt

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"

	"github.com/tiebreakhq/tiebreak/clock"
)

// do is an operation of the tests: a verb, and an element or amount.
type do struct {
	verb string
	arg  string
}

func (d do) String() string { return strings.TrimSpace(d.verb + " " + d.arg) }

// seenBy reports whether any of the events among that match had seen event i.
func seenBy(h history[do], among mask, i int, match func(do) bool) bool {
	for j, e := range h {
		if among.has(j) && e.past.has(i) && match(e.op) {
			return true
		}
	}
	return false
}

func verb(names ...string) func(do) bool {
	return func(d do) bool { return slices.Contains(names, d.verb) }
}

func list(words []string) string {
	slices.Sort(words)
	return strings.Join(words, " ")
}

// An element is there if there is an add of it that no remove of it, and no clear, had seen.
var orSetKind = kind[ORSet[string], do]{
	alphabet: []do{{"add", "x"}, {"remove", "x"}, {"add", "y"}, {"clear", ""}},
	apply: func(s *ORSet[string], e event[do], seen clock.Vector) bool {
		changed := false
		switch e.op.verb {
		case "add":
			changed, _ = s.AddAt(e.dot, e.op.arg, seen)
		case "remove":
			changed = s.RemoveAt(e.dot, e.op.arg, seen)
		case "clear":
			changed = s.ClearAt(e.dot, seen)
		}
		return changed
	},
	local: func(s *ORSet[string], node clock.Node, op do) ORSet[string] {
		switch op.verb {
		case "add":
			return must(s.Add(node, op.arg))
		case "remove":
			return s.Remove(op.arg)
		}
		return s.Clear()
	},
	merge:  (*ORSet[string]).Merge,
	equal:  func(a, b ORSet[string]) bool { return a.Equal(b) },
	clone:  func(s ORSet[string]) ORSet[string] { return s.Clone() },
	encode: func(s ORSet[string]) ([]byte, error) { return s.Encode(nil, Text[string]()) },
	decode: func(s *ORSet[string], data []byte, limits Limits) error {
		return s.Decode(data, Text[string](), limits)
	},
	read: func(s ORSet[string]) string { return list(s.Elements()) },
	oracle: func(h history[do], among mask) string {
		var present []string
		for i, e := range h {
			if among.has(i) && e.op.verb == "add" && !slices.Contains(present, e.op.arg) &&
				!seenBy(h, among, i, func(d do) bool { return d == do{"remove", e.op.arg} || d.verb == "clear" }) {
				present = append(present, e.op.arg)
			}
		}
		return list(present)
	},
}

// Of the operations on an element those count that no other on it, and no clear, had seen.
func undecided(h history[do], among mask, arg, yes, no string) (anyYes, anyNo bool) {
	for i, e := range h {
		if !among.has(i) || e.op.arg != arg || e.op.verb == "clear" ||
			seenBy(h, among, i, func(d do) bool { return d.arg == arg || d.verb == "clear" }) {
			continue
		}
		anyYes = anyYes || e.op.verb == yes
		anyNo = anyNo || e.op.verb == no
	}
	return anyYes, anyNo
}

var rwSetKind = kind[RWSet[string], do]{
	alphabet: []do{{"add", "x"}, {"remove", "x"}, {"add", "y"}, {"clear", ""}},
	apply: func(s *RWSet[string], e event[do], seen clock.Vector) bool {
		changed := false
		switch e.op.verb {
		case "add":
			changed, _ = s.AddAt(e.dot, e.op.arg, seen)
		case "remove":
			changed, _ = s.RemoveAt(e.dot, e.op.arg, seen)
		case "clear":
			changed = s.ClearAt(e.dot, seen)
		}
		return changed
	},
	local: func(s *RWSet[string], node clock.Node, op do) RWSet[string] {
		switch op.verb {
		case "add":
			return must(s.Add(node, op.arg))
		case "remove":
			return must(s.Remove(node, op.arg))
		}
		return s.Clear()
	},
	merge:  (*RWSet[string]).Merge,
	equal:  func(a, b RWSet[string]) bool { return a.Equal(b) },
	clone:  func(s RWSet[string]) RWSet[string] { return s.Clone() },
	encode: func(s RWSet[string]) ([]byte, error) { return s.Encode(nil, Text[string]()) },
	decode: func(s *RWSet[string], data []byte, limits Limits) error {
		return s.Decode(data, Text[string](), limits)
	},
	read: func(s RWSet[string]) string { return list(s.Elements()) },
	oracle: func(h history[do], among mask) string {
		var present []string
		for _, e := range []string{"x", "y"} {
			if yes, no := undecided(h, among, e, "add", "remove"); yes && !no {
				present = append(present, e)
			}
		}
		return list(present)
	},
}

var ewFlagKind = kind[EWFlag, do]{
	alphabet: []do{{"enable", ""}, {"disable", ""}},
	apply: func(f *EWFlag, e event[do], seen clock.Vector) bool {
		if e.op.verb == "enable" {
			return f.EnableAt(e.dot, seen)
		}
		return f.DisableAt(e.dot, seen)
	},
	local: func(f *EWFlag, node clock.Node, op do) EWFlag {
		if op.verb == "enable" {
			return f.Enable(node)
		}
		return f.Disable()
	},
	merge:  (*EWFlag).Merge,
	equal:  func(a, b EWFlag) bool { return a.Equal(b) },
	clone:  func(f EWFlag) EWFlag { return f.Clone() },
	encode: func(s EWFlag) ([]byte, error) { return s.Encode(nil) },
	decode: func(s *EWFlag, data []byte, limits Limits) error { return s.Decode(data, limits) },
	read:   func(f EWFlag) string { return fmt.Sprint(f.On()) },
	oracle: func(h history[do], among mask) string {
		for i, e := range h {
			if among.has(i) && e.op.verb == "enable" && !seenBy(h, among, i, verb("disable")) {
				return "true"
			}
		}
		return "false"
	},
}

var dwFlagKind = kind[DWFlag, do]{
	alphabet: []do{{"enable", ""}, {"disable", ""}},
	apply: func(f *DWFlag, e event[do], seen clock.Vector) bool {
		if e.op.verb == "enable" {
			return f.EnableAt(e.dot, seen)
		}
		return f.DisableAt(e.dot, seen)
	},
	local: func(f *DWFlag, node clock.Node, op do) DWFlag {
		if op.verb == "enable" {
			return f.Enable(node)
		}
		return f.Disable(node)
	},
	merge:  (*DWFlag).Merge,
	equal:  func(a, b DWFlag) bool { return a.Equal(b) },
	clone:  func(f DWFlag) DWFlag { return f.Clone() },
	encode: func(s DWFlag) ([]byte, error) { return s.Encode(nil) },
	decode: func(s *DWFlag, data []byte, limits Limits) error { return s.Decode(data, limits) },
	read:   func(f DWFlag) string { return fmt.Sprint(f.On()) },
	oracle: func(h history[do], among mask) string {
		yes, no := undecided(h, among, "", "enable", "disable")
		return fmt.Sprint(yes && !no)
	},
}

// A value is kept if no other operation had seen its write.
var mvRegisterKind = kind[MVRegister[string], do]{
	alphabet: []do{{"write", "1"}, {"write", "2"}, {"clear", ""}},
	apply: func(r *MVRegister[string], e event[do], seen clock.Vector) bool {
		if e.op.verb == "clear" {
			return r.ClearAt(e.dot, seen)
		}
		changed, _ := r.WriteAt(e.dot, e.op.arg, seen)
		return changed
	},
	local: func(r *MVRegister[string], node clock.Node, op do) MVRegister[string] {
		if op.verb == "clear" {
			return r.Clear()
		}
		return must(r.Write(node, op.arg))
	},
	merge:  (*MVRegister[string]).Merge,
	equal:  func(a, b MVRegister[string]) bool { return a.Equal(b) },
	clone:  func(r MVRegister[string]) MVRegister[string] { return r.Clone() },
	encode: func(s MVRegister[string]) ([]byte, error) { return s.Encode(nil, Text[string]()) },
	decode: func(s *MVRegister[string], data []byte, limits Limits) error {
		return s.Decode(data, Text[string](), limits)
	},
	read: func(r MVRegister[string]) string { return list(r.Values()) },
	oracle: func(h history[do], among mask) string {
		var kept []string
		for i, e := range h {
			if among.has(i) && e.op.verb == "write" && !seenBy(h, among, i, verb("write", "clear")) {
				kept = append(kept, e.op.arg)
			}
		}
		return list(kept)
	},
}

// The sum of the increments that no reset had seen.
var resetCounterKind = kind[ResetCounter, do]{
	alphabet: []do{{"add", "5"}, {"add", "-0.5"}, {"reset", ""}},
	apply: func(c *ResetCounter, e event[do], seen clock.Vector) bool {
		if e.op.verb == "reset" {
			return c.ResetAt(e.dot, seen)
		}
		return c.AddAt(e.dot, must(ParseDecimal(e.op.arg)))
	},
	local: func(c *ResetCounter, node clock.Node, op do) ResetCounter {
		if op.verb == "reset" {
			return c.Reset()
		}
		return c.Add(node, must(ParseDecimal(op.arg)))
	},
	merge:  (*ResetCounter).Merge,
	equal:  func(a, b ResetCounter) bool { return a.Equal(b) },
	clone:  func(c ResetCounter) ResetCounter { return c.Clone() },
	encode: func(s ResetCounter) ([]byte, error) { return s.Encode(nil) },
	decode: func(s *ResetCounter, data []byte, limits Limits) error { return s.Decode(data, limits) },
	read:   func(c ResetCounter) string { return c.Value().String() },
	oracle: func(h history[do], among mask) string {
		var tenths int64
		for i, e := range h {
			if among.has(i) && e.op.verb == "add" && !seenBy(h, among, i, verb("reset")) {
				tenths += map[string]int64{"5": 50, "-0.5": -5}[e.op.arg]
			}
		}
		return strings.TrimSuffix(fmt.Sprintf("%.1f", float64(tenths)/10), ".0")
	},
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Under a key count the increments that no remove of it, and no delete of it, had seen; and none if there is a delete of
// the key that the increment had not seen.
var mapKind = kind[Map[string, ResetCounter], do]{
	alphabet: []do{{"add", "x"}, {"remove", "x"}, {"delete", "x"}, {"add", "y"}},
	awaits:   func(op, seen do) bool { return op.verb == "add" && seen == do{"delete", op.arg} },
	apply: func(m *Map[string, ResetCounter], e event[do], seen clock.Vector) bool {
		switch e.op.verb {
		case "remove":
			return m.RemoveAt(e.dot, e.op.arg, seen)
		case "delete":
			return must(m.DeleteAt(e.dot, e.op.arg))
		}
		changed, _ := m.WriteAt(e.op.arg, e.dot, seen, func(c *ResetCounter) { c.AddAt(e.dot, DecimalOf(1)) })
		return changed
	},
	local: func(m *Map[string, ResetCounter], node clock.Node, op do) Map[string, ResetCounter] {
		switch op.verb {
		case "remove":
			return m.Remove(op.arg)
		case "delete":
			return must(m.Delete(node, op.arg))
		}
		return must(m.Write(op.arg, func(c *ResetCounter) (ResetCounter, error) { return c.Add(node, DecimalOf(1)), nil }))
	},
	merge: (*Map[string, ResetCounter]).Merge,
	equal: func(a, b Map[string, ResetCounter]) bool { return a.Equal(b) },
	clone: func(m Map[string, ResetCounter]) Map[string, ResetCounter] { return m.Clone() },
	encode: func(s Map[string, ResetCounter]) ([]byte, error) {
		return s.Encode(nil, Text[string](), ResetCounters())
	},
	decode: func(s *Map[string, ResetCounter], data []byte, limits Limits) error {
		return s.Decode(data, Text[string](), ResetCounters(), limits)
	},
	read: func(m Map[string, ResetCounter]) string {
		var shown []string
		for _, k := range m.Keys() {
			c, _ := m.Get(k)
			shown = append(shown, k+"="+c.Value().String())
		}
		return list(shown)
	},
	oracle: func(h history[do], among mask) string {
		sums := map[string]int{}
		for i, e := range h {
			if !among.has(i) || e.op.verb != "add" ||
				seenBy(h, among, i, func(d do) bool { return d.arg == e.op.arg && d.verb != "add" }) {
				continue
			}
			beaten := false
			for j, other := range h {
				beaten = beaten || among.has(j) && other.op == do{"delete", e.op.arg} && !e.past.has(j)
			}
			if !beaten {
				sums[e.op.arg]++
			}
		}
		var shown []string
		for k, sum := range sums {
			shown = append(shown, fmt.Sprint(k, "=", sum))
		}
		return list(shown)
	},
}

// Under a key are the values that no other write under it, and no remove of it, had seen.
var registersKind = kind[Map[string, MVRegister[string]], do]{
	alphabet: []do{{"write", "1"}, {"write", "2"}, {"remove", ""}, {"clear", ""}},
	apply: func(m *Map[string, MVRegister[string]], e event[do], seen clock.Vector) bool {
		if e.op.verb == "remove" {
			return m.RemoveAt(e.dot, "x", seen)
		}
		changed, _ := m.WriteAt("x", e.dot, seen, func(r *MVRegister[string]) {
			if e.op.verb == "clear" {
				r.ClearAt(e.dot, seen)
			} else {
				_, _ = r.WriteAt(e.dot, e.op.arg, seen)
			}
		})
		return changed
	},
	local: func(m *Map[string, MVRegister[string]], node clock.Node, op do) Map[string, MVRegister[string]] {
		if op.verb == "remove" {
			return m.Remove("x")
		}
		return must(m.Write("x", func(r *MVRegister[string]) (MVRegister[string], error) {
			if op.verb == "clear" {
				return r.Clear(), nil
			}
			return r.Write(node, op.arg)
		}))
	},
	merge: (*Map[string, MVRegister[string]]).Merge,
	equal: func(a, b Map[string, MVRegister[string]]) bool { return a.Equal(b) },
	clone: func(m Map[string, MVRegister[string]]) Map[string, MVRegister[string]] { return m.Clone() },
	encode: func(m Map[string, MVRegister[string]]) ([]byte, error) {
		return m.Encode(nil, Text[string](), MVRegisters(Text[string]()))
	},
	decode: func(m *Map[string, MVRegister[string]], data []byte, limits Limits) error {
		return m.Decode(data, Text[string](), MVRegisters(Text[string]()), limits)
	},
	read: func(m Map[string, MVRegister[string]]) string {
		r, _ := m.Get("x")
		return list(r.Values())
	},
	oracle: func(h history[do], among mask) string {
		var kept []string
		for i, e := range h {
			if among.has(i) && e.op.verb == "write" && !seenBy(h, among, i, verb("write", "remove", "clear")) {
				kept = append(kept, e.op.arg)
			}
		}
		return list(kept)
	},
}

// A map in a map of sets: an element is there if there is an add of it that no remove of it, of its inner key or of its
// outer key had seen.
var nestedMapKind = kind[nestedMap, do]{
	alphabet: []do{{"add", "x"}, {"remove", "x"}, {"inner", ""}, {"outer", ""}},
	local: func(m *nestedMap, node clock.Node, op do) nestedMap {
		switch op.verb {
		case "outer":
			return m.Remove("a")
		case "inner":
			return must(m.Write("a", func(v *Map[int, ORSet[string]]) (Map[int, ORSet[string]], error) { return v.Remove(1), nil }))
		}
		return must(m.Write("a", func(v *Map[int, ORSet[string]]) (Map[int, ORSet[string]], error) {
			return v.Write(1, func(s *ORSet[string]) (ORSet[string], error) {
				if op.verb == "remove" {
					return s.Remove(op.arg), nil
				}
				return s.Add(node, op.arg)
			})
		}))
	},
	apply: func(m *nestedMap, e event[do], seen clock.Vector) bool {
		changed := false
		switch e.op.verb {
		case "outer":
			return m.RemoveAt(e.dot, "a", seen)
		case "inner":
			changed, _ = m.WriteAt("a", e.dot, seen, func(v *Map[int, ORSet[string]]) { v.RemoveAt(e.dot, 1, seen) })
		default:
			changed, _ = m.WriteAt("a", e.dot, seen, func(v *Map[int, ORSet[string]]) {
				_, _ = v.WriteAt(1, e.dot, seen, func(s *ORSet[string]) {
					if e.op.verb == "remove" {
						s.RemoveAt(e.dot, e.op.arg, seen)
					} else {
						_, _ = s.AddAt(e.dot, e.op.arg, seen)
					}
				})
			})
		}
		return changed
	},
	merge: (*nestedMap).Merge,
	equal: func(a, b nestedMap) bool { return a.Equal(b) },
	clone: func(m nestedMap) nestedMap { return m.Clone() },
	encode: func(s nestedMap) ([]byte, error) {
		return s.Encode(nil, Text[string](), Maps(Int[int](), ORSets(Text[string]())))
	},
	decode: func(s *nestedMap, data []byte, limits Limits) error {
		return s.Decode(data, Text[string](), Maps(Int[int](), ORSets(Text[string]())), limits)
	},
	read: func(m nestedMap) string {
		var shown []string
		for _, k := range m.Keys() {
			inner, _ := m.Get(k)
			for _, n := range inner.Keys() {
				s, _ := inner.Get(n)
				shown = append(shown, s.Elements()...)
			}
		}
		return list(shown)
	},
	oracle: func(h history[do], among mask) string {
		for i, e := range h {
			if among.has(i) && e.op.verb == "add" && !seenBy(h, among, i, verb("remove", "inner", "outer")) {
				return "x"
			}
		}
		return ""
	},
}

type nestedMap = Map[string, Map[int, ORSet[string]]]

// The same with deletes in place of removes. A delete of the inner key is a write to the value of the outer one, so a delete of the
// outer key takes it back, or beats it.
var deletedNestedMapKind = kind[nestedMap, do]{
	alphabet: []do{{"add", "x"}, {"inner", ""}, {"outer", ""}},
	awaits: func(op, seen do) bool {
		return op.verb != "outer" && seen.verb == "outer" || op.verb == "add" && seen.verb == "inner"
	},
	local: func(m *nestedMap, node clock.Node, op do) nestedMap {
		if op.verb == "outer" {
			return must(m.Delete(node, "a"))
		}
		return must(m.Write("a", func(v *Map[int, ORSet[string]]) (Map[int, ORSet[string]], error) {
			if op.verb == "inner" {
				return v.Delete(node, 1)
			}
			return v.Write(1, func(s *ORSet[string]) (ORSet[string], error) { return s.Add(node, op.arg) })
		}))
	},
	apply: func(m *nestedMap, e event[do], seen clock.Vector) bool {
		if e.op.verb == "outer" {
			return must(m.DeleteAt(e.dot, "a"))
		}
		return must(m.WriteAt("a", e.dot, seen, func(v *Map[int, ORSet[string]]) {
			if e.op.verb == "inner" {
				must(v.DeleteAt(e.dot, 1))
			} else {
				must(v.WriteAt(1, e.dot, seen, func(s *ORSet[string]) { must(s.AddAt(e.dot, e.op.arg, seen)) }))
			}
		}))
	},
	merge:  nestedMapKind.merge,
	equal:  nestedMapKind.equal,
	clone:  nestedMapKind.clone,
	encode: nestedMapKind.encode,
	decode: nestedMapKind.decode,
	read:   nestedMapKind.read,
	oracle: func(h history[do], among mask) string {
		counts := func(i int) bool {
			for j, e := range h {
				if among.has(j) && e.op.verb == "outer" && !h[i].past.has(j) {
					return false
				}
			}
			return true
		}
		for i, e := range h {
			there := among.has(i) && e.op.verb == "add" && counts(i)
			for j, other := range h {
				there = there && !(among.has(j) && other.op.verb == "inner" && counts(j) && !e.past.has(j))
			}
			if there {
				return "x"
			}
		}
		return ""
	},
}

// The sum of all increments.
func sumOf(h history[do], among mask) string {
	var sum Decimal
	for i, e := range h {
		if among.has(i) {
			sum = sum.Add(must(ParseDecimal(e.op.arg)))
		}
	}
	return sum.String()
}

var gCounterKind = kind[GCounter, do]{
	alphabet: []do{{"add", "1"}, {"add", "0.5"}, {"add", "1e30"}},
	local: func(c *GCounter, node clock.Node, op do) GCounter {
		return must(c.Add(node, must(ParseDecimal(op.arg))))
	},
	merge:  (*GCounter).Merge,
	equal:  func(a, b GCounter) bool { return a.Equal(b) },
	clone:  func(c GCounter) GCounter { return c.Clone() },
	encode: func(c GCounter) ([]byte, error) { return c.Encode(nil) },
	decode: func(c *GCounter, data []byte, limits Limits) error { return c.Decode(data, limits) },
	read:   func(c GCounter) string { return c.Value().String() },
	oracle: sumOf,
}

var pnCounterKind = kind[PNCounter, do]{
	alphabet: []do{{"add", "1"}, {"add", "-0.5"}, {"add", "-9223372036854775808"}},
	local: func(c *PNCounter, node clock.Node, op do) PNCounter {
		return must(c.Add(node, must(ParseDecimal(op.arg))))
	},
	merge:  (*PNCounter).Merge,
	equal:  func(a, b PNCounter) bool { return a.Equal(b) },
	clone:  func(c PNCounter) PNCounter { return c.Clone() },
	encode: func(c PNCounter) ([]byte, error) { return c.Encode(nil) },
	decode: func(c *PNCounter, data []byte, limits Limits) error { return c.Decode(data, limits) },
	read:   func(c PNCounter) string { return c.Value().String() },
	oracle: sumOf,
}

// What was added less what was taken by those who had the rights, going by what they had seen.
var boundedCounterKind = kind[BoundedCounter, do]{
	alphabet: []do{{"add", "2"}, {"take", "1"}, {"give", "b"}, {"give", "a"}},
	local: func(c *BoundedCounter, node clock.Node, op do) BoundedCounter {
		var delta BoundedCounter
		switch op.verb {
		case "add":
			delta = must(c.Add(node, DecimalOf(2)))
		case "take":
			delta, _ = c.Take(node, DecimalOf(1))
		case "give":
			delta, _ = c.Transfer(node, clock.Node(op.arg), DecimalOf(1))
		}
		return delta
	},
	merge:  (*BoundedCounter).Merge,
	equal:  func(a, b BoundedCounter) bool { return a.Equal(b) },
	clone:  func(c BoundedCounter) BoundedCounter { return c.Clone() },
	encode: func(c BoundedCounter) ([]byte, error) { return c.Encode(nil) },
	decode: func(c *BoundedCounter, data []byte, limits Limits) error { return c.Decode(data, limits) },
	read: func(c BoundedCounter) string {
		return fmt.Sprint(c.Value(), " a", c.Rights("a"), " b", c.Rights("b"), " c", c.Rights("c"))
	},
	oracle: func(h history[do], among mask) string {
		rights, value := rightsOf(h, among)
		return fmt.Sprint(value, " a", rights["a"], " b", rights["b"], " c", rights["c"])
	},
}

func rightsOf(h history[do], among mask) (rights map[clock.Node]int, value int) {
	rights = map[clock.Node]int{}
	for i, e := range h {
		if !among.has(i) {
			continue
		}
		node := e.dot.Node
		if e.op.verb == "add" {
			rights[node] += 2
			value += 2
			continue
		}
		if had, _ := rightsOf(h[:i], e.past); had[node] < 1 {
			continue
		}
		rights[node]--
		if e.op.verb == "take" {
			value--
		} else {
			rights[clock.Node(e.op.arg)]++
		}
	}
	return rights, value
}

var gSetKind = kind[GSet[string], do]{
	alphabet: []do{{"add", "x"}, {"add", "y"}, {"add", ""}},
	local:    func(s *GSet[string], _ clock.Node, op do) GSet[string] { return must(s.Add(op.arg)) },
	merge:    (*GSet[string]).Merge,
	equal:    func(a, b GSet[string]) bool { return a.Equal(b) },
	clone:    func(s GSet[string]) GSet[string] { return s.Clone() },
	encode:   func(s GSet[string]) ([]byte, error) { return s.Encode(nil, Text[string]()) },
	decode: func(s *GSet[string], data []byte, limits Limits) error {
		return s.Decode(data, Text[string](), limits)
	},
	read: func(s GSet[string]) string { return fmt.Sprintf("%q", s.Elements()) },
	oracle: func(h history[do], among mask) string {
		var present []string
		for i, e := range h {
			if among.has(i) && !slices.Contains(present, e.op.arg) {
				present = append(present, e.op.arg)
			}
		}
		slices.Sort(present)
		return fmt.Sprintf("%q", present)
	},
}

// pick returns the operand that is first by an order, of those among.
func pick(h history[do], among mask, order func(a, b string) int) string {
	var written []string
	for i, e := range h {
		if among.has(i) {
			written = append(written, e.op.arg)
		}
	}
	if len(written) == 0 {
		return "none"
	}
	return slices.MinFunc(written, order)
}

func shown[V any](v V, ok bool) string {
	if !ok {
		return "none"
	}
	return fmt.Sprint(v)
}

var maxRegisterKind = kind[MaxRegister[string], do]{
	alphabet: []do{{"write", "1"}, {"write", "2"}, {"write", ""}},
	local: func(r *MaxRegister[string], _ clock.Node, op do) MaxRegister[string] {
		return must(r.Write(op.arg))
	},
	merge:  (*MaxRegister[string]).Merge,
	equal:  func(a, b MaxRegister[string]) bool { return a.Equal(b) },
	clone:  func(r MaxRegister[string]) MaxRegister[string] { return r },
	encode: func(r MaxRegister[string]) ([]byte, error) { return r.Encode(nil, Text[string]()) },
	decode: func(r *MaxRegister[string], data []byte, limits Limits) error {
		return r.Decode(data, Text[string](), limits)
	},
	read: func(r MaxRegister[string]) string { return shown(r.Value()) },
	oracle: func(h history[do], among mask) string {
		return pick(h, among, func(a, b string) int { return strings.Compare(b, a) })
	},
}

var minRegisterKind = kind[MinRegister[string], do]{
	alphabet: []do{{"write", "1"}, {"write", "2"}, {"write", ""}},
	local: func(r *MinRegister[string], _ clock.Node, op do) MinRegister[string] {
		return must(r.Write(op.arg))
	},
	merge:  (*MinRegister[string]).Merge,
	equal:  func(a, b MinRegister[string]) bool { return a.Equal(b) },
	clone:  func(r MinRegister[string]) MinRegister[string] { return r },
	encode: func(r MinRegister[string]) ([]byte, error) { return r.Encode(nil, Text[string]()) },
	decode: func(r *MinRegister[string], data []byte, limits Limits) error {
		return r.Decode(data, Text[string](), limits)
	},
	read:   func(r MinRegister[string]) string { return shown(r.Value()) },
	oracle: func(h history[do], among mask) string { return pick(h, among, strings.Compare) },
}

var ticket = []string{"new", "open", "closed"}

var latticeRegisterKind = kind[LatticeRegister[string], do]{
	alphabet: []do{{"write", "new"}, {"write", "open"}, {"write", "closed"}},
	local: func(r *LatticeRegister[string], _ clock.Node, op do) LatticeRegister[string] {
		r.Order = ticket
		return must(r.Write(op.arg))
	},
	merge: func(r *LatticeRegister[string], other LatticeRegister[string]) bool {
		r.Order = ticket
		return r.Merge(other)
	},
	equal:  func(a, b LatticeRegister[string]) bool { return a.Equal(b) },
	clone:  func(r LatticeRegister[string]) LatticeRegister[string] { return r },
	encode: func(r LatticeRegister[string]) ([]byte, error) { return r.Encode(nil, Text[string]()) },
	decode: func(r *LatticeRegister[string], data []byte, limits Limits) error {
		return r.Decode(data, Text[string](), limits)
	},
	read: func(r LatticeRegister[string]) string { return shown(r.Value()) },
	oracle: func(h history[do], among mask) string {
		return pick(h, among, func(a, b string) int { return slices.Index(ticket, b) - slices.Index(ticket, a) })
	},
}

// All entries by time, then by who wrote them and when; those before the latest trim left out.
var appendLogKind = kind[AppendLog[string], do]{
	alphabet: []do{{"append", "1"}, {"append", "2"}, {"trim", "2"}},
	apply: func(l *AppendLog[string], e event[do], _ clock.Vector) bool {
		t := must(clock.ParseTimestamp(e.op.arg))
		if e.op.verb == "trim" {
			delta := must(new(AppendLog[string]).Trim(t))
			return l.Merge(delta)
		}
		return must(l.AppendAt(e.dot, t, string(e.dot.Node)+e.op.arg))
	},
	local: func(l *AppendLog[string], node clock.Node, op do) AppendLog[string] {
		t := must(clock.ParseTimestamp(op.arg))
		if op.verb == "trim" {
			return must(l.Trim(t))
		}
		return must(l.Append(node, t, string(node)+op.arg))
	},
	merge:  (*AppendLog[string]).Merge,
	equal:  func(a, b AppendLog[string]) bool { return a.Equal(b) },
	clone:  func(l AppendLog[string]) AppendLog[string] { return l.Clone() },
	encode: func(l AppendLog[string]) ([]byte, error) { return l.Encode(nil, Text[string]()) },
	decode: func(l *AppendLog[string], data []byte, limits Limits) error {
		return l.Decode(data, Text[string](), limits)
	},
	read: func(l AppendLog[string]) string { return fmt.Sprint(l.Values()) },
	oracle: func(h history[do], among mask) string {
		from := ""
		var kept []event[do]
		for i, e := range h {
			switch {
			case among.has(i) && e.op.verb == "trim":
				from = e.op.arg
			case among.has(i):
				kept = append(kept, e)
			}
		}
		slices.SortFunc(kept, func(a, b event[do]) int {
			return cmp.Or(strings.Compare(a.op.arg, b.op.arg), a.dot.Compare(b.dot))
		})
		values := []string{}
		for _, e := range kept {
			if e.op.arg >= from {
				values = append(values, string(e.dot.Node)+e.op.arg)
			}
		}
		return fmt.Sprint(values)
	},
}

// deeper makes the exhaustive tests go one operation further. It takes minutes.
var deeper = flag.Bool("deeper", false, "let the exhaustive tests try one operation more")

// depth is up to how many operations the exhaustive tests go: those that let each history happen by itself, and those that
// remember the states they have met.
func depth() (plain, explored int) {
	switch {
	case *deeper:
		return 4, mostOperations
	case testing.Short():
		return 2, 3
	}
	return 3, 5
}

func TestEveryDeliveryOrderAgreesWithTheOracle(t *testing.T) {
	plain, explored := depth()
	eachKind(t, func(t *testing.T, k wired, _ *rand.Rand) {
		t.Parallel()
		k.deliveries(t, plain, explored)
	})
}

// A write that had seen a delete of its inner key was beaten by it when it came through a log.
func TestDeletesWithinAMapAgreeWithTheOracle(t *testing.T) {
	t.Parallel()
	plain, explored := depth()
	deletedNestedMapKind.deliveries(t, plain, max(3, explored-1))
	deletedNestedMapKind.stateMerges(t, plain, max(3, explored-1))
}

func TestEveryMergeOfStatesAgreesWithTheOracle(t *testing.T) {
	plain, explored := depth()
	eachKind(t, func(t *testing.T, k wired, _ *rand.Rand) {
		t.Parallel()
		k.stateMerges(t, plain, explored)
	})
}
