package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/tiebreakhq/tiebreak/replay/bench/feeds"
)

// form is how a write is written down.
type form string

// The forms: the native ones, and the exports in which databases would have told the same writes.
const (
	native    form = "native"
	packed    form = "msgpack"
	cockroach form = "cockroachdb"
	dynamo    form = "dynamodb"
	spanner   form = "spanner"
	debezium  form = "debezium" // of PostgreSQL
)

var forms = []form{native, packed, cockroach, dynamo, spanner, debezium}

// replicated are the forms of databases that give a write that arrives in another region a new name.
var replicated = []form{cockroach, debezium}

// origins is what says in these where a write began.
var origins = map[form]string{cockroach: "origin", debezium: "source.origin"}

// seen is how a native line says what its writer had seen; "" when it says nothing.
type seen string

const (
	asNumbers seen = "numbers" // of each node, up to which number
	asList    seen = "list"    // the ids of the last writes, from which the rest follows
)

var seens = []seen{asNumbers, asList}

// append appends the write in the form of the workload. r chooses the order of the members, when that is mixed.
func (w *workload) append(b []byte, one *write, r *rand.Rand) []byte {
	switch w.form {
	case packed:
		return one.appendFrame(b)
	case cockroach:
		m := one.message()
		return m.AppendCockroach(b)
	case dynamo:
		return one.appendDynamo(b)
	case spanner:
		return one.appendSpanner(b)
	case debezium:
		m := one.message()
		m.Server, m.LSN, m.Xid = "shop", one.seq*int64(len(nodes))+int64(one.node), one.seq
		return m.AppendPostgreSQL(b)
	}
	b = one.appendNative(b, w.mixed, w.seen, r)
	if w.reads > 0 {
		b = one.appendCall(b)
	}
	return append(b, "}\n"...)
}

func (o *write) appendKey(b []byte) []byte {
	if o.add {
		return strconv.AppendInt(append(b, "stock/"...), int64(o.key), 10)
	}
	return strconv.AppendInt(append(b, "users/"...), int64(o.key), 10)
}

func (o *write) field() string {
	if o.add {
		return "count"
	}
	return "email"
}

func (o *write) op() string {
	switch {
	case o.add:
		return "add"
	case o.gone:
		return "delete"
	}
	return "set"
}

// appendText appends the text that a write sets: some 36 bytes, with an escape in one of a hundred.
func (o *write) appendText(b []byte) []byte {
	b = fmt.Appendf(b, "someone-%012d@mail.example", o.value)
	if o.value%100 == 0 {
		return append(b, `\n`...)
	}
	return append(b, "-1"...)
}

func (o *write) amount() int64 { return o.value%1000 + 1 }

func (o *write) appendID(b []byte) []byte {
	return strconv.AppendInt(append(append(b, nodes[o.node]...), ':'), o.seq, 10)
}

// The members of a native line.
const (
	inID = iota
	inKey
	inField
	inValue
	inVersion
	inTime
	inNode
	inOp
	numMembers
)

func (o *write) appendNative(b []byte, mixed bool, how seen, r *rand.Rand) []byte {
	order := [numMembers]int{inID, inKey, inField, inValue, inVersion, inTime, inNode, inOp}
	if mixed {
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	}
	next := byte('{')
	for _, m := range order {
		if o.gone && (m == inField || m == inValue) {
			continue
		}
		b = append(b, next)
		next = ','
		switch m {
		case inID:
			b = append(o.appendID(append(b, `"id":"`...)), '"')
		case inKey:
			b = append(o.appendKey(append(b, `"key":"`...)), '"')
		case inField:
			b = append(append(append(b, `"field":"`...), o.field()...), '"')
		case inValue:
			b = append(b, `"value":`...)
			if o.add {
				b = strconv.AppendInt(b, o.amount(), 10)
			} else {
				b = append(o.appendText(append(b, '"')), '"')
			}
		case inVersion:
			b = strconv.AppendInt(append(b, `"version":`...), o.version, 10)
		case inTime:
			b = strconv.AppendInt(append(b, `"time":`...), o.time, 10)
		case inNode:
			b = append(append(append(b, `"node":"`...), nodes[o.node]...), '"')
		case inOp:
			b = append(append(append(b, `"op":"`...), o.op()...), '"')
		}
	}
	return o.appendSeen(b, how)
}

