package report

import (
	"io"
	"strings"

	"github.com/tiebreakhq/tiebreak/replay"
)

// Laws writes which laws the rules of a table keep on the values of a history, for people.
func Laws(w io.Writer, l *replay.Laws) error {
	p := &page{}
	p.line("%s (%.8s): the laws its rules promise, tried on real values", name(l.Table.File), l.Table.Fingerprint)
	for i := range l.Rules {
		lawRule(p, l, &l.Rules[i])
	}
	return p.to(w)
}

func lawRule(p *page, l *replay.Laws, r *replay.LawRule) {
	p.line("\n%s:%d: %s", name(l.Table.File), r.Line, Printable(r.Rule))
	p.wrapped("  ", "  ", "promises to be "+promise(r.Promised)+"; tried on "+plural(r.Samples, "write")+" of "+plural(r.Tried, "field")+
		of(r.Tried, r.Cells))
	switch b := r.Broken; {
	case r.Tried == 0:
		p.line("  not tried: no field under this rule has two writes")
	case b == nil:
		p.line("  holds")
	default:
		verdict := "BROKEN"
		if b.Waived {
			verdict = "broken, as the rule says"
		}
		p.line("  %s: %s, on %s", verdict, Printable(b.Law), cellName(b.Key, b.Field))
		begin := "    Let:  "
		for _, text := range b.Let {
			p.wrapped(begin, strings.Repeat(" ", 12), Printable(text))
			begin = strings.Repeat(" ", 10)
		}
		p.wrapped("    Then: ", strings.Repeat(" ", 12), Printable(b.Then))
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
	return " of " + number(all)
}
