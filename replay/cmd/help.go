package cmd

import (
	"github.com/tiebreakhq/tiebreak/clock"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/reads"
)

// usage begins with real commands. Flags come second.
const usage = `tiebreak says, of a recorded history, which writes a merge rule would keep, which it would lose, and why.

  printf '* * lww\n' > rules.tb                             a rule table to begin with: last write wins
  tiebreak run -rules rules.tb orders.ndjson                what the rules would have done to a history
  tiebreak run -rules rules.tb -region us=a.gz -region eu=b.gz    the same, with an export from each region
  tiebreak why -rules rules.tb orders/17 orders.ndjson      why one key ends as it does
  tiebreak diff -rules old.tb -rules new.tb orders.ndjson   what another table would change
  tiebreak laws -rules rules.tb orders.ndjson               whether the rules keep their promises on these values
  tiebreak drill -rules rules.tb lunch.drill orders.ndjson  what losing a region would have done to a history
  tiebreak convert -o orders.ndjson.zst export/             an export of a database as a native history
  tiebreak run -rules rules.tb -fail-on 'lost>10' -         a check for a pipeline, reading standard input

A history is a native file (one JSON record a line, or msgpack) or an export of CockroachDB, DynamoDB, Spanner or
Debezium (PostgreSQL, MySQL, MariaDB, SQL Server, Oracle, Db2), plain, .gz or .zst, or the directory of a replica,
which may be in use. Any other directory stands for the files in it. Flags may stand before and after other
arguments.

  tiebreak help run      the flags and exit statuses of a command
  tiebreak help rules    the rules of a table
  tiebreak help history  the members of a native record
  tiebreak help spanner  what becomes of an export, and what it does not tell; also of cockroachdb, dynamodb, debezium
  tiebreak help codes    the codes of findings; and of one: tiebreak help inversion
  tiebreak version       which build this is
`

// rulesHelp stands before the list of the rules, and tableHelp after it.
const rulesHelp = `A table is lines of KEY FIELD RULE, of which the first that matches decides. Two to begin with:

  cart/* items add-wins
  * * lww

Rules
`

const tableHelp = `
A KEY is one pattern, a FIELD is one or several with commas between them; * is any run of characters. With the option
together behind the rule the fields of the line are decided as one: all from one write.

Other lines
  nodes A < B < C     the order of nodes, which ends a tie: the last one wins
  order version time node    the order of the ladder
  profile NAME        decide as a database would
  check KEY A <= B    told when a merge breaks it
  unique KEY FIELD    told when two keys keep one value

All of it: go doc github.com/tiebreakhq/tiebreak/merge
`

// historyHelp is of the native form.
const historyHelp = `A native history is one JSON object a line, or a stream of such records in msgpack. A write needs a key and a node:

  {"id":"eu:1","key":"cart/7","field":"status","value":"open","node":"eu","time":"2026-05-20T11:20:06.829Z"}
  {"id":"us:1","key":"cart/7","fields":{"status":"paid","by":"me"},"node":"us","time":1779276007000000000,"version":2}
  {"id":"us:2","key":"stock/3","op":"add","field":"count","value":-1,"node":"us","time":"1779276008000000000.1"}
  {"id":"eu:2","key":"cart/7","op":"delete","node":"eu","time":"2026-05-20T11:20:09Z","seen":["eu:1","us:1"]}
  {"op":"read","key":"cart/7","saw":"us:1","want":"quorum","start":"2026-05-20T11:20:08Z"}

Members
  key           by convention table/primary-key
  op            set (when left out), delete, add, insert, remove or read
  field, value  the field that is written, and the value, the number to add, or the element to insert or remove
  fields        an object of several fields and their values, of one atomic write; a delete has null for each. Without
                field and fields it is about the whole record
  node          where the write began
  version       the application's own, an integer from 0
  time          RFC 3339 in upper case, as fine as the clock is; or nanoseconds since 1970, in a string with a logical
                part if there is one: "WALLNS.LOGICAL"
  id            the idempotency key: one id is one write, however often it comes. As "node:seq" it is a number too
  seen          what the writer had seen: a list of ids, or an object of numbers by node, each with all before it.
                With neither seen nor base, nobody knows (see -lag), and what depends on it is a range
  base          the version that the writer had read
  before        what the write replaced: a value, or an object of fields
  tx            the transaction
  session, start, end    of the caller: its name, when it called, and when it had its answer

Of a read also
  saw           the id or version that it found, null for nothing
  want          what was promised: strong, quorum, session, eventual, or bounded:5s and the like
  served_by     the replica that answered, or several with commas between them

A line that is not understood is set aside and told with its place and code, and the rest is still read. Numbers keep
every digit.

All of it: go doc github.com/tiebreakhq/tiebreak/replay/history. What becomes of an export of a database: tiebreak help
cockroachdb, dynamodb, spanner or debezium.
`

