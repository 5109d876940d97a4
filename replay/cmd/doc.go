// Package cmd is the tiebreak command as a library, so that a program of ten lines can be the command with rules of its
// own:
//
//	package main
//
//	import (
//		"github.com/tiebreakhq/tiebreak/merge"
//		"github.com/tiebreakhq/tiebreak/merge/value"
//		"github.com/tiebreakhq/tiebreak/replay/cmd"
//	)
//
//	func main() { cmd.Main(merge.Custom{Name: "longest", Merge: longest}) }
//
//	func longest(a, b value.Value) value.Value {
//		if len(a) > len(b) || len(a) == len(b) && a > b {
//			return a
//		}
//		return b
//	}
//
// [Tiebreak] is what [Main] calls and tests call: it takes the streams and the arguments and returns the exit status.
//
// The command reads what it is told to, writes its report to standard output, what else it has to say to standard error,
// and files only where a flag names one: those appear whole or not at all, whatever ends it. It never reaches a network and
// never runs a program.
//
// On Ctrl-C (SIGINT) and SIGTERM, run and diff end the reading and tell what was read by then: the report is marked as
// partial, the exit status is 2, and neither -state nor -partial is written. A second signal, or the first for any other
// command, ends the process by that signal. With -checkpoint DIR the same command goes on where it was: see
// [github.com/tiebreakhq/tiebreak/replay.Checkpoint]. Signals are watched by [Main] alone.
package cmd
