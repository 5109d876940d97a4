package history

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// ErrFormat is wrapped by the errors of [Scan] about a source of no known format, or of several: mostly naming one in [Options] mends it.
var ErrFormat = errors.New("unknown format")

// importerOf returns the importer of a format, nil for the native forms, and false for a format that there is not.
func importerOf(f Format) (*importer, bool) {
	if f == Native || f == Msgpack {
		return nil, true
	}
	for i := range importers {
		if importers[i].name == f {
			return &importers[i], true
		}
	}
	return nil, false
}

// byteOrderMark is what some editors put before the first line. It means nothing in UTF-8.
var byteOrderMark = []byte("\ufeff")

// torn stands for the format of a source that is cut off inside its first document: no importer has anything to read in it.
const torn Format = "torn"

// probed is how many documents at the start of a source are looked at before giving up on it.
const probed = 100

// detect finds out the format of a source from the first of its documents that is valid and of a known shape. It
// returns "" when it has to see more. A source in which no document is valid is taken for a damaged native one, so that
// each of its lines is set aside; one that ends inside a document of several lines, or inside the first of an array, is [torn].
func detect(name string, data []byte, end bool, opt *Options) (Format, error) {
	if len(data) > 0 && bin8 <= data[0] && data[0] <= bin32 {
		return Msgpack, nil
	}
	for _, f := range foreign {
		if bytes.HasPrefix(data, []byte(f.start)) {
			return "", fmt.Errorf("%s: %w: it is %s: %s", name, ErrFormat, f.what, f.help)
		}
	}
	var c chunk
	text := data
	split := documentSplitter{limit: opt.bytes(), limits: opt.Limits}
	if trimmed := bytes.TrimLeft(data, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '[' {
		data, split.array = trimmed[1:], true // its elements tell, and need not all be there
	}
	done := split.cut(&c, data, end)
	var doc value.Doc
	strange := "" // what the first is that is valid and of no known shape
	help := ""    // where it is known, and not read
	for i, d := range c.documents.all() {
		if i == probed {
			break
		}
		text := data[d.start:d.end:d.end]
		ref, err := doc.Parse(text, opt.Limits)
		if err != nil {
			continue
		}
		formats := formatsOf(ref)
		switch {
		case len(formats) == 1:
			return formats[0], nil
		case len(formats) > 1:
			return "", fmt.Errorf("%s: %w: it may be %s: name the right one with -format", name, ErrFormat, join(formats))
		case strange == "":
			strange, help = outline(ref), flattened(ref)
		}
	}
	switch {
	case strange == "" && isCSV(data):
		return "", fmt.Errorf("%s: %w: it is CSV: write the export as JSON", name, ErrFormat)
	case help != "":
		return "", fmt.Errorf("%s: %w: its first document is %s", name, ErrFormat, help)
	case strange != "":
		return "", fmt.Errorf("%s: %w: its first document is %s: if it is one of %s, name it with -format",
			name, ErrFormat, strange, join(Formats))
	case !end && done < len(data) && len(data) <= opt.bytes():
		return "", nil
	case end && len(c.documents.all()) == 0 && len(c.strays) == 1 && c.strays[0].Code == finding.TruncatedInput && !ofLines(text):
		return torn, nil
	}
	return Native, nil
}

// ofLines reports whether a text may be lines of which each is a document by itself.
func ofLines(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) == 0 || text[0] == '{' && (!bytes.Contains(text, []byte("\n")) || bytes.Contains(text, []byte("\n{")))
}

// foreign is how files begin that people may have at hand, and that are not read.
var foreign = []struct{ start, what, help string }{
	{"PAR1", "Parquet", "write the export as JSON"},
	{"Obj\x01", "Avro", "write the export as JSON"},
	{"\xe0\x01\x00\xea", "Amazon Ion", "write the export as DynamoDB JSON"},
	{"$ion_1_0", "Amazon Ion", "write the export as DynamoDB JSON"},
	{"\xff\xfe", "UTF-16", "write it as UTF-8"},
	{"\xfe\xff", "UTF-16", "write it as UTF-8"},
	{"{\x00", "UTF-16", "write it as UTF-8"},
	{"\x00{", "UTF-16", "write it as UTF-8"},
	{"PK\x03\x04", "a ZIP archive", "unpack it first"},
	{"BZh", "bzip2", "unpack it first, or pack it as .gz or .zst"},
	{"\xfd7zXZ\x00", "xz", "unpack it first, or pack it as .gz or .zst"},
}

// isCSV reports whether a text, in which no document is valid, has as many columns in its second line as in its first.
func isCSV(data []byte) bool {
	first, rest, ok := bytes.Cut(bytes.TrimPrefix(data, byteOrderMark), []byte("\n"))
	second, _, _ := bytes.Cut(rest, []byte("\n"))
	if !ok || len(first) == 0 || bytes.ContainsAny(first[:1], "{[ \t") || !utf8.Valid(first) {
		return false
	}
	for _, separator := range ",;\t" {
		r := csv.NewReader(io.MultiReader(bytes.NewReader(first), strings.NewReader("\n"), bytes.NewReader(second)))
		r.Comma = separator
		if rows, err := r.ReadAll(); err == nil && len(rows) == 2 && len(rows[0]) > 1 {
			return true
		}
	}
	return false
}

// foreignTo returns the one export format that a document is of which stands among native records; "" for none.
func foreignTo(doc value.Ref) Format {
	if formats := formatsOf(doc); len(formats) == 1 && formats[0] != Native {
		return formats[0]
	}
	return ""
}

// formatsOf returns the formats that a document may be of.
func formatsOf(doc value.Ref) []Format {
	var formats []Format
	if isNative(doc) {
		formats = append(formats, Native)
	}
	for _, imp := range importers {
		if imp.detect(doc) {
			formats = append(formats, imp.name)
		}
	}
	return formats
}

// isNative reports whether a document has the shape of a native record, mistakes aside.
func isNative(doc value.Ref) bool {
	if doc.Get("__crdb__").Kind() == value.KindObject {
		return false // the columns of a row may have any name
	}
	if isKafka(doc) || isDebezium(doc) { // whose key is that of a message
		return false
	}
	switch doc.Get("key").Kind() {
	case value.KindAbsent:
		return doc.Get("node").Kind() == value.KindString
	case value.KindArray, value.KindObject:
		return false
	}
	return true
}

func join(formats []Format) string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = string(f)
	}
	return strings.Join(names, ", ")
}

// outline says what a document is, for a message.
func outline(doc value.Ref) string {
	if doc.Kind() != value.KindObject {
		return article(doc.Kind())
	}
	var names []string
	for name := range doc.Members() {
		if len(names) == 8 {
			names = append(names, "...")
			break
		}
		names = append(names, strconv.Quote(clip(name)))
	}
	if len(names) == 0 {
		return "an empty object"
	}
	return "an object of " + strings.Join(names, ", ")
}

// splitterOf returns what cuts a source of a format into chunks.
func splitterOf(f Format, opt *Options) splitter {
	switch f {
	case Native:
		return &lineSplitter{limit: opt.bytes()}
	case Msgpack:
		return &frameSplitter{limit: opt.bytes()}
	}
	return &documentSplitter{limit: opt.bytes(), limits: opt.Limits, nulls: f == Debezium}
}
