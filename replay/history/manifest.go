package history

import (
	"bufio"
	"cmp"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/tiebreakhq/tiebreak/merge/value"
)

// The manifests that DynamoDB writes beside the data of an export: of which table it is, and in which files its data is.
const (
	manifestSummary = "manifest-summary.json"
	manifestFiles   = "manifest-files.json"
)

// nameTables gives the sources that a directory holds the tables that its manifests name, for the records of an export don't. A
// manifest speaks of the files that it lists, which an incremental export has in a directory of all exports, and of those below
// its own directory. What two manifests give to two tables has none.
func nameTables(sources []Source, skipped []Skipped) {
	several := make([]bool, len(sources)) // tables
	known := make(map[string]bool, len(sources))
	for i := range sources {
		known[filepath.Base(sources[i].Name)] = true
	}
	for _, s := range skipped {
		if filepath.Base(s.Name) != manifestSummary {
			continue
		}
		dir := filepath.Dir(s.Name)
		table := tableOfManifest(s.Name)
		if table == "" {
			continue
		}
		listed := listedFiles(filepath.Join(dir, manifestFiles), known)
		for i := range sources {
			src := &sources[i]
			if !listed[filepath.Base(src.Name)] && !strings.HasPrefix(src.Name, dir+string(filepath.Separator)) {
				continue
			}
			several[i] = several[i] || src.Table != "" && src.Table != table
			if src.Table = table; several[i] {
				src.Table = ""
			}
		}
	}
}

// tableOfManifest returns the table of an export, "" when the file does not tell it.
func tableOfManifest(name string) (table string) {
	const most = 1 << 20
	file, err := os.Open(name)
	if err != nil {
		return ""
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, most+1))
	if err != nil || len(text) > most {
		return ""
	}
	var doc value.Doc
	manifest, err := doc.Parse(text, value.Limits{})
	if err != nil {
		return ""
	}
	return cmp.Or(arnTable(textOf(manifest.Get("tableArn"))), arnTable(textOf(manifest.Get("exportArn"))))
}

// listedFiles returns which files of these names are of an export; none when there is no list of them.
func listedFiles(name string, known map[string]bool) map[string]bool {
	file, err := os.Open(name)
	if err != nil {
		return nil
	}
	defer file.Close()
	listed := make(map[string]bool)
	var doc value.Doc
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		entry, err := doc.Parse(lines.Bytes(), value.Limits{})
		if err != nil {
			continue
		}
		if file := path.Base(textOf(entry.Get("dataFileS3Key"))); known[file] {
			listed[file] = true
		}
	}
	return listed
}
