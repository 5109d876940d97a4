// Command mutate measures how much the tests of a package notice. It puts small changes (mutants) into the code, one at a
// time, and counts those that make a test fail:
//
//	nice -n 19 go run ./fuzz/mutate ./clock ./lww ./crdt ./merge
//	go run ./fuzz/mutate -sample 150 -seed 1 ./crdt                        some of them, in minutes
//	go run ./fuzz/mutate -only 'dots.go' ./crdt                            those of one file or function
//	go run ./fuzz/mutate -also ./crdt,./merge ./clock                      tests of other packages, for what survives
//	go run ./fuzz/mutate -quick 1s ./crdt                                  without the tests that take longer: what to write tests for
//
// All mutants of a package are compiled once, each behind a switch that an environment variable sets. A first run of every
// test by itself records which switches it passes; a mutant is then given to those tests alone, the fastest first. It is
// killed if one of them fails, or takes far more time than it did. Tests run with -short.
//
// The changes: a comparison turned around or moved by one, a condition that is always false or true, && for || and back,
// + for - and the like, a number and one more, a negation left out, a statement left out, another value returned. Texts are
// not changed, nor what only makes one, nor what only makes room.
//
// A mutant that no test can notice is equivalent. Those are listed in equivalent.txt, each with the reason why; they do not
// count. A line there that names no mutant is an error.
//
// The last figures, with -short tests of the package alone, of fresh samples that nothing was written for:
//
//	clock    806 of 814  99.0 %                    all
//	lww      253 of 253  100 %                     all
//	crdt     135 of 140  96.4 % (91.9 to 98.5)     -sample 150 -seed 31
//	         235 of 242  97.1 % (94.2 to 98.6)     -sample 250 -seed 4711
//	merge    144 of 148  97.3 % (93.3 to 98.9)     -sample 150 -seed 99
//	         187 of 194  96.4 % (92.7 to 98.2)     -sample 200 -seed 77
//
//	merge/lex 209 of 220 95.0 %, merge/finding 20 of 20; merge/value 1,061 of 1,413, 75.1 %, by its own tests alone;
//	replay/reads 109 of 150 72.7 % (65.0 to 79.2), -sample 150 -seed 12; replay/drill 115 of 150 76.7 % (69.3 to 82.7), -seed 23
//
// Each sample takes one to three minutes of computing. For what lived a test, a deletion or an argued line followed.
//
// Exit status: 0 if at least -least per cent of the mutants of every package were killed, 1 if not, 2 on trouble.
package main
