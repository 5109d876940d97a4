package history

import (
	"bytes"

	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/replica"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// chunk is a part of a source that ends where a record does, and what a worker needs to read it.
type chunk struct {
	source int
	index  int
	name   string
	region string
	table  string
	format Format
	packed bool // the source is compressed

	buffer    *buffer // that data is cut from
	data      []byte
	line      int64      // of the first byte; of msgpack, the number of the first frame
	lines     int64      // that end in data
	documents *documents // nil when there is none
	importer  *importer
	entries   []replica.Entry // of a replica, which has no data
	strays    []stray
}

// stray is what a splitter found that belongs to no document, line or frame of its chunk.
type stray struct {
	after int // that many documents; of other chunks it comes last
	finding.Finding
}

// splitter cuts a source into chunks. A cut sees everything that has been read and not been cut yet, from the start of
// a record on, and returns how many bytes of it are done with: 0 asks for more. At the end of the input nothing may be
// left.
type splitter interface {
	cut(c *chunk, data []byte, end bool) (done int)
}

// find adds a stray to a chunk.
func (c *chunk) find(line int64, item int, bad *problem) {
	at := finding.Place{File: c.name, Line: line, Item: item}
	c.strays = append(c.strays, stray{len(c.documents.all()), finding.Finding{Code: bad.code, Place: at, Detail: bad.detail}})
}

// lineSplitter cuts after line breaks.
type lineSplitter struct {
	limit   int  // of a line, in bytes
	skipped bool // the last line was too long, and what follows up to the line break belongs to it
}

func (s *lineSplitter) cut(c *chunk, data []byte, end bool) int {
	if s.skipped {
		rest := bytes.IndexByte(data, '\n')
		if rest < 0 {
			return len(data)
		}
		s.skipped = false
		return rest + 1
	}
	done := bytes.LastIndexByte(data, '\n') + 1
	switch {
	case end && done < len(data):
		done = len(data)
		c.lines = 1 // the last line, which nothing breaks
	case done == 0 && len(data) > s.limit+len("\r"):
		c.find(c.line, 0, tooLong(s.limit))
		c.lines = 1
		s.skipped = true
		return len(data)
	}
	c.data = data[:done:done]
	c.lines += int64(bytes.Count(c.data, []byte{'\n'}))
	return done
}

func tooLong(limit int) *problem {
	return newProblem(finding.TooLarge, "a line of more than %d bytes", limit)
}

// documentSplitter cuts after JSON documents, which may stand over several lines or side by side, and after the elements of an
// array that is larger than a document may be, or that the input ends inside. What begins no document is skipped, up to a line
// that begins with "{", in an array behind spaces.
type documentSplitter struct {
	limit  int // of a document, in bytes
	limits value.Limits
	shapes value.Shapes // of the documents so far
	lost   bool
	array  bool // what comes are the elements of one
	most   int  // documents of one chunk so far, for that many are to be expected of the next
	nulls  bool // null is a document: a message without a value
	items  int  // documents that began on the last line so far: a place names all but the first by their number
}

func (s *documentSplitter) cut(c *chunk, data []byte, end bool) int {
	at, line := 0, c.line
	for at < len(data) {
		if s.lost {
			next, found := s.resume(data[at:])
			if !found {
				if end {
					next = len(data) - at
				}
				if next == 0 {
					break
				}
				line += count(data[at:at+next], '\n')
				at += next
				break
			}
			line += count(data[at:at+next], '\n')
			at += next
			s.lost = false
		}
		if s.nulls && !end && len(data)-at < len("null") && bytes.HasPrefix([]byte("null"), data[at:]) {
			break // the rest of it has not been read yet
		}
		switch b := data[at]; {
		case b == '\n':
			at++
			line++
			s.items = 0
			continue
		case b == 'n' && s.nulls && bytes.HasPrefix(data[at:], []byte("null")):
			s.expect(c, data)
			c.documents.list = append(c.documents.list, document{start: at, end: at + len("null"), line: line, item: s.item()})
			at += len("null")
			continue
		case b == ' ' || b == '\t' || b == '\r' || b == ',' && s.array:
			at++
			continue
		case b == ']' && s.array:
			at++
			s.array = false
			continue
		case b != '{' && b != '[':
			c.find(line, s.item(), newProblem(finding.BadSyntax, "no JSON document begins here: skipped up to a line that begins with {"))
			s.lost = true
			continue
		}
		window := data[at:min(len(data), at+s.limit+1)] // what lies beyond must not matter: it may not have been read
		s.expect(c, data)
		size, whole, fit := s.shapes.Extent(window, s.limits, &c.documents.fits)
		switch {
		case whole == value.Whole:
			c.documents.list = append(c.documents.list, document{start: at, end: at + size, line: line, item: s.item(), fit: fit})
			if n := count(data[at:at+size], '\n'); n > 0 {
				line += n
				s.items = 0
			}
			at += size
			continue
		case whole == value.Broken:
			c.find(line, s.item(), newProblem(finding.BadSyntax, "the document is cut off before it ends"))
			line += count(data[at:at+size], '\n')
			at += size
			s.lost = true
			continue
		case (end || len(window) > s.limit) && data[at] == '[' && !s.array:
			at++
			s.array = true
			continue
		case len(window) > s.limit:
			c.find(line, s.item(), newProblem(finding.TooLarge, "a document of more than %d bytes", s.limit))
			line += count(window, '\n')
			at += len(window)
			s.lost = true
			continue
		case end:
			c.find(line, s.item(), newProblem(finding.TruncatedInput, "the input ends inside a document"))
			s.array = false
			line += count(window, '\n')
			at = len(data)
			continue
		}
		break // the rest of the document has not been read yet
	}
	if end {
		s.close(c, line)
	}
	s.most = max(s.most, len(c.documents.all()))
	c.data = data[:at:at]
	c.lines = line - c.line
	if end && at > 0 && data[at-1] != '\n' {
		c.lines++ // the last line, which nothing breaks
	}
	return at
}

// expect makes room for the documents of a chunk.
func (s *documentSplitter) expect(c *chunk, data []byte) {
	if c.documents == nil {
		c.documents = newDocuments(min(s.most, len(data)/len("{}")) + 1)
	}
}

// close tells of an array that is open at the end of the input.
func (s *documentSplitter) close(c *chunk, line int64) {
	if s.array && !s.lost {
		c.find(line, 0, newProblem(finding.TruncatedInput, "the input ends inside an array"))
	}
	s.array = false
}

// resume finds where a document may begin again: the break before a line that begins with "{", in an array behind spaces. When
// there is none it returns how much can be skipped.
func (s *documentSplitter) resume(data []byte) (next int, found bool) {
	for {
		line := bytes.IndexByte(data[next:], '\n')
		if line < 0 {
			return len(data), false
		}
		next += line
		rest := data[next+1:]
		if s.array {
			rest = bytes.TrimLeft(rest, " \t")
		}
		switch {
		case len(rest) == 0: // it may come
			return next, false
		case rest[0] == '{':
			return next, true
		}
		next++
	}
}

// item counts one more beginning on the line and returns its number for a place: 0 for the first.
func (s *documentSplitter) item() int {
	if s.items++; s.items == 1 {
		return 0
	}
	return s.items
}

func count(data []byte, b byte) int64 { return int64(bytes.Count(data, []byte{b})) }

// frameSplitter cuts after msgpack frames.
type frameSplitter struct {
	limit   int // of a frame, in bytes
	skip    int // bytes of a frame that was too long, still to come
	stopped bool
}

func (s *frameSplitter) cut(c *chunk, data []byte, end bool) int {
	if s.stopped {
		return len(data)
	}
	if s.skip > 0 {
		done := min(s.skip, len(data))
		s.skip -= done
		return done
	}
	at := 0
	for at < len(data) {
		header, size := frameSize(data[at:])
		switch {
		case header < 0:
			c.find(c.line+c.lines, 0, newProblem(finding.BadSyntax,
				"byte 0x%02x where a frame is due: where the next one begins can't be known, so what follows is not read", data[at]))
			c.lines++
			s.stopped = true
			c.data = data[:at:at]
			return len(data)
		case header > 0 && size > s.limit:
			if at > 0 {
				c.data = data[:at:at]
				return at // the frames before it come first
			}
			c.find(c.line, 0, newProblem(finding.TooLarge, "a frame of %d bytes: the limit is %d", size, s.limit))
			c.lines++
			done := min(header+size, len(data))
			s.skip = header + size - done
			return done
		case header > 0 && len(data)-at >= header+size:
			at += header + size
			c.lines++
			continue
		case end:
			c.find(c.line+c.lines, 0, newProblem(finding.TruncatedInput, "the input ends inside a frame"))
			c.lines++
			c.data = data[:at:at]
			return len(data)
		}
		break
	}
	c.data = data[:at:at]
	return at
}
