package cache

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

// What one cache exports another imports, in every format.
func TestExportImport(t *testing.T) {
	from := mustStore(t, t.TempDir(), space(5))
	for i := range 3 {
		mustAppend(t, from, 5, 100*i, 150)
	}
	const n = 350
	for _, c := range []struct {
		name   string
		export func(*Store, string) (Exported, error)
		ids    string
	}{
		{"all.parquet", (*Store).ExportParquet, ""},
		{"all.jsonl", (*Store).ExportJSONLines, ""},
		{"all.npy", (*Store).ExportNPY, ".ids.txt"},
	} {
		path := filepath.Join(t.TempDir(), c.name)
		e, err := c.export(from, path)
		if err != nil || e.Rows != n {
			t.Fatalf("%s: %+v, %v", c.name, e, err)
		}
		source := loader.EmbeddingSource{File: path}
		if c.ids != "" {
			source.IDs = path + c.ids
		}
		dir := t.TempDir()
		mustAppend(t, mustStore(t, dir, space(5)), 5, 0, 10) // which need not come in
		done, err := Open(dir).Import(space(0), source.Read)
		to := mustStore(t, dir, space(5))
		if want := (Imported{Rows: n, Added: n - 10, Folder: to.Dir()}); err != nil || done != want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, done, err, want)
		}
		wantTexts(t, to, 5, n, nil)
		if done, err = Open(dir).Import(space(0), source.Read); err != nil || done.Added != 0 {
			t.Errorf("%s again: %+v, %v", c.name, done, err)
		}
	}
}

// The first vectors of a model that come in are those that it makes by itself;
// others stand beside them.
func TestImportDimensions(t *testing.T) {
	dir := t.TempDir()
	for _, d := range []int{3, 2, 3} {
		read := func(visit func(loader.ID, []float32) error) error {
			return visit(loader.NewID("text 0"), vectorOf(textID(0), d))
		}
		if _, err := Open(dir).Import(space(0), read); err != nil {
			t.Fatal(err)
		}
	}
	wantTexts(t, mustStore(t, dir, space(0)), 3, 1, nil)
	wantTexts(t, mustStore(t, dir, space(2)), 2, 1, nil)
}

// What was read before an error is kept where it filled a segment, and no part
// of one otherwise.
func TestImportError(t *testing.T) {
	dir := t.TempDir()
	bad := fmt.Errorf("row 3 is bad")
	done, err := Open(dir).Import(space(0), func(visit func(loader.ID, []float32) error) error {
		for i := range 3 {
			if err := visit(loader.NewID(fmt.Sprint("text ", i)), vectorOf(textID(i), 2)); err != nil {
				return err
			}
		}
		return bad
	})
	if err != bad || done.Added != 0 || done.Rows != 3 {
		t.Errorf("%+v, %v", done, err)
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 0 {
		t.Errorf("%v stand there", entries)
	}
}
