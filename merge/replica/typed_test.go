package replica_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

func TestConvergentTypesAreAccessedAsWhatTheyAre(t *testing.T) {
	w := &world{now: start}
	table := merge.MustParseTable(`
nodes eu-west < us-east
stock/*  count  counter
cart/*   items  add-wins
grow/*   items  grow-only
flag/*   on     enable-wins
log/*    lines  append
both/*   note   keep-all
*        *      lww
`)
	of := func(node string) *replica.Replica {
		opt := options("eu-west", w)
		opt.Node, opt.Table = "eu-west", table
		if node == "us" {
			opt.Node = "us-east"
		}
		return open(t, "", opt)
	}
	eu, us := of("eu"), of("us")
	for _, r := range []*replica.Replica{eu, us} {
		do := func(_ replica.Receipt, err error) { t.Helper(); require.NoError(t, err) }
		do(r.Counter("stock/1", "count").Add(3))
		do(r.Counter("stock/1", "count").Once("r1").Add(-1))
		do(r.Counter("stock/1", "count").Once("r1").Add(-1)) // the same request
		do(r.Elements("cart/1", "items").Insert(value.Text(string(name(r)))))
		do(r.Elements("cart/1", "items").Insert(`"tea"`))
		do(r.Entries("log/1", "lines").Append(value.Text(string(name(r)))))
		do(r.Siblings("both/1", "note").Set(value.Text(string(name(r)))))
		do(r.Elements("grow/1", "items").Insert("1"))
	}
	_, err := eu.Elements("cart/1", "items").Remove(`"tea"`)
	require.NoError(t, err)
	_, err = eu.Flag("flag/1", "on").Enable()
	require.NoError(t, err)
	_, err = us.Flag("flag/1", "on").Disable()
	require.NoError(t, err)
	meet(t, eu, us)
	for _, r := range []*replica.Replica{eu, us} {
		n, err := r.Counter("stock/1", "count").Value()
		require.NoError(t, err)
		require.Equal(t, "4", n.String())
		all, err := r.Elements("cart/1", "items").All()
		require.NoError(t, err)
		require.Equal(t, []value.Value{`"eu-west"`, `"tea"`, `"us-east"`}, all, "the remove had not seen the tea of us-east")
		has, err := r.Elements("cart/1", "items").Has(`"tea"`)
		require.NoError(t, err)
		require.True(t, has)
		on, err := r.Flag("flag/1", "on").On()
		require.NoError(t, err)
		require.True(t, on)
		lines, err := r.Entries("log/1", "lines").All()
		require.NoError(t, err)
		require.Equal(t, []value.Value{`"eu-west"`, `"us-east"`}, lines)
		notes, err := r.Siblings("both/1", "note").All()
		require.NoError(t, err)
		require.Equal(t, []value.Value{`"us-east"`, `"eu-west"`}, notes)
	}
	// Of what nobody wrote, the zero value; of what is something else, an error, and nothing is written.
	n, err := eu.Counter("stock/2", "count").Value()
	require.NoError(t, err)
	require.Zero(t, n.Sign())
	none, err := eu.Elements("cart/2", "items").All()
	require.NoError(t, err)
	require.Empty(t, none)
	before := eu.Seen()
	for _, wrong := range []func() error{
		func() error { _, err := eu.Counter("cart/1", "items").Add(1); return err },
		func() error { _, err := eu.Counter("orders/1", "status").Value(); return err },
		func() error { _, err := eu.Elements("stock/1", "count").Insert("1"); return err },
		func() error { _, err := eu.Flag("orders/1", "status").Enable(); return err },
		func() error { _, err := eu.Entries("orders/1", "status").Append("1"); return err },
		func() error { _, err := eu.Siblings("orders/1", "status").Set("1"); return err },
	} {
		require.ErrorIs(t, wrong(), replica.ErrRule)
	}
	require.Equal(t, before, eu.Seen())
}