// readingHelp is of the flags that all commands take.
const readingHelp = `  -region NAME=FILE   read FILE as the export of a region: its own writes and those that arrived, in the order in which
                      they did, so that a write has seen what stands before it; one in which none arrive says nothing
                      of that; where a record names no node it began there; may be given several times
  -origin COLUMN      the column in which the application wrote where a write began: for feeds of which each has the
                      writes of all regions as its own; a row that arrived tells which write it is, and when it came;
                      of Debezium also a member of source, as in source.server_id
  -format NAME        native, msgpack, cockroachdb, dynamodb, spanner or debezium; found out for each file when left
                      out
  -scan TIME          rows of a CockroachDB feed with this time are its initial scan; may be given several times
  -primary-key T=A,B  the columns of the primary key of table T, for changes of Debezium that stand without the keys of
                      their messages; may be given several times
  -tolerate LIST      go on without the records set aside for these codes, as in bad_time,too_large; or all: which
                      there are says tiebreak help codes
`

// replayingHelp is of the flags that all commands but convert take.
var replayingHelp = `  -lag DURATION       how long a write takes to be seen by other nodes, where the history doesn't say; as in 250ms
  -skew DURATION      how far the clocks of two nodes differ at least, besides what the history shows
  -max-drift DURATION how far ahead a stamp may be before it is told as clock_ahead; ` + clock.DefaultMaxDrift.String() + ` when left out.
                      With -origin, how far apart the clocks of regions may be
  -memory SIZE        how much memory to use, as in 1GiB (256MiB when left out); the rest goes to a temporary file
  -json               the same for programs
`

// reviewedHelp is of the flag of run, diff and drill.
const reviewedHelp = `  -markdown           the same for where Markdown is read, as in the summary of a pull request
`

// continuingHelp is of the flags of run and diff.
const continuingHelp = reviewedHelp + `  -checkpoint DIR     keep in DIR what is read of each input, and read only what is not there or has changed since
`

// jsonHelp says what -json writes: a type of this module, and the schema that it names.
func jsonHelp(of, schema string) string {
	return `
With -json the report is what go doc github.com/tiebreakhq/tiebreak/` + of + ` says,
with "schema": "` + schema + `", to which members are only ever added. When there is no report, standard output
stays empty.
`
}

const statusHelp = `
Exit status
`

