package loader

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/parquet-go/parquet-go"
)

func openFolderFS(fsys fstest.MapFS, embeddings string) (*Dataset, error) {
	return OpenFS(context.Background(), fsys, "set", Options{Embeddings: embeddings})
}

func TestFolder(t *testing.T) {
	d, err := openFolderFS(folderFS(t), "alpha")
	if err != nil {
		t.Fatal(err)
	}
	checkPairs(t, d, fixtureDim)
	if d.Name != "set" || d.Embeddings != "alpha" || d.Model != "model alpha" {
		t.Errorf("name %q, embeddings %q, model %q", d.Name, d.Embeddings, d.Model)
	}
	p := &d.Pairs
	for row := range fixtureRows {
		if want := []Split{Train, Train, Validation, Test}[row/6]; p.Split[row] != want {
			t.Errorf("row %d: split %v, want %v", row, p.Split[row], want)
		}
		if want := []Kind{Positive, Weak, Hard}[row%3]; p.Kind[row] != want {
			t.Errorf("row %d: kind %v, want %v", row, p.Kind[row], want)
		}
	}
}

// The same folder on disk, and one whose embeddings are a link to elsewhere.
func TestFolderOnDisk(t *testing.T) {
	want := fingerprint(t, mustOpen(t, "testdata/folder", Options{Embeddings: "alpha"}))
	dir := t.TempDir()
	if err := os.CopyFS(dir, folderFS(t)); err != nil {
		t.Fatal(err)
	}
	embeddings := filepath.Join(dir, "embeddings")
	elsewhere := filepath.Join(t.TempDir(), "cache")
	for _, step := range []error{
		os.Rename(filepath.Join(embeddings, "alpha"), elsewhere),
		os.RemoveAll(embeddings),
		os.Mkdir(embeddings, 0o700),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	if err := os.Symlink(elsewhere, filepath.Join(embeddings, "linked [1]")); err != nil {
		t.Skip(err) // Windows asks for a privilege
	}
	if got := fingerprint(t, mustOpen(t, dir, Options{})); got != want {
		t.Errorf("fingerprint %s through a link, want %s", got, want)
	}
}

func TestFolderEmbeddings(t *testing.T) {
	d, err := openFolderFS(folderFS(t), "beta")
	if err != nil {
		t.Fatal(err)
	}
	want := fixtureVector(0, fixtureDim)
	for i := range want {
		want[i] *= 2
	}
	if got := vector(t, d.Vectors, d.Pairs.Left[0]); !slices.Equal(got, want) || d.Model != "model beta" {
		t.Errorf("vector %v of %s, want %v", got, d.Model, want)
	}

	_, err = openFolderFS(folderFS(t), "")
	wantError(t, err, "set: embeddings of several models, choose one with --embeddings: alpha, beta")
	_, err = openFolderFS(folderFS(t), "ada")
	wantError(t, err, `set: no embeddings named "ada"; there are: alpha, beta`)

	one := folderFS(t)
	drop(one, "embeddings/beta/")
	if d, err = openFolderFS(one, ""); err != nil || d.Embeddings != "alpha" || d.Model != "model alpha" {
		t.Errorf("the only embeddings are not taken: %v", err)
	}
}

func drop(fsys fstest.MapFS, prefix string) {
	for name := range fsys {
		if len(name) >= len(prefix) && name[:len(prefix)] == prefix {
			delete(fsys, name)
		}
	}
}

func TestWrongFolders(t *testing.T) {
	const pairs = "set/pairs.parquet: "
	for name, want := range map[string]string{
		"newer":           "schema_version is 2, this cosfit knows 1: use a newer cosfit",
		"no_left":         `no column "left"; the file has: right, label, split, group, kind`,
		"no_rows":         "no rows, want one for each pair",
		"null_left":       "row 5: left is null, want a text",
		"unknown_kind":    `row 5: kind is "easy", want one of given, positive, weak, hard`,
		"range_exceeded":  "row 5: the label is 5, outside the label range 0..4",
		"range_odd":       `the label range is "5", want two numbers, the lower one first, such as 0..5`,
		"range_backwards": `the label range is "1..0", want two numbers, the lower one first, such as 0..5`,
	} {
		fsys := folderFS(t)
		fsys["pairs.parquet"] = file(t, "testdata/pairs/"+name+".parquet")
		d, err := openFolderFS(fsys, "alpha")
		wantError(t, err, pairs+want)
		if d != nil {
			t.Errorf("%s: a data set beside the error", name)
		}
	}

	manifest := func(s string) func(fstest.MapFS) {
		return func(fsys fstest.MapFS) {
			fsys["embeddings/alpha/manifest.json"] = &fstest.MapFile{Data: []byte(s)}
		}
	}
	for name, c := range map[string]struct {
		change func(fstest.MapFS)
		want   string
	}{
		"no pairs":          {func(f fstest.MapFS) { delete(f, "pairs.parquet") }, "set: no pairs.parquet in it: give a data set folder or one wide Parquet file"},
		"pairs is a folder": {func(f fstest.MapFS) { f["pairs.parquet/x"] = &fstest.MapFile{}; delete(f, "pairs.parquet") }, "open set/pairs.parquet: not a file"},
		"no embeddings":     {func(f fstest.MapFS) { drop(f, "embeddings/") }, "set: its texts have no vectors, in embeddings/: embed them with cosfit embed --data set"},
		"no folder there": {func(f fstest.MapFS) { drop(f, "embeddings/"); f["embeddings/x.parquet"] = &fstest.MapFile{} },
			"set: its texts have no vectors, in embeddings/: embed them with cosfit embed --data set"},
		"no manifest":       {func(f fstest.MapFS) { delete(f, "embeddings/alpha/manifest.json") }, "open set/embeddings/alpha/manifest.json: file does not exist"},
		"manifest no JSON":  {manifest("{"), "set/embeddings/alpha/manifest.json: not valid JSON: unexpected end of JSON input"},
		"newer manifest":    {manifest(`{"schema_version": 2, "dimensions": 4}`), "set/embeddings/alpha/manifest.json: schema_version is 2, this cosfit knows 1: use a newer cosfit"},
		"no dimensions":     {manifest(`{"schema_version": 1}`), "set/embeddings/alpha/manifest.json: dimensions is 0, want a positive number"},
		"other dimensions":  {manifest(`{"schema_version": 1, "dimensions": 5}`), "set/embeddings/alpha/0000.parquet: row 0: embedding has 4 values, manifest.json says 5"},
		"no segments":       {func(f fstest.MapFS) { drop(f, "embeddings/alpha/0") }, "set/embeddings/alpha: no vector for the text " + TextID(fixtureQuestion(0)) + " of pairs.parquet: embed it"},
		"one segment":       {func(f fstest.MapFS) { delete(f, "embeddings/alpha/0000.parquet") }, "set/embeddings/alpha: no vector for the text " + TextID("answer 1 – é") + " of pairs.parquet: embed it"},
		"empty segment":     {func(f fstest.MapFS) { f["embeddings/alpha/0000.parquet"] = &fstest.MapFile{} }, "open set/embeddings/alpha/0000.parquet: the file is empty"},
		"segment of others": {func(f fstest.MapFS) { f["embeddings/alpha/0000.parquet"] = f["texts.parquet"] }, `set/embeddings/alpha/0000.parquet: no column "embedding"; the file has: id, text`},
		"newer segment":     {func(f fstest.MapFS) { f["embeddings/alpha/0000.parquet"] = file(t, "testdata/pairs/newer.parquet") }, "set/embeddings/alpha/0000.parquet: schema_version is 2, this cosfit knows 1: use a newer cosfit"},
		"two models": {func(f fstest.MapFS) {
			f["embeddings/alpha/0002.parquet"] = segment(t, fixtureQuestion(0), fixtureVector(9, fixtureDim))
		}, "set/embeddings/alpha/0002.parquet: row 0: embedding is another vector than an earlier row has for the same text (their cosine is -0.50): are vectors of two models mixed? Embed all texts with one"},
	} {
		t.Run(name, func(t *testing.T) {
			fsys := folderFS(t)
			c.change(fsys)
			_, err := openFolderFS(fsys, "alpha")
			wantError(t, err, c.want)
		})
	}

	fsys := folderFS(t)
	fsys["pairs.parquet"] = file(t, "testdata/pairs/unknown_text.parquet")
	_, err := openFolderFS(fsys, "alpha")
	wantError(t, err, "set/embeddings/alpha: no vector for the text ffffffff of pairs.parquet: embed it")
}

// lockedFS is a file system in which one file may not be opened.
type lockedFS struct {
	fs.FS
	name string
}

func (l lockedFS) Open(name string) (fs.File, error) {
	if name == l.name {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return l.FS.Open(name)
}

func TestFolderWithoutPermission(t *testing.T) {
	for _, name := range []string{"pairs.parquet", "embeddings/alpha/manifest.json", "embeddings/alpha/0001.parquet"} {
		_, err := OpenFS(context.Background(), lockedFS{folderFS(t), name}, "set", Options{Embeddings: "alpha"})
		wantError(t, err, "open set/"+name+": permission denied")
	}
}

// segment is a file with one vector.
func segment(t *testing.T, text string, v []float32) *fstest.MapFile {
	t.Helper()
	type row struct {
		ID        string    `parquet:"id"`
		Embedding []float32 `parquet:"embedding,list"`
	}
	var out bytes.Buffer
	if err := parquet.Write(&out, []row{{TextID(text), v}}); err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: out.Bytes()}
}

// A model behind an API answers a little differently each time: the first
// vector of a text counts.
func TestFolderTextTwice(t *testing.T) {
	fsys := folderFS(t)
	again := fixtureVector(0, fixtureDim)
	again[1] += 0.01
	fsys["embeddings/alpha/0002.parquet"] = segment(t, fixtureQuestion(0), again)
	d, err := openFolderFS(fsys, "alpha")
	if err != nil {
		t.Fatal(err)
	}
	if got := vector(t, d.Vectors, d.Pairs.Left[0]); !slices.Equal(got, fixtureVector(0, fixtureDim)) {
		t.Errorf("vector %v", got)
	}
}

// However the pairs are stored, the fingerprint is the same; whatever differs
// in them, it is another.
func TestFingerprint(t *testing.T) {
	open := func(pairs string) *Dataset {
		fsys := folderFS(t)
		fsys["pairs.parquet"] = file(t, pairs)
		d, err := openFolderFS(fsys, "alpha")
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	wide := fingerprint(t, mustOpen(t, "testdata/good/pandas.parquet", Options{}))
	if got := fingerprint(t, open("testdata/pairs/plain.parquet")); got != wide {
		t.Errorf("as a folder %s, as a wide file %s", got, wide)
	}
	const pairs = "testdata/folder/pairs.parquet"
	first := fingerprint(t, open(pairs))
	if first != fingerprint(t, open(pairs)) {
		t.Error("another fingerprint the second time")
	}
	seen := map[string]string{first: "nothing"}
	for name, change := range map[string]func(d *Dataset){
		"label":  func(d *Dataset) { d.Pairs.Label[3] = 0.5 },
		"vector": func(d *Dataset) { d.Vectors.Data[3] += 1 },
		"split":  func(d *Dataset) { d.Pairs.Split[3] = Test },
		"group":  func(d *Dataset) { d.Pairs.Group[3] = 0 },
		"right":  func(d *Dataset) { d.Pairs.Right[3] = d.Pairs.Right[4] },
		"id":     func(d *Dataset) { d.Vectors.IDs[3] = "other" },
		"swap":   func(d *Dataset) { d.Pairs.Left, d.Pairs.Right = d.Pairs.Right, d.Pairs.Left },
		"fewer": func(d *Dataset) {
			p, n := &d.Pairs, d.Pairs.Len()-1
			p.Left, p.Right, p.Label, p.Split, p.Group = p.Left[:n], p.Right[:n], p.Label[:n], p.Split[:n], p.Group[:n]
		},
	} {
		d := open(pairs)
		change(d)
		got := fingerprint(t, d)
		if other, ok := seen[got]; ok {
			t.Errorf("changing %s gives the fingerprint of changing %s", name, other)
		}
		seen[got] = name
	}
}
