// Package report says what a dry run found: as text for people and as JSON for programs.
//
// [Run], [Why], [Diff] and [Laws] write what the commands of those names show, [RunMarkdown] and [DiffMarkdown] write it for a review, and
// [JSON] writes any of them for programs.
// All are pure functions of the data: no run time, no host name, no order of a map gets into a report, so equal data gives
// equal bytes. The text fits [layout.Width] columns and may change; programs read the JSON, whose members are only ever added to.
//
// HAZARD: keys, values and names in a history are hostile. Whatever is not printable is escaped before it is written, in
// text and in JSON alike, so that no history can move a reader's cursor or hide a line.
package report
