package loader

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// cachedSet is testdata/folder without embeddings/, and a cache with a folder
// of its vectors for each name, of which lacking texts are left out.
func cachedSet(t *testing.T, lacking map[string]int) (set, cache string, want *Dataset) {
	t.Helper()
	want = mustOpen(t, "testdata/folder", Options{Embeddings: "alpha"})
	set, cache = filepath.Join(t.TempDir(), "set"), filepath.Join(t.TempDir(), "cache")
	fsys := folderFS(t)
	drop(fsys, "embeddings/")
	if err := os.CopyFS(set, fsys); err != nil {
		t.Fatal(err)
	}
	for name, n := range lacking {
		fillCache(t, filepath.Join(cache, name), want, n)
	}
	return set, cache, want
}

// fillCache writes all vectors of a data set but those of the first texts, in
// two segments.
func fillCache(t *testing.T, dir string, d *Dataset, without int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	space := Manifest{SchemaVersion: 1, Provider: "openai", Model: "model alpha", Dimensions: d.Vectors.Dim}
	text, err := json.Marshal(space)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, ManifestFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
	rows := map[ID]int32{}
	var ids []ID
	for row, name := range d.Vectors.IDs[without:] {
		id, err := ParseID(name)
		if err != nil {
			t.Fatal(err)
		}
		ids, rows[id] = append(ids, id), int32(row+without)
	}
	for i, half := range [][]ID{ids[:len(ids)/2], ids[len(ids)/2:]} {
		slices.SortFunc(half, ID.Compare)
		f, err := os.Create(filepath.Join(dir, strings.Repeat("0123456789abcdef"[i:i+1], 32)+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		w := NewSegmentWriter(f, space)
		for _, id := range half {
			if err := w.Add(id, vector(t, d.Vectors, rows[id])); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
}

// subFS is a part of testdata/folder.
func subFS(t *testing.T, prefix string) fs.FS {
	fsys := folderFS(t)
	for name := range fsys {
		if !strings.HasPrefix(name, prefix) {
			delete(fsys, name)
		}
	}
	return fsys
}

// Vectors from a cache make the same data set as those beside it, in memory and
// streamed.
func TestOpenWithCache(t *testing.T) {
	set, cache, want := cachedSet(t, map[string]int{"whole": 0, "part": 3})
	for _, opts := range []Options{{Cache: cache}, {Cache: cache, Embeddings: "whole"}, {Cache: cache, Memory: 300, Scratch: t.TempDir()}} {
		d := mustOpen(t, set, opts)
		defer d.Close()
		if fingerprint(t, d) != fingerprint(t, want) || d.Embeddings != "whole" || d.Cache != cache || d.Model != "model alpha" {
			t.Errorf("%+v: another data set, from %s in %s of %s", opts, d.Embeddings, d.Cache, d.Model)
		}
	}
}

// What a data set has itself comes first.
func TestOwnBeforeCache(t *testing.T) {
	set, cache, want := cachedSet(t, map[string]int{"gamma": 0})
	if err := os.CopyFS(set, subFS(t, "embeddings/")); err != nil {
		t.Fatal(err)
	}
	if d := mustOpen(t, set, Options{Cache: cache, Embeddings: "alpha"}); d.Cache != "" || fingerprint(t, d) != fingerprint(t, want) {
		t.Errorf("vectors come from %q", d.Cache)
	}
	if d := mustOpen(t, set, Options{Cache: cache, Embeddings: "gamma"}); d.Cache != cache {
		t.Errorf("vectors of the cache come from %q", d.Cache)
	}
	_, err := Open(context.Background(), set, Options{Cache: cache, Embeddings: "delta"})
	wantError(t, err, set+`: no embeddings named "delta"; there are: alpha, beta, gamma`)
}

func TestCacheErrors(t *testing.T) {
	set, cache, want := cachedSet(t, map[string]int{"part": 3})
	first := want.Vectors.IDs[0]
	lacks := set + ": 3 of its 20 texts have no vector in " + filepath.Join(cache, "part") + ", the first of them " + first +
		": embed them with cosfit embed --data " + set + " --provider openai --model 'model alpha' --dimensions 4"
	empty := t.TempDir()
	open := func(opts Options) error {
		_, err := Open(context.Background(), set, opts)
		return err
	}
	wantError(t, open(Options{Cache: cache}), lacks)
	wantError(t, open(Options{Cache: cache, Embeddings: "part"}), lacks)
	wantError(t, open(Options{}), set+": its texts have no vectors, in embeddings/: embed them with cosfit embed --data "+set)
	wantError(t, open(Options{Cache: empty}), set+": its texts have no vectors, in embeddings/ or in the cache "+empty+": embed them with cosfit embed --data "+set)
	wantError(t, open(Options{Cache: empty, CacheGiven: true, Embeddings: "x"}), set+": its texts have no vectors, in embeddings/ or in the cache "+empty+": embed them with cosfit embed --data "+set+" --cache "+empty)
	wantError(t, open(Options{Cache: cache, Embeddings: "../cache/part"}), `--embeddings is "../cache/part", want the name of a folder in embeddings/ or in the cache`)

	fillCache(t, filepath.Join(cache, "other"), want, 2)
	wantError(t, open(Options{Cache: cache}), set+": no embeddings of all its texts: choose one of other, part with --embeddings, and cosfit says what it lacks")
	fillCache(t, filepath.Join(cache, "a"), want, 0)
	fillCache(t, filepath.Join(cache, "b"), want, 0)
	wantError(t, open(Options{Cache: cache}), set+": embeddings of several models, choose one with --embeddings: a, b")

	segment := filepath.Join(cache, "a", strings.Repeat("1", 32)+".parquet")
	data, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	vectors, _ := chunk(t, data, "embedding")
	data[vectors+60] ^= 1
	if err := os.WriteFile(segment, data, 0o600); err != nil {
		t.Fatal(err)
	}
	wantError(t, open(Options{Cache: cache, Embeddings: "a"}), segment+": the checksum of a page is not that of its bytes: put it aside with cosfit cache verify --cache "+cache+", then embed its texts again")
}

// Segments that are merged away while they are read are looked for again.
func TestSegmentsVanish(t *testing.T) {
	dir := t.TempDir()
	set := mustOpen(t, "testdata/folder", Options{Embeddings: "alpha"})
	fillCache(t, dir, set, 0)
	s, err := OpenSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	old := s.List()
	ids := []ID{}
	for _, name := range set.Vectors.IDs {
		id, _ := ParseID(name)
		ids = append(ids, id)
	}
	slices.SortFunc(ids, ID.Compare)
	found := map[int]bool{}
	merged := false
	err = s.Find(ids, func(i int, r *SegmentReader, _ int64) error {
		if !merged { // the second segment is gone once the first is open
			merged = true
			if err := os.Rename(old[1].Path, filepath.Join(dir, strings.Repeat("f", 32)+".parquet")); err != nil {
				return err
			}
		}
		found[i] = true
		return nil
	})
	if err != nil || len(found) != len(ids) {
		t.Errorf("%d of %d are found, %v", len(found), len(ids), err)
	}
}

// Each side has vectors of its own space, also a text that is on both. The split
// is the same as where there is one space.
func TestEmbeddingsBySide(t *testing.T) {
	type pair struct {
		Left  string  `parquet:"left"`
		Right string  `parquet:"right"`
		Label float32 `parquet:"label"`
		Group string  `parquet:"group"`
	}
	const pairs = 40
	id := func(i int) ID { return NewID(string(rune('a'+i%26)) + string(rune('a'+i/26))) }
	var rows []pair
	right := func(i int) int { // chains of four pairs through texts that are on both sides
		if i%4 == 3 {
			return pairs + i/4
		}
		return i + 1
	}
	for i := range pairs {
		rows = append(rows, pair{id(i).String(), id(right(i)).String(), float32(i % 2), id(i).String()})
	}
	dir := t.TempDir()
	set, cache := filepath.Join(dir, "set"), filepath.Join(dir, "cache")
	for _, folder := range []string{set, filepath.Join(cache, "q"), filepath.Join(cache, "p"), filepath.Join(cache, "short")} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := parquet.WriteFile(filepath.Join(set, "pairs.parquet"), rows); err != nil {
		t.Fatal(err)
	}
	vectorOn := func(side string, id ID) []float32 { return []float32{float32(side[0]), float32(id[0]), float32(id[1])} }
	fill := func(side string, d, first, n int) {
		space := Manifest{SchemaVersion: 1, Provider: "test", Model: "m", Dimensions: d, Prompt: side}
		text, _ := json.Marshal(space)
		if err := os.WriteFile(filepath.Join(cache, side, ManifestFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		var ids []ID
		for i := first; i < first+n; i++ {
			ids = append(ids, id(i))
		}
		slices.SortFunc(ids, ID.Compare)
		f, err := os.Create(filepath.Join(cache, side, strings.Repeat("0", 32)+".parquet"))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w := NewSegmentWriter(f, space)
		for _, id := range ids {
			if err := w.Add(id, vectorOn(side, id)[:d]); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	fill("q", 3, 0, pairs)
	fill("p", 3, 1, pairs+10)
	fill("short", 2, 1, pairs+10)
	d := mustOpen(t, set, Options{Cache: cache, Embeddings: "q,p"})
	for i := range pairs {
		a, b := vector(t, d.Vectors, d.Pairs.Left[i]), vector(t, d.Vectors, d.Pairs.Right[i])
		if !slices.Equal(a, vectorOn("q", id(i))) || !slices.Equal(b, vectorOn("p", id(right(i)))) {
			t.Errorf("pair %d: %v and %v", i, a, b)
		}
	}
	fill("q", 3, 0, pairs+10)
	if together := mustOpen(t, set, Options{Cache: cache, Embeddings: "q"}); !slices.Equal(together.Pairs.Split, d.Pairs.Split) {
		t.Errorf("the split is %v, want %v", d.Pairs.Split, together.Pairs.Split)
	}
	for _, memory := range []int64{0, 400} { // in memory, and in a scratch file
		opts := Options{Cache: cache, Embeddings: "q,short", UnequalSides: true, Memory: memory, Scratch: t.TempDir()}
		unequal := mustOpen(t, set, opts)
		if left, right := unequal.Vectors.Dims(); left != 3 || right != 2 || (unequal.Vectors.Data == nil) != (memory > 0) {
			t.Errorf("%d and %d dimensions, in memory: %v", left, right, unequal.Vectors.Data != nil)
		}
		for i := range pairs {
			a, b := vector(t, unequal.Vectors, unequal.Pairs.Left[i]), vector(t, unequal.Vectors, unequal.Pairs.Right[i])
			if want := append(slices.Clone(vectorOn("short", id(right(i)))[:2]), 0); !slices.Equal(a, vectorOn("q", id(i))) || !slices.Equal(b, want) {
				t.Errorf("pair %d: %v and %v, want the second %v", i, a, b, want)
			}
		}
	}
	open := func(embeddings string) error {
		_, err := Open(context.Background(), set, Options{Cache: cache, Embeddings: embeddings})
		return err
	}
	wantError(t, open("q,short"), set+": --embeddings q,short has vectors of 3 and of 2 dimensions, want the same on both sides, but for cosfit train --side query")
	wantError(t, open("q,x"), set+`: no embeddings named "x"; there are: p, q, short`)
	wantError(t, open("p,q"), set+": 1 of its 40 texts have no vector in "+filepath.Join(cache, "p")+", the first of them "+id(0).String()+
		": embed them with cosfit embed --data "+set+" --provider test --model m --dimensions 3, and with the flags that gave the prompt \"p\"")
}
