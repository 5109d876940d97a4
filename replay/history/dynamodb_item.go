package history

import (
	"cmp"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// itemWrite is one change to an item.
type itemWrite struct {
	table, event        string
	id                  string
	time                clock.Timestamp
	precision           Precision
	deleted             bool
	unordered           bool // nothing follows from where it stands
	primary             image
	after, before       image
	hasAfter, hasBefore bool
	stamp, stampBefore  replicaStamp
}

func (w *itemWrite) key() string { return rowKey(w.table, w.primary.values()) }

// images reads the key and the images that a record has.
func (w *itemWrite) images(rec value.Ref, out *Batch) (bad *problem) {
	if w.primary, bad = imageOf(rec.Get("Keys"), out, attribute); bad != nil {
		return bad
	}
	if len(w.primary) == 0 {
		return newProblem(finding.MissingField, "the record does not tell the key of its item")
	}
	if w.after, w.stamp, w.hasAfter, bad = w.image(rec, "NewImage", out); bad != nil {
		return bad
	}
	w.before, w.stampBefore, w.hasBefore, bad = w.image(rec, "OldImage", out)
	return bad
}

// image reads one image without the key and the attributes of global tables.
func (w *itemWrite) image(rec value.Ref, name string, out *Batch) (attributes image, stamp replicaStamp, has bool, bad *problem) {
	switch img := rec.Get(name); img.Kind() {
	case value.KindObject:
		attributes, bad = imageOf(img, out, attribute)
	case value.KindAbsent, value.KindNull:
		return nil, stamp, false, nil
	default:
		bad = newProblem(finding.BadField, "%s is an item, not %s", name, article(img.Kind()))
	}
	if bad != nil {
		return nil, stamp, false, bad
	}
	if attributes, stamp, bad = takeStamp(attributes); bad != nil {
		return nil, stamp, false, bad
	}
	attributes = slices.DeleteFunc(attributes, func(f Field) bool {
		_, isKey := w.primary.find(f.Name)
		return isKey
	})
	return attributes, stamp, true, nil
}

// append appends the record of the change.
func (w *itemWrite) append(r *dynamoReader) *problem {
	node, bad := r.out.origin(w.after, r.opt)
	if bad != nil {
		return bad
	}
	key, stamp := w.key(), w.stamp
	switch {
	case w.deleted && w.stampBefore.deleting:
		stamp = w.stampBefore // the item was marked by the delete that now removes it
	case w.deleted || w.hasBefore && w.stamp == w.stampBefore:
		stamp = replicaStamp{} // left over
	}
	deleted := w.deleted || stamp.deleting

	fields := w.after
	switch {
	case deleted:
		fields = nil
	case w.hasBefore:
		fields = fields.over(w.before, r.out)
		if fields.unchanged() && stamp != (replicaStamp{}) {
			r.out.count(finding.DuplicateOp)
			return nil
		}
	case w.event == "INSERT":
		fields = fields.anew()
	}
	if !deleted && len(fields) == 0 {
		fields = w.primary // an item that is nothing but its key
	}

	if w.unordered && r.opt.arrived(cmp.Or(node, stamp.region), r.out.region) {
		r.out.count(finding.DuplicateOp) // nothing follows from where it stands
		return nil
	}
	if w.event == "MODIFY" && !w.hasBefore && !deleted {
		r.out.count(finding.MissingBeforeImage) // which attributes it took away
	}
	rec := r.out.record(r.at)
	rec.Key, rec.Fields = key, fields
	rec.Time, rec.Precision, rec.ID = w.time, w.precision, w.id
	if deleted {
		rec.Op = merge.Delete
	}
	if w.time.IsZero() {
		rec.Precision = NoTime
	}
	if stamp != (replicaStamp{}) {
		rec.Time, rec.Precision = stamp.time, Microsecond
		rec.ID = key + "@" + stamp.time.String() + "@" + string(stamp.region)
	}
	if rec.began(cmp.Or(node, stamp.region), r.opt); rec.Kind == Arrival {
		rec.Time, rec.Precision = w.time, w.precision // of when it did
	}
	if w.unordered {
		rec.Region = ""
	}
	return nil
}

// replicaStamp is what global tables of version 2017.11.29 write into an item: where and when it was written last.
type replicaStamp struct {
	region   clock.Node
	time     clock.Timestamp
	deleting bool
}

// takeStamp takes the attributes of global tables out of an image. Without both region and time there is no stamp.
func takeStamp(attributes image) (image, replicaStamp, *problem) {
	var s replicaStamp
	first, found := attributes.find("aws:rep:")
	if !found && (first == len(attributes) || !strings.HasPrefix(attributes[first].Name, "aws:rep:")) {
		return attributes, s, nil
	}
	region, _ := attributes.get("aws:rep:updateregion").Text()
	seconds := attributes.get("aws:rep:updatetime")
	if region != "" && seconds.Kind() == value.KindNumber {
		s.region = clock.Node(region)
		if err := s.region.Check(); err != nil {
			return nil, s, newProblem(finding.UnknownNode, "aws:rep:updateregion: %v", err)
		}
		var bad *problem
		if s.time, bad = epochTime(string(seconds), inSeconds); bad != nil {
			return nil, s, bad
		}
		s.deleting = attributes.get("aws:rep:deleting") == "true"
	}
	return slices.DeleteFunc(attributes, func(f Field) bool { return strings.HasPrefix(f.Name, "aws:rep:") }), s, nil
}

// attribute reads a value of DynamoDB's typed JSON: {"S": "text"}, {"N": "12.5"}, {"L": [{"BOOL": true}]} and so on.
// The name is for messages.
func attribute(name string, v value.Ref) (value.Value, *problem) {
	if v.Kind() == value.KindObject && v.Len() == 1 {
		for tag, inner := range v.Members() {
			switch tag {
			case "S", "B":
				if inner.Kind() == value.KindString {
					return inner.Value(), nil
				}
			case "N":
				if inner.Kind() == value.KindString {
					return attributeNumber(name, textOf(inner))
				}
			case "BOOL":
				if k := inner.Kind(); k == value.KindTrue || k == value.KindFalse {
					return inner.Value(), nil
				}
			case "NULL":
				if inner.Kind() == value.KindTrue {
					return value.Null, nil
				}
			case "SS", "BS", "NS":
				if inner.Kind() == value.KindArray {
					return attributeSet(name, tag, inner)
				}
			case "L":
				if inner.Kind() == value.KindArray {
					return attributeList(name, inner)
				}
			case "M":
				if inner.Kind() == value.KindObject {
					return attributeMap(inner)
				}
			}
		}
	}
	return "", newProblem(finding.BadField, "attribute %q is no typed value, as {\"S\": \"text\"}", clip(name))
}

func attributeNumber(name, text string) (value.Value, *problem) {
	n, ok := numberOf(text)
	switch {
	case ok:
		return n, nil
	case text == "NaN" || strings.HasSuffix(text, "Infinity"):
		return "", newProblem(finding.NonFinite, "attribute %q is %q: only finite numbers can be merged", clip(name), clip(text))
	}
	return "", newProblem(finding.BadNumber, "attribute %q: %q is no number", clip(name), clip(text))
}

func attributeSet(name, tag string, set value.Ref) (value.Value, *problem) {
	elements := make([]value.Value, 0, set.Len())
	for e := range set.Elements() {
		if e.Kind() != value.KindString {
			return "", newProblem(finding.BadField, "attribute %q: an element of a set is a string, not %s", clip(name), article(e.Kind()))
		}
		v := e.Value()
		if tag == "NS" {
			var bad *problem
			if v, bad = attributeNumber(name, textOf(e)); bad != nil {
				return "", bad
			}
		}
		elements = append(elements, v)
	}
	slices.SortFunc(elements, value.Compare)
	return value.Array(slices.Compact(elements)...), nil
}

func attributeList(name string, list value.Ref) (value.Value, *problem) {
	elements := make([]value.Value, 0, list.Len())
	for e := range list.Elements() {
		v, bad := attribute(name, e)
		if bad != nil {
			return "", bad
		}
		elements = append(elements, v)
	}
	return value.Array(elements...), nil
}

func attributeMap(m value.Ref) (value.Value, *problem) {
	members := make([]value.Member, 0, m.Len())
	for name, e := range m.Members() {
		v, bad := attribute(name, e)
		if bad != nil {
			return "", bad
		}
		members = append(members, value.Member{Name: name, Value: v})
	}
	return value.Object(members...), nil
}
