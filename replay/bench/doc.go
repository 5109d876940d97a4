// Command bench makes histories of a stated kind and size, and runs the dry run over one beside other ways to the same
// answers and beside floors: counting lines, reading, unpacking, and parsing.
//
//	go run ./replay/bench -writes 1000000 -o h.ndjson           # make a history; .zst and .gz compress it
//	go run ./replay/bench -writes 1000000 -zipf 0.99 -o -       # to the standard output
//	go run ./replay/bench -writes 1000000 -seen list -o -       # with what writers had seen
//	go run ./replay/bench -writes 1000000 -deletes 0.1 -o -     # with deletes
//	go run ./replay/bench -writes 1000000 -reads 9 -o -         # with nine reads for each write, a hundredth of them stale
//	go run ./replay/bench -writes 1000000 -form cockroachdb -regions 3 -o feeds   # a feed for each region with the writes of all
//	go run ./replay/bench -compare                              # 10 million writes: ours beside DuckDB and the floors
//	go run ./replay/bench -linear                               # beside a tenth, three times as many, and one processor
//	go run ./replay/bench -tables                               # beside diffs of five tables more
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
// value. What -forms -writes 1000000 printed, medians of five rounds on 2 cores of an AMD EPYC that others used at times,
// as the spread shows:
//
//	                                  seconds              spread    CPU s       MB  file MB    ratio   a byte  of
//	run: native                          0.27     0.25 to    0.69     0.45      116      173    1.00x    1.00x  run: native
//	run: msgpack                         0.25     0.23 to    0.66     0.42      116      136    0.94x    1.19x  run: native
//	run: cockroachdb                     0.83     0.79 to    3.01     1.51      189      325    3.11x    1.65x  run: native
//	run: dynamodb                        1.36     1.32 to    4.79     2.58      189      629    5.10x    1.40x  run: native
//	run: spanner                         2.15     2.02 to    6.26     3.96      200      934    8.05x    1.49x  run: native
//	run: debezium                        1.59     1.48 to    4.87     2.92      189      511    5.95x    2.01x  run: native
//	run: 2 regions of cockroachdb        2.55     2.27 to    7.95     4.68      187      580    9.54x    2.84x  run: native
//	run: the same, with -origin          2.30     2.18 to    6.33     4.41      188      580    0.90x    0.90x  run: 2 regions of cockroachdb
//	run: 3 regions of cockroachdb        3.52     3.46 to    8.84     6.84      188      867   13.17x    2.62x  run: native
//	run: the same, with -origin          3.30     3.12 to    7.19     6.40      189      867    0.94x    0.94x  run: 3 regions of cockroachdb
//	run: 2 regions of debezium           3.81     3.65 to    8.41     7.45      190      972   14.29x    2.54x  run: native
//	run: the same, with -origin          3.81     3.62 to    7.73     7.45      189      972    1.00x    1.00x  run: 2 regions of debezium
//	run: 3 regions of debezium           5.96     5.49 to   13.07    11.51      190     1456   22.34x    2.65x  run: native
//	run: the same, with -origin          5.70     5.40 to    6.03    11.09      189     1456    0.96x    0.96x  run: 3 regions of debezium
//	run: seen as numbers                 0.82     0.74 to    1.00     1.56      146      216    3.08x    2.46x  run: native
//	run: seen as list                    1.72     1.64 to    1.93     2.99      186      216    6.44x    5.15x  run: native
//	run: a tenth deletes                 0.26     0.23 to    0.47     0.46      116      167    0.98x    1.01x  run: native
//	run: as many reads                   1.80     1.68 to    2.28     3.45      232      374    6.74x    3.11x  run: native
//	only unpack: .gz                     0.33     0.30 to    0.35     0.31        8       24    1.24x    8.76x  run: native
//	run: native .gz                      0.42     0.38 to    0.48     0.74      118       24    1.27x    1.27x  only unpack: .gz
//	only unpack: .zst                    0.21     0.20 to    0.24     0.22       17       30    0.79x    4.59x  run: native
//	run: native .zst                     0.34     0.32 to    0.38     0.61      127       30    1.63x    1.63x  only unpack: .zst
//
// The feeds of regions are of the same number of writes, each of which stands in all of them: two and three times as many rows to read. To hold what
// arrived against what its origin wrote (-origin) is an eighth of the processor time, and saves as much: without it every row is a write of its own, and
// is folded. Where keys have fifty writes (-writes 300000 -keys 6000) three regions take 1.13 times as long with it as without, where they have five
// thousand (-keys 60) 1.05 times, and a quarter of that is the matching.
//
// A write takes some 385 ns of processor time on an Intel Xeon, of which parsing is 105 as NDJSON and 82 as msgpack (BenchmarkParse of replay/history): so the
// one form can't be much faster than the other. For three tenths less time a frame would have to be parsed in 16 ns.
//
// Of the time that CockroachDB takes, three tenths are putting records into parts, a quarter reading rows out of documents, an eighth the
// fold, and most of the rest finding the documents and what stands in them. One .zst file takes as long as two processors need for unpacking and all
// else together: of ten million writes some 6 s of computing beside the 1.7 s of unpacking them.
//
// Of ten million writes with lists of what their writers had seen (-seen list), a quarter of the time goes to gathering,
// sorting and following the lists, a fifth to looking up what follows for each write, most of it waiting for memory that no
// cache holds, and the rest is what all writes with a known past take. What follows from the lists takes some four bytes a
// write; up to 32 MB of that are in memory.
//
// Of the time that a history with as many reads as writes takes, half goes to judging the reads of each key, an eighth to parsing
// lines, a tenth to reading the file and the temporary one, and most of the rest to putting writes and reads into parts. With eight
// times as many reads (-reads 9) it is 0.57 µs for each record.
//
// # Where the time and the memory go
//
// Of the processor time that ten million writes take, a profile gives a fifth to the parser, most of it looking for the ends of
// texts; a seventh to reading the file; three tenths to putting records into parts, a quarter of which is writing what does not fit
// into memory to a temporary file, and as much touching memory for the first time; a third to the fold, of which reading back and
// sorting the records into bites is a third and the rules are a sixth; and the rest to collecting garbage. Of 256 MiB, 48 hold
// records, 33 are blocks that are being filled, up to 32 are blocks on their way to the disk, and each folding goroutine has 40 for
// records, 4 for what is read ahead, and a little more to find its way in them; what is left is for the collector of garbage to be
// late. A part of more than that, from some hundred and ten million writes on, is read several times.
//
// Records go to their blocks by way of stages of two KiB: put where they belong at once, each waited for a line of memory, and that
// was a tenth of all processor time. From half a gigabyte on, blocks are written past the system's cache, and a file larger than half
// of the memory is read past it: where a machine is a guest, as this one, each new page of that cache may cost three times what is
// done with it. For a hundred million writes 26 GB are read and 8 written, as fast as the disk can: runs took 28 to 39 s on the same
// day, and no more processor time a write than ten million do. They did, by a fifth, as long as what is held came to the limit of the
// collector of garbage, which then ran without a pause: blocks in memory, the bites of two folders and what is read ahead have to leave
// it some ten megabytes.
//
// A key that is not a plain one and does not fit is folded in a file that is mapped: of half of 1.5 million writes that say what
// their writers had seen that is some hundred MB, of which 27 are held at a time. On an AMD EPYC that costs nothing where they say it as numbers
// (-hot 0.5 -seen numbers), 3.4 to 3.7 s and 211 MB in 256 MiB, 3.5 to 4.1 s and 490 MB where the memory is allowed, and an eighth as lists, for
// these are looked up here and there. On another day it took half as long again: the passes over the operations fault their pages in again.
//
// How it grows, and what the second processor is worth (-linear, medians of five rounds on the same AMD EPYC):
//
//	                                  seconds              spread    CPU s       MB  ns each    ratio   CPU ns    ratio
//	run                                  2.16     2.03 to    2.58     3.98      116      216    1.00x      398    1.00x
//	run: a tenth of the writes           0.21     0.20 to    0.23     0.39      102      210    0.98x      389    0.98x
//	run: three times the writes          6.96     6.15 to    8.14    12.07      162      232    1.08x      402    1.01x
//	run: on one processor                3.65     3.59 to    4.44     3.66       92      365    1.69x      366    0.92x
//	two of these at once                 3.94     3.86 to    4.28     7.47      105      197    0.91x      373    0.94x
//
// A million writes have 7,000 to 9,000 page faults where ten million have 9,000 to 10,600: a run has to get its memory first. At another
// hour that was 0.15 s of the system's time, where ten million took 0.07 for each, and a million writes took 1.29 times as long each. Two runs at once, of which neither waits for the
// other, are 1.75 to 1.85 times as fast as one: more is not to be had of the two processors of this machine. One run on both is 1.65 to 1.7.
//
// What each further table of a diff takes of the time of a run with the first alone (-tables, on the same machine). Reading and
// putting into parts is done once:
//
//	                                  seconds              spread    CPU s       MB  a table   of CPU
//	run: one table                       2.09     2.02 to    2.26     3.79      116
//	diff: five more, lww                 3.02     2.80 to    3.32     5.60      127       9%      10%
//	diff: five more, fww                 2.99     2.89 to    3.11     5.60      128       9%      10%
//	diff: five more, max                 3.38     3.21 to    3.96     6.44      127      12%      14%
//	diff: five more, delete-wins         3.06     2.87 to    3.37     5.68      127       9%      10%
//	diff: five more, update-wins         3.17     2.96 to    3.43     5.90      129      10%      11%
//	diff: five more, refuse              2.78     2.75 to    3.22     5.24      133       7%       8%
//	diff: five more, union               3.14     3.06 to    3.79     5.96      126      10%      11%
//	diff: five more, keep-all            3.44     3.22 to    4.50     6.40      151      13%      14%
//
// Zipfian keys (-zipf 0.99) take a twentieth more: sorting the writes of a long key by the bytes of their numbers costs next to
// nothing, and the few keys that do not fit are written to the temporary file once more and read twice.
package main
