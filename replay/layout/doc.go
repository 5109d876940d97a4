// Package layout puts what is said to people on a page: as text of [Width] columns, or as Markdown where that is read.
//
// [Page] is written from top to bottom: headings, lines, lists, a [Table] in its columns. The reports of a dry run and of a drill are
// made of these, so each can be had in both forms.
//
// HAZARD: keys, values and names in a history are hostile. Whatever a page is given is escaped where it is written: what is not
// printable always ([Printable]), and in Markdown what means something there.
package layout
