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
// value, and no ids, without which no key is a plain one. What -forms -writes 1000000 -rounds 3 printed, with nothing else on the
// machine:
//
//	                                  seconds              spread    CPU s       MB  file MB    ratio   a byte  of
//	run: native                          0.35     0.30 to    0.36     0.63      113      173    1.00x    1.00x  run: native
//	run: msgpack                         0.30     0.27 to    0.33     0.55      113      136    0.84x    1.07x  run: native
//	run: cockroachdb                     1.37     1.33 to    1.62     2.65      157      304    3.88x    2.20x  run: native
//	run: dynamodb                        1.94     1.89 to    2.46     3.78      179      629    5.50x    1.51x  run: native
//	run: spanner                         3.16     3.05 to    3.22     6.15      214      929    8.95x    1.66x  run: native
//	only unpack: .gz                     0.30     0.30 to    0.30     0.30        5       24    0.85x    5.97x  run: native
//	run: native .gz                      0.44     0.44 to    0.52     0.82      114       24    1.47x    1.47x  only unpack: .gz
//	only unpack: .zst                    0.21     0.20 to    0.24     0.22       15       30    0.60x    3.51x  run: native
//	run: native .zst                     0.45     0.43 to    0.57     0.83      124       30    2.09x    2.09x  only unpack: .zst
//
// A longer history costs its form less: of three million writes, .gz took 1.35 times as long as only unpacking it; of ten million,
// msgpack 0.84 to 0.9 of native lines. A third of its time is the fold, which is the same for every form, and a third putting
// records into parts. One .zst file takes as long as two processors need for unpacking and all else together.
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
// Zipfian keys (-zipf 0.99) take a twentieth more: sorting the writes of a long key by the bytes of their numbers costs next to
// nothing, and the few keys that do not fit are written to the temporary file once more and read twice.
package main
