// Command bench makes histories of a stated kind and size, and runs the dry run over one beside other ways to the same
// answers and beside floors: counting lines, reading, unpacking, and parsing.
//
//	go run ./replay/bench -writes 1000000 -o h.ndjson           # make a history; .zst and .gz compress it
//	go run ./replay/bench -writes 1000000 -zipf 0.99 -o -       # to the standard output
//	go run ./replay/bench -compare                              # 10 million writes: ours beside DuckDB and the floors
//	go run ./replay/bench -forms -writes 1000000 -rounds 3      # the same writes in each form, and compressed
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
// value, and no ids, without which no key is a plain one. What -forms -writes 1000000 -rounds 3 printed, on a quiet
// machine:
//
//	                                  seconds              spread    CPU s       MB  file MB    ratio   a byte  of
//	run: native                          0.27     0.25 to    0.33     0.47      113      173    1.00x    1.00x  run: native
//	run: msgpack                         0.23     0.22 to    0.24     0.41      113      136    0.85x    1.09x  run: native
//	run: cockroachdb                     1.44     1.31 to    1.46     2.72      154      304    5.40x    3.06x  run: native
//	run: dynamodb                        2.15     2.02 to    2.34     4.18      178      629    8.06x    2.21x  run: native
//	run: spanner                         3.27     3.26 to    4.67     6.30      194      929   12.23x    2.27x  run: native
//	only unpack: .gz                     0.32     0.32 to    0.42     0.32        5       24    1.19x    8.39x  run: native
//	run: native .gz                      0.41     0.41 to    0.54     0.75      112       24    1.29x    1.29x  only unpack: .gz
//	only unpack: .zst                    0.23     0.22 to    0.35     0.24       15       30    0.87x    5.05x  run: native
//	run: native .zst                     0.39     0.39 to    0.53     0.71      122       30    1.69x    1.69x  only unpack: .zst
//
// On a busier machine the native run took 0.47 s, CockroachDB 2.05 times as long a byte, and DynamoDB and Spanner 1.6 and 1.7 times:
// what a form adds to a record is computing, which others disturb less than memory and faults. A longer history costs its form less: of
// ten million writes, msgpack took 0.84 to 0.93 of native lines. A third of its time is the fold, which is the same for every form, and a
// third putting records into parts. One .zst file takes as long as two processors need for unpacking and all else together.
//
// # Where the time and the memory go
//
// Of the processor time that ten million writes take, a profile gives a quarter to the parser, most of it looking for the
// ends of texts; three tenths to putting records into parts, a fifth of which is writing what does not fit into memory to a
// temporary file, and most of the rest waiting for memory that no cache holds; three tenths to the fold, of which reading back
// and sorting the records into bites is two fifths and the rules are a fifth; and the rest to reading the file, faults and collecting
// garbage. Of 256 MiB, 80 hold records, 32 are blocks that are being filled, and each folding goroutine has 8 for records
// and a little more to find its way in them; what is left is for the collector of garbage to be late.
//
// A key that is not a plain one and does not fit is folded in a file that is mapped: of half of 1.5 million messages of CockroachDB
// on one row that is some hundred MB, of which 27 are held at a time. Where the memory is allowed, 4.4 s and 685 MB; in 256 MiB, 8 to 9 s and
// 205 MB, for each pass over the operations faults their pages in again.
//
// Zipfian keys (-zipf 0.99) take a twentieth more: sorting the writes of a long key by the bytes of their numbers costs next to
// nothing, and the few keys that do not fit are written to the temporary file once more and read twice.
package main
