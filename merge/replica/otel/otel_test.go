package otel_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/replica/otel"
	"github.com/tiebreakhq/tiebreak/merge/replica/segment"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

var start = time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC).UnixNano()

// collected returns all points of a collection, by "name attribute=value ...".
func collected(t *testing.T, from sdk.Reader) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	require.NoError(t, from.Collect(context.Background(), &all))
	points := make(map[string]float64)
	put := func(name string, of attribute.Set, v float64) {
		for _, a := range of.ToSlice() {
			name += " " + string(a.Key) + "=" + a.Value.AsString()
		}
		points[name] = v
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			require.NotEmpty(t, m.Unit, m.Name)
			require.NotEmpty(t, m.Description, m.Name)
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				require.True(t, data.IsMonotonic, m.Name)
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, float64(p.Value))
				}
			case metricdata.Gauge[float64]:
				for _, p := range data.DataPoints {
					put(m.Name, p.Attributes, p.Value)
				}
			default:
				t.Errorf("%s is a %T", m.Name, m.Data)
			}
		}
	}
	return points
}

func meter() (metric.Meter, sdk.Reader) {
	reader := sdk.NewManualReader()
	return sdk.NewMeterProvider(sdk.WithReader(reader)).Meter("test"), reader
}

func open(t *testing.T, dir string, opt replica.Options) *replica.Replica {
	t.Helper()
	opt.Table = merge.MustParseTable("nodes ap < eu < us\n* * lww\n")
	r, err := replica.Open(dir, opt)
	require.NoError(t, err)
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func set(t *testing.T, r *replica.Replica, key string) {
	t.Helper()
	_, err := r.Set(key, "f", value.Text(string(r.Status().Node)))
	require.NoError(t, err)
}

func TestTheStatusOfAReplicaIsExported(t *testing.T) {
	m, reader := meter()
	told := 0
	observe, err := otel.Observe(m, "us", func(replica.Event) { told++ })
	require.NoError(t, err)
	us := open(t, t.TempDir(), replica.Options{Node: "us", Observe: observe, Source: func() int64 { return start }})
	eu := open(t, "", replica.Options{Node: "eu", Source: func() int64 { return start + 250e6 }})
	registration, err := otel.Register(m, us)
	require.NoError(t, err)

	set(t, us, "a")
	set(t, us, "b")
	set(t, eu, "a") // neither had seen the other's
	batch := eu.Since(us.Seen())
	for range 2 {
		_, err = us.Apply("eu", batch)
		require.NoError(t, err)
	}
	strange := eu.Since(clock.Vector{})
	_, err = us.Apply("ap", strange) // which may not hand on what eu wrote
	require.ErrorIs(t, err, replica.ErrRefused)

	status := us.Status()
	require.Equal(t, int64(1), status.Lost)
	points := collected(t, reader)
	for name, want := range map[string]float64{
		"tiebreak.replica.written tiebreak.node=us":                       2,
		"tiebreak.replica.applied tiebreak.node=us":                       1,
		"tiebreak.replica.duplicates tiebreak.node=us":                    1,
		"tiebreak.replica.conflicts tiebreak.node=us":                     float64(status.Conflicts),
		"tiebreak.replica.lost tiebreak.node=us":                          1,
		"tiebreak.replica.held tiebreak.node=us":                          0,
		"tiebreak.replica.retained tiebreak.node=us":                      float64(status.Retained),
		"tiebreak.replica.keys tiebreak.node=us":                          2,
		"tiebreak.replica.log.size tiebreak.node=us":                      float64(status.LogBytes),
		"tiebreak.replica.broken tiebreak.node=us":                        0,
		"tiebreak.replica.peer.skew tiebreak.node=us tiebreak.peer=eu":    0.25,
		"tiebreak.replica.peer.backlog tiebreak.node=us tiebreak.peer=ap": 3,
		"tiebreak.replica.events tiebreak.event=lost tiebreak.node=us":    1,
		"tiebreak.replica.events tiebreak.event=refused tiebreak.node=us": 1,
	} {
		got, ok := points[name]
		require.True(t, ok, "%s is not among %v", name, points)
		require.InDelta(t, want, got, 1e-6, name)
	}
	require.Contains(t, points, "tiebreak.replica.peer.lag tiebreak.node=us tiebreak.peer=eu")
	require.NotContains(t, points, "tiebreak.replica.peer.lag tiebreak.node=us tiebreak.peer=ap", "it was never heard")
	refused := 0.0
	for code, n := range status.Refused {
		require.InDelta(t, float64(n), points["tiebreak.replica.refused tiebreak.code="+string(code)+" tiebreak.node=us"], 1e-9)
		refused += float64(n)
	}
	require.Positive(t, refused)
	require.GreaterOrEqual(t, told, 2)

	require.NoError(t, registration.Unregister())
	require.NotContains(t, collected(t, reader), "tiebreak.replica.keys tiebreak.node=us")
}

// failing is a disk whose files can't be synced any more once it is told so.
type failing struct {
	segment.OS
	now *bool
}

func (f failing) OpenFile(name string, flag int) (segment.File, error) {
	file, err := f.OS.OpenFile(name, flag)
	return failingFile{file, f.now}, err
}

type failingFile struct {
	segment.File
	now *bool
}

func (f failingFile) Sync() error {
	if *f.now {
		return errors.New("the disk is gone")
	}
	return f.File.Sync()
}

func TestAFailedDiskShows(t *testing.T) {
	m, reader := meter()
	observe, err := otel.Observe(m, "us", nil)
	require.NoError(t, err)
	now := false
	us := open(t, t.TempDir(), replica.Options{Node: "us", Observe: observe, FS: failing{now: &now}})
	_, err = otel.Register(m, us)
	require.NoError(t, err)
	now = true
	_, err = us.Set("a", "f", "1")
	require.ErrorIs(t, err, replica.ErrBroken)
	points := collected(t, reader)
	require.InDelta(t, 1, points["tiebreak.replica.broken tiebreak.node=us"], 0)
	require.InDelta(t, 1, points["tiebreak.replica.events tiebreak.event=broken tiebreak.node=us"], 0)
}
