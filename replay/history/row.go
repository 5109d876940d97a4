package history

import (
	"cmp"
	"iter"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// image is a row as it was at one moment: its columns sorted by name, each name once.
//
// An export with images before and after a write gives every column to the record, those included that the write left
// alone: they complete what a rule decides together, and because their Before equals their Value they claim nothing.
type image []Field

// imageOf returns the columns of an object, each value as read gives it.
func imageOf(row value.Ref, out *Batch, read func(column string, v value.Ref) (value.Value, *problem)) (image, *problem) {
	columns := image(out.take(row.Len())[:0])
	few := row.Len() <= fewColumns
	for name, v := range row.Members() {
		if name == "" {
			return nil, newProblem(finding.BadField, "a column without a name")
		}
		read, bad := read(name, v)
		if bad != nil {
			return nil, bad
		}
		columns = append(columns, Field{Name: name, Value: read})
		if few {
			for i := len(columns) - 1; i > 0 && columns[i].Name < columns[i-1].Name; i-- {
				columns[i], columns[i-1] = columns[i-1], columns[i]
			}
		}
	}
	if !few {
		slices.SortFunc(columns, byName)
	}
	return columns, nil
}

// fewColumns is up to how many columns are put in order, and looked for, by walking over them.
const fewColumns = 16

func byName(a, b Field) int { return cmp.Compare(a.Name, b.Name) }

// asWritten reads a column of an export in plain JSON.
func asWritten(_ string, v value.Ref) (value.Value, *problem) { return v.Value(), nil }

// find returns the place of a column, and whether it is there.
func (columns image) find(name string) (int, bool) {
	return slices.BinarySearchFunc(columns, name, func(f Field, name string) int { return cmp.Compare(f.Name, name) })
}

// get returns the value of a column, absent when the row doesn't have it.
func (columns image) get(name string) value.Value {
	if len(columns) <= fewColumns {
		for i := range columns {
			if columns[i].Name == name {
				return columns[i].Value
			}
		}
		return ""
	}
	if i, found := columns.find(name); found {
		return columns[i].Value
	}
	return ""
}

// primaryKey appends the values of the columns that a primary key names.
func (columns image) primaryKey(names iter.Seq[string], key []value.Value) ([]value.Value, *problem) {
	for name := range names {
		v := columns.get(name)
		if v.IsAbsent() {
			return nil, newProblem(finding.MissingField, "no value of column %q of the primary key", clip(name))
		}
		key = append(key, v)
	}
	return key, nil
}

// values returns the values of all columns.
func (columns image) values() []value.Value {
	values := make([]value.Value, len(columns))
	for i, f := range columns {
		values[i] = f.Value
	}
	return values
}

// over completes the columns with a whole image of the row before. A column that only one of the images has is null in
// the other; a column that is null and was not there before is written all the same, so it gets no Before.
func (columns image) over(before image, out *Batch) image {
	shared := 0
	for i := range columns {
		column := &columns[i]
		j := i
		found := j < len(before) && before[j].Name == column.Name // the images of a row mostly have the same columns
		if !found {
			j, found = before.find(column.Name)
		}
		switch {
		case found:
			column.Before = before[j].Value
			shared++
		case column.Value != value.Null:
			column.Before = value.Null
		}
	}
	if shared == len(before) {
		return columns
	}
	longer := append(image(out.take(len(columns) + len(before) - shared)[:0]), columns...)
	for _, b := range before {
		if _, kept := columns.find(b.Name); !kept {
			longer = append(longer, Field{Name: b.Name, Value: value.Null, Before: b.Value})
		}
	}
	slices.SortFunc(longer, byName)
	return longer
}

// anew says of every column that nothing was there before; of one that is null, nothing can be said to have changed, so
// it gets no Before.
func (columns image) anew() image { return columns.over(nil, nil) }

// unchanged reports whether every column was what it is now.
func (columns image) unchanged() bool {
	for _, f := range columns {
		if f.Before != f.Value {
			return false
		}
	}
	return true
}

// checkOp holds what a message says that it did, in one letter, against whether it has a row after it.
func checkOp(op string, deleted bool) *problem {
	switch op {
	case "c", "u", "d", "r":
		if (op == "d") == deleted {
			return nil
		}
		return newProblem(finding.BadField, "op %q, and \"after\" says otherwise", op)
	}
	return newProblem(finding.BadField, "op %q is none of c, u, d and r", clip(op))
}

// avroText is the problem of a row that a tool wrote in the JSON of Avro, with what to write instead.
const avroText = "Avro spelled as JSON: its values are wrapped in the names of their types; write %s"

// arrived reports whether a record of a region's export is of a write that began elsewhere and stands in the export of that
// region too.
func (o *Options) arrived(origin clock.Node, region string) bool {
	return origin != "" && region != "" && string(origin) != region && slices.Contains(o.Regions, string(origin))
}

// exchanged reports whether the exports of several regions are read of which each has the writes of all. Then of a record
// without an origin nobody knows whether it arrived.
func (o *Options) exchanged() bool {
	return o.Origin != "" && slices.ContainsFunc(o.Regions, func(r string) bool { return r != o.Regions[0] })
}

// began says of a record, which is in the export of a region, where it began: of a write that is at home in another one of which the
// export is read, that it arrived. What nothing says is "", and of what is neither at home nor arrived nothing follows from where it
// stands; but a delete, which tells no column, did come about there or arrive.
func (rec *Record) began(origin clock.Node, opt *Options) {
	exchanged := opt.exchanged()
	if rec.Node = origin; origin == "" && !exchanged {
		rec.Node = clock.Node(rec.Region)
	}
	switch {
	case rec.Kind == Write && opt.arrived(origin, rec.Region):
		rec.Kind = Arrival
	case exchanged && string(origin) != rec.Region && (origin != "" || rec.Op != merge.Delete):
		rec.Region = ""
	}
}

// span notes the earliest and the latest time of records of a region's export by the clock of that region.
func (b *Batch) span(records []Record) {
	for i := range records {
		rec := &records[i]
		if rec.Time.IsZero() || rec.Precision == NoTime || rec.Kind == Snapshot {
			continue
		}
		wall, home := rec.Time.Wall, rec.Kind == Write && string(rec.Node) == b.region
		if b.Home = b.Home || home; home || rec.Kind != Write || rec.Node == "" && rec.Region != "" {
			b.Until = max(b.Until, wall)
		}
		if (home || rec.Kind != Write) && (b.From == 0 || wall < b.From) {
			b.From = wall
		}
	}
}

// origins are the counts of rows by what they say of where they were written.
type origins struct{ told, untold, strange int64 }

func (b *Batch) origins() origins { return origins{b.Origins, b.NoOrigin, b.Strange} }

// uncount takes back what was counted of a row that turned out to be of a snapshot: the history is not of it.
func (b *Batch) uncount(was origins) {
	b.Origins, b.NoOrigin, b.Strange = was.told, was.untold, was.strange
}

// origin returns where the application says that a row was written, "" when it doesn't.
func (b *Batch) origin(columns image, opt *Options) (clock.Node, *problem) {
	if opt.Origin == "" {
		return "", nil
	}
	v := columns.get(opt.Origin)
	if v.IsAbsent() || v == value.Null {
		if len(columns) > 0 { // of a delete there may be none
			b.NoOrigin++
		}
		return "", nil
	}
	return b.originOf(v, opt)
}

// originOf returns where a row was written of what says so.
func (b *Batch) originOf(v value.Value, opt *Options) (clock.Node, *problem) {
	name, isText := v.Text()
	if !isText {
		name = string(v)
	}
	node := clock.Node(name)
	if err := node.Check(); err != nil {
		return "", newProblem(finding.UnknownNode, "origin in column %q: %v", opt.Origin, err)
	}
	b.Origins++
	if len(opt.Regions) > 0 && !slices.Contains(opt.Regions, name) {
		b.Strange++
		b.other(name)
	}
	return node, nil
}

// rowKey returns the key of a row: "table/key" or, when nothing tells the table, "key" alone. A primary key of one
// column is its text, numbers with every digit; one of several columns is the JSON array of them. Nothing can be taken
// for anything else: a "/" in the name of a table becomes "%2F" and a "%" becomes "%25", and a text that is empty or
// begins like a JSON string or array is written as a JSON string.
func rowKey(table string, columns []value.Value) string {
	return string(appendRowKey(nil, table, columns))
}

// rowKey is [rowKey], of which the batch keeps the text.
func (b *Batch) rowKey(table string, columns []value.Value) string {
	most := len("%2F")*len(table) + len("/[]") + len(columns)
	for _, v := range columns {
		most += len(v)
	}
	return b.keep(appendRowKey(b.room(most), table, columns))
}

// appendRowKey appends what [rowKey] returns.
func appendRowKey(to []byte, table string, columns []value.Value) []byte {
	if table != "" {
		if strings.ContainsAny(table, "/%") {
			table = tableEscapes.Replace(table)
		}
		to = append(append(to, table...), '/')
	}
	if len(columns) != 1 {
		return append(to, value.Array(columns...)...)
	}
	text, isText := columns[0].Text()
	if !isText || text == "" || text[0] == '"' || text[0] == '[' {
		text = string(columns[0])
	}
	return append(to, text...)
}

var tableEscapes = strings.NewReplacer("/", "%2F", "%", "%25")

// numberOf returns a number that an export wrote as text, with every digit, and whether it is one.
func numberOf(text string) (value.Value, bool) {
	if digits := strings.TrimPrefix(text, "-"); digits != "" && digits[0] != '0' && len(digits) < 40 && isDigits(digits) {
		return value.Value(text), true // as most are
	}
	if value.Value(text).Kind() != value.KindNumber {
		return "", false
	}
	v, err := value.Parse([]byte(text), value.Limits{})
	return v, err == nil && v == value.Value(text)
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// textOf returns the string that v is, "" when it is none.
func textOf(v value.Ref) string {
	text, _ := v.Text()
	return text
}

// spelled returns what a value says, shortened for a message: of a string its text, of all else how it is written.
func spelled(v value.Ref) string {
	if text, ok := v.Text(); ok {
		return clip(text)
	}
	return clip(string(v.Raw()))
}

// nth is the place of one of several records in a document. In a document that is itself an element of an array, it
// is the place of that element.
func nth(at finding.Place, i int) finding.Place {
	if at.Item == 0 {
		at.Item = i
	}
	return at
}
