package lex

import "strings"

// Match reports whether a pattern stands for a text: "*" is any run of characters, the empty one and "/" included, and
// all else is itself. It tries the last star only, which suffices, in at most len(p)*len(s) steps.
func Match(p, s string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && p[i] == s[j]:
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(p[i:], "*") == ""
}
