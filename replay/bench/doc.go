// Command bench makes histories of a stated kind and size, and runs the dry run over one beside other ways to the same
// answers and beside floors: counting lines, reading, and parsing.
//
//	go run ./replay/bench -writes 1000000 -o h.ndjson           # make a history; .zst and .gz compress it
//	go run ./replay/bench -writes 1000000 -zipf 0.99 -o -       # to the standard output
//	go run ./replay/bench -compare                              # 10 million writes: ours beside DuckDB and the floors
//
// The comparison builds the command, makes the history, checks on it that all give the same answers, to the value, and
// then runs all of them in turns. It prints the median of the rounds, how far they spread, and by how much each is slower
// than ours. DuckDB comes from npm, into a directory of its own: -duckdb names one that has it already.
//
// What DuckDB is asked is in duckdb/natural.sql, as one would write it, and in duckdb/hashed.sql, the fastest that was
// found.
//
// # Where the time and the memory go
//
// Of the processor time that ten million writes take, a profile gives a quarter to the parser, most of it looking for the
// ends of texts; a quarter to putting records into parts, a quarter of which is writing what does not fit into memory to a
// temporary file, and most of the rest waiting for memory that no cache holds; a third to the fold, of which reading back and
// sorting the records into bites is a third and the rules are a quarter; and the rest to reading the file, faults and collecting
// garbage. Of 256 MiB, 80 hold records, 32 are blocks that are being filled, and each folding goroutine has 8 for records
// and a little more to find its way in them; what is left is for the collector of garbage to be late.
package main
