package loader

import (
	"context"
	"fmt"
	"os"
	"testing"
	"testing/fstest"
)

// What testdata/make.py writes: 24 pairs of 8 questions and 12 answers.
const (
	fixtureRows = 24
	fixtureDim  = 4
	fixtureLong = 64 // the dimensions in files named *_long
)

func fixtureVector(i, dim int) []float32 {
	v := make([]float32, dim)
	for j := range v {
		v[j] = float32((31*i+17*j)%61-30) / 32
	}
	return v
}

func fixtureQuestion(row int) string { return fmt.Sprintf("question %d – é", row/3) }

func fixtureAnswer(row int) string { return fmt.Sprintf("answer %d – é", 5*row%12) }

func fixtureLabel(row int) float32 {
	if row%3 == 0 {
		return 1
	}
	return 0
}

// folderFS is testdata/folder in memory, for tests to change.
func folderFS(t *testing.T) fstest.MapFS {
	t.Helper()
	fsys := fstest.MapFS{}
	for _, name := range []string{
		"pairs.parquet", "texts.parquet",
		"embeddings/alpha/manifest.json", "embeddings/alpha/0000.parquet", "embeddings/alpha/0001.parquet",
		"embeddings/beta/manifest.json", "embeddings/beta/0000.parquet", "embeddings/beta/0001.parquet",
	} {
		fsys[name] = file(t, "testdata/folder/"+name)
	}
	return fsys
}

func file(t *testing.T, name string) *fstest.MapFile {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return &fstest.MapFile{Data: data}
}

func mustOpen(t *testing.T, name string, opts Options) *Dataset {
	t.Helper()
	d, err := Open(context.Background(), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// wantError demands one exact sentence.
func wantError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case err == nil:
		t.Errorf("no error, want %q", want)
	case err.Error() != want:
		t.Errorf("\ngot  %s\nwant %s", err, want)
	}
}

// vector is a row of a table.
func vector(t *testing.T, table *Table, row int32) []float32 {
	t.Helper()
	v := make([]float32, table.Dim)
	if err := table.Read([]int32{row}, v); err != nil {
		t.Fatal(err)
	}
	return v
}

func fingerprint(t *testing.T, d *Dataset) string {
	t.Helper()
	f, err := d.Fingerprint()
	if err != nil {
		t.Fatal(err)
	}
	return f
}
