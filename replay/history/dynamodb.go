package history

import (
	"encoding/base64"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// dynamodb reads what DynamoDB tells of its writes: dynamodb.md says what becomes of it, and what it does not tell.
var dynamodb = importer{name: DynamoDB, detect: isDynamoDB, decode: readDynamoDB}

// isDynamoDB reports whether a document has the shape of a stream, an export, or a manifest of one.
func isDynamoDB(doc value.Ref) bool {
	if records := doc.Get("Records"); records.Kind() == value.KindArray {
		for rec := range records.Elements() {
			return isChangeRecord(rec) || !kinesisData(rec).IsAbsent()
		}
		return true
	}
	return isChangeRecord(doc) || !kinesisData(doc).IsAbsent() || isIncremental(doc) || isManifest(doc) ||
		doc.Len() == 1 && doc.Get("Item").Kind() == value.KindObject
}

func isChangeRecord(rec value.Ref) bool {
	change := rec.Get("dynamodb")
	return change.Kind() == value.KindObject && change.Get("Keys").Kind() == value.KindObject
}

func isIncremental(doc value.Ref) bool {
	return !doc.Get("Metadata").Get("WriteTimestampMicros").IsAbsent() &&
		onlyMembers(doc, "Metadata", "Keys", "NewImage", "OldImage")
}

func isManifest(doc value.Ref) bool {
	return doc.Get("exportArn").Kind() == value.KindString && (doc.Get("exportTime").Kind() == value.KindString ||
		doc.Get("exportToTime").Kind() == value.KindString) ||
		doc.Get("dataFileS3Key").Kind() == value.KindString && !doc.Get("itemCount").IsAbsent()
}

// kinesisData returns the base64 text of a record of Kinesis, as Lambda or GetRecords gives it.
func kinesisData(rec value.Ref) value.Ref {
	if data := rec.Get("kinesis").Get("data"); data.Kind() == value.KindString {
		return data
	}
	if rec.Get("PartitionKey").Kind() == value.KindString && rec.Get("Data").Kind() == value.KindString {
		return rec.Get("Data")
	}
	return value.Ref{}
}

// readDynamoDB reads one document.
func readDynamoDB(doc value.Ref, at finding.Place, opt *Options, out *Batch) {
	records := doc.Get("Records")
	if records.Kind() != value.KindArray {
		readDynamoDBRecord(doc, at, opt, out)
		return
	}
	i := 0
	for rec := range records.Elements() {
		i++
		readDynamoDBRecord(rec, nth(at, i), opt, out)
	}
}

// readDynamoDBRecord reads what is one record in every form but Lambda's and GetRecords'.
func readDynamoDBRecord(rec value.Ref, at finding.Place, opt *Options, out *Batch) {
	r := dynamoReader{at: at, opt: opt, out: out}
	var bad *problem
	switch {
	case isChangeRecord(rec):
		bad = r.change(rec, rec.Get("dynamodb"))
	case !kinesisData(rec).IsAbsent():
		bad = r.packed(kinesisData(rec))
	case isIncremental(rec):
		bad = r.incremental(rec)
	case rec.Len() == 1 && rec.Get("Item").Kind() == value.KindObject:
		bad = r.item(rec.Get("Item"))
	case isManifest(rec):
		bad = r.manifest(rec)
	case rec.Get("dynamodb").Kind() == value.KindObject:
		bad = newProblem(finding.MissingField, "the record does not tell the key of its item")
	default:
		bad = newProblem(finding.BadField, "neither a record of a stream nor of an export of DynamoDB")
	}
	if bad != nil {
		out.aside(at, bad.code, "%s", bad.detail)
	}
}

// dynamoReader reads one record.
type dynamoReader struct {
	at  finding.Place
	opt *Options
	out *Batch
}

// packed reads a record that Kinesis carries as base64.
func (r *dynamoReader) packed(data value.Ref) *problem {
	text, err := base64.StdEncoding.DecodeString(textOf(data))
	if err != nil {
		return newProblem(finding.BadSyntax, "the data of a Kinesis record is not base64")
	}
	var doc value.Doc
	rec, err := doc.Parse(text, r.opt.Limits)
	if err != nil {
		return within("the data of a Kinesis record", err)
	}
	if !isChangeRecord(rec) {
		return newProblem(finding.BadField, "the data of a Kinesis record is no change of DynamoDB")
	}
	return r.change(rec, rec.Get("dynamodb"))
}

// change reads a record of Streams or Kinesis.
func (r *dynamoReader) change(rec, change value.Ref) *problem {
	w := itemWrite{table: textOf(rec.Get("tableName")), event: textOf(rec.Get("eventName"))}
	if w.table == "" {
		w.table = arnTable(textOf(rec.Get("eventSourceARN")))
	}
	switch w.event {
	case "INSERT", "MODIFY", "REMOVE":
	case "":
		return newProblem(finding.MissingField, "the record has no eventName, which says what happened")
	default:
		return newProblem(finding.BadField, "eventName %q is none of INSERT, MODIFY and REMOVE", clip(w.event))
	}
	var bad *problem
	if w.time, w.precision, bad = creationTime(rec, change); bad != nil {
		return bad
	}
	if bad = w.images(change, r.out); bad != nil {
		return bad
	}
	w.deleted = w.event == "REMOVE"
	w.id = textOf(rec.Get("eventID"))
	sequence := textOf(change.Get("SequenceNumber"))
	w.unordered = sequence == "" // it went through Kinesis
	if !w.time.IsZero() {
		w.time.Logical = lastBits(sequence)
	}
	if w.id == "" && sequence != "" {
		w.id = w.key() + "@" + sequence
	}
	if w.deleted && w.hasAfter {
		return newProblem(finding.BadField, "a REMOVE with a NewImage")
	}
	if !w.deleted && !w.hasAfter {
		return newProblem(finding.MissingField, "no NewImage in a record of view type %q: nothing says what was written",
			clip(textOf(change.Get("StreamViewType"))))
	}
	return w.append(r)
}

// incremental reads a record of an incremental export.
func (r *dynamoReader) incremental(rec value.Ref) *problem {
	if rec.Get("Keys").Len() == 0 {
		return newProblem(finding.MissingField, "the record does not tell the key of its item")
	}
	micros := rec.Get("Metadata").Get("WriteTimestampMicros")
	if micros.Kind() == value.KindObject {
		micros = micros.Get("N")
	}
	number, ok := numberOf(spelled(micros))
	if !ok {
		return newProblem(finding.BadTime, "WriteTimestampMicros is %q", spelled(micros))
	}
	t, bad := epochTime(string(number), inMicroseconds)
	if bad != nil {
		return bad
	}
	w := itemWrite{table: r.out.table, time: t, precision: Microsecond, unordered: true}
	if bad = w.images(rec, r.out); bad != nil {
		return bad
	}
	w.deleted = !w.hasAfter
	w.id = w.key() + "@" + t.String()
	if bad = w.append(r); bad == nil {
		r.out.count(finding.CompactedWindow)
	}
	return bad
}

// item reads an item of a full export.
func (r *dynamoReader) item(item value.Ref) *problem {
	attributes, bad := imageOf(item, r.out, attribute)
	if bad != nil {
		return bad
	}
	attributes, stamp, bad := takeStamp(attributes)
	if bad != nil {
		return bad
	}
	counted := r.out.origins()
	origin, bad := r.out.origin(attributes, r.opt)
	if bad != nil {
		return bad
	}
	rec := r.out.record(r.at)
	r.out.uncount(counted)
	rec.Kind, rec.Fields = Snapshot, attributes
	rec.Node = clock.Node(rec.Region)
	if stamp != (replicaStamp{}) {
		rec.Node, rec.Time, rec.Precision = stamp.region, stamp.time, Microsecond
	}
	if origin != "" {
		rec.Node = origin
	}
	return nil
}

// manifest reads the summary of an export, which is complete up to a time, or the entry of one of its files.
func (r *dynamoReader) manifest(doc value.Ref) *problem {
	var t clock.Timestamp
	precision := NoTime
	if doc.Get("exportArn").Kind() == value.KindString {
		end := doc.Get("exportToTime")
		if end.IsAbsent() {
			end = doc.Get("exportTime")
		}
		var bad *problem
		if t, precision, bad = parseRFC3339(textOf(end)); bad != nil {
			return bad
		}
	}
	rec := r.out.record(r.at)
	rec.Kind, rec.Time, rec.Precision = Watermark, t, precision
	return nil
}

// lastBits returns the last 32 bits of a whole number, 0 when the text is none.
func lastBits(digits string) (n uint32) {
	if !isDigits(digits) {
		return 0
	}
	for i := range len(digits) {
		n = n*10 + uint32(digits[i]-'0')
	}
	return n
}

// creationTime returns ApproximateCreationDateTime, zero when the record has none.
func creationTime(rec, change value.Ref) (t clock.Timestamp, precision Precision, bad *problem) {
	created := change.Get("ApproximateCreationDateTime")
	unit, precision := inMilliseconds, Millisecond
	switch in := change.Get("ApproximateCreationDateTimePrecision"); textOf(in) {
	case "MILLISECOND":
	case "MICROSECOND":
		unit, precision = inMicroseconds, Microsecond
	default:
		switch {
		case !in.IsAbsent():
			return t, NoTime, newProblem(finding.BadTime, "a precision of %q is neither MILLISECOND nor MICROSECOND", spelled(in))
		case created.IsAbsent():
			return t, NoTime, nil
		case !rec.Get("tableName").IsAbsent(), !rec.Get("recordFormat").IsAbsent(): // Kinesis, before it told its precision
		case !rec.Get("eventVersion").IsAbsent(), !rec.Get("eventSourceARN").IsAbsent(),
			!change.Get("SequenceNumber").IsAbsent(), !change.Get("StreamViewType").IsAbsent():
			unit, precision = inSeconds, Second
		default:
			return t, NoTime, newProblem(finding.ImplausibleUnit,
				"nothing says whether the record is of a stream, in seconds, or of Kinesis, in milliseconds")
		}
	}
	switch created.Kind() {
	case value.KindNumber:
		t, bad = epochTime(string(created.Raw()), unit)
	case value.KindString: // as the AWS command line writes it
		t, _, bad = parseRFC3339(textOf(created))
	default:
		bad = newProblem(finding.BadTime, "ApproximateCreationDateTime is a number, not %s", article(created.Kind()))
	}
	return t, precision, bad
}

// arnTable returns the table in the name of a stream, arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/stream/TIME.
func arnTable(arn string) string {
	_, name, _ := strings.Cut(arn, ":table/")
	name, _, _ = strings.Cut(name, "/")
	return name
}

// within returns the problem of a text that stands inside another.
func within(where string, err error) *problem {
	if e, ok := err.(*value.Error); ok {
		return newProblem(e.Code, "%s: %s", where, e.Detail)
	}
	return newProblem(finding.BadSyntax, "%s: %v", where, err)
}
