// Command bench makes histories of a stated kind and size, and runs the dry run over one beside other ways to the same
// answers and beside floors: counting lines, reading, unpacking, and parsing.
//
//	go run ./replay/bench -writes 1000000 -o h.ndjson           # make a history; .zst and .gz compress it
//	go run ./replay/bench -writes 1000000 -zipf 0.99 -o -       # to the standard output
//	go run ./replay/bench -compare                              # 10 million writes: ours beside DuckDB and the floors
//	go run ./replay/bench -forms -writes 1000000 -rounds 3      # the same writes in each form, and compressed
//	go run -trimpath ./replay/bench -writes 1000000 -profile replay/cmd/tiebreak/default.pgo
//
// The last one tells the compiler what is run most: it lays out the command by that file, which is worth a tenth of the time of
// native histories and nothing for exports.
//
// The comparison builds the command, makes the history, checks on it that all give the same answers, to the value, and
// then runs all of them in turns. It prints the median of the rounds, how far they spread, and by how much each is slower
// than ours. DuckDB comes from npm, into a directory of its own: -duckdb names one that has it already.
//
// What DuckDB is asked is in duckdb/natural.sql, as one would write it, and in duckdb/hashed.sql, the fastest that was
// found.
//
// # The forms
//
// The same writes take as long as their form makes them: an export holds two images of a row where a native line holds one
// value, and no ids, without which no key is a plain one. What -forms -writes 1000000 printed, on a quiet machine:
//
//	                                  seconds              spread    CPU s       MB  file MB    ratio   a byte  of
//	run: native                          0.26     0.23 to    0.41     0.45      113      173    1.00x    1.00x  run: native
//	run: msgpack                         0.25     0.24 to    0.34     0.44      111      136    0.97x    1.23x  run: native
//	run: cockroachdb                     1.19     1.13 to    1.25     2.24      180      304    4.67x    2.65x  run: native
//	run: dynamodb                        1.50     1.45 to    1.53     2.86      182      629    5.88x    1.61x  run: native
//	run: spanner                         2.40     2.37 to    2.68     4.60      203      929    9.38x    1.74x  run: native
//	only unpack: .gz                     0.30     0.30 to    0.32     0.30        5       24    1.17x    8.28x  run: native
//	run: native .gz                      0.42     0.40 to    0.49     0.76      115       24    1.39x    1.39x  only unpack: .gz
//	only unpack: .zst                    0.23     0.21 to    0.24     0.23       15       30    0.89x    5.16x  run: native
//	run: native .zst                     0.36     0.35 to    0.40     0.66      122       30    1.61x    1.61x  only unpack: .zst
//
// On a busier machine the native run took 0.30 and 0.36 s, CockroachDB 2.2 and 2.4 times as long a byte, DynamoDB 1.3 and 1.5 times, Spanner 1.8
// and 1.6 times: what a form adds to a record is computing, which others disturb less than memory and faults. A third of the time of CockroachDB is the fold of common keys, a quarter putting records into parts, a seventh finding
// documents and what stands in them, the rest reading rows out of those. One .zst file takes as long as two processors need for unpacking and all
// else together: of ten million writes 6.3 s of computing beside the 1.7 s of unpacking them.
//
// # Where the time and the memory go
//
// Of the processor time that ten million writes take, a profile gives a quarter to the parser, most of it looking for the
// ends of texts; three tenths to putting records into parts, a fifth of which is writing what does not fit into memory to a
// temporary file, and most of the rest waiting for memory that no cache holds; three tenths to the fold, of which reading back
// and sorting the records into bites is two fifths and the rules are a fifth; and the rest to reading the file, faults and collecting
// garbage. Of 256 MiB, 80 hold records, 32 are blocks that are being filled, and each folding goroutine has 16 for records
// and a little more to find its way in them; what is left is for the collector of garbage to be late. A part of more than that, from fifty million
// writes on, is read several times.
//
// A key that is not a plain one and does not fit is folded in a file that is mapped: of half of 1.5 million messages of CockroachDB
// on one row that is some hundred MB, of which 27 are held at a time. Where the memory is allowed, 4.2 s and 770 MB; in 256 MiB, 6.2 s and
// 207 MB, for passes over the operations fault their pages in again.
//
// Zipfian keys (-zipf 0.99) take a twentieth more: sorting the writes of a long key by the bytes of their numbers costs next to
// nothing, and the few keys that do not fit are written to the temporary file once more and read twice.
package main
