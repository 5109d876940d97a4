// Package fuzz holds the suites that cross packages: the layers of the house, the blocks of the README, and the tests that
// no single package could hold alone. It has no code of its own; the generators
// of package fuzz/gen are for everybody's properties.
package fuzz
