package history

import (
	"github.com/tiebreakhq/tiebreak/merge/finding"
	"github.com/tiebreakhq/tiebreak/merge/value"
)

// importer reads one format of export. Both functions are called by several goroutines at once.
type importer struct {
	name Format

	// detect reports whether a document is of this format. It looks at the shape of one document and says no when in
	// doubt; when two importers say yes, the user is asked.
	detect func(doc value.Ref) bool

	// decode appends the records of one document to out. Of a document that holds several, record number i is at at
	// with Item i, counted from 1. Everything that is no record is either set aside or counted.
	decode func(doc value.Ref, at finding.Place, opt *Options, out *Batch)
}

// importers are all there are beside the native forms, in the order in which an ambiguity names them.
var importers = []importer{cockroachdb, dynamodb, spanner, debezium}
