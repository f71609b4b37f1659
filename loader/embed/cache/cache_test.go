package cache

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
)

func space(d int) embed.Space {
	return embed.Space{Provider: "test", Model: "numbers", Dimensions: d}
}

// textID and vectorOf are the id of text i and the only right vector for an id,
// so that every reader can tell a wrong one.
func textID(i int) string { return loader.TextID(fmt.Sprint("text ", i)) }

func vectorOf(id string, d int) []float32 {
	b, err := hex.DecodeString(id)
	if err != nil {
		panic(err)
	}
	v := make([]float32, d)
	for i := range v {
		v[i] = float32(b[i%16]) + float32(i)/8 + 1
	}
	return v
}

func appendTexts(s *Store, d, first, n int) error {
	var ids []string
	var vectors [][]float32
	for i := first; i < first+n; i++ {
		ids = append(ids, textID(i))
		vectors = append(vectors, vectorOf(textID(i), d))
	}
	return s.Append(ids, vectors)
}

func mustStore(t *testing.T, dir string, sp embed.Space) *Store {
	t.Helper()
	s, err := Open(dir).Store(sp)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustAppend(t *testing.T, s *Store, d, first, n int) {
	t.Helper()
	if err := appendTexts(s, d, first, n); err != nil {
		t.Fatal(err)
	}
}

// wantTexts demands that the store has exactly the texts of 0 to n, but for
// some, each with its vector.
func wantTexts(t *testing.T, s *Store, d, n int, except func(i int) bool) {
	t.Helper()
	numbers := map[string]int{}
	var ids, missing []string
	for i := range n {
		ids = append(ids, textID(i))
		numbers[textID(i)] = i
		if except != nil && except(i) {
			missing = append(missing, textID(i))
		}
	}
	got, err := s.Missing(ids)
	if err != nil || !slices.Equal(got, missing) {
		t.Errorf("%d texts are missing, want %d; %v", len(got), len(missing), err)
	}
	rows := 0
	last := ""
	err = s.Each(func(id loader.ID, v []float32) error {
		i, ok := numbers[id.String()]
		if !ok || except != nil && except(i) || id.String() <= last {
			t.Errorf("text %s, number %d, is there after %s", id, i, last)
		}
		last = id.String()
		if !slices.Equal(v, vectorOf(id.String(), d)) {
			t.Errorf("text %d has the vector %v", i, v)
		}
		rows++
		return nil
	})
	if err != nil || rows != n-len(missing) {
		t.Errorf("%d texts are there, want %d; %v", rows, n-len(missing), err)
	}
}

func TestStore(t *testing.T) {
	dir := t.TempDir()
	s := mustStore(t, dir, space(3))
	wantTexts(t, s, 3, 5, func(int) bool { return true })
	mustAppend(t, s, 3, 2, 2)
	wantTexts(t, s, 3, 5, func(i int) bool { return i < 2 || i > 3 })
	if s.Dir() != filepath.Join(dir, "test-numbers-3") {
		t.Errorf("the folder is %s", s.Dir())
	}
	mustAppend(t, mustStore(t, dir, space(3)), 3, 0, 3) // as another process, and text 2 again
	wantTexts(t, s, 3, 5, func(i int) bool { return i > 3 })

	missing, err := s.Missing([]string{textID(9), textID(1), textID(8), textID(9)})
	if err != nil || !slices.Equal(missing, []string{textID(9), textID(8)}) {
		t.Errorf("missing %v, %v", missing, err)
	}
	if err := s.Append(nil, nil); err != nil {
		t.Errorf("nothing to append: %v", err)
	}
}

// Several goroutines look for texts while others append the first ones, which
// is when the folder comes to be.
func TestAtOnce(t *testing.T) {
	for range 20 {
		s := mustStore(t, t.TempDir(), space(8))
		var all sync.WaitGroup
		for i := range 8 {
			all.Go(func() {
				if _, err := s.Missing(textIDs(0, 80)); err != nil {
					t.Error(err)
				}
				if err := appendTexts(s, 8, i*10, 10); err != nil {
					t.Error(err)
				}
				if missing, err := s.Missing(textIDs(i*10, 10)); err != nil || len(missing) > 0 {
					t.Errorf("%d of 10 texts are missing once they are kept, %v", len(missing), err)
				}
			})
		}
		all.Wait()
		wantTexts(t, s, 8, 80, nil)
	}
}

func TestAppendErrors(t *testing.T) {
	dir := t.TempDir()
	s := mustStore(t, dir, space(3))
	id := textID(1)
	for _, c := range []struct {
		ids     []string
		vectors [][]float32
		want    string
	}{
		{[]string{id}, nil, "0 vectors for 1 texts"},
		{[]string{"q1"}, [][]float32{{1, 2, 3}}, `"q1" is not the id of a text, which is the first 32 hexadecimal digits of its SHA-256, in small letters`},
		{[]string{id}, [][]float32{{1}}, "vectors have 1 dimensions, want 3"},
		{[]string{id, textID(2)}, [][]float32{{1, 2, 3}, {1}}, "the vector of text " + textID(2) + " has 1 values, want 3"},
	} {
		if err := s.Append(c.ids, c.vectors); err == nil || err.Error() != c.want {
			t.Errorf("error %v, want %s", err, c.want)
		}
	}
	mustAppend(t, s, 3, 0, 1)
	if err := s.Append([]string{id}, [][]float32{{1}}); err == nil || err.Error() != "vectors have 1 dimensions, those in "+s.Dir()+" have 3" {
		t.Errorf("error %v", err)
	}
	wantTexts(t, s, 3, 1, nil)
}

// Who does not ask for dimensions shares the vectors with who asks for those
// that the model has by itself, and with nobody else.
func TestDimensions(t *testing.T) {
	dir := t.TempDir()
	asked := mustStore(t, dir, space(2))
	mustAppend(t, asked, 2, 0, 1)
	open := mustStore(t, dir, space(0))
	if missing, err := open.Missing([]string{textID(0)}); err != nil || len(missing) != 1 {
		t.Errorf("vectors of 2 dimensions serve for the model's own: %v, %v", missing, err)
	}
	mustAppend(t, open, 4, 0, 1)
	for d, want := range map[int]string{0: "test-numbers-4", 4: "test-numbers-4", 2: "test-numbers-2", 3: ""} {
		s := mustStore(t, dir, space(d))
		if got := s.Dir(); got != want && got != filepath.Join(dir, want) {
			t.Errorf("%d dimensions are in %s, want %s", d, got, want)
		}
	}
	// Asked for first, then found to be the model's own.
	mustAppend(t, mustStore(t, dir, embed.Space{Provider: "p", Model: "m", Dimensions: 5}), 5, 0, 1)
	own := mustStore(t, dir, embed.Space{Provider: "p", Model: "m"})
	mustAppend(t, own, 5, 1, 1)
	wantTexts(t, mustStore(t, dir, embed.Space{Provider: "p", Model: "m"}), 5, 2, nil)
}

// Each space has a folder of its own, whatever its name.
func TestFolders(t *testing.T) {
	dir := t.TempDir()
	spaces := []embed.Space{
		{Provider: "openai", Model: "text-embedding-3-small", Dimensions: 2},
		{Provider: "openai", Model: "text-embedding-3-small", Dimensions: 2, Prompt: "query: "},
		{Provider: "openai", Model: "text-embedding-3-small", Dimensions: 2, Prompt: "passage: "},
		{Provider: "openai", Model: "BAAI/bge-m3", Dimensions: 2},
		{Provider: "openai", Model: "BAAI:bge-m3", Dimensions: 2},
		{Provider: "exec", Model: "../../../etc/" + strings.Repeat("x", 300), Dimensions: 2},
		{Provider: "exec", Model: "ein Modell über alles", Dimensions: 2},
	}
	for i, sp := range spaces {
		mustAppend(t, mustStore(t, dir, sp), 2, i, 1)
	}
	for i, sp := range spaces {
		wantTexts(t, mustStore(t, dir, sp), 2, len(spaces), func(j int) bool { return j != i })
	}
	folders, err := Open(dir).Folders()
	if err != nil || len(folders) != len(spaces) {
		t.Errorf("folders %q, %v", folders, err)
	}
	for _, want := range []string{"openai-text-embedding-3-small-2", "openai-BAAI-bge-m3-2-"} {
		if !slices.ContainsFunc(folders, func(f string) bool { return f == want || strings.HasPrefix(f, want) && len(f) == len(want)+8 }) {
			t.Errorf("no folder %s among %q", want, folders)
		}
	}
}

// Many appends leave few segments, and every text.
func TestMergeAlong(t *testing.T) {
	s := mustStore(t, t.TempDir(), space(4))
	s.mergeAt = 4
	n := 0
	for i := range 150 {
		k := 1 + i%7
		mustAppend(t, s, 4, n, k)
		n += k
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	stats, err := s.Stats()
	if err != nil || stats.Segments > 20 || stats.Rows != int64(n) {
		t.Errorf("%d segments of %d texts, want at most 20 of %d; %v", stats.Segments, stats.Rows, n, err)
	}
	wantTexts(t, s, 4, n, nil)
}

// Compacting drops what is there twice, keeps segments within their size, and
// done again does nothing.
func TestCompact(t *testing.T) {
	s := mustStore(t, t.TempDir(), space(8))
	s.mergeAt, s.segmentBytes = 1000, 100<<10
	for i := range 30 {
		mustAppend(t, s, 8, 100*i, 200) // half of them again in the next
	}
	done, err := s.Compact(context.Background())
	if err != nil || done.Before != 30 || done.After > 5 || done.Freed <= 0 {
		t.Errorf("%+v, %v", done, err)
	}
	wantTexts(t, s, 8, 3100, nil)
	stats, err := s.Stats()
	if err != nil || stats.Rows != 3100 {
		t.Errorf("%d rows for 3100 texts, %v", stats.Rows, err)
	}
	names := func() string {
		entries, _ := os.ReadDir(s.Dir())
		return fmt.Sprint(entries)
	}
	before := names()
	again, err := s.Compact(context.Background())
	if err != nil || again.Before != again.After || names() != before {
		t.Errorf("compacting again: %+v, %v", again, err)
	}
	if v, err := s.cache.Verify(context.Background(), "test-numbers-8"); err != nil || len(v.Damaged) > 0 || v.Rows != 3100 {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestCompactInterrupted(t *testing.T) {
	s := mustStore(t, t.TempDir(), space(8))
	for i := range 3 {
		mustAppend(t, s, 8, 10*i, 10)
	}
	before, _ := os.ReadDir(s.Dir())
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Compact(ctx); err == nil {
		t.Error("no error")
	}
	if after, _ := os.ReadDir(s.Dir()); len(after) != len(before) {
		t.Errorf("%v stand in the folder, before %v", after, before)
	}
	wantTexts(t, s, 8, 30, nil)
}

// A flipped byte, wherever it is, costs its segment and no other: its texts are
// missing afterwards and can be appended again.
func TestDamageCostsOneSegment(t *testing.T) {
	for trial := range 40 {
		dir := t.TempDir()
		s := mustStore(t, dir, space(6))
		for i := range 5 {
			mustAppend(t, s, 6, 100*i, 100)
		}
		path, first := segmentOf(t, s, 100*(trial%5))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		at := rand.IntN(len(data))
		data[at] ^= 1 << rand.IntN(8)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		v, err := s.cache.Verify(context.Background(), "test-numbers-6")
		aside := filepath.Join(dir, "test-numbers-6", damagedDir, filepath.Base(path))
		if err != nil || v.Segments != 4 || !slices.Equal(v.Damaged, []string{aside}) {
			t.Fatalf("byte %d of %d: %+v, %v", at, len(data), v, err)
		}
		if _, err := os.Stat(aside); err != nil {
			t.Error(err)
		}
		s = mustStore(t, dir, space(6))
		wantTexts(t, s, 6, 500, func(i int) bool { return i >= first && i < first+100 })
		mustAppend(t, s, 6, first, 100)
		wantTexts(t, s, 6, 500, nil)
	}
}

// segmentOf finds the segment that holds a text, and the first of its texts.
func segmentOf(t *testing.T, s *Store, text int) (path string, first int) {
	t.Helper()
	id, _ := loader.ParseID(textID(text))
	segments, err := s.opened()
	if err != nil {
		t.Fatal(err)
	}
	err = segments.Find([]loader.ID{id}, func(_ int, r *loader.SegmentReader, _ int64) error {
		path = r.Path
		return nil
	})
	if err != nil || path == "" {
		t.Fatalf("text %d is in no segment: %v", text, err)
	}
	return path, text / 100 * 100
}

// A store that meets a damaged segment goes on without it: whether the index is
// unreadable when it opens, or a page when it looks for texts.
func TestDamageMet(t *testing.T) {
	for _, where := range []string{"footer", "ids"} {
		dir := t.TempDir()
		s := mustStore(t, dir, space(6))
		for i := range 3 {
			mustAppend(t, s, 6, 100*i, 100)
		}
		path, _ := segmentOf(t, s, 100)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if where == "footer" {
			data[len(data)-6] ^= 0x55 // its length
		} else {
			data[bytes.Index(data, []byte(textID(100)))] ^= 1
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		s = mustStore(t, dir, space(6))
		wantTexts(t, s, 6, 300, func(i int) bool { return i >= 100 && i < 200 })
		if got := s.Damaged(); len(got) != 1 || filepath.Base(got[0]) != filepath.Base(path) {
			t.Errorf("%s: put aside %q", where, got)
		}
	}
}

func TestVerify(t *testing.T) {
	dir := t.TempDir()
	s := mustStore(t, dir, space(2))
	mustAppend(t, s, 2, 0, 10)
	folder := filepath.Base(s.Dir())
	manifest := filepath.Join(s.Dir(), loader.ManifestFile)
	strange := filepath.Join(s.Dir(), "mine.parquet")
	original, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(strange, []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, damage := range []func() error{
		func() error { return os.Remove(manifest) },
		func() error { return os.WriteFile(manifest, []byte("{"), 0o600) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		v, err := Open(dir).Verify(context.Background(), folder)
		if err != nil || !v.Rebuilt || v.Segments != 1 || v.Rows != 10 || !slices.Equal(v.Strange, []string{strange}) {
			t.Errorf("%+v, %v", v, err)
		}
		if text, err := os.ReadFile(manifest); err != nil || string(text) != string(original) {
			t.Errorf("the manifest is\n%s\nwant\n%s", text, original)
		}
	}
	wantTexts(t, mustStore(t, dir, space(2)), 2, 10, nil)
}

// Whether vectors can be kept is known before any is bought.
func TestReady(t *testing.T) {
	dir := t.TempDir()
	s := mustStore(t, filepath.Join(dir, "a", "cache"), space(2))
	for range 2 { // before the first vectors, and after
		if err := s.Ready(); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, s, 2, 0, 1)
	}
	for _, d := range []string{filepath.Join(dir, "a", "cache"), s.Dir()} {
		if entries, err := os.ReadDir(d); err != nil || len(entries) > 2 {
			t.Errorf("%s holds %v, %v", d, entries, err)
		}
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := (&Store{cache: Open(filepath.Join(file, "cache"))}).Ready(); err == nil || !strings.HasPrefix(err.Error(), "make the cache: ") {
		t.Errorf("below a file: %v", err)
	}
}

// What a process that was killed while it merged left behind, perhaps a
// gigabyte, is gone with the next merge, without anybody's asking for it.
func TestMergeTidies(t *testing.T) {
	s := mustStore(t, t.TempDir(), space(2))
	mustAppend(t, s, 2, 0, 1)
	left := filepath.Join(s.Dir(), ".segment.parquet-0123456789abcdef")
	if err := os.WriteFile(left, []byte("PAR1"), 0o600); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < mergeAt; i++ {
		mustAppend(t, s, 2, i, 1)
	}
	if err := s.Close(); err != nil { // which waits for the merging
		t.Fatal(err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
	wantTexts(t, s, 2, mergeAt, nil)
}
