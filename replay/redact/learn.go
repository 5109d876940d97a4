package redact

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tiebreakhq/tiebreak/lww"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Learned is what a history says of values before they are hidden.
type Learned struct {
	// Dependent are the keys in which a winner is one for its value: under max, min, highest and prefer where values differ,
	// and where two values meet with stamps that tie.
	Dependent Names

	// Memory is about how many bytes the values take that have ranks.
	Memory int64
}

// Bare takes from a record all that [Redactor.Learn] does not look at. Without ids no write is another delivery of one before it:
// where an id stands with two payloads, which of them counts may depend on their values.
func Bare(rec *history.Record) {
	rec.ID, rec.Tx, rec.Reading = "", "", nil
	if rec.Kind == history.Read {
		rec.Reading = &history.Reading{} // without one it would be none
	}
	rec.Knows, rec.Whole, rec.Seen, rec.SeenUp = false, false, nil, nil
	rec.Base, rec.HasBase = 0, false
}

// minWidth is how many digits a rank has at least.
const minWidth = 4

// Learn finds the values of a history whose order matters, which have ranks from then on. The history is of records that are
// [Bare]. It goes through it once; once more where values of a unique field are in order, and so those of all keys.
//
// Values that have ranks are in memory, each once for each key.
func (r *Redactor) Learn(h *replay.History) (Learned, error) {
	shared := make(map[string]bool) // fields with ranks over all keys
	for {
		l := learner{r: r, shared: shared, domains: make(map[domainName]*gathered), fields: make(map[string]string), cells: make(map[cellName][]merge.Write)}
		clear(r.domains)
		h.Operations(replay.Options{}, l.key)
		if err := h.Err(); err != nil {
			return Learned{}, err
		}
		if l.more {
			continue
		}
		l.end()
		r.width = minWidth
		for _, d := range r.domains {
			r.width = max(r.width, len(strconv.Itoa(len(d.values))))
			l.learned.Memory += d.memory()
		}
		return l.learned, nil
	}
}

// learner goes through a history.
type learner struct {
	r       *Redactor
	shared  map[string]bool
	more    bool // shared has grown
	learned Learned

	domains map[domainName]*gathered
	fields  map[string]string          // that are kept
	cells   map[cellName][]merge.Write // of the key at hand
	claims  []merge.Claim
}

type cellName struct {
	rule *merge.Rule
	name string
}

// gathered is a domain on its way.
type gathered struct {
	order
	values  map[value.Value]bool
	checked bool // one value has a rank too: two fields may have it
}

// key looks at all operations on a key.
func (l *learner) key(k *replay.KeyOperations) {
	if len(k.Ops) == 1 && len(l.r.table.Checks)+len(l.r.table.Uniques) == 0 {
		return
	}
	clear(l.cells)
	for i := range k.Ops {
		l.claims = l.r.table.Claims(&k.Ops[i].Op, l.claims[:0])
		for j := range l.claims {
			c := &l.claims[j]
			name := cellName{c.Rule, c.Cell}
			l.cells[name] = append(l.cells[name], c.Write())
		}
	}
	tied := make(map[cellName]bool)
	dependent := false
	for name, writes := range l.cells {
		ties, decides := meet(name.rule, writes)
		if ties {
			tied[name] = true
		}
		dependent = dependent || decides
	}
	if dependent {
		l.learned.Dependent.add(k.Key)
	}
	for i := range k.Ops {
		op := &k.Ops[i].Op
		for _, f := range op.Fields {
			rule := l.r.table.Rule(k.Key, f.Name)
			if op.Kind == merge.Add && !rule.Takes(op.Kind) {
				l.r.added[domainName{strings.Clone(k.Key), l.field(f.Name)}] = true
			}
			isTied := tied[cellName{rule, rule.Cell(f.Name)}]
			eachPart(rule, f.Name, op.Kind, f.Value, func(name string, v value.Value) value.Value {
				l.part(k.Key, name, rule, v, isTied, byElement(rule, op.Kind))
				return v
			})
		}
	}
	for name := range l.domains {
		if name.key != "" {
			l.finish(name)
		}
	}
}

// meet says of the writes to one cell whether two values meet with stamps that tie, so that the values are compared; and whether
// what is kept is so for its value.
func meet(rule *merge.Rule, writes []merge.Write) (ties, decides bool) {
	if len(writes) < 2 {
		return false, false
	}
	slices.SortFunc(writes, func(a, b merge.Write) int {
		order, _ := rule.Compare(&a, &b)
		return order
	})
	top := &writes[len(writes)-1]
	byValue := slices.Contains([]string{"max", "min", "highest", "prefer"}, rule.Name)
	for i := range writes[:len(writes)-1] {
		_, by := rule.Compare(&writes[i], &writes[i+1]) // by stamps: those that tie are side by side
		ties = ties || by == lww.Value
		_, by = rule.Compare(&writes[i], top)
		decides = decides || by == lww.Value || byValue && by == lww.Rank && !writes[i].Deleted
	}
	if rule.KeepsFrontier() { // who had seen what says which of them meet
		return ties, ties && !showsSeveral(rule)
	}
	return ties, decides && rule.Selects()
}

// part takes a value of a field into its domain, if the order of that matters.
func (l *learner) part(key, field string, rule *merge.Rule, v value.Value, tied, element bool) {
	t := l.r.treat(key, field, rule)
	if t.keeps(v) {
		return
	}
	if needed := tied || t.bySize; t.domain.key != "" {
		if !needed {
			return
		}
	} else if !l.shared[t.domain.field] {
		if needed {
			l.shared[strings.Clone(t.domain.field)], l.more = true, true
		}
		return
	}
	g := l.domains[t.domain]
	if g == nil {
		g = &gathered{values: make(map[value.Value]bool)}
		if l.r.table.Profile != nil && !rule.Together && !element {
			g.rule = rule
		}
		l.domains[domainName{strings.Clone(t.domain.key), l.field(t.domain.field)}] = g
	}
	g.bySize = g.bySize || t.bySize
	g.checked = g.checked || t.checked
	if !g.values[v] {
		if t.domain.key == "" { // beyond this key
			v = value.Value(strings.Clone(string(v)))
		}
		g.values[v] = true
	}
}

// field returns the name of a field for keeping: one text for all keys that have it.
func (l *learner) field(name string) string {
	kept, ok := l.fields[name]
	if !ok {
		kept = strings.Clone(name)
		l.fields[kept] = kept
	}
	return kept
}

// finish puts a domain in order. One value alone needs no rank.
func (l *learner) finish(name domainName) {
	g := l.domains[name]
	delete(l.domains, name)
	if len(g.values) < 2 && !g.checked {
		return
	}
	l.r.domains[name] = domainOf(g.values, g.order)
}

// end puts what is left in order.
func (l *learner) end() {
	for name := range l.domains {
		l.finish(name)
	}
}
