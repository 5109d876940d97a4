package reads

// fit returns a list of n zeros in the memory of another, if that is large enough: what was in it is gone.
//
// One check judges thousands of keys, most of which have a handful of operations and reads. What it needs for one it uses again for
// the next.
func fit[T any](list []T, n int) []T {
	if cap(list) < n {
		return make([]T, n, n+n/4)
	}
	list = list[:n]
	clear(list)
	return list
}

// mostKept is of how many operations and reads a key may be for its memory to be used for the next one: such a key may never come
// again.
const mostKept = 1 << 14
