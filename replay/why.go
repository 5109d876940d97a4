package replay

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/merge"
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/lex"
	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay/history"
)

// Story is all that happened to one key and why it ended as it did.
type Story struct {
	Schema   string            `json:"schema"` // "tiebreak.story/v1"
	Table    TableInfo         `json:"table"`
	Key      string            `json:"key"`
	Fields   []FieldStory      `json:"fields"`
	Findings []finding.Finding `json:"findings"`
}

// FieldStory is the story of one cell.
type FieldStory struct {
	Field     string      `json:"field"`
	Line      int         `json:"line"`
	Rule      string      `json:"rule"` // the line of the table
	Value     value.Value `json:"value,omitempty"`
	Conflicts Count       `json:"conflicts"`
	Writes    []Step      `json:"writes"`           // in the order of their stamps
	Untold    int         `json:"untold,omitempty"` // writes beyond MaxSteps
}

// Step is one write of a story.
type Step struct {
	Name      string          `json:"name"` // W1, W2, ... in the order of the stamps
	ID        string          `json:"id,omitempty"`
	Place     finding.Place   `json:"place"`
	Kind      string          `json:"kind"`
	Value     value.Value     `json:"value,omitempty"`
	Version   uint64          `json:"version,omitempty"`
	Time      clock.Timestamp `json:"time,omitzero"`
	Node      clock.Node      `json:"node"`
	Knowledge string          `json:"knowledge"`         // the source that told what the writer had seen
	Saw       []string        `json:"saw"`               // of the other writes of the story, those it had seen for certain
	Perhaps   []string        `json:"perhaps"`           // and those it may have seen
	Outcome   string          `json:"outcome"`           // kept, combined, refused, overwritten, lost
	Unsure    bool            `json:"unsure,omitempty"`  // a lost write that may have been overwritten, or another that was seen, perhaps
	OrLost    bool            `json:"or_lost,omitempty"` // and then it is lost: the rule has no use for it, and who saw it wrote something else
	By        string          `json:"by,omitempty"`      // the rung that decided against it
	Margin    int64           `json:"margin,omitempty"`  // by how much: see merge.Verdict
	Against   string          `json:"against,omitempty"`
	Mismatch  bool            `json:"mismatch,omitempty"` // the rule has no use for it: see merge.Verdict

	// Replaced are the writes that took the place of an overwritten one: of the other writes of the story, by writers who had
	// seen it.
	Replaced []string `json:"replaced_by,omitempty"`
}

// ErrNoKey is returned by [History.Why] for a key to which the history has no write.
var ErrNoKey = errors.New("no write to key")

// MaxSteps is how many writes of one cell a story tells. Of a longer one it leaves out the earliest, those first that were
// overwritten, and what is kept last.
const MaxSteps = 200

// About leaves out of a history what [History.Why] of one key doesn't need: all other keys, but for what the story may turn on,
// which is lists of what writers had seen, and from which nodes writes arrive in which exports.
type About struct {
	Key string

	maps    bool // what writers had seen by numbers is needed too
	left    atomic.Bool
	follows atomic.Bool // there are lists to follow, which may name whose numbers were left out

	mu   sync.Mutex
	came map[[2]string]bool
}

