package plant

import (
	"go/parser"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFunctionStandsThereAgainWithItsBug(t *testing.T) {
	f := &file{text: `package p

type set[K comparable] struct{ n int }

func (s *set[K]) add(n int) { s.n += n }

func largest[T int | uint](first T, more ...T) T {
	for _, m := range more {
		first = max(first, m)
	}
	return first
}
`}
	var err error
	f.syntax, err = parser.ParseFile(&f.places, "p.go", f.text, 0)
	require.NoError(t, err)
	require.NoError(t, f.plant(Bug{File: "p.go", Code: "+= n", Bad: "-= n"}, 1))
	require.NoError(t, f.plant(Bug{File: "p.go", Code: "max(", Bad: "min("}, 2))
	require.NoError(t, f.plant(Bug{File: "p.go", Code: "range more", Bad: "range more[1:]"}, 3))
	assert.Equal(t, `package p

type set[K comparable] struct{ n int }

func (s *set[K]) add(n int) { if plantedNow == 1 { s.add_planted1(n); return };  s.n += n }

func largest[T int | uint](first T, more ...T) T { if plantedNow == 2 { return largest_planted2[T](first, more...) };  if plantedNow == 3 { return largest_planted3[T](first, more...) }; 
	for _, m := range more {
		first = max(first, m)
	}
	return first
}

func (s *set[K]) add_planted1(n int) { s.n -= n }

func largest_planted2[T int | uint](first T, more ...T) T {
	for _, m := range more {
		first = min(first, m)
	}
	return first
}

func largest_planted3[T int | uint](first T, more ...T) T {
	for _, m := range more[1:] {
		first = max(first, m)
	}
	return first
}
`, f.planted())
	assert.ErrorContains(t, f.plant(Bug{File: "p.go", Code: "n int }", Bad: "m int }"}, 4), "does not stand in one function")
	assert.ErrorContains(t, f.plant(Bug{File: "p.go", Code: "gone", Bad: ""}, 5), "is not there")
}
