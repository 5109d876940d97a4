package drill

import "math/bits"

// chance is a number that depends on its arguments alone, as if it had been drawn. So what befalls one write on one link
// is the same whatever else the drill has in it.
func chance(seed uint64, parts ...uint64) uint64 {
	h := seed + 0x9e3779b97f4a7c15
	for _, p := range parts {
		h = mix(h ^ mix(p+0x9e3779b97f4a7c15))
	}
	return h
}

// lotOf is what stands for names and numbers where chance has a say: equal for equal ones, whatever their order elsewhere.
func lotOf(names ...string) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for _, name := range names {
		for i := range len(name) {
			h = (h ^ uint64(name[i])) * 1099511628211
		}
		h = mix(h ^ uint64(len(name)))
	}
	return h
}

// mix is the finalizer of SplitMix64 (Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
func mix(z uint64) uint64 {
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below turns a chance into a number from 0 to n-1.
func below(h uint64, n int64) int64 {
	hi, _ := bits.Mul64(h, uint64(n))
	return int64(hi)
}

// happens reports whether what happens so many times in a million does.
func happens(h uint64, parts int) bool { return parts > 0 && below(h, 1e6) < int64(parts) }
