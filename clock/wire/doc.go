// Package wire writes and reads msgpack in one form only: what travels between replicas, lies on their disks and is covered by
// their checksums must have one spelling.
//
// Integers, strings and arrays have their shortest form, a string that is not UTF-8 is a bin, and what is written otherwise is
// refused. A [Reader] is made for bytes from outside: a length is checked against the bytes that are there before anything
// is reserved, after an error it returns zero values, and it never panics.
//
// A node is written as its name where it stands first, and as its place among the names written so far, from 0, wherever it
// stands again. A vector is [(node, first, last)*] in one flat array, ascending by the bytes of the node and then by number;
// runs don't touch. A dot is (node, number), a time (wall, logical).
//
//	w := wire.Writer{B: buffer}
//	w.Array(2)
//	w.Text("stock/1")
//	w.Dot(dot)
//	if w.Err != nil { … }
//
//	r := wire.Reader{S: string(data), MaxEntries: 10_000}
//	r.Tuple(2)
//	key, dot := r.Text(), r.Dot()
//	if err := r.End(); err != nil { … }
//
// The package does no I/O and knows no type but those of package clock.
package wire
