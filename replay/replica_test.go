package replay

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// The history that replicas keep for themselves ends under their table as they do, and can be run under another.
func TestTheLogOfAReplicaMergesToWhatTheReplicaShows(t *testing.T) {
	requireRunsAsItIs(t, false)
}

// What a replica had seen that went on under another incarnation, and who had seen what that wrote, was not known: the run ended
// otherwise than the replicas.
func TestTheLogOfAReplicaThatLostItsDiskMergesToWhatItShows(t *testing.T) {
	requireRunsAsItIs(t, true)
}

func requireRunsAsItIs(t *testing.T, loses bool) {
	table := merge.MustParseTable(`
nodes ap < eu < us
stock/*  count  counter
cart/*   items  add-wins
*        *      lww
`)
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC).UnixNano()
	dirs := make(map[clock.Node]string)
	all := make(map[clock.Node]*replica.Replica)
	open := func(node clock.Node) {
		dirs[node] = t.TempDir()
		r, err := replica.Open(dirs[node], replica.Options{Node: node, Table: table, Source: func() int64 { now += 1000; return now }})
		require.NoError(t, err)
		t.Cleanup(func() { _ = r.Close() })
		all[node] = r
	}
	for _, node := range table.Nodes {
		open(node)
	}
	meet := func() {
		for _, to := range table.Nodes {
			for _, from := range table.Nodes {
				if from != to {
					require.NoError(t, all[to].Pull(from, func(q []byte) ([]byte, error) { return all[from].Serve(to, q), nil }))
				}
			}
		}
	}
	wrote := int64(0)
	write := func(node clock.Node, w replica.Write) {
		_, err := all[node].Write(w)
		require.NoError(t, err)
		wrote++
	}
	for i := range 60 {
		node := table.Nodes[i%3]
		key := fmt.Sprint(i % 5)
		write(node, replica.Write{Key: "stock/" + key, Kind: merge.Add, Fields: []merge.Field{{Name: "count", Value: value.Int(int64(i))}}})
		kind := merge.Insert
		if i%4 == 3 {
			kind = merge.Remove
		}
		write(node, replica.Write{Key: "cart/" + key, Kind: kind, Fields: []merge.Field{{Name: "items", Value: value.Text(fmt.Sprint(i % 7))}}})
		write(node, replica.Write{Key: "orders/" + key, Fields: []merge.Field{
			{Name: "status", Value: value.Text(fmt.Sprint(i))}, {Name: "by", Value: value.Text(string(node))}}})
		if i%11 == 10 {
			write(node, replica.Write{Key: "orders/" + key, Kind: merge.Delete})
			write(node, replica.Write{Key: "stock/" + key, Kind: merge.Delete})
		}
		if loses && i == 20 {
			meet()
			open("us") // on an empty disk
			meet()
			require.Equal(t, clock.Node("us~2"), all["us"].Status().Incarnation)
		}
		if i%6 == 0 {
			to := table.Nodes[(i/6)%3]
			_, err := all[to].Apply(node, all[node].Since(all[to].Seen()))
			require.NoError(t, err)
		}
	}
	meet()
	shown := make(map[string]value.Value)
	all["eu"].Cells(func(key string, c merge.NamedCell) bool {
		if v := c.Value(); !v.IsAbsent() {
			shown[key+" "+c.Name] = v
		}
		return true
	})

	for _, names := range [][]clock.Node{{"eu"}, {"eu", "us", "ap"}} {
		var sources []history.Source
		for _, n := range names {
			found, skipped, err := history.Find(dirs[n])
			require.NoError(t, err)
			require.Empty(t, skipped)
			require.Len(t, found, 1)
			sources = append(sources, found...)
		}
		h, err := Collect(sources, history.Options{})
		require.NoError(t, err)
		merged := make(map[string]value.Value)
		report := h.Run(table, Options{State: func(s StateLine) { merged[s.Key+" "+s.Field] = s.Value }})
		require.Equal(t, shown, merged)
		require.Equal(t, wrote, h.Inputs()[0].Writes)
		require.True(t, report.Totals.Conflicts.Exact())
		require.Positive(t, report.Totals.Conflicts.Min)
		require.Zero(t, report.Totals.Lost.Max-report.Totals.Lost.Min)
		repeated := int64(0)
		for _, f := range report.Findings {
			if f.Code == finding.DuplicateOp {
				repeated = f.Count
			}
		}
		require.Equal(t, int64(len(names)-1)*wrote, repeated)
	}
	require.NotEmpty(t, shown)
}
