package crdt

import (
	"cmp"
	"fmt"
	"reflect"
)

// compare orders values of any comparable type as long as they are plain data: by size, by bytes, false before true, arrays
// and structs by their first difference. It is the order in which sets list their elements, so it must be the same on
// every replica; an address or a channel has no such order, and keeping one in a shared set is a mistake of the program.
func compare[T comparable](a, b T) int {
	if a == b {
		return 0
	}
	switch a := any(a).(type) {
	case string:
		if b, ok := any(b).(string); ok {
			return cmp.Compare(a, b)
		}
	case int:
		if b, ok := any(b).(int); ok {
			return cmp.Compare(a, b)
		}
	case int64:
		if b, ok := any(b).(int64); ok {
			return cmp.Compare(a, b)
		}
	case uint64:
		if b, ok := any(b).(uint64); ok {
			return cmp.Compare(a, b)
		}
	}
	return compareValues(reflect.ValueOf(&a).Elem(), reflect.ValueOf(&b).Elem())
}

func compareValues(a, b reflect.Value) int {
	switch a.Kind() {
	case reflect.String:
		return cmp.Compare(a.String(), b.String())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return cmp.Compare(a.Int(), b.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return cmp.Compare(a.Uint(), b.Uint())
	case reflect.Float32, reflect.Float64:
		return cmp.Compare(a.Float(), b.Float())
	case reflect.Complex64, reflect.Complex128:
		x, y := a.Complex(), b.Complex()
		return cmp.Or(cmp.Compare(real(x), real(y)), cmp.Compare(imag(x), imag(y)))
	case reflect.Bool:
		return cmp.Compare(btoi(a.Bool()), btoi(b.Bool()))
	case reflect.Array:
		for i := range a.Len() {
			if c := compareValues(a.Index(i), b.Index(i)); c != 0 {
				return c
			}
		}
		return 0
	case reflect.Struct:
		for i := range a.NumField() {
			if c := compareValues(a.Field(i), b.Field(i)); c != 0 {
				return c
			}
		}
		return 0
	}
	panic(fmt.Sprintf("crdt: values of type %s have no order that all replicas share; keep plain data such as strings, numbers and structs of them", a.Type()))
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
