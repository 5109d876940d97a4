// Package otel shows how a replica is doing as OpenTelemetry metrics: [Register] exports its [replica.Status] whenever the
// service's reader collects, and [Observe] counts its events.
//
//	observe, err := otel.Observe(meter, "us-east", replica.Logged(slog.Default()))
//	r, err := replica.Open(dir, replica.Options{Node: "us-east", Table: table, Observe: observe})
//	registration, err := otel.Register(meter, r)
//	defer registration.Unregister()
//
// All metrics have the attribute tiebreak.node: the replica's own name.
//
//	tiebreak.replica.written        {operation}  counter: made here
//	tiebreak.replica.applied        {operation}  counter: of others
//	tiebreak.replica.duplicates     {operation}  counter: that came again
//	tiebreak.replica.conflicts      {conflict}   counter
//	tiebreak.replica.lost           {write}      counter: acknowledged and gone
//	tiebreak.replica.refused        {operation}  counter, by tiebreak.code: the finding
//	tiebreak.replica.events         {event}      counter, by tiebreak.event: the kind, as diverged or restored
//	tiebreak.replica.peer.skew      s            gauge, by tiebreak.peer: how far its clock is ahead
//	tiebreak.replica.peer.lag       s            gauge, by tiebreak.peer: how old what is here of it is
//	tiebreak.replica.peer.backlog   {operation}  gauge, by tiebreak.peer: that it has not acknowledged
//	tiebreak.replica.held           {operation}  gauge: that wait for others
//	tiebreak.replica.retained       {operation}  gauge: that some member has yet to acknowledge
//	tiebreak.replica.keys           {key}        gauge
//	tiebreak.replica.log.size       By           gauge: on disk
//	tiebreak.replica.broken         1            gauge: 1 when the disk has failed and no write is taken, else 0
//
// Names and attributes are never reused. Counters begin at zero when the replica is opened. A peer that was never heard has a
// backlog, and neither lag nor skew: they are not known. Keys and values are in no metric.
//
// What to be woken by: tiebreak.replica.broken, and tiebreak.replica.events of the kinds diverged and reused.
//
// It is a module of its own, so that a service without OpenTelemetry does without it. To test it:
//
//	cd merge/replica/otel && go test ./...
package otel

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge/replica"
)

// The attributes.
const (
	nodeKey  = attribute.Key("tiebreak.node")
	peerKey  = attribute.Key("tiebreak.peer")
	codeKey  = attribute.Key("tiebreak.code")
	eventKey = attribute.Key("tiebreak.event")
)

// instruments are what a status is exported by.
type instruments struct {
	written, applied, duplicates, conflicts, lost, refused metric.Int64ObservableCounter

	skew, lag                                      metric.Float64ObservableGauge
	backlog, held, retained, keys, logSize, broken metric.Int64ObservableGauge

	all []metric.Observable
	err error
}

