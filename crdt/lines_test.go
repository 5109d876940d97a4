package crdt

import (
	"encoding/json"
	"fmt"
	"math/rand"
	"slices"
	"strings"

	"github.com/tiebreakhq/tiebreak/clock"
)

// rules has the line of a rule table that does what a type does. Where no rule does, a history only says what was done.
var rules = map[string]string{
	"GCounter":         "counter",
	"PNCounter":        "counter",
	"ResetCounter":     "counter",
	"MaxRegister":      "max",
	"MinRegister":      "min",
	"LatticeRegister":  "prefer closed > open > new",
	"GSet":             "grow-only",
	"ORSet":            "add-wins",
	"RWSet":            "remove-wins",
	"EWFlag":           "enable-wins",
	"DWFlag":           "disable-wins",
	"MVRegister":       "keep-all",
	"Map of registers": "keep-all",
	"Map":              "counter",
}

func ruleOf(kind string) string {
	rule := rules[kind]
	if rule == "" {
		rule = "append"
	}
	return fmt.Sprintf("%s/* value %s\n* * lww\n", tableOf(kind), rule)
}

func tableOf(kind string) string { return strings.ReplaceAll(kind, " ", "-") }

func keyOf(kind string) string { return tableOf(kind) + "/x" }

// line is a write in the native history format. The writer of histories stands above this package, and its tests can't use
// it; those of outside check that it reads these lines.
type line struct {
	Key   string                `json:"key"`
	Field string                `json:"field,omitempty"`
	Op    string                `json:"op,omitempty"`
	Value any                   `json:"value,omitempty"`
	Node  clock.Node            `json:"node"`
	Time  string                `json:"time"`
	ID    string                `json:"id"`
	Seen  map[clock.Node]uint64 `json:"seen"`
}

// lines returns a history in the native format.
func lines[O any](kind string, h history[O]) string {
	var text strings.Builder
	for i, e := range h {
		l := line{Key: keyOf(kind), Field: "value", Node: e.dot.Node, Time: fmt.Sprintf("2026-05-20T12:00:00.%03dZ", i), ID: e.dot.String(), Seen: map[clock.Node]uint64{}}
		for node, run := range h.seen(e.past).Runs() {
			l.Seen[node] = run.Last // no holes: it is closed
		}
		l.say(kind, any(e.op).(do))
		data := must(json.Marshal(l))
		text.Write(append(data, '\n'))
	}
	return text.String()
}

// say fills in what was done.
func (l *line) say(kind string, op do) {
	switch rule := strings.Fields(rules[kind] + " -")[0]; {
	case rule == "-":
		l.Value = op.String()
	case slices.Contains([]string{"remove", "clear", "reset", "delete"}, op.verb) && !(op.verb == "remove" && strings.HasSuffix(kind, "Set")):
		l.Op = "delete"
	case rule == "counter":
		l.Op, l.Value = "add", json.Number(op.arg)
		if kind == "Map" {
			l.Key, l.Value = tableOf(kind)+"/"+op.arg, 1
		}
	case op.verb == "add":
		l.Op, l.Value = "insert", op.arg
	case op.verb == "remove":
		l.Op, l.Value = "remove", op.arg
	case op.verb == "enable" || op.verb == "disable":
		l.Value = op.verb == "enable"
	default:
		l.Value = op.arg
	}
}

// SomeLines returns a rule table, a key and a random history for each kind, as a failing test prints them.
func SomeLines() map[string][3]string {
	all := map[string][3]string{}
	for name, k := range wiredKinds {
		table, history := k.someLines(name, rand.New(rand.NewSource(4)))
		all[name] = [3]string{table, keyOf(name), history}
	}
	return all
}

func (k kind[S, O]) someLines(name string, r *rand.Rand) (table, history string) {
	steps := make([]step, 40)
	for i := range steps {
		steps[i] = step(r.Uint32())
	}
	h, err := k.run(3, steps)
	if err != nil {
		panic(err)
	}
	return ruleOf(name), lines(name, h)
}
