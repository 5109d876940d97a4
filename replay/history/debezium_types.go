package history

import (
	"encoding/base64"
	"math/big"
	"strconv"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// decimals are those columns of a row that are decimals as Kafka Connect holds them, with their scale.
type decimals map[string]int

// variableScale is in the place of a scale that each value has beside it.
const variableScale = 1 << 30

// schemaCache remembers the decimals of a schema by how it stands in a message: all messages of a table have it alike.
type schemaCache map[string]decimals

// The schemas that are remembered are so many, and of no more bytes than that.
const (
	keptSchemas = 64
	schemaBytes = 64 << 10
)

// of returns the decimals of a schema, or of the first field of it that has one of the names.
func (c *schemaCache) of(schema value.Ref, fields ...string) decimals {
	if schema.Kind() != value.KindObject {
		return nil
	}
	types, known := (*c)[shared(schema.Raw())]
	if known {
		return types
	}
	types = decimalsOf(fieldOf(schema, fields))
	if len(schema.Raw()) <= schemaBytes {
		if *c == nil || len(*c) == keptSchemas {
			*c = make(schemaCache)
		}
		(*c)[string(schema.Raw())] = types
	}
	return types
}

// fieldOf returns the schema of the first field that has one of the names; without names the schema itself.
func fieldOf(schema value.Ref, names []string) value.Ref {
	for _, name := range names {
		for field := range schema.Get("fields").Elements() {
			if textOf(field.Get("field")) == name {
				return field
			}
		}
	}
	if len(names) > 0 {
		return value.Ref{}
	}
	return schema
}

// decimalsOf returns the decimals among the fields of a schema, nil for none.
func decimalsOf(schema value.Ref) (types decimals) {
	for field := range schema.Get("fields").Elements() {
		scale := variableScale
		switch textOf(field.Get("name")) {
		case "io.debezium.data.VariableScaleDecimal":
		case "org.apache.kafka.connect.data.Decimal":
			n, err := strconv.Atoi(plainText(field.Get("parameters").Get("scale")))
			if err != nil {
				continue // then the value stays what it is
			}
			scale = n
		default:
			continue
		}
		if types == nil {
			types = make(decimals)
		}
		types[strings.Clone(textOf(field.Get("field")))] = scale
	}
	return types
}

// read returns the value of a column: of a decimal the number that it is, and all else as it is written.
func (d decimals) read(column string, v value.Ref, out *Batch) (value.Value, *problem) {
	scale, isDecimal := d[column]
	if !isDecimal {
		return v.Value(), nil
	}
	bytes := v
	if scale == variableScale {
		n, err := strconv.Atoi(plainText(v.Get("scale")))
		if err != nil {
			return v.Value(), nil
		}
		scale, bytes = n, v.Get("value")
	}
	text, ok := bytes.Text()
	if !ok {
		return v.Value(), nil // null, or a number, as "decimal.format": "NUMERIC" writes it
	}
	unscaled, err := base64.StdEncoding.DecodeString(text)
	switch {
	case err != nil || len(unscaled) == 0:
		return "", newProblem(finding.BadField, "column %q: a decimal is the base64 of its bytes, not %q", clip(column), clip(text))
	case len(unscaled) > decimalBytes || scale > decimalScale || scale < -decimalScale:
		return "", newProblem(finding.BadNumber, "column %q: a decimal of %d bytes and scale %d: the limits are %d and %d",
			clip(column), len(unscaled), scale, decimalBytes, decimalScale)
	}
	return value.Value(out.keep(appendDecimal(out.room(3*len(unscaled)+max(scale, -scale)+4), unscaled, scale))), nil
}

// The limits of one decimal: databases have at most 1000 digits where they say how many.
const (
	decimalBytes = 1 << 10
	decimalScale = 1 << 12
)

// appendDecimal appends the number that a two's complement, the highest byte first, is in units of 10^-scale.
func appendDecimal(to, unscaled []byte, scale int) []byte {
	var n big.Int
	n.SetBytes(unscaled)
	if unscaled[0]&0x80 != 0 {
		n.Sub(&n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(unscaled))))
	}
	if n.Sign() < 0 {
		to = append(to, '-')
		n.Neg(&n)
	}
	first := len(to)
	to = n.Append(to, 10)
	if scale < 0 && n.Sign() != 0 {
		return append(to, strings.Repeat("0", -scale)...)
	}
	if scale <= 0 {
		return to
	}
	if digits := len(to) - first; digits <= scale { // 0.05: at least one digit before the point
		padded := strings.Repeat("0", scale+1-digits) + string(to[first:])
		to = append(to[:first], padded...)
	}
	point := len(to) - scale
	to = append(to, 0)
	copy(to[point+1:], to[point:])
	to[point] = '.'
	return to
}

// unavailable is what Debezium writes in the place of a value that the write left alone and that the log does not have, in the
// forms that it takes by the type of the column.
const (
	unavailable       = "__debezium_unavailable_value"
	unavailableBase64 = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ=="
	unavailableHex    = "5f5f646562657a69756d5f756e617661696c61626c655f76616c7565"
	unavailableMap    = `{"` + unavailable + `":"` + unavailable + `"}`
	unavailableUUID   = "b68a35a7-17ad-35b3-af2a-ae46edb4545a"
	unavailableGeom   = "AQEAACDmEAAAAAAA/IPXl8EAAAD8g9eXwQ==" // of a geometry, as WKB
	unavailableGeog   = "AQEAACDmEAAADCHn/f9/ZkAYQs77/39WQA==" // of a geography
)

// isUnavailable reports whether a value stands in the place of one that the message lacks.
func isUnavailable(v value.Ref) bool {
	switch v.Kind() {
	case value.KindString:
		return isUnavailableText(v)
	case value.KindObject:
		for name, member := range v.Members() {
			if name == unavailable && textOf(member) == unavailable && v.Len() == 1 {
				return true
			}
		}
		wkb := textOf(v.Get("wkb"))
		return wkb == unavailableGeom || wkb == unavailableGeog
	case value.KindArray:
		if v.Len() != 1 && v.Len() != len(unavailable) {
			return false
		}
		i := 0
		for element := range v.Elements() {
			if v.Len() == 1 {
				return element.Kind() == value.KindString && isUnavailableText(element)
			}
			if string(element.Raw()) != strconv.Itoa(int(unavailable[i])) { // of integers: its bytes
				return false
			}
			i++
		}
		return true
	}
	return false
}

func isUnavailableText(v value.Ref) bool {
	const shortest, longest = len(unavailable), len(unavailableMap) + 16 // which has quotes, and they may be escaped
	if n := len(v.Raw()); n < shortest || n > longest {
		return false
	}
	switch textOf(v) {
	case unavailable, unavailableBase64, unavailableHex, unavailableMap, unavailableUUID:
		return true
	}
	return false
}
