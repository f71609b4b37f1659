package loader

import (
	"bytes"
	"errors"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// segmentRow is a row of a test's segment: vectors differ for each id.
func segmentRow(id ID, d int) []float32 {
	v := make([]float32, d)
	for i := range v {
		v[i] = float32(id[i%16]) + float32(i) + 1
	}
	return v
}

func testIDs(n int) []ID {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	ids := make([]ID, n)
	for i := range ids {
		for j := range ids[i] {
			ids[i][j] = byte(rng.Uint32())
		}
	}
	slices.SortFunc(ids, ID.Compare)
	return ids
}

func writeSegment(t *testing.T, path string, space Manifest, ids []ID) {
	t.Helper()
	var b bytes.Buffer
	w := NewSegmentWriter(&b, space)
	for _, id := range ids {
		if err := w.Add(id, segmentRow(id, space.Dimensions)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

func testSpace(d int) Manifest {
	return Manifest{SchemaVersion: 1, Provider: "test", Model: "m", Dimensions: d, Native: true}
}

// Every row is found, in any company, and is what was written; the general
// reader of Parquet reads the same.
func TestSegment(t *testing.T) {
	for _, c := range []struct{ rows, d int }{{1, 1}, {2, 3}, {513, 8}, {5000, 40}, {300, 1536}, {9000, 1024}} {
		ids := testIDs(c.rows)
		path := filepath.Join(t.TempDir(), "s.parquet")
		writeSegment(t, path, testSpace(c.d), ids)
		s, err := OpenSegment(path)
		if err != nil {
			t.Fatal(err)
		}
		if s.Rows != int64(c.rows) || s.Space != testSpace(c.d) || s.Normalized {
			t.Errorf("%d × %d: %d rows of %+v, normalised %v", c.rows, c.d, s.Rows, s.Space, s.Normalized)
		}
		absent := testIDs(c.rows + 1) // another seed
		wanted := slices.Concat(ids, absent, []ID{{}, ID(bytes.Repeat([]byte{255}, 16))})
		slices.SortFunc(wanted, ID.Compare)
		r, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var found []ID
		err = r.Find(wanted, func(i int, row int64) error {
			found = append(found, wanted[i])
			v, err := r.Vector(row)
			if err != nil {
				return err
			}
			if want := segmentRow(wanted[i], c.d); !slices.Equal(v, want) {
				t.Errorf("%d × %d: row %d is %v, want %v", c.rows, c.d, row, v, want)
			}
			if id, err := r.ID(row); err != nil || id != wanted[i] {
				t.Errorf("row %d has id %v, %v, want %v", row, id, err, wanted[i])
			}
			return nil
		})
		if err != nil || !slices.Equal(found, ids) {
			t.Errorf("%d × %d: found %d of %d, %v", c.rows, c.d, len(found), len(ids), err)
		}
		for range 100 { // one by one, in any order
			k := rand.IntN(c.rows)
			hits := 0
			err := r.Find(ids[k:k+1], func(_ int, row int64) error {
				hits++
				if row != int64(k) {
					t.Errorf("id %d is found in row %d", k, row)
				}
				return nil
			})
			if err != nil || hits != 1 {
				t.Errorf("id %d is found %d times, %v", k, hits, err)
			}
		}
		checkGenerally(t, path, ids, c.d)
	}
}

// checkGenerally reads a segment as any other Parquet file.
func checkGenerally(t *testing.T, path string, ids []ID, d int) {
	t.Helper()
	f, err := openParquetPath(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	got, err := f.ids("id")
	if err != nil || !slices.Equal(got, ids) {
		t.Errorf("the column id differs: %v", err)
	}
	rows := 0
	err = f.vectors("embedding", func(row int, v []float32) error {
		rows++
		if !slices.Equal(v, segmentRow(ids[row], d)) {
			t.Errorf("row %d is %v", row, v)
		}
		return nil
	})
	if err != nil || rows != len(ids) {
		t.Errorf("%d rows, %v", rows, err)
	}
}

func TestSegmentNormalized(t *testing.T) {
	for _, c := range []struct {
		scale float32
		want  bool
	}{{1, true}, {1.0005, true}, {1.01, false}} {
		path := filepath.Join(t.TempDir(), "s.parquet")
		var b bytes.Buffer
		w := NewSegmentWriter(&b, testSpace(2))
		for i, id := range testIDs(3) {
			angle := float64(i)
			v := []float32{c.scale * float32(math.Cos(angle)), c.scale * float32(math.Sin(angle))}
			if err := w.Add(id, v); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := OpenSegment(path); err != nil || s.Normalized != c.want {
			t.Errorf("length %g: normalised %v, %v, want %v", c.scale, s.Normalized, err, c.want)
		}
	}
}

func TestSegmentOrder(t *testing.T) {
	ids := testIDs(2)
	w := NewSegmentWriter(new(bytes.Buffer), testSpace(1))
	if err := w.Add(ids[1], []float32{1}); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := w.Add(id, []float32{1}); err == nil {
			t.Errorf("%v is taken after %v", id, ids[1])
		}
	}
	wantError(t, w.Add(ID{255}, []float32{1, 2}), "the vector of text ff000000000000000000000000000000 has 2 values, want 1")
}

// Whatever byte of a segment changes, and wherever it is cut: an error, a text
// that is not found, or the vector that was written. Never another, and never a
// panic.
func TestDamagedSegment(t *testing.T) {
	const d = 2
	ids := testIDs(520) // two pages of ids
	dir := t.TempDir()
	path := filepath.Join(dir, "s.parquet")
	writeSegment(t, path, testSpace(d), ids)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var detected, harmless int
	check := func(data []byte) {
		if readWhole(t, data, ids, d) == nil {
			harmless++
		} else {
			detected++
		}
	}
	step := 31
	for i := 0; i < len(whole); i += step {
		if i > len(whole)-1500 {
			step = 1 // index and footer
		}
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			data := bytes.Clone(whole)
			data[i] ^= flip
			check(data)
		}
		check(whole[:i])
	}
	if detected == 0 || harmless > detected/2 {
		t.Errorf("%d changes were found, %d did no harm", detected, harmless)
	}
}

// readWhole looks for ids in a segment and compares their vectors.
func readWhole(t *testing.T, data []byte, ids []ID, d int) error {
	t.Helper()
	s := &Segment{Path: "s.parquet", Bytes: int64(len(data))}
	if err := s.read(bytes.NewReader(data)); err != nil {
		return err
	}
	r := s.reader(bytes.NewReader(data))
	return r.Find(ids, func(i int, row int64) error {
		v, err := r.Vector(row)
		if err == nil && !slices.Equal(v, segmentRow(ids[i], d)) {
			t.Errorf("text %d has the vector %v", i, v)
		}
		return err
	})
}

func FuzzSegment(f *testing.F) {
	ids := testIDs(3)
	var b bytes.Buffer
	w := NewSegmentWriter(&b, testSpace(2))
	for _, id := range ids {
		if err := w.Add(id, []float32{1, 2}); err != nil {
			f.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		s := &Segment{Path: "s.parquet", Bytes: int64(len(data))}
		if s.read(bytes.NewReader(data)) != nil {
			return
		}
		r := s.reader(bytes.NewReader(data))
		for row := range min(s.Rows, 1000) {
			id, err1 := r.ID(row)
			_, err2 := r.Vector(row)
			if err1 != nil || err2 != nil {
				return
			}
			r.Find([]ID{id}, func(int, int64) error { return nil })
		}
	})
}

func TestOpenSegmentErrors(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenSegment(filepath.Join(dir, "none.parquet"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	foreign := "testdata/good/pandas.parquet"
	_, err = OpenSegment(foreign)
	wantError(t, err, foreign+": not a segment of a cache: bring its vectors in with cosfit cache import")
}

func TestParseID(t *testing.T) {
	id := NewID("a text")
	if got, err := ParseID(id.String()); err != nil || got != id {
		t.Errorf("%v, %v, want %v", got, err, id)
	}
	for _, s := range []string{"", "abc", id.String() + "0", id.String()[1:], "G" + id.String()[1:], "ABCDEF" + id.String()[6:]} {
		if _, err := ParseID(s); err == nil {
			t.Errorf("%q is taken for an id", s)
		}
	}
	_, err := ParseID("q17")
	wantError(t, err, `"q17" is not the id of a text, which is the first 32 hexadecimal digits of its SHA-256, in small letters`)
}