func newInstruments(m metric.Meter) *instruments {
	in := &instruments{}
	counter := func(name, unit, about string) metric.Int64ObservableCounter {
		c, err := m.Int64ObservableCounter("tiebreak.replica."+name, metric.WithUnit(unit), metric.WithDescription(about))
		in.all, in.err = append(in.all, c), errors.Join(in.err, err)
		return c
	}
	gauge := func(name, unit, about string) metric.Int64ObservableGauge {
		g, err := m.Int64ObservableGauge("tiebreak.replica."+name, metric.WithUnit(unit), metric.WithDescription(about))
		in.all, in.err = append(in.all, g), errors.Join(in.err, err)
		return g
	}
	seconds := func(name, about string) metric.Float64ObservableGauge {
		g, err := m.Float64ObservableGauge("tiebreak.replica."+name, metric.WithUnit("s"), metric.WithDescription(about))
		in.all, in.err = append(in.all, g), errors.Join(in.err, err)
		return g
	}
	in.written = counter("written", "{operation}", "Operations made here since the replica was opened.")
	in.applied = counter("applied", "{operation}", "Operations of other replicas applied since then.")
	in.duplicates = counter("duplicates", "{operation}", "Operations that came again, and changed nothing.")
	in.conflicts = counter("conflicts", "{conflict}", "Operations that met one their writer had not seen.")
	in.lost = counter("lost", "{write}", "Acknowledged writes that lost to one whose writer had not seen them.")
	in.refused = counter("refused", "{operation}", "Operations refused, by reason.")
	in.skew = seconds("peer.skew", "How far the clock of a peer is ahead of the clock here.")
	in.lag = seconds("peer.lag", "How old what is known here of a peer is.")
	in.backlog = gauge("peer.backlog", "{operation}", "Operations here that a peer has not acknowledged.")
	in.held = gauge("held", "{operation}", "Operations that wait for others.")
	in.retained = gauge("retained", "{operation}", "Operations that some member has yet to acknowledge.")
	in.keys = gauge("keys", "{key}", "Keys of the merged state.")
	in.logSize = gauge("log.size", "By", "Size of the operation log on disk.")
	in.broken = gauge("broken", "1", "1 when the disk has failed and no write is taken, else 0.")
	return in
}

// Register exports the status of a replica until it is unregistered. The status is taken once a collection, which locks the
// replica for as long as it takes to count.
func Register(m metric.Meter, r *replica.Replica) (metric.Registration, error) {
	in := newInstruments(m)
	if in.err != nil {
		return nil, fmt.Errorf("register replica metrics: %w", in.err)
	}
	registration, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		in.observe(o, r.Status())
		return nil
	}, in.all...)
	if err != nil {
		return nil, fmt.Errorf("register replica metrics: %w", err)
	}
	return registration, nil
}

func (in *instruments) observe(o metric.Observer, s replica.Status) {
	node := nodeKey.String(string(s.Node))
	own := metric.WithAttributes(node)
	o.ObserveInt64(in.written, s.Written, own)
	o.ObserveInt64(in.applied, s.Applied, own)
	o.ObserveInt64(in.duplicates, s.Duplicates, own)
	o.ObserveInt64(in.conflicts, s.Conflicts, own)
	o.ObserveInt64(in.lost, s.Lost, own)
	for code, n := range s.Refused {
		o.ObserveInt64(in.refused, n, metric.WithAttributes(node, codeKey.String(string(code))))
	}
	for _, p := range s.Peers {
		peer := metric.WithAttributes(node, peerKey.String(string(p.Node)))
		o.ObserveInt64(in.backlog, int64(p.Backlog), peer)
		if !p.UpTo.IsZero() {
			o.ObserveFloat64(in.skew, p.Skew.Seconds(), peer)
			o.ObserveFloat64(in.lag, p.Lag.Seconds(), peer)
		}
	}
	o.ObserveInt64(in.held, int64(s.Held), own)
	o.ObserveInt64(in.retained, int64(s.Retained), own)
	o.ObserveInt64(in.keys, int64(s.Keys), own)
	o.ObserveInt64(in.logSize, s.LogBytes, own)
	broken := int64(0)
	if errors.Is(s.Err, replica.ErrBroken) {
		broken = 1
	}
	o.ObserveInt64(in.broken, broken, own)
}

// Observe returns what [replica.Options] take as their Observe: it counts every event by its kind, and then hands it to
// next. A nil next is not told. The node is that of the options.
func Observe(m metric.Meter, node clock.Node, next func(replica.Event)) (func(replica.Event), error) {
	events, err := m.Int64Counter("tiebreak.replica.events", metric.WithUnit("{event}"),
		metric.WithDescription("Events of the replica, by kind."))
	if err != nil {
		return nil, fmt.Errorf("count replica events: %w", err)
	}
	return func(e replica.Event) {
		events.Add(context.Background(), 1,
			metric.WithAttributes(nodeKey.String(string(node)), eventKey.String(e.Kind.String())))
		if next != nil {
			next(e)
		}
	}, nil
}
