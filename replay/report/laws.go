package report

import (
	"fmt"
	"io"
	"strings"

	"github.com/tiebreakhq/tiebreak/replay"
	"github.com/tiebreakhq/tiebreak/replay/layout"
)

// Laws writes which laws the rules of a table keep on the values of a history, for people.
func Laws(w io.Writer, l *replay.Laws) error {
	p := &layout.Page{}
	p.Line(fmt.Sprintf("%s (%.8s): the laws its rules promise, tried on real values", name(l.Table.File), l.Table.Fingerprint))
	for i := range l.Rules {
		lawRule(p, l, &l.Rules[i])
	}
	return p.To(w)
}

func lawRule(p *layout.Page, l *replay.Laws, r *replay.LawRule) {
	p.Title(fmt.Sprintf("%s:%d: %s", name(l.Table.File), r.Line, r.Rule))
	p.Wrapped("  ", "  ", "promises to be "+promise(r.Promised)+"; tried on "+layout.Plural(r.Samples, "write")+" of "+layout.Plural(r.Tried, "field")+
		of(r.Tried, r.Cells))
	switch b := r.Broken; {
	case r.Tried == 0:
		p.Line("  not tried: no field under this rule has two writes")
	case b == nil:
		p.Line("  holds")
	default:
		verdict := "BROKEN"
		if b.Waived {
			verdict = "broken, as the rule says"
		}
		p.Line("  " + verdict + ": " + b.Law + ", on " + cellName(b.Key, b.Field))
		begin := "    Let:  "
		for _, text := range b.Let {
			p.Wrapped(begin, strings.Repeat(" ", 12), text)
			begin = strings.Repeat(" ", 10)
		}
		p.Wrapped("    Then: ", strings.Repeat(" ", 12), b.Then)
	}
}

func promise(laws string) string {
	if laws == "" {
		return "nothing"
	}
	return list(strings.Split(laws, ", "), "and")
}

// of says that there were more to try.
func of(tried, all int64) string {
	if tried == all {
		return ""
	}
	return " of " + layout.Number(all)
}
