package history

import (
	"encoding/binary"
	"math/bits"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// member is a member of a native record. The order is the one in which [Writer] writes them.
type member uint8

const (
	memberKey member = iota
	memberField
	memberValue
	memberFields
	memberOp
	memberNode
	memberVersion
	memberTime
	memberID
	memberSeen
	memberBase
	memberBefore
	memberTx
	memberWant
	memberSaw
	memberStart
	memberEnd
	memberSession
	memberServedBy
)

var memberNames = [...]string{
	"key", "field", "value", "fields", "op", "node", "version", "time", "id", "seen", "base", "before", "tx",
	"want", "saw", "start", "end", "session", "served_by",
}

func memberOf(name string) (member, bool) {
	switch name {
	case "key":
		return memberKey, true
	case "field":
		return memberField, true
	case "value":
		return memberValue, true
	case "fields":
		return memberFields, true
	case "op":
		return memberOp, true
	case "node":
		return memberNode, true
	case "version":
		return memberVersion, true
	case "time":
		return memberTime, true
	case "id":
		return memberID, true
	case "seen":
		return memberSeen, true
	case "base":
		return memberBase, true
	case "before":
		return memberBefore, true
	case "tx":
		return memberTx, true
	case "want":
		return memberWant, true
	case "saw":
		return memberSaw, true
	case "start":
		return memberStart, true
	case "end":
		return memberEnd, true
	case "session":
		return memberSession, true
	case "served_by":
		return memberServedBy, true
	}
	return 0, false
}

// members is a set of members.
type members uint32

func setOf(ms ...member) members {
	var set members
	for _, m := range ms {
		set |= 1 << m
	}
	return set
}

func (set members) has(m member) bool { return set&(1<<m) != 0 }

// name returns the name of the first member of the set.
func (set members) name() string { return memberNames[bits.TrailingZeros32(uint32(set))] }

var (
	readMembers  = setOf(memberWant, memberSaw, memberStart, memberEnd, memberSession, memberServedBy)
	callMembers  = setOf(memberStart, memberEnd, memberSession) // of a read, and of a write
	writeMembers = setOf(memberValue, memberFields, memberVersion, memberBase, memberBefore)
	takesValue   = setOf(memberValue, memberFields, memberBefore, memberSeen) // any value, or an array or object
)

// draft is a native record while its members come in, in whatever order they stand. JSON and msgpack fill it alike.
type draft struct {
	rec *Record
	out *Batch

	seen   members
	isRead bool
	op     merge.Kind
	field  string
	value  value.Value
	before value.Value
	fields value.Value
	read   Reading

	nodes nodeCache
}

// begin makes d ready for the members of rec.
func (d *draft) begin(rec *Record, out *Batch) {
	d.rec, d.out, d.seen, d.isRead, d.op = rec, out, 0, false, merge.Set
}

// enter notes that the named member comes next.
func (d *draft) enter(name string) (member, *problem) {
	m, known := memberOf(name)
	if !known {
		return m, newProblem(finding.UnknownField, "a record has no member %q", clip(name))
	}
	if d.seen.has(m) {
		return m, newProblem(finding.DuplicateField, "member %q stands twice", name)
	}
	d.seen |= 1 << m
	return m, nil
}

// text sets a member that was written as a string.
func (d *draft) text(m member, s string) *problem {
	if s == "" {
		if m == memberField {
			return newProblem(finding.BadField, `"field" is empty: leave it out when the whole record is meant`)
		}
		return newProblem(finding.BadField, "%q is empty", memberNames[m])
	}
	var bad *problem
	switch m {
	case memberKey:
		d.rec.Key = s
	case memberField:
		d.field = s
	case memberOp:
		if d.isRead = s == "read"; d.isRead {
			return nil
		}
		kind, known := merge.ParseKind(s)
		if !known {
			return newProblem(finding.BadField, "op %q: want set, delete, add, insert, remove or read", clip(s))
		}
		d.op = kind
	case memberNode:
		d.rec.Node, bad = d.nodes.check(s)
	case memberTime:
		d.rec.Time, d.rec.Precision, bad = parseTime(s)
	case memberStart:
		d.read.Start, _, bad = parseTime(s)
	case memberEnd:
		d.read.End, _, bad = parseTime(s)
	case memberID:
		d.rec.ID = s
	case memberTx:
		d.rec.Tx = s
	case memberWant:
		d.read.Want, bad = s, checkWant(s)
	case memberSaw:
		d.saw(Reading{Saw: s})
	case memberSession:
		d.read.Session = s
	case memberServedBy:
		d.read.ServedBy = s
	default:
		return wrongKind(m, "a string")
	}
	return bad
}

// integer sets a member that was written as an integer from 0 on.
func (d *draft) integer(m member, n uint64) *problem {
	var bad *problem
	switch m {
	case memberVersion:
		d.rec.Version = n
	case memberBase:
		d.rec.Base, d.rec.HasBase = n, true
	case memberTime:
		d.rec.Time, d.rec.Precision, bad = parseNanos(n)
	case memberStart:
		d.read.Start, _, bad = parseNanos(n)
	case memberEnd:
		d.read.End, _, bad = parseNanos(n)
	case memberSaw:
		d.saw(Reading{SawVersion: n, HasSawVersion: true})
	default:
		return wrongKind(m, "a number")
	}
	return bad
}

// any sets a member that was written as v: one that takes any value, or one that must not be what it is.
func (d *draft) any(m member, v value.Value) *problem {
	kind := v.Kind()
	switch m {
	case memberValue:
		d.value = v
		return nil
	case memberBefore:
		d.before = v
		return nil
	case memberFields:
		d.fields = v
		if kind != value.KindObject {
			break
		}
		if v == "{}" {
			return newProblem(finding.BadField, `"fields" is empty: a write changes at least one`)
		}
		return nil
	case memberSeen:
		return d.context(v)
	case memberSaw:
		if v == value.Null {
			d.saw(Reading{NotFound: true})
			return nil
		}
	case memberTime, memberStart, memberEnd:
		if kind == value.KindNumber {
			return newProblem(finding.BadTime, "%s is no time: want integer nanoseconds since 1970, or a string", clip(string(v)))
		}
	case memberVersion, memberBase:
		if kind == value.KindNumber {
			return newProblem(finding.BadNumber, "%q is %s: want an integer from 0 to 18446744073709551615",
				memberNames[m], clip(string(v)))
		}
	}
	return wrongKind(m, article(kind))
}

// saw sets what a read saw, which is told in one of three ways.
func (d *draft) saw(r Reading) { d.read.saw(&r) }

func (r *Reading) saw(as *Reading) {
	r.Saw, r.SawVersion, r.HasSawVersion, r.NotFound = as.Saw, as.SawVersion, as.HasSawVersion, as.NotFound
}

// context sets what the writer had seen.
func (d *draft) context(v value.Value) *problem {
	n := 0
	switch v.Kind() {
	case value.KindArray:
		for range v.Elements() {
			n++
		}
		if n > 0 {
			d.rec.Seen = d.out.ids.take(n)
		}
		n = 0
		for e := range v.Elements() {
			id, ok := e.Text()
			if !ok || id == "" {
				return newProblem(finding.BadField, `"seen" holds %q: want ids, as strings`, clip(string(e)))
			}
			d.rec.Seen[n] = id
			n++
		}
	case value.KindObject:
		d.rec.Whole = true
		for range v.Members() {
			n++
		}
		if n > 0 {
			d.rec.SeenUp = d.out.dots.take(n)
		}
		n = 0
		for name, e := range v.Members() {
			node, bad := d.nodes.check(name)
			if bad != nil {
				return bad
			}
			seq, ok := plainUint(string(e))
			if !ok || seq == 0 {
				return newProblem(finding.BadField, `"seen" has %q for node %q: want the number of its last operation, from 1`,
					clip(string(e)), name)
			}
			d.rec.SeenUp[n] = clock.Dot{Node: node, Seq: seq}
			n++
		}
	default:
		return wrongKind(memberSeen, article(v.Kind()))
	}
	d.rec.Knows = true
	return nil
}

// end checks the record as a whole and fills what depends on several members.
func (d *draft) end() *problem {
	if !d.seen.has(memberKey) {
		return missing(memberKey)
	}
	if d.isRead {
		return d.endRead()
	}
	if extra := d.seen & readMembers &^ callMembers; extra != 0 {
		return newProblem(finding.BadField, `%q is for reads: want "op":"read" with it`, extra.name())
	}
	if !d.seen.has(memberNode) {
		return missing(memberNode)
	}
	if d.seen&callMembers != 0 {
		if bad := d.call(); bad != nil {
			return bad
		}
	}
	d.rec.Kind, d.rec.Op = Write, d.op
	switch {
	case d.seen.has(memberFields):
		return d.endFields()
	case d.op == merge.Delete:
		if d.seen.has(memberValue) {
			return newProblem(finding.BadField, "a delete has no value")
		}
		if d.seen&setOf(memberField, memberBefore) == 0 {
			return nil
		}
	case !d.seen.has(memberValue):
		return missing(memberValue)
	}
	d.rec.Fields = d.out.take(1)
	f := &d.rec.Fields[0]
	if d.seen.has(memberField) {
		f.Name = d.field
	}
	if d.seen.has(memberValue) {
		f.Value = d.value
	}
	if d.seen.has(memberBefore) {
		f.Before = d.before
	}
	if d.op == merge.Add {
		return checkIncrement(f.Value)
	}
	return nil
}

// endFields fills in the fields of a write that names several. They come in the order of their names.
func (d *draft) endFields() *problem {
	if extra := d.seen & setOf(memberField, memberValue); extra != 0 {
		return newProblem(finding.BadField, `both %q and "fields": want one of them`, extra.name())
	}
	n := 0
	for range d.fields.Members() {
		n++
	}
	d.rec.Fields = d.out.take(n)
	n = 0
	for name, v := range d.fields.Members() {
		if name == "" {
			return newProblem(finding.BadField, `"fields" has a field without a name`)
		}
		if d.op == merge.Add {
			if bad := checkIncrement(v); bad != nil {
				return bad
			}
		}
		if d.op == merge.Delete {
			if v != value.Null {
				return newProblem(finding.BadField, `a delete has no value: want null for each of its "fields"`)
			}
			v = ""
		}
		d.rec.Fields[n] = Field{Name: name, Value: v}
		n++
	}
	if !d.seen.has(memberBefore) {
		return nil
	}
	if d.before.Kind() != value.KindObject {
		return newProblem(finding.BadField, `"before" is %s: beside "fields" it is an object of fields`, article(d.before.Kind()))
	}
	at := 0
	for name, v := range d.before.Members() { // both are sorted
		for at < n && d.rec.Fields[at].Name < name {
			at++
		}
		if at == n || d.rec.Fields[at].Name != name {
			return newProblem(finding.BadField, `"before" has %q, which the write does not change`, clip(name))
		}
		d.rec.Fields[at].Before = v
	}
	return nil
}

// endRead fills in what a read has.
func (d *draft) endRead() *problem {
	if extra := d.seen & writeMembers; extra != 0 {
		return newProblem(finding.BadField, "a read has no %q", extra.name())
	}
	d.rec.Kind = Read
	if d.seen.has(memberField) {
		d.rec.Fields = d.out.take(1)
		d.rec.Fields[0].Name = d.field
	}
	return d.call()
}

// call fills in what a read has, and what a write says of when and in which session it was called.
func (d *draft) call() *problem {
	read := d.out.readings.take(1)
	d.rec.Reading = &read[0]
	for set := d.seen & readMembers; set != 0; set &= set - 1 {
		switch m := member(bits.TrailingZeros32(uint32(set))); m {
		case memberWant:
			d.rec.Reading.Want = d.read.Want
		case memberSaw:
			d.rec.Reading.saw(&d.read)
		case memberStart:
			d.rec.Reading.Start = d.read.Start
		case memberEnd:
			d.rec.Reading.End = d.read.End
		case memberSession:
			d.rec.Reading.Session = d.read.Session
		case memberServedBy:
			d.rec.Reading.ServedBy = d.read.ServedBy
		}
	}
	if r := d.rec.Reading; !r.End.IsZero() && r.End.Before(r.Start) {
		return newProblem(finding.BadTime, `"end" is before "start"`)
	}
	return nil
}

// checkIncrement makes sure that v can be added exactly.
func checkIncrement(v value.Value) *problem {
	if v.Kind() != value.KindNumber {
		return newProblem(finding.BadField, "%s to add: want a number", article(v.Kind()))
	}
	if len(v) <= 18 && !strings.ContainsAny(string(v), "eE") {
		return nil
	}
	if _, err := v.Decimal(); err != nil {
		return newProblem(finding.BadNumber, "the number to add: %v", err)
	}
	return nil
}

// checkWant makes sure that a reader asked for something known.
func checkWant(s string) *problem {
	switch s {
	case "strong", "quorum", "session", "eventual":
		return nil
	}
	if bound, ok := strings.CutPrefix(s, "bounded:"); ok {
		if d, err := time.ParseDuration(bound); err == nil && d >= 0 {
			return nil
		}
	}
	return newProblem(finding.BadField, "want %q: want strong, quorum, session, eventual, or bounded with a duration as in bounded:5s", clip(s))
}

func missing(m member) *problem {
	return newProblem(finding.MissingField, "no member %q", memberNames[m])
}

// wants says what each member is, for messages.
var wants = [...]string{
	memberKey: "a string", memberField: "a string", memberFields: "an object of fields", memberOp: "a string",
	memberNode: "a string", memberVersion: "an integer", memberTime: "a string or an integer", memberID: "a string",
	memberSeen: "an array of ids or an object of nodes", memberBase: "an integer", memberTx: "a string",
	memberWant: "a string", memberSaw: "an id, a version or null", memberStart: "a string or an integer",
	memberEnd: "a string or an integer", memberSession: "a string", memberServedBy: "a string",
}

func wrongKind(m member, is string) *problem {
	return newProblem(finding.BadField, "%q is %s: want %s", memberNames[m], is, wants[m])
}

// article returns the kind in words.
func article(k value.Kind) string {
	switch k {
	case value.KindNumber, value.KindString:
		return "a " + k.String()
	case value.KindArray, value.KindObject:
		return "an " + k.String()
	}
	return k.String()
}

// plainUint reads an integer that is written in digits alone.
func plainUint(text string) (uint64, bool) {
	if len(text) == 0 || len(text) > 20 {
		return 0, false
	}
	if len(text) == 20 { // may overflow
		n, err := strconv.ParseUint(text, 10, 64)
		return n, err == nil
	}
	n := uint64(0)
	for i := range len(text) {
		c := text[i] - '0'
		if c > 9 {
			return 0, false
		}
		n = n*10 + uint64(c)
	}
	return n, true
}

// nodeCache remembers nodes that were checked, because a history names few of them again and again. What it returns is
// a copy that keeps no chunk alive.
type nodeCache [256]clock.Node

func (c *nodeCache) check(s string) (clock.Node, *problem) {
	if s == "" {
		return "", newProblem(finding.BadField, "a node without a name")
	}
	slot := &c[hashEnds(s)]
	if string(*slot) == s {
		return *slot, nil
	}
	if err := clock.Node(s).Check(); err != nil {
		return "", newProblem(finding.BadField, "%v", err)
	}
	*slot = clock.Node(strings.Clone(s))
	return *slot, nil
}

// hashEnds returns a hash of one byte of what a text begins and ends with.
func hashEnds(s string) byte {
	b := unsafe.Slice(unsafe.StringData(s), len(s))
	var w uint64
	switch n := len(b); {
	case n >= 8:
		w = binary.LittleEndian.Uint64(b) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(b[n-8:]), 29)
	case n >= 4:
		w = uint64(binary.LittleEndian.Uint32(b)) | uint64(binary.LittleEndian.Uint32(b[n-4:]))<<32
	default:
		for _, c := range b {
			w = w<<8 | uint64(c)
		}
	}
	return byte(w * 0x9e3779b97f4a7c15 >> 56)
}
