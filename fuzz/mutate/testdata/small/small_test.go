package small

import "testing"

func TestFill(t *testing.T) {
	for _, c := range []struct {
		from, n, over, level int
		err                  error
	}{
		{5, 5, 0, 10, nil}, {5, 7, 2, 10, nil}, {5, -3, 0, 2, nil}, {5, -7, 0, 5, ErrLow}, {-3, 1, 0, -2, nil}, {2, 1, 0, 3, nil},
	} {
		tank := Tank[int]{level: c.from}
		over, err := tank.Fill(c.n)
		if over != c.over || err != c.err || tank.level != c.level {
			t.Errorf("%v: %d, %v, %d", c, over, err, tank.level)
		}
	}
}

func TestOfNothing(*testing.T) {}