// called is how long before its time a write was called, and after it acknowledged, in nanoseconds.
const called = 400_001

func (o *write) appendCall(b []byte) []byte {
	b = strconv.AppendInt(append(b, `,"start":`...), o.time-called, 10)
	return strconv.AppendInt(append(b, `,"end":`...), o.time+called, 10)
}

// append appends the read as a native line.
func (r *read) append(b []byte) []byte {
	b = strconv.AppendInt(append(b, `{"op":"read","key":"users/`...), int64(r.key), 10)
	b = append(append(append(b, `","want":"`...), r.want...), `","saw":`...)
	if r.saw.seq > 0 {
		b = append(append(append(b, '"'), nodes[r.saw.node]...), ':')
		b = append(strconv.AppendInt(b, r.saw.seq, 10), '"')
	} else {
		b = append(b, "null"...)
	}
	b = append(append(append(b, `,"served_by":"`...), nodes[r.node]...), `","session":"s`...)
	b = strconv.AppendInt(append(strconv.AppendInt(b, int64(r.session), 10), `","start":`...), r.time, 10)
	b = strconv.AppendInt(append(b, `,"end":`...), r.time+called, 10)
	return append(b, "}\n"...)
}

func (o *write) appendSeen(b []byte, how seen) []byte {
	if how == "" {
		return b
	}
	brackets, separator := "[]", ":"
	if how == asNumbers {
		brackets, separator = "{}", `":`
	}
	b = append(append(b, `,"seen":`...), brackets[0])
	first := true
	for n, up := range o.seen {
		if up == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), nodes[n]...), separator...)
		b = strconv.AppendInt(b, up, 10)
		if how == asList {
			b = append(b, '"')
		}
	}
	return append(b, brackets[1])
}

