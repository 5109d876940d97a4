package value_test

import (
	"fmt"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

func ExampleParse() {
	v, err := value.Parse([]byte(`{"price": 1.50, "name": "caf\u00e9"}`), value.Limits{})
	fmt.Println(v, err)
	_, err = value.Parse([]byte(`{"role": "user", "role": "admin"}`), value.Limits{})
	fmt.Println(err)
	// Output:
	// {"name":"café","price":1.50} <nil>
	// offset 17: duplicate_field: member "role" stands twice in one object
}

func ExampleValue_Get() {
	v := value.Object(value.Member{Name: "count", Value: value.Int(3)}, value.Member{Name: "name", Value: value.Text("x")})
	count, err := v.Get("count").Decimal()
	fmt.Println(v, count.String(), err)
	fmt.Println(v.Get("size").IsAbsent())
	// Output:
	// {"count":3,"name":"x"} 3 <nil>
	// true
}

func ExampleCompare() {
	fmt.Println(value.Compare("9", "10"), value.Compare(`"9"`, `"10"`), value.Compare("1", "1.0"))
	// Output: -1 1 -1
}

func ExampleDoc() {
	var d value.Doc
	doc, err := d.Parse([]byte(`{"key": ["a", 1], "after": {"n": 2}}`), value.Limits{})
	fmt.Println(err)
	for e := range doc.Get("key").Elements() {
		fmt.Println(e.Kind(), e.Value())
	}
	fmt.Println(doc.Get("after").Get("n").Value(), doc.Get("before").IsAbsent())
	// Output:
	// <nil>
	// string "a"
	// number 1
	// 2 true
}

func ExampleScanner() {
	var s value.Scanner
	s.Reset([]byte(`{"node":"eu","version":7}`), value.Limits{})
	err := s.Object()
	for n := 0; err == nil; n++ {
		name, ok, bad := s.Member(n)
		if !ok {
			err = bad
			break
		}
		v, bad := s.Value()
		fmt.Println(name, v)
		err = bad
	}
	fmt.Println(err, s.End())
	// Output:
	// node "eu"
	// version 7
	// <nil> <nil>
}

func ExampleExtent() {
	text := []byte(`{"a":1}{"b":2}`)
	end, whole := value.Extent(text)
	fmt.Println(string(text[:end]), whole == value.Whole)
	// Output: {"a":1} true
}
