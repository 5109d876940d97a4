package lww

import "cmp"

// Map is many registers, each decided on its own. Deletes are registers too: a deleted key stays in the map with its
// claim, so that an older write can't bring it back. The nil Map may be read; make one before writing. It is as safe
// for goroutines as any Go map: many may read, or one may write.
type Map[K comparable, V any] map[K]Register[V]

// Get returns the value under k; false when there is none or it was deleted.
func (m Map[K, V]) Get(k K) (V, bool) {
	r, ok := m[k]
	return r.Value, ok && !r.Deleted
}

// Set writes v under k with a claim, and returns the delta that tells other replicas, with the verdict on it: the
// write is the right side, and may lose against what m holds. A delta is itself a Map.
func Set[K comparable, V cmp.Ordered](l *Ladder, m Map[K, V], k K, s Stamp, v V) (Map[K, V], Verdict) {
	r := Register[V]{Stamp: s, Value: v}
	return Map[K, V]{k: r}, put(l, m, k, &r, cmp.Compare[V])
}

// Delete removes k with a claim, as [Set] writes.
func Delete[K comparable, V cmp.Ordered](l *Ladder, m Map[K, V], k K, s Stamp) (Map[K, V], Verdict) {
	r := Register[V]{Stamp: s, Deleted: true}
	return Map[K, V]{k: r}, put(l, m, k, &r, cmp.Compare[V])
}

// MergeMap merges from into m, at a cost that grows with from alone. For each key that both hold it calls each, unless
// that is nil, with the verdict: positive when m kept its own. The order of the calls is not fixed.
func MergeMap[K comparable, V cmp.Ordered](l *Ladder, m, from Map[K, V], each func(K, Verdict)) {
	MergeMapFunc(l, m, from, cmp.Compare[V], each)
}

// MergeMapFunc is [MergeMap] with the caller's order of values, as for [CompareFunc].
func MergeMapFunc[K comparable, V any](l *Ladder, m, from Map[K, V], compare func(a, b V) int, each func(K, Verdict)) {
	for k, theirs := range from {
		// Only the stamp: a large map costs what memory it touches.
		ours := m[k].Stamp
		why := l.judge(&ours, &theirs.Stamp)
		if why.By == Same || ours == (Stamp{}) {
			// The stamps don't tell, or there is none on our side, and perhaps no register.
			if why = put(l, m, k, &theirs, compare); why.isFirst() {
				continue
			}
		} else if why.Order < 0 {
			m[k] = theirs
		}
		if each != nil {
			each(k, why)
		}
	}
}

// put lets theirs stand for k if m holds nothing there or theirs wins.
func put[K comparable, V any](l *Ladder, m Map[K, V], k K, theirs *Register[V], compare func(a, b V) int) Verdict {
	ours, ok := m[k]
	if !ok {
		m[k] = *theirs
		return Verdict{Order: -1}
	}
	_, why := decide(l, &ours, theirs, compare)
	if why.Order < 0 {
		m[k] = *theirs
	}
	return why
}
