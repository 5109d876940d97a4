package law

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// showLen is how many bytes of a value an error shows.
const showLen = 400

// show returns a value for the eyes of a reader.
func show(v any) string {
	var text string
	switch v := v.(type) {
	case error, fmt.Stringer:
		text = fmt.Sprint(v)
	default:
		var t texter
		t.write(reflect.ValueOf(v))
		text = t.String()
	}
	if len(text) > showLen {
		return strings.ToValidUTF8(text[:showLen], "") + "..."
	}
	return text
}

// textOf returns a text of all that can be reached from v: two values have the same text if no reader could tell them
// apart. Maps are sorted; what a slice holds between its length and its capacity comes after a bar, because whoever
// appends to the slice writes there.
func textOf(v any) string {
	t := texter{spare: true}
	t.write(reflect.ValueOf(v))
	return t.String()
}

// shares reports whether a value of type t can share memory that a function could change.
func shares(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Array:
		return shares(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if shares(t.Field(i).Type) {
				return true
			}
		}
		return false
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return true
	default: // numbers and strings can't be changed; of functions, channels and unsafe pointers nobody can tell
		return false
	}
}

type texter struct {
	strings.Builder
	spare bool      // slices are written up to their capacity
	path  []uintptr // the pointers and maps that are being written, so that a cycle ends
}

func (t *texter) write(v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		t.WriteString("nil")
	case reflect.Bool:
		t.WriteString(strconv.FormatBool(v.Bool()))
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		t.WriteString(strconv.FormatInt(v.Int(), 10))
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		t.WriteString(strconv.FormatUint(v.Uint(), 10))
	case reflect.Float32, reflect.Float64:
		t.WriteString(strconv.FormatFloat(v.Float(), 'g', -1, 64))
	case reflect.Complex64, reflect.Complex128:
		t.WriteString(strconv.FormatComplex(v.Complex(), 'g', -1, 128))
	case reflect.String:
		t.WriteString(strconv.Quote(v.String()))
	case reflect.Interface:
		t.writeInterface(v)
	case reflect.Pointer:
		t.inside(v, func() {
			t.WriteByte('&')
			t.write(v.Elem())
		})
	case reflect.Struct:
		t.writeStruct(v)
	case reflect.Array:
		t.WriteByte('[')
		t.writeElements(v, 0, v.Len())
		t.WriteByte(']')
	case reflect.Slice:
		t.writeSlice(v)
	case reflect.Map:
		t.inside(v, func() { t.writeMap(v) })
	default: // a function, a channel or an unsafe pointer is what it points to
		fmt.Fprintf(t, "%s(%#x)", v.Kind(), v.Pointer())
	}
}

// inside writes what v refers to, unless that is being written already.
func (t *texter) inside(v reflect.Value, write func()) {
	switch {
	case v.IsNil():
		t.WriteString("nil")
	case slices.Contains(t.path, v.Pointer()):
		t.WriteString("(cycle)")
	default:
		t.path = append(t.path, v.Pointer())
		write()
		t.path = t.path[:len(t.path)-1]
	}
}

func (t *texter) writeInterface(v reflect.Value) {
	if v.IsNil() {
		t.WriteString("nil")
		return
	}
	t.WriteString(v.Elem().Type().String())
	t.WriteByte('(')
	t.write(v.Elem())
	t.WriteByte(')')
}

func (t *texter) writeStruct(v reflect.Value) {
	t.WriteByte('{')
	for i := range v.NumField() {
		if i > 0 {
			t.WriteByte(' ')
		}
		t.WriteString(v.Type().Field(i).Name)
		t.WriteByte(':')
		t.write(v.Field(i))
	}
	t.WriteByte('}')
}

func (t *texter) writeSlice(v reflect.Value) {
	t.inside(v, func() {
		t.WriteByte('[')
		t.writeElements(v, 0, v.Len())
		if t.spare && v.Cap() > v.Len() {
			t.WriteString(" | ")
			t.writeElements(v.Slice(0, v.Cap()), v.Len(), v.Cap())
		}
		t.WriteByte(']')
	})
}

func (t *texter) writeElements(v reflect.Value, from, to int) {
	for i := from; i < to; i++ {
		if i > from {
			t.WriteByte(' ')
		}
		t.write(v.Index(i))
	}
}

func (t *texter) writeMap(v reflect.Value) {
	members := make([]string, 0, v.Len())
	for entries := v.MapRange(); entries.Next(); {
		member := texter{spare: t.spare, path: t.path}
		member.write(entries.Key())
		member.WriteByte(':')
		member.write(entries.Value())
		members = append(members, member.String())
	}
	slices.Sort(members)
	t.WriteString("map[" + strings.Join(members, " ") + "]")
}
