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
// value, and no ids, without which no key is a plain one. What -forms -writes 500000 -rounds 3 printed, on two threads of a busy
// machine, ahead of all else on it:
//
//	                                  seconds              spread    CPU s       MB  file MB    ratio   a byte  of
//	run: native                          0.23     0.23 to    0.28     0.44       76       86    1.00x    1.00x  run: native
//	run: msgpack                         0.23     0.22 to    0.25     0.42       76       68    0.99x    1.26x  run: native
//	run: cockroachdb                     0.90     0.90 to    1.03     1.72      143      152    3.84x    2.17x  run: native
//	run: dynamodb                        1.39     1.37 to    1.51     2.51      140      314    5.91x    1.62x  run: native
//	run: spanner                         2.25     2.24 to    2.26     4.20      177      464    9.61x    1.78x  run: native
//	only unpack: .gz                     0.19     0.17 to    0.19     0.19        5       12    0.80x    5.67x  run: native
//	run: native .gz                      0.31     0.31 to    0.31     0.59       80       12    1.65x    1.65x  only unpack: .gz
//	only unpack: .zst                    0.18     0.13 to    0.19     0.19       15       15    0.75x    4.38x  run: native
//	run: native .zst                     0.32     0.30 to    0.33     0.59       86       15    1.81x    1.81x  only unpack: .zst
//
// A longer history costs its form less: of three million writes, .gz took 1.35 times as long as only unpacking it, and of ten
// million, msgpack 0.84 to 0.9 of native lines; a third of its time is the fold, which is the same for every form, and a third putting
// records into parts. One .zst file takes as long as two processors need for unpacking and all else together.
//
// # Where the time and the memory go
//
// Of the processor time that ten million writes take, a profile gives a quarter to the parser, most of it looking for the
// ends of texts; a quarter to putting records into parts, a quarter of which is writing what does not fit into memory to a
// temporary file, and most of the rest waiting for memory that no cache holds; a third to the fold, of which reading back and
// sorting the records into bites is a third and the rules are a quarter; and the rest to reading the file, faults and collecting
// garbage. Of 256 MiB, 80 hold records, 32 are blocks that are being filled, and each folding goroutine has 8 for records
// and a little more to find its way in them; what is left is for the collector of garbage to be late.
//
// Zipfian keys (-zipf 0.99) take a twentieth more: sorting the writes of a long key by the bytes of their numbers costs next to
// nothing, and the few keys that do not fit are written to the temporary file once more and read twice.
package main
