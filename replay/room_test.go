package replay

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// What one key leaves behind in the memory that it was folded in must not show in the next: Why folds its key in memory
// of its own.
func TestKeysFoldedInOneRoomEndAsEachAlone(t *testing.T) {
	table := merge.MustParseTable("nodes ap < eu < us\nk/0/* * keep-all\nk/1/* * counter\nk/2/* f add-wins\nk/3/* f,g lww together\n* * lww")
	var us, eu []string
	for seed := range uint64(30) {
		ops := simulate(seed, 2+int(seed), []string{"map", "list", "nothing"})
		for i, o := range ops {
			key := fmt.Sprintf("k/%d/%d/%d", seed%5, seed, o.key)
			line := strings.Replace(o.line(ops), fmt.Sprintf("k/%d", o.key), key, 1)
			if i%7 == 6 {
				line = fmt.Sprintf(`{"key":%q,"op":"delete","node":%q,"time":%d,"id":%q}`, key, simNodes[o.node], o.time, o.id())
			}
			us = append(us, line)
			if i%3 > 0 {
				eu = append(eu, line)
			}
		}
	}
	h, err := Collect([]history.Source{
		{Name: "us", Region: "us", Open: sourceOf("", strings.Join(us, "\n")).Open},
		{Name: "eu", Region: "eu", Open: sourceOf("", strings.Join(eu, "\n")).Open},
	}, history.Options{})
	require.NoError(t, err)
	require.Zero(t, h.inputs[0].SetAside+h.inputs[1].SetAside, "%v", h.inputs[0].told.list())
	together := make(map[string]string)
	var mu sync.Mutex
	visit := func(cells []*cell) {
		var fields []FieldStory
		for i := range cells {
			fields = append(fields, cells[i].story())
		}
		text, err := json.Marshal(fields)
		mu.Lock()
		defer mu.Unlock()
		require.NoError(t, err)
		together[strings.Clone(cells[0].key.name)] = string(text)
	}
	h.fold(&work{tables: []*merge.Table{table}, opt: &Options{Workers: 2}, cells: visit})
	require.Greater(t, len(together), 50)
	for name, fields := range together {
		alone, err := h.Why(table, name, nil, Options{})
		require.NoError(t, err)
		text, err := json.Marshal(alone.Fields)
		require.NoError(t, err)
		require.Equal(t, string(text), fields, name)
	}
}

// Nor do they change while the slab grows.
func TestSlabListsDoNotReachIntoEachOther(t *testing.T) {
	var s slab[int]
	var lists [][]int
	for i := range 200 {
		list := s.take(3)
		require.Equal(t, []int{0, 0, 0}, list)
		list[0], list[1], list[2] = i, i, i
		lists = append(lists, list)
	}
	_ = append(lists[5], 99)
	for i, list := range lists {
		require.Equal(t, []int{i, i, i}, list)
	}
	s.reset()
	require.Equal(t, []int{0, 0, 0}, s.take(3), "zeroed when it is lent again")
	require.Empty(t, s.take(0))
}

// On the path of the rules that select one write, memory is for a worker and not for a write or a key.
func TestFoldingCostsNoAllocationPerWrite(t *testing.T) {
	if testing.Short() {
		t.Skip("counted in the run without the race detector")
	}
	for _, data := range []benchData{{op: "set", value: someNumber}, {op: "set", value: someNumber, context: true}, {op: "add", value: someNumber}} {
		h, err := Collect([]history.Source{sourceOf("h", data.text())}, history.Options{})
		require.NoError(t, err)
		for _, rule := range []string{"lww", "max", "min", "counter"} {
			if (rule == "counter") != (data.op == "add") {
				continue
			}
			table := merge.MustParseTable("nodes ap < eu < us\n* * " + rule)
			each := testing.AllocsPerRun(1, func() { h.fold(&work{tables: []*merge.Table{table}, opt: &Options{Workers: 1}}) })
			require.Less(t, each/benchWrites, 0.05, rule)
		}
	}
}
