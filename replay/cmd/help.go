package cmd

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

A history is a native file (one JSON record a line, or msgpack) or an export of CockroachDB, DynamoDB or Spanner,
plain, .gz or .zst, or the directory of a replica, which may be in use. Any other directory stands for the files
in it. Flags may stand before and after other arguments.
For the flags and exit statuses of a command: tiebreak help run
`

// readingHelp is of the flags that all commands take.
const readingHelp = `  -region NAME=FILE   read FILE as the export of a region; may be given several times
  -origin COLUMN      the column in which the application wrote where a write began
  -format NAME        native, msgpack, cockroachdb, dynamodb or spanner; found out for each file when left out
  -scan TIME          rows of a CockroachDB feed with this time are its initial scan; may be given several times
  -tolerate LIST      go on without what could not be read for these codes, as in bad_time,too_large; or all
`

// replayingHelp is of the flags that all commands but convert take.
const replayingHelp = `  -lag DURATION       how long a write takes to be seen by other nodes, where the history doesn't say; as in 250ms
  -skew DURATION      how far the clocks of two nodes differ at least, besides what the history shows
  -max-drift DURATION how far ahead a stamp may be before it is told as clock_ahead
  -memory SIZE        how much memory to use, as in 1GiB (256MiB when left out); the rest goes to a temporary file
  -json               the same for programs
`

// continuingHelp is of the flag of run and diff.
const continuingHelp = `  -checkpoint DIR     keep in DIR what is read of each input, and read only what is not there or has changed since
`

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
                      finding; or more of it than a bound, as in 'lost>10'; of a range the most counts
` + statusHelp + `  0  done
  1  -fail-on matched
  2  the report can't be relied on, or there is none: a record was set aside that -tolerate does not name, an
     interrupt, a mistake in the rules, a file that can't be read
`,
	"why": `tiebreak why -rules FILE [flags] KEY HISTORY...

  tiebreak why -rules shop.tb orders/17 orders.ndjson                 all fields of a key
  tiebreak why -rules shop.tb -field status orders/17 orders.ndjson   one of them

Flags
  -rules FILE         the rule table
  -field NAME         the field to tell of; all when left out
` + readingHelp + replayingHelp + statusHelp + `  0  done
  2  trouble: no such key or field, a record was set aside that -tolerate does not name, a mistake in the rules,
     a file that can't be read
`,
	"diff": `tiebreak diff -rules OLD -rules NEW [flags] HISTORY...

  tiebreak diff -rules shop.tb -rules new.tb orders.ndjson               what new.tb would change
  tiebreak diff -rules shop.tb -rules a.tb -rules b.tb orders.ndjson     what each of two tables would

Flags
  -rules FILE         a rule table, two or more; the first is the one to compare with
` + readingHelp + replayingHelp + `  -worst N            how many of the fields that end differently to show; 10 when left out
` + continuingHelp + statusHelp + `  0  every field ends as before
  1  something ends differently
  2  trouble: a record was set aside that -tolerate does not name, an interrupt (what was read by then is told,
     marked as partial), a mistake in the rules, a file that can't be read
`,
	"laws": `tiebreak laws -rules FILE [flags] HISTORY...

  tiebreak laws -rules shop.tb orders.ndjson   tries every rule on the writes of this history

A merge must not depend on order (commutative), grouping (associative) or repetition (idempotent).

Flags
  -rules FILE         the rule table
` + readingHelp + replayingHelp + statusHelp + `  0  no law is broken that its rule promises to keep
  1  one is
  2  trouble: a record was set aside that -tolerate does not name, a mistake in the rules, a file that can't be read
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
` + readingHelp + replayingHelp + `  -markdown           the same for where Markdown is read
  -junit FILE         write the checks and timers as JUnit has them
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
  2  trouble: a check that is untried when nothing failed, a history in which nothing happens, a mistake in the script
     or the rules, a script that doesn't fit the history, a record was set aside that -tolerate does not name, a file
     that can't be read
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
With -redact a value becomes a hash under the secret that KEYFILE holds (head -c 32 /dev/urandom > KEYFILE), or its
rank where the table orders values. Numbers that are counted, values that the table names, and fields of a check with
a constant stay: what became of values is told for each line of the table, and which keys' winners depend on them. The
table is run over both histories, and nothing is written that it would decide otherwise. A key whose values have to
stay for that is named.

Keys, names of fields and nodes, ids, versions, times, transactions and sessions stay: whoever has personal data in
them has it in the output. Messages about records that are set aside may quote them. Whoever has the secret can try
which value fits a hash. Inputs are files, for they are read several times. The exports of several regions, each
redacted by itself, fit together as far as no value has a rank.
` + statusHelp + `  0  every write and read is in the output; what an export holds besides is counted
  2  trouble: a record was set aside that -tolerate does not name, or can't be written; a file that can't be read;
     with values hidden something would be decided otherwise
`,
	"help": usage,
}