// appendFrame appends a frame of the msgpack stream.
func (o *write) appendFrame(b []byte) []byte {
	text := func(b []byte, s string) []byte {
		if len(s) < 32 {
			return append(append(b, 0xa0|byte(len(s))), s...)
		}
		return append(append(b, 0xd9, byte(len(s))), s...)
	}
	number := func(b []byte, n int64) []byte {
		if n < 1<<7 {
			return append(b, byte(n))
		}
		return append(b, 0xcf, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	start := len(b)
	members := byte(numMembers)
	if o.gone {
		members -= 2
	}
	b = append(b, 0xc5, 0, 0, 0x80|members)
	b = text(text(b, "id"), string(o.appendID(nil)))
	b = text(text(b, "key"), string(o.appendKey(nil)))
	if !o.gone {
		b = text(text(b, "field"), o.field())
		b = text(b, "value")
	}
	switch {
	case o.gone:
	case o.add:
		b = number(b, o.amount())
	default:
		said, _ := strconv.Unquote(`"` + string(o.appendText(nil)) + `"`)
		b = text(b, said)
	}
	b = number(text(b, "version"), o.version)
	b = number(text(b, "time"), o.time)
	b = text(text(b, "node"), nodes[o.node])
	b = text(text(b, "op"), o.op())
	size := len(b) - start - 3
	b[start+1], b[start+2] = byte(size>>8), byte(size)
	return b
}

// message returns the write as a change of a row that held another text.
func (o *write) message() feeds.Message {
	m := feeds.Message{Table: "users", ID: o.key, Before: rowText(o.key, o.value^1, nodes[o.node]), At: o.time, Written: o.time}
	if !o.gone {
		m.After = rowText(o.key, o.value, nodes[o.node])
	}
	return m
}

// rowText returns a row in JSON.
func rowText(key int, value int64, origin string) string {
	row := fmt.Appendf(nil, `{"id": %d, "email": "`, key)
	row = (&write{value: value}).appendText(row)
	return string(fmt.Appendf(row, `", "origin": "%s"}`, origin))
}

// appendDynamo appends a record of a stream.
func (o *write) appendDynamo(b []byte) []byte {
	image := func(b []byte, value int64) []byte {
		b = fmt.Appendf(b, `{"id":{"S":"%d"},"email":{"S":"`, o.key)
		was := write{value: value}
		b = was.appendText(b)
		return fmt.Appendf(b, `"},"origin":{"S":"%s"}}`, nodes[o.node])
	}
	b = fmt.Appendf(b, `{"awsRegion":"%s","dynamodb":{"ApproximateCreationDateTime":%d,"Keys":{"id":{"S":"%d"}},`,
		nodes[o.node], o.time/1e9, o.key)
	name := "REMOVE"
	if !o.gone {
		name = "MODIFY"
		b = image(append(b, `"NewImage":`...), o.value)
		b = append(b, ',')
	}
	b = image(append(b, `"OldImage":`...), o.value^1)
	return fmt.Appendf(b, `,"SequenceNumber":"%021d","SizeBytes":200,"StreamViewType":"NEW_AND_OLD_IMAGES"},`+
		`"eventID":"%s-%d","eventName":"%s","eventSource":"aws:dynamodb","eventVersion":"1.1",`+
		`"eventSourceARN":"arn:aws:dynamodb:eu-west-1:123456789012:table/users/stream/2025-06-15T00:00:00.000"}`+"\n",
		o.time, nodes[o.node], o.seq, name)
}

// appendSpanner appends a data change record as Dataflow writes it.
func (o *write) appendSpanner(b []byte) []byte {
	values := func(b []byte, value int64) []byte {
		was := write{value: value}
		text := bytes.ReplaceAll(was.appendText(nil), []byte(`\`), []byte(`\\`)) // JSON within JSON
		b = append(append(b, `{\"email\":\"`...), text...)
		return fmt.Appendf(b, `\",\"origin\":\"%s\"}`, nodes[o.node])
	}
	token := base64.StdEncoding.EncodeToString(strconv.AppendInt(nil, o.seq, 36))
	transaction := base64.RawStdEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", o.node, o.seq))
	b = fmt.Appendf(b, `{"partitionToken":"%s","commitTimestamp":{"seconds":%d,"nanos":%d},"serverTransactionId":"%s",`+
		`"isLastRecordInTransactionInPartition":true,"recordSequence":"00000000","tableName":"users","rowType":[`+
		`{"name":"id","type":{"code":"{\"code\":\"INT64\"}"},"isPrimaryKey":true,"ordinalPosition":1},`+
		`{"name":"email","type":{"code":"{\"code\":\"STRING\"}"},"isPrimaryKey":false,"ordinalPosition":2},`+
		`{"name":"origin","type":{"code":"{\"code\":\"STRING\"}"},"isPrimaryKey":false,"ordinalPosition":3}],`+
		`"mods":[{"keysJson":"{\"id\":\"%d\"}","newValuesJson":"`, token, o.time/1e9, o.time%1e9, transaction, o.key)
	mod := "DELETE"
	if o.gone {
		b = append(b, "{}"...)
	} else {
		mod = "UPDATE"
		b = values(b, o.value)
	}
	b = append(b, `","oldValuesJson":"`...)
	b = values(b, o.value^1)
	b = append(append(b, `"}],"modType":"`...), mod...)
	return append(b, `","valueCaptureType":"OLD_AND_NEW_VALUES","numberOfRecordsInTransaction":1,`+
		`"numberOfPartitionsInTransaction":1,"transactionTag":"","isSystemTransaction":false}`+"\n"...)
}
