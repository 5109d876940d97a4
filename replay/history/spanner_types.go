package history

import (
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// columnType is what the importer has to know of the type of a column: whether a string in it is a number.
type columnType uint8

const (
	asItIs columnType = iota
	number
	numeric // a number, or NaN in a PostgreSQL database
	numbers
	numerics
)

var typeCodes = map[string]columnType{"INT64": number, "INT": number, "NUMERIC": numeric}

// columnCache remembers the types of columns by how they stand in a record: all records of a table have them alike.
type columnCache map[string]map[string]columnType

// of is columnTypes.
func (c *columnCache) of(list value.Ref, opt *Options) (map[string]columnType, *problem) {
	const most = 64
	types, known := (*c)[string(list.Raw())]
	if known {
		return types, nil
	}
	types, bad := columnTypes(list, opt)
	if bad != nil {
		return nil, bad
	}
	if *c == nil || len(*c) == most {
		*c = make(columnCache)
	}
	(*c)[string(list.Raw())] = types
	return types, nil
}

// columnTypes reads the types of the columns of a record, nil when it does not tell them.
func columnTypes(list value.Ref, opt *Options) (map[string]columnType, *problem) {
	if list.Len() == 0 {
		return nil, nil
	}
	types := make(map[string]columnType, list.Len())
	for column := range list.Elements() {
		name := textOf(column.Get("name"))
		if name == "" {
			return nil, newProblem(finding.MissingField, "a column type without the name of its column")
		}
		code, element, bad := typeCode(column.Get("type"), opt)
		if bad != nil {
			return nil, bad
		}
		t := typeCodes[code]
		if code == "ARRAY" && typeCodes[element] != asItIs {
			t = typeCodes[element] + numbers - number
		}
		types[strings.Clone(name)] = t
	}
	return types, nil
}

// typeCode reads {"code": "INT64"}, its text in a string, or the same once more inside "code", as Dataflow writes it.
func typeCode(t value.Ref, opt *Options) (code, element string, bad *problem) {
	for range 3 {
		text, isText := t.Text()
		if isText && !strings.HasPrefix(text, "{") {
			return text, "", nil
		}
		if isText {
			var doc value.Doc
			inner, err := doc.Parse([]byte(text), opt.Limits)
			if err != nil {
				return "", "", within("a column type", err)
			}
			t = inner
		}
		of := t.Get("array_element_type")
		if of.IsAbsent() {
			of = t.Get("arrayElementType")
		}
		if !of.IsAbsent() {
			return textOf(t.Get("code")), textOf(of.Get("code")), nil
		}
		t = t.Get("code")
	}
	return "", "", nil
}

// read returns the value of a column of the type.
func (t columnType) read(name string, v value.Ref) (value.Value, *problem) {
	switch {
	case t == asItIs:
	case t >= numbers && v.Kind() == value.KindArray:
		elements := make([]value.Value, 0, v.Len())
		for e := range v.Elements() {
			got, bad := (t - numbers + number).read(name, e)
			if bad != nil {
				return "", bad
			}
			elements = append(elements, got)
		}
		return value.Array(elements...), nil
	case t < numbers && v.Kind() == value.KindString:
		text := textOf(v)
		if n, ok := numberOf(text); ok {
			return n, nil
		}
		if t == number || text != "NaN" {
			return "", newProblem(finding.BadNumber, "column %q: %q is no number", clip(name), clip(text))
		}
	}
	return v.Value(), nil
}
