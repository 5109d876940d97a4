// Package ordered has a list for what is kept in an order and comes in any other: to put an item in moves a few dozen, however
// many there are, and at times where those stand. What keeps the order is who puts the items in:
//
//	var log ordered.List[entry]
//	at := log.Search(func(o *entry) bool { return o.time < e.time })
//	log.Insert(at, e)
//
// A slice is smaller for a few, and as good where all comes in order.
package ordered