// Exclude reports whether a record may be left out: it is for [history.Options].
func (a *About) Exclude(rec *history.Record) bool {
	if rec.Key == a.Key || len(rec.Seen) > 0 {
		if rec.Knows && !rec.Whole {
			a.follows.Store(true)
		}
		return false
	}
	if len(rec.SeenUp) > 0 {
		if a.maps {
			return false
		}
		a.left.Store(true)
	}
	if rec.Kind != history.Write && rec.Kind != history.Arrival || rec.Region == "" || rec.Region == string(rec.Node) {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	known := a.came[[2]string{string(rec.Node), rec.Region}]
	if !known {
		if a.came == nil {
			a.came = make(map[[2]string]bool)
		}
		a.came[[2]string{strings.Clone(string(rec.Node)), strings.Clone(rec.Region)}] = true
	}
	return known
}

// Enough reports whether nothing was left out that is needed after all. When it says no the history is to be read again, and more of
// it is left in then.
func (a *About) Enough() bool {
	if a.maps || !a.left.Load() || !a.follows.Load() {
		return true
	}
	a.maps, a.came = true, nil
	return false
}

// Why tells the story of one key: of one field, or of all when field is nil. The error is of a key or field that the
// history doesn't have; it names the nearest that it has.
func (h *History) Why(table *merge.Table, name string, field *string, opt Options) (*Story, error) {
	f := h.newFolder(&work{tables: []*merge.Table{table}, opt: &opt}, maphash.MakeSeed())
	s := f.sums[0]
	story := &Story{Schema: "tiebreak.story/v1", Table: infoOf(table), Key: name, Fields: []FieldStory{}}
	asked := func(c *cell) bool {
		return field == nil || c.name == *field || c.rule == table.Rule(name, *field) && c.holds(*field)
	}
	others := newSums(table, &opt, h) // of the fields that are not asked for
	var names []string
	from := &h.store.parts[partition(name)]
	h.failed.set(h.clearForLong(from, opt.workers()))
	err := f.pick(from, name, nil, nil, func(k *key) error {
		if len(k.ops) == 0 {
			return nil
		}
		k.know(&opt, s)
		cells := k.foldTo(table, s, func(c *cell) *sums {
			if asked(c) {
				return s
			}
			return others
		})
		for _, c := range cells {
			names = append(names, strings.Clone(c.name))
			if asked(c) {
				story.Fields = append(story.Fields, c.story())
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, fmt.Errorf("%w %q in the history%s", ErrNoKey, name, h.nearest(name))
	}
	if len(story.Fields) == 0 {
		return nil, fmt.Errorf("key %q has no field %q: it has %s", name, *field, strings.Join(names, ", "))
	}
	story.Findings = []finding.Finding{}
	for _, f := range s.told.list() {
		story.Findings = append(story.Findings, f.Examples...)
	}
	return story, nil
}

// nearest returns "; did you mean ...?" with the key of the history that is nearest to one that it doesn't have, and
// nothing when none is near. It looks at every record.
func (h *History) nearest(name string) string {
	best, distance := "", 4
	for p := range h.store.parts {
		h.failed.set(h.store.each(&h.store.parts[p], func(b []byte) error {
			for r := (reader{b: b}); r.more(); {
				key := r.key()
				if len(key)-len(name) >= distance || len(name)-len(key) >= distance || key == best {
					continue
				}
				if d := lex.Distance(name, key); d < distance || d == distance && best != "" && key < best {
					best, distance = strings.Clone(key), d
				}
			}
			return nil
		}))
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// holds reports whether a field belongs to a cell of several: it is one of those that it names or, of a cell of all fields, one that
// some write has.
func (c *cell) holds(field string) bool {
	if !c.rule.Together || c.name != "*" {
		return c.rule.Together && slices.Contains(strings.Split(c.name, ","), field)
	}
	for i := range c.op {
		if c.claim(i).Value.Kind() == value.KindObject && !c.claim(i).Value.Get(field).IsAbsent() {
			return true
		}
	}
	return false
}

// own returns a copy of a value in memory of its own.
func own(v value.Value) value.Value { return value.Value(strings.Clone(string(v))) }

// story tells what happened to the cell. It keeps nothing of the cell's memory.
func (c *cell) story() FieldStory {
	k := c.key
	pairs, _ := c.conflicts()
	f := FieldStory{Field: strings.Clone(c.name), Line: c.rule.Line, Rule: c.rule.String(), Value: own(c.shown), Conflicts: pairs, Writes: []Step{}}
	order, fates := k.room.indexes.raw(len(c.op)), listOf[fate](k.room.far, len(c.op))
	for i := range order {
		k.room.tick()
		v := c.state.Judge(c.claim(i))
		order[i], fates[i] = int32(i), c.fate(i, &v)
	}
	slices.SortStableFunc(order, func(i, j int32) int {
		k.room.tick()
		return c.compare(i, j)
	})
	for _, least := range []merge.Outcome{merge.Overwritten, merge.Combined, merge.Lost, merge.Refused, merge.Kept} {
		order = slices.DeleteFunc(order, func(i int32) bool {
			k.room.tick()
			untold := len(c.op)-f.Untold > MaxSteps && fates[i].outcome == least
			if untold {
				f.Untold++
			}
			return untold
		})
	}
	names := make(map[int32]string, len(order)) // by operation
	for n, i := range order {
		names[c.op[i]] = fmt.Sprintf("W%d", n+1)
	}
	for _, i := range order {
		o, claim := c.opOf(int(i)), *c.claim(int(i))
		v := c.state.Judge(&claim)
		step := Step{
			Name: names[c.op[i]], ID: strings.Clone(claim.Op.ID), Place: k.place(o), Kind: claim.Kind.String(), Value: own(claim.Value),
			Version: o.version, Time: o.time(), Node: k.writer(o), Knowledge: k.stand[c.op[i]].source.String(),
			Saw: []string{}, Perhaps: []string{},
			Outcome: fates[i].outcome.String(), Unsure: fates[i].perhaps, OrLost: fates[i].orLost, Mismatch: v.Mismatch,
		}
		for _, j := range order {
			if j == i {
				continue
			}
			switch rel := k.relate(int(c.op[j]), int(c.op[i])); {
			case rel == before:
				step.Saw = append(step.Saw, names[c.op[j]])
			case rel == after:
				if fates[i].outcome == merge.Overwritten && takesPlace(c.rule, c.claim(int(j)), &claim) {
					step.Replaced = append(step.Replaced, names[c.op[j]])
				}
			case rel == unknown && k.past.high(int(c.op[i]), int(k.stand[c.op[j]].node)) >= k.stand[c.op[j]].index:
				step.Perhaps = append(step.Perhaps, names[c.op[j]])
			}
		}
		if fates[i].outcome >= merge.Refused && v.By != 0 {
			step.By, step.Margin = v.By.String(), v.Margin
			if w := c.find(&v.Against); w != nil {
				for at := range k.ops {
					if &k.ops[at] == w {
						step.Against = names[int32(at)]
					}
				}
			}
		}
		f.Writes = append(f.Writes, step)
	}
	return f
}
