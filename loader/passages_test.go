package loader

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// A folder that is opened with its passages has rows for those that are in no
// pair, behind the others, with the vectors of passages, whether each side has a
// space of its own or not. Queries that are in no pair stay away.
func TestOpenWithPassages(t *testing.T) {
	type pair struct {
		Left  string  `parquet:"left"`
		Right string  `parquet:"right"`
		Label float32 `parquet:"label"`
	}
	type text struct {
		ID     string `parquet:"id"`
		Text   string `parquet:"text"`
		Role   string `parquet:"role"`
		Source string `parquet:"source"`
	}
	dir := t.TempDir()
	set, cache := filepath.Join(dir, "set"), filepath.Join(dir, "cache")
	all := []text{
		{Text: "q", Role: "query"}, {Text: "other q", Role: "query"}, {Text: "both", Role: "query"},
		{Text: "p", Role: "passage", Source: "a"}, {Text: "alone", Role: "passage", Source: "b"},
	}
	var ids []ID
	for i := range all {
		id := NewID(all[i].Text)
		all[i].ID = id.String()
		ids = append(ids, id)
	}
	slices.SortFunc(ids, ID.Compare)
	for name, value := range map[string]float32{"q": 1, "p": 2} {
		folder := filepath.Join(cache, name)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		space := Manifest{SchemaVersion: 1, Provider: "test", Model: "m", Dimensions: 2, Prompt: name}
		raw, _ := json.Marshal(space)
		if err := os.WriteFile(filepath.Join(folder, ManifestFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(filepath.Join(folder, strings.Repeat("0", 32)+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		w := NewSegmentWriter(f, space)
		for _, id := range ids {
			if err := w.Add(id, []float32{value, float32(id[0])}); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if err := os.MkdirAll(set, 0o700); err != nil {
		t.Fatal(err)
	}
	id := TextID
	if err := parquet.WriteFile(filepath.Join(set, "pairs.parquet"), []pair{{id("q"), id("p"), 1}, {id("both"), id("p"), 0}, {id("q"), id("both"), 0}}); err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(filepath.Join(set, "texts.parquet"), all); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		embeddings string
		want       string // text and space of each row
	}{
		{"p", "q p, p p, both p, alone p"},
		{"q,p", "q q, p p, both q, both p, alone p"},
	} {
		d := mustOpen(t, set, Options{Embeddings: c.embeddings, Cache: cache, Passages: true})
		var rows []string
		for row, name := range d.Vectors.IDs {
			i := slices.IndexFunc(all, func(x text) bool { return x.ID == name })
			v := vector(t, d.Vectors, int32(row))
			if v[1] != float32(NewID(all[i].Text)[0]) {
				t.Errorf("%s: the vector of %s is another text's", c.embeddings, all[i].Text)
			}
			rows = append(rows, all[i].Text+" "+map[float32]string{1: "q", 2: "p"}[v[0]])
		}
		if got := strings.Join(rows, ", "); got != c.want {
			t.Errorf("%s: rows %s, want %s", c.embeddings, got, c.want)
		}
	}
	if err := os.Remove(filepath.Join(set, "texts.parquet")); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), set, Options{Embeddings: "p", Cache: cache, Passages: true})
	wantError(t, err, set+": no texts.parquet in it: texts to embed stand there, in the columns id and text")
}

// A table of texts out of the cache, in any order, also through a scratch file.
func TestCachedTable(t *testing.T) {
	_, cache, want := cachedSet(t, map[string]int{"alpha": 0, "part": 3})
	ids := make([]ID, want.Vectors.Rows())
	for row, name := range want.Vectors.IDs {
		id, err := ParseID(name)
		if err != nil {
			t.Fatal(err)
		}
		ids[len(ids)-1-row] = id
	}
	for _, memory := range []int64{0, 1} {
		table, err := CachedTable(t.Context(), "set", ids, Options{Cache: cache, Embeddings: "alpha", Memory: memory, Scratch: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		for row := range ids {
			if got, want := vector(t, table, int32(row)), vector(t, want.Vectors, int32(len(ids)-1-row)); !slices.Equal(got, want) {
				t.Errorf("%d bytes: row %d is %v, want %v", memory, row, got, want)
			}
		}
		if err := table.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := CachedTable(t.Context(), "set", ids, Options{Cache: cache, Embeddings: "part"}); err == nil || !strings.HasPrefix(err.Error(), "set: 3 of its ") {
		t.Errorf("%v", err)
	}
}
