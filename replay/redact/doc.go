// Package redact hides the values of a history without changing what a rule table decides, so that the history of a clash can
// be handed to a colleague, a vendor or the reader of a bug report.
//
// A [Redactor] has a table and a secret. [Redactor.Learn] finds where the table compares values, [Redactor.Record] hides those of
// a record, and [Redactor.Compare] proves on the result that every decision is the same:
//
//	r, err := redact.New(table, secret)
//	learned, err := r.Learn(bare)                      // a history of records that are Bare
//	for each record: r.Record(rec, sum); w.Write(rec)
//	keys, same, err := r.Compare(original, redacted)   // if not: r.Keep(keys), and once more
//
// The command does so in "tiebreak convert -redact", and writes nothing without the proof.
//
// # What becomes of a value
//
// What a rule only knows again becomes the keyed hash of the value and the name of its field, HMAC-SHA-256 cut to 128 bits, as in
// "h:3f9a...". So equal values of a field are equal everywhere, and nobody sees that two fields have one value. Null stays null,
// and an image of what a write replaced is hidden as the value is.
//
// What a rule orders becomes its rank among the values of that field and key, as a value of the kind that it was: 10003,
// "r:0003", ["r:0003"] or {"r":"0003"}; true and false stay. These are the values
//
//   - under max and min, and those of the column under highest: by size, and two spellings of one size stay so
//   - that meet with stamps that tie, so that the ladder's last rung compares them
//   - that a check compares with those of another field: both are ranked as one
//
// and of a unique field, if a key needs ranks, those of all keys together. Of sets and unions each element is hidden by itself; of
// a whole record that is decided by fields together, each field.
//
// As they are stay numbers under counter, and those of a field that an add was written to; true and false under enable-wins and
// disable-wins; what a prefer line names; and the fields of a check with a constant, together with all that a check compares
// with them. So do the fields of a check one of which has a rule that shows several writes, or values that stay. A [Summary] says
// so by the line of the table.
//
// A user's own function may read anything, so a table with one is refused.
//
// # What is left
//
// HAZARD: keys, names of fields and nodes, ids, versions, times, transactions and sessions stay. Keys by convention hold primary
// keys: whoever has personal data in them, or in ids, has it in the output.
//
// HAZARD: a hash tells that two values are equal, and how often each occurs; a rank says which is greater; that a value is null, true,
// a number that was counted or a list of three shows. Who has the secret can try values until one fits.
//
// HAZARD: ranks are of one history. The exports of several regions, redacted one by one, don't fit together where values
// have ranks: the same write may have another in each.
//
// Recorded reads stay, and the proof does not judge them. Of two writes of one node with one stamp, in which order a message shows them may change with their values; no decision does.
//
// # Memory
//
// Ranked values are in memory while the history is written, each once for each key: of a history of nothing but different values
// under max, all of it. What else is kept is bounded as that of package replay is, but for the operations on one key, and the names
// of keys that are decided otherwise.
package redact
