package history

import (
	"strconv"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// connector is what there is to know of the changes of one database.
type connector struct {
	space     string // the member of source that says in which schema or database a table is
	main      string // the schema that keys leave out
	precision Precision
	coarse    bool       // a time of a whole second may be no more than that
	whole     bool       // the row before an update is whole, where it is more than a key
	positions [][]string // members of source that name a change, all of them together: the first of these that it has
	order     string     // the member of source that orders the changes of one time, in decimal or as a log sequence number
	plain     bool       // that log sequence number is one number
	same      bool       // the time of a write is where it began, so that nothing tells when it arrived elsewhere
	local     string     // the member of source that is null where a write began in the database itself
}

var connectors = map[string]*connector{
	"postgresql": {space: "schema", main: "public", precision: Microsecond, whole: true,
		positions: [][]string{{"txId", "lsn"}}, order: "lsn", same: true, local: "origin"},
	"mysql":   &binlog,
	"mariadb": &binlog,
	"sqlserver": {space: "schema", main: "dbo", precision: Millisecond, whole: true,
		positions: [][]string{{"commit_lsn", "change_lsn", "event_serial_no"}}, order: "change_lsn"},
	"oracle": {space: "schema", precision: Microsecond, coarse: true, whole: true,
		positions: [][]string{{"lcr_position"}, {"redo_thread", "rs_id", "ssn"}}, order: "scn"},
	// IBMSNAP_INTENTSEQ names a change within IBMSNAP_COMMITSEQ, and grows with the log: https://www.ibm.com/docs/en/db2, "CD table".
	"db2": {space: "schema", precision: Microsecond, positions: [][]string{{"commit_lsn", "change_lsn"}}, order: "change_lsn", plain: true},
}

var binlog = connector{space: "db", precision: Microsecond, coarse: true, whole: true,
	positions: [][]string{{"server_id", "file", "pos", "row"}}, order: "pos", same: true}

// logical returns what orders the changes of one time.
func (c *connector) logical(source value.Ref) uint32 {
	position := plainText(source.Get(c.order))
	file, block, isLSN := strings.Cut(position, ":")
	if !isLSN {
		return lastBits(position)
	}
	if c.plain { // in hexadecimal, with colons behind its first digits
		digits := strings.ReplaceAll(position, ":", "")
		n, err := strconv.ParseUint(digits[max(0, len(digits)-8):], 16, 32)
		if err != nil || strings.Trim(digits, "0123456789abcdefABCDEF") != "" {
			return 0
		}
		return uint32(n)
	}
	// In hexadecimal "file:block:slot": a block has 60 KiB, so that it has less than 2^12 slots.
	block, slot, _ := strings.Cut(block, ":")
	b, badBlock := strconv.ParseUint(block, 16, 32)
	s, badSlot := strconv.ParseUint(slot, 16, 16)
	if file == "" || badBlock != nil || badSlot != nil {
		return 0
	}
	return uint32(b)<<16 | uint32(s)&0xfff<<4 | lastBits(plainText(source.Get("event_serial_no")))&0xf
}

// connect finds out what wrote the message.
func (m *kafkaMessage) connect() *problem {
	name, ok := m.source.Get("connector").Text()
	if !ok {
		return newProblem(finding.MissingField, "source.connector, which says of which database the change is, is no string")
	}
	switch m.connector = connectors[name]; {
	case m.connector != nil:
		return nil
	case name == "mongodb":
		return newProblem(finding.BadField, "a change of MongoDB: its documents are strings of extended JSON, which are not read")
	case name == "cassandra":
		return newProblem(finding.BadField, "a change of Cassandra: its rows are of cells with times of their own, which are not read")
	}
	return newProblem(finding.BadField, "connector %q is none of postgresql, mysql, mariadb, sqlserver, oracle and db2", clip(name))
}

// scanned reports whether the change is a row of a snapshot.
func (m *kafkaMessage) scanned() (bool, *problem) {
	if m.op == "r" {
		return true, nil
	}
	mark := m.source.Get("snapshot")
	switch mark.Kind() {
	case value.KindAbsent, value.KindNull, value.KindFalse:
		return false, nil
	case value.KindObject:
		return false, newProblem(finding.BadField, avroText, "the messages with the JSON converter")
	}
	if textOf(mark) == "false" {
		return false, nil
	}
	if m.op == "c" {
		return true, nil
	}
	return false, newProblem(finding.BadField, "op %q in a snapshot (source.snapshot is %q)", m.op, spelled(mark))
}

// table returns the name of the table as keys begin with it.
func (m *kafkaMessage) table() (string, *problem) {
	table := textOf(m.source.Get("table"))
	if table == "" {
		return "", newProblem(finding.MissingField, "source.table does not name the table")
	}
	space := textOf(m.source.Get(m.space))
	if space == "" || space == m.main {
		return inQuotes(table), nil
	}
	space, table = inQuotes(space), inQuotes(table)
	name := m.out.room(len(space) + len(".") + len(table))
	return m.out.keep(append(append(append(name, space...), '.'), table...)), nil
}

// inQuotes returns a name as SQL writes it where it holds a point or a quote.
func inQuotes(name string) string {
	if !strings.ContainsAny(name, ".\"") {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

// time returns when the database has the change, zero when the message doesn't say.
func (m *kafkaMessage) time() (t clock.Timestamp, precision Precision, bad *problem) {
	for _, in := range [...]struct {
		name      string
		unit      unit
		precision Precision
	}{{"ts_ns", inNanoseconds, Nanosecond}, {"ts_us", inMicroseconds, Microsecond}, {"ts_ms", inMilliseconds, Millisecond}} {
		v := m.source.Get(in.name)
		if v.IsAbsent() || v.Kind() == value.KindNull {
			continue
		}
		number, ok := numberOf(plainText(v))
		if !ok {
			return t, NoTime, newProblem(finding.BadTime, "source.%s is a number of %s since 1970, not %q", in.name, unitNames[in.unit], spelled(v))
		}
		if t, bad = epochTime(string(number), in.unit); bad != nil {
			return clock.Timestamp{}, NoTime, bad
		}
		precision = min(in.precision, m.precision)
		if m.coarse && t.Wall%1_000_000_000 == 0 {
			precision = Second
		}
		t.Logical = m.logical(m.source)
		return t, precision, nil
	}
	return t, NoTime, nil
}

// origin returns where the write began, "" when nothing says, and whether the database says that it began there.
func (m *kafkaMessage) origin(columns image) (origin clock.Node, local bool, bad *problem) {
	name, ofSource := strings.CutPrefix(m.opt.Origin, "source.")
	if !ofSource {
		origin, bad = m.out.origin(columns, m.opt)
		return origin, false, bad
	}
	v := m.source.Get(name)
	switch {
	case v.Kind() == value.KindNull && name == m.local:
		m.out.Origins++
		return "", true, nil
	case v.IsAbsent() || v.Kind() == value.KindNull:
		m.out.NoOrigin++
		return "", false, nil
	}
	origin, bad = m.out.originOf(v.Value(), m.opt)
	return origin, false, bad
}

// replicated reports whether the log says by itself that it holds a write of another server. What an application copies and marks as
// another region's has the time of the copy.
func (m *kafkaMessage) replicated() bool {
	return strings.HasPrefix(m.opt.Origin, "source.") || m.local != "" && textOf(m.source.Get(m.local)) != ""
}

// id returns the name of a write, "" when its position does not name it.
func (m *kafkaMessage) id(rec *Record) string {
	name := textOf(m.source.Get("name"))
	for _, members := range m.positions {
		size := len(rec.Key) + len("@9223372036854775807.4294967295@") + len(name)
		for _, member := range members {
			part := plainText(m.source.Get(member))
			if size += len("/") + len(part); part == "" {
				size = 0
				break
			}
		}
		if size == 0 || name == "" {
			continue
		}
		id := append(append(m.out.room(size), rec.Key...), '@')
		id, _ = rec.Time.AppendText(id)
		id = append(append(id, '@'), name...)
		for _, member := range members {
			id = append(append(id, '/'), plainText(m.source.Get(member))...)
		}
		return m.out.keep(id)
	}
	return ""
}

// transaction returns the name of the transaction, "" when it has none.
func (m *kafkaMessage) transaction() string {
	if gtid := textOf(m.source.Get("gtid")); gtid != "" {
		return gtid
	}
	name := textOf(m.source.Get("name"))
	for _, member := range [...]string{"txId", "commit_lsn"} {
		if id := plainText(m.source.Get(member)); id != "" && name != "" {
			tx := m.out.room(len(name) + len("/") + len(id))
			return m.out.keep(append(append(append(tx, name...), '/'), id...))
		}
	}
	return ""
}

// plainText returns the text of a string, or the digits of a number; "" for all else.
func plainText(v value.Ref) string {
	if v.Kind() == value.KindNumber {
		return shared(v.Raw())
	}
	return textOf(v)
}