var helps = map[string]string{
	"run": `tiebreak run -rules FILE [flags] HISTORY...

  tiebreak run -rules shop.tb orders.ndjson             what the rules would have done
  tiebreak run -rules shop.tb -state out.ndjson export/ and the state that all regions would agree on
  tiebreak run -rules shop.tb -fail-on 'lost>10,refused,inversion' orders.ndjson
  tiebreak run -rules shop.tb -fail-on stale_read -skew 50ms orders.ndjson    and whether the reads in it were stale
  tiebreak run -rules shop.tb -checkpoint .kept export/ a long run, which goes on where it was when it is run again

Ctrl-C ends the reading and tells what was read by then, marked as partial. A second one ends the run at once.

Flags
  -rules FILE         the rule table
` + readingHelp + replayingHelp + `  -worst N            how many of the worst fields to show; 10 when left out
  -state FILE         write the merged state: {"key","field","value","id","by"}, one a line, sorted
  -partial FILE       keep what was read, to be named as a HISTORY together with others another day
  -want LEVEL         what reads were promised that don't say: strong, quorum, session, bounded:5s or eventual
` + continuingHelp + `  -fail-on LIST       exit with 1 when there is any of: lost, conflicts, refused, diverged, ties, or the code of a
                      finding (tiebreak help codes); or more of it than a bound, as in 'lost>10'; of a range the most
                      counts
` + jsonHelp("replay.Report", replay.Schema) + `What reads were is its member "reads": .../replay/reads.Report, "` + reads.Schema + `".
` + statusHelp + `  0  done
  1  -fail-on matched
  2  the report can't be relied on, or there is none: a record was set aside that -tolerate does not name, -fail-on
     names what this history does not measure, an interrupt, a mistake in the rules, a file that can't be read
`,
	"why": `tiebreak why -rules FILE [flags] KEY HISTORY...

  tiebreak why -rules shop.tb orders/17 orders.ndjson                 all fields of a key
  tiebreak why -rules shop.tb -field status orders/17 orders.ndjson   one of them

Flags
  -rules FILE         the rule table
  -field NAME         the field to tell of; all when left out
` + readingHelp + replayingHelp + jsonHelp("replay.Story", "tiebreak.story/v1") + statusHelp + `  0  done
  2  trouble: no such key or field, a record was set aside that -tolerate does not name, a mistake in the rules,
     a file that can't be read
`,
	"diff": `tiebreak diff -rules OLD -rules NEW [flags] HISTORY...

  tiebreak diff -rules shop.tb -rules new.tb orders.ndjson               what new.tb would change
  tiebreak diff -rules shop.tb -rules a.tb -rules b.tb orders.ndjson     what each of two tables would
  tiebreak diff -rules shop.tb -rules new.tb -fail-on lost,op_mismatch orders.ndjson     a check for a pull request

Flags
  -rules FILE         a rule table, two or more; the first is the one to compare with
` + readingHelp + replayingHelp + `  -worst N            how many of the fields that end differently to show; 10 when left out
` + continuingHelp + `  -fail-on LIST       exit with 1 when there is more under the last table than under the first of any of: lost,
                      conflicts, refused, diverged, ties, or the code of a finding (tiebreak help codes); or more by
                      more than a bound, as in 'lost>10'; of a range the least and the most are each compared
` + jsonHelp("replay.Diff", "tiebreak.diff/v1") + statusHelp + `  0  every field ends as before; with -fail-on, nothing in its list grew
  1  something ends differently; with -fail-on, something in its list grew
  2  trouble: a record was set aside that -tolerate does not name, -fail-on names what this history does not measure,
     no write to compare, an interrupt (what was read by then is told, marked as partial), a mistake in the rules, a
     file that can't be read
`,
	"laws": `tiebreak laws -rules FILE [flags] HISTORY...

  tiebreak laws -rules shop.tb orders.ndjson   tries every rule on the writes of this history

A merge must not depend on order (commutative), grouping (associative) or repetition (idempotent).

Flags
  -rules FILE         the rule table
` + readingHelp + replayingHelp + jsonHelp("replay.Laws", "tiebreak.laws/v1") + statusHelp + `  0  no law is broken that its rule promises to keep
  1  one is
  2  trouble: no law was tried, a record was set aside that -tolerate does not name, a mistake in the rules, a file
     that can't be read
`,
	"drill": `tiebreak drill -rules FILE [flags] SCRIPT HISTORY...

  tiebreak drill -rules shop.tb lunch.drill orders.ndjson                   what the script would have done to this day
  tiebreak drill -rules shop.tb -calm lunch.drill orders.ndjson             beside the same day without the incidents
  tiebreak drill -rules old.tb -rules new.tb lunch.drill orders.ndjson      under two tables, side by side
  tiebreak drill -rules shop.tb -compare safer.drill lunch.drill orders.ndjson     and as two scripts
  tiebreak drill -rules shop.tb -find-limit lunch.drill orders.ndjson       the load that is too much to catch up with
  tiebreak drill -rules shop.tb -runbook lunch.drill > lunch.md             the script as steps for people
  tiebreak drill -rules shop.tb -audit lunch.md lunch.drill                 whether those are still true

A script says where the replicas are, what is promised of which keys, and what happens when:

  region us = us-*
  region eu = eu-*
  link   us eu 40ms +-5ms
  at 12:00 cut eu for 20m
  check lost <= 10
  within 5m of heal: converged

Its language: go doc github.com/tiebreakhq/tiebreak/replay/drill. Tables that it switches to are beside it.
A drill by itself is played a second time without its incidents, at once, and the counts of both are told. While that
runs it takes about 2 KiB of memory for each write, whatever -memory says of the reading; 1 KiB where nothing happens.

Flags
  -rules FILE         the rule table; of several, the drill is run under each and they are compared
` + readingHelp + replayingHelp + reviewedHelp + `  -junit FILE         write the checks, the timers and the bounds of -fail-on as JUnit has them
  -seed N             of all that is left to chance; the script's when left out or 0, and 0 when that says none
  -load X             how many times the load of the history, as in 2.5; 1 when left out
  -state FILE         write the state of each region at the end: {"region","key","field","value","id","by"}, one a line
  -compare SCRIPT     run this script too and compare; may be given several times
  -calm               put the day without the incidents in full beside it, as one of the drills that are compared
  -find-limit         find the load at which catching up no longer keeps pace: up to 64 times the history's own
  -runbook            print the script as steps for people; takes no history
  -audit RUNBOOK      say what has changed since a runbook was printed; takes no history
  -fail-on LIST       exit with 1 when there is any of: failed (checks and timers), a measure, or the code of a
                      finding; or more of it than a bound, as in 'lost>10' or 'age>5s'

Measures, for checks and -fail-on
  of writes           writes, refused, unavailable, unknown, throttled, lost, undecided, vanished, latency, stuck,
                      hidden, backlog; of writes to critical keys split-brain
  of reads            stale, unread, age

A check of a class or of keys that had no write, or no read, is untried: it has not passed. Where that may be so on
some days, its line says "or idle": check critical split-brain == 0 or idle
` + statusHelp + `  0  every check held, every timer was met, and the regions agree at the end; with -find-limit, the links keep pace
     with the load of the history; with -audit, the runbook is up to date
  1  not so, in any of the drills that are compared; or -fail-on matched
  2  trouble: a check that is untried, or a bound that is not measured, when nothing failed, a history in which
     nothing happens, a mistake in the script or the rules, a script that doesn't fit the history, a record was set
     aside that -tolerate does not name, a file that can't be read
`,
	"convert": `tiebreak convert [flags] EXPORT...

  tiebreak convert -o orders.ndjson.zst export/            an export of a database as a native history
  tiebreak convert -to msgpack -o orders.msgpack a.ndjson  a native history in the smaller form
  tiebreak convert export.json.gz | head                   a look at it
  tiebreak convert -redact secret -rules shop.tb -o hidden.ndjson orders.ndjson    a history to hand on

Flags
  -o FILE             where to write, packed as its extension says: .gz or .zst; standard output when left out
  -to FORM            native or msgpack; when left out, msgpack for a FILE so named and else native
  -redact KEYFILE     hide values without changing what the rules decide: see below
  -rules FILE         with -redact, the rule table
  -memory SIZE        with -redact, how much memory to use beside what ranks take, as in 1GiB (256MiB when left out)
` + readingHelp + `
Where a record stands is not in it: name the region of the output again when you run, but not where the export keeps no
order (Spanner, Kinesis, incremental exports of DynamoDB). Feeds of several regions that hold the writes of all under
new names are not converted: run on them, with -origin. Snapshot rows are left out, and so are writes of which nothing
says where they began. Of a time that has a logical part nothing keeps how fine its clock is.

With -redact a value becomes a hash under the secret that KEYFILE holds (head -c 32 /dev/urandom > KEYFILE), or its
rank where the table orders values. Numbers that are counted, values that the table names, and fields of a check with
a constant stay: what became of values is told for each line of the table, and which keys' winners depend on them. The
table is run over both histories, and nothing is written that it would decide otherwise. A key whose values have to
stay for that is named.

Keys, names of fields and nodes, ids, versions, times, transactions and sessions stay: whoever has personal data in
them has it in the output. Messages about records that are set aside may quote them. Whoever has the secret can try
which value fits a hash. Inputs are files, for they are read several times. The exports of several regions, each
redacted by itself, fit together as far as no value has a rank and no write arrived named anew: those for which
there is -origin are converted as writes of their own, and would count in each.
` + statusHelp + `  0  every write and read is in the output; what an export holds besides is counted
  2  trouble: a record was set aside that -tolerate does not name, or can't be written; a file that can't be read;
     with values hidden something would be decided otherwise
`,
	"help":    usage,
	"version": "tiebreak version\n\nsays which build of the command this is.\n" + statusHelp + "  0  done\n",
}
