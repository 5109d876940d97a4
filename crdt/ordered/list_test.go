package ordered

import (
	"math/bits"
	"math/rand"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/gen"
	"github.com/leanovate/gopter/prop"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func insert(l *List[int], v int) {
	place := func() Place { return l.Search(func(o *int) bool { return *o < v }) }
	if at := l.Insert(place(), v); at != l.At(place()) {
		panic("what was put in is elsewhere")
	}
}

func items(l *List[int]) (all []int) {
	for v := range l.All {
		all = append(all, *v)
	}
	return all
}

// check holds the invariants.
func check(t *testing.T, l *List[int]) {
	if l.many == nil {
		require.LessOrEqual(t, len(l.one), 2*size)
		return
	}
	n := 0
	for _, b := range l.many.blocks {
		require.NotEmpty(t, b)
		require.LessOrEqual(t, len(b), 2*size)
		n += len(b)
	}
	require.Equal(t, n, l.Len())
	require.Greater(t, len(l.many.blocks), 1)
	require.Nil(t, l.one)
}

func blocks(l *List[int]) int {
	if l.many == nil {
		return 1
	}
	return len(l.many.blocks)
}

var orders = map[string]func(n int) []int{
	"forward": func(n int) []int {
		return slices.Collect(func(yield func(int) bool) {
			for i := 0; i < n && yield(i); i++ {
			}
		})
	},
	"backward": func(n int) []int {
		return slices.Collect(func(yield func(int) bool) {
			for i := n - 1; i >= 0 && yield(i); i-- {
			}
		})
	},
	"shuffled": func(n int) []int { return rand.New(rand.NewSource(1)).Perm(n) },
	"from both ends": func(n int) []int {
		return slices.Collect(func(yield func(int) bool) {
			for i := 0; i < n && yield([]int{i / 2, n - 1 - i/2}[i%2]); i++ {
			}
		})
	},
}

// A slice moved half of all that it held for an item that came in no order, and all of it for each that came before the others.
func TestAnInsertMovesNoMoreThanABlock(t *testing.T) {
	const n = 3000
	for name, order := range orders {
		t.Run(name, func(t *testing.T) {
			var l List[int]
			was := make(map[int]*int)
			for _, v := range order(n) {
				insert(&l, v)
				moved := 0
				for o := range l.All {
					if at := was[*o]; at != nil && at != o {
						moved++
					}
					was[*o] = o
				}
				require.LessOrEqual(t, moved, size)
			}
			check(t, &l)
			assert.Equal(t, orders["forward"](n), items(&l))
			assert.LessOrEqual(t, blocks(&l), 2*n/size+1, "blocks are filled at least by half")
		})
	}
}

func TestASearchComparesAsOftenAsABisectionDoes(t *testing.T) {
	var l List[int]
	for _, v := range orders["shuffled"](100_000) {
		asked := 0
		at := l.Search(func(o *int) bool { asked++; return *o < v })
		require.LessOrEqual(t, asked, bits.Len(uint(blocks(&l)))+bits.Len(size))
		l.Insert(at, v)
	}
}

// What was deleted gives its memory back: few items don't keep many blocks.
func TestAListThatHasBecomeShortHasFewBlocks(t *testing.T) {
	const n, left = 64_000, 640
	for name, delete := range map[string]func(l *List[int]){
		"at once": func(l *List[int]) {
			l.Delete(Place{}, func(*int) bool { return true }, func(v *int) bool { return *v%(n/left) > 0 })
		},
		"one by one": func(l *List[int]) {
			for _, v := range orders["shuffled"](n) {
				if v%(n/left) > 0 {
					is := func(o *int) bool { return *o == v }
					require.Equal(t, 1, l.Delete(l.Search(func(o *int) bool { return *o < v }), is, is))
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var l List[int]
			for _, v := range orders["forward"](n) {
				l.Push(v)
			}
			delete(&l)
			check(t, &l)
			assert.Equal(t, left, l.Len())
			assert.LessOrEqual(t, blocks(&l), 4*left/size+1)
		})
	}
}

// A list agrees with a slice, whatever is done to both. A change is an item to put in, or, negative, the first of a run to take
// out, and of that the odd ones or all.
func TestAListAgreesWithASlice(t *testing.T) {
	parameters := gopter.DefaultTestParameters()
	parameters.MinSuccessfulTests = 300
	properties := gopter.NewProperties(parameters)
	properties.Property("the same items", prop.ForAll(func(changes []int) bool {
		var l List[int]
		var plain []int
		for i, c := range changes {
			v := max(c, -c)
			at, found := slices.BinarySearch(plain, v)
			place := l.Search(func(o *int) bool { return *o < v })
			if o := l.At(place); found != (o != nil && *o == v) {
				return false
			}
			if c >= 0 {
				if !found {
					plain = slices.Insert(plain, at, v)
					l.Insert(place, v)
				}
				continue
			}
			end := v + i%300
			goes := func(o int) bool { return o >= v && o <= end && (i%2 == 0 || o%2 == 1) }
			before := len(plain)
			plain = slices.DeleteFunc(plain, goes)
			if n := l.Delete(place, func(o *int) bool { return *o <= end }, func(o *int) bool { return goes(*o) }); n != before-len(plain) {
				return false
			}
		}
		check(t, &l)
		var again List[int]
		for _, v := range plain {
			again.Push(v)
		}
		shared := Of(slices.Clone(plain))
		check(t, &shared)
		if !Equal(&shared, &again) {
			return false
		}
		for i := range 100 { // no block grows into the next
			insert(&shared, i*31%4000)
		}
		check(t, &shared)
		if !slices.IsSorted(items(&shared)) || shared.Len() != len(plain)+100 {
			return false
		}
		copied := l.Clone()
		if !Equal(&l, &again) || !Equal(&again, &copied) || !slices.Equal(plain, items(&l)) {
			return false
		}
		if len(plain) > 0 {
			last := plain[len(plain)-1]
			if *l.First() != plain[0] || *l.Last() != last {
				return false
			}
			*copied.First() = -1
			return *l.First() == plain[0] && !Equal(&l, &copied)
		}
		return true
	}, gen.SliceOfN(1500, gen.IntRange(-400, 4000)).WithShrinker(gopter.NoShrinker)))
	properties.TestingRun(t)
}

// A list of few takes no more than a slice of them, as it was made to.
func TestAListOfFewHasNoRoomToSpare(t *testing.T) {
	var l List[int]
	for i := range 8 {
		insert(&l, 10-i)
		assert.Len(t, l.one, cap(l.one))
	}
	assert.Nil(t, l.many)
}

// A list that has room for many in one piece would move half of them for an insert.
func TestAListGrowsNoFurtherThanABlock(t *testing.T) {
	for _, n := range []int{0, 1, 5, size, 1000} {
		var l List[int]
		l.Grow(n)
		assert.Zero(t, l.Len())
		room := cap(l.one)
		assert.GreaterOrEqual(t, room, min(n, size))
		for i, v := range orders["shuffled"](n) {
			insert(&l, v)
			if i < size {
				assert.Equal(t, room, cap(l.one))
			}
		}
		check(t, &l)
		assert.Equal(t, orders["forward"](n), items(&l))
	}
	for _, n := range []int{1, 8, size - 1, size, size + 1, 1000} {
		var l List[int]
		for _, v := range orders["shuffled"](n) {
			l.Grow(1)
			insert(&l, v)
		}
		l.Grow(1000)
		check(t, &l)
		assert.LessOrEqual(t, cap(l.one), 2*size)
		assert.Equal(t, orders["forward"](n), items(&l))
	}
}

func TestANilListIsEmpty(t *testing.T) {
	var l *List[int]
	assert.Zero(t, l.Len())
	assert.Empty(t, items(l))
	c := l.Cursor()
	assert.Nil(t, c.Item())
}

func TestACursorGoesThroughAList(t *testing.T) {
	for _, n := range []int{0, 1, size, size + 1, 1000} {
		var l List[int]
		for _, v := range orders["shuffled"](n) {
			insert(&l, v)
		}
		seen := 0
		for c := l.Cursor(); c.Item() != nil; c.Next() {
			assert.Equal(t, seen, *c.Item())
			seen++
		}
		assert.Equal(t, n, seen)
	}
}

func TestAllStopsWhereItsReaderDoes(t *testing.T) {
	var l List[int]
	for v := range 10 * size {
		l.Push(v)
	}
	last := -1
	for v := range l.All {
		if last = *v; last == size+3 {
			break
		}
	}
	assert.Equal(t, size+3, last)
}
