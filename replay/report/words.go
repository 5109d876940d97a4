package report

import (
	"strconv"
	"strings"
	"time"

	"github.com/tiebreakhq/tiebreak/merge/value"
	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// name returns a key, field or node as it stands in a line: quoted where its end would not be seen.
func name(s string) string {
	if s == "" || strings.ContainsAny(s, " \"'") || layout.Printable(s) != s {
		return strconv.Quote(s)
	}
	return s
}

// cellName returns a key and field.
func cellName(key, field string) string {
	if field == "" {
		return name(key)
	}
	return name(key) + " " + name(field)
}

// fieldName returns a field as it stands in a column.
func fieldName(field string) string {
	if field == "" {
		return "(record)"
	}
	return name(field)
}

// shown returns a value as it stands in a line, at most so many columns wide.
func shown(v value.Value, limit int) string {
	if v.IsAbsent() {
		return "(deleted)"
	}
	return layout.Clip(layout.Printable(string(v)), limit)
}

// Between writes a count as "12", "at most 40" or "between 3 and 40".
func Between(c replay.Count) string {
	switch {
	case c.Exact():
		return layout.Number(c.Min)
	case c.Min == 0:
		return "at most " + layout.Number(c.Max)
	}
	return "between " + layout.Number(c.Min) + " and " + layout.Number(c.Max)
}

// short is [Between] for a column; what is none is a dash.
func short(c replay.Count) string {
	if c.Exact() {
		return layout.Dashed(c.Min)
	}
	return layout.Number(c.Min) + " to " + layout.Number(c.Max)
}

// list joins names as a sentence does: "W1, W2 and W3".
func list(names []string, and string) string {
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return names[0]
	default:
		return strings.Join(names[:n-1], ", ") + " " + and + " " + names[n-1]
	}
}

func duration(nanos int64) string { return time.Duration(nanos).String() }
