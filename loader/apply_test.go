package loader

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// testTransform multiplies by a matrix [in, out] of multiples of 1/8, so that
// products of the fixtures' vectors are exact.
func testTransform(in, out int) Transform {
	return Transform{In: in, Out: out, Apply: func(dst, x []float32) {
		for r := 0; r*in < len(x); r++ {
			for j := range out {
				dst[r*out+j] = float32(transformed(x[r*in:(r+1)*in], j))
			}
		}
	}}
}

// transformed is value j of a vector's product, in float64.
func transformed(x []float32, j int) (sum float64) {
	for i, v := range x {
		sum += float64(v) * float64((5*i+3*j)%7-3) / 8
	}
	return sum
}

// applied writes a file with its vectors transformed, and returns the new one.
func applied(t *testing.T, name, column string, tr Transform) string {
	t.Helper()
	f, err := OpenVectors(name, column, tr)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out bytes.Buffer
	last := int64(-1)
	if err := f.Write(context.Background(), &out, func(rows int64) { last = rows }); err != nil {
		t.Fatal(err)
	}
	if f.Rows > 0 && last != f.Rows {
		t.Errorf("%s: %d rows done at the end, want %d", name, last, f.Rows)
	}
	return save(t, filepath.Ext(name), out.Bytes())
}

func save(t *testing.T, ext string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x"+ext)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Every way of storing vectors, row groups and pages included: the vectors of
// one column are products, and every value of the others is what it was.
func TestApplyEveryParquet(t *testing.T) {
	names, err := filepath.Glob("testdata/good/*.parquet")
	if err != nil || len(names) < 30 {
		t.Fatalf("%d files, %v", len(names), err)
	}
	column := DefaultColumns().Left
	for _, name := range names {
		t.Run(filepath.Base(name), func(t *testing.T) {
			dim := fixtureDim
			if strings.HasSuffix(name, "_long.parquet") {
				dim = fixtureLong
			}
			out := applied(t, name, column, testTransform(dim, 3))
			for row, v := range vectorsOf(t, out, column) {
				x := fixtureVector(row/3, dim)
				for j := range v {
					if want := float32(transformed(x, j)); len(v) != 3 || v[j] != want {
						t.Fatalf("row %d: %v, want %v at %d", row, v, want, j)
					}
				}
			}
			sameOthers(t, name, out, column)
		})
	}
}

// vectorsOf reads a column of lists of float, nil for null.
func vectorsOf(t *testing.T, name, column string) (rows [][]float32) {
	t.Helper()
	f, err := openParquetPath(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	err = f.read(column, func(leaf *parquet.Column) error {
		if leaf.Type().Kind() != parquet.Float {
			t.Errorf("%s holds %s, want float", column, leaf.Type())
		}
		r := vectorReader{file: f, column: column, leaf: leaf, nulls: true, visit: func(_ int, v []float32) error {
			if v != nil {
				v = append([]float32{}, v...)
			}
			rows = append(rows, v)
			return nil
		}}
		if err := r.checkType(); err != nil {
			return err
		}
		if err := f.pages(leaf, r.page); err != nil {
			return err
		}
		return r.flush()
	})
	if err != nil || int64(len(rows)) != f.NumRows() {
		t.Fatalf("%s: %d vectors in %d rows, %v", name, len(rows), f.NumRows(), err)
	}
	return rows
}

// sameOthers wants all but one column of two files to be equal: the schema,
// what the footer says of each chunk, and the chunks' bytes.
func sameOthers(t *testing.T, before, after, column string) {
	t.Helper()
	a, errA := openParquetPath(before)
	b, errB := openParquetPath(after)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	defer a.close()
	defer b.close()
	fieldsA, fieldsB := a.Root().Columns(), b.Root().Columns()
	if len(fieldsA) != len(fieldsB) || a.NumRows() != b.NumRows() || len(a.RowGroups()) != len(b.RowGroups()) {
		t.Fatalf("%d columns, %d rows, %d row groups", len(fieldsB), b.NumRows(), len(b.RowGroups()))
	}
	for i, field := range fieldsA {
		if fieldsB[i].Name() != field.Name() || fieldsB[i].Optional() != field.Optional() {
			t.Errorf("column %d is %s, was %s", i, fieldsB[i].Name(), field.Name())
		}
	}
	for g, group := range a.Metadata().RowGroups {
		for c := range group.Columns {
			was, is := group.Columns[c].MetaData, b.Metadata().RowGroups[g].Columns[c].MetaData
			if was.PathInSchema[0] == column {
				if is.Codec != was.Codec {
					t.Errorf("compressed by %s, was by %s", is.Codec, was.Codec)
				}
				continue
			}
			if !bytes.Equal(chunkBytes(t, a, was.DataPageOffset, was.DictionaryPageOffset, was.TotalCompressedSize),
				chunkBytes(t, b, is.DataPageOffset, is.DictionaryPageOffset, is.TotalCompressedSize)) {
				t.Errorf("row group %d: the bytes of %v differ", g, is.PathInSchema)
			}
			is.DataPageOffset, is.DictionaryPageOffset = was.DataPageOffset, was.DictionaryPageOffset
			was.BloomFilterOffset, was.BloomFilterLength = 0, 0
			if !reflect.DeepEqual(is, was) {
				t.Errorf("row group %d: the footer says %+v, said %+v", g, is, was)
			}
		}
	}
}

func chunkBytes(t *testing.T, f *parquetFile, data, dictionary, size int64) []byte {
	t.Helper()
	if dictionary > 0 {
		data = dictionary
	}
	b := make([]byte, size)
	if _, err := f.stored.ReadAt(b, data); err != nil {
		t.Fatal(err)
	}
	return b
}

type note struct {
	Code  int64             `parquet:"code"`
	Words []string          `parquet:"words,list"`
	More  map[string]string `parquet:"more"`
}

type record struct {
	ID     string    `parquet:"id,dict"`
	Count  *int32    `parquet:"count,optional"`
	Vector []float64 `parquet:"vector,list,optional"`
	Notes  []note    `parquet:"notes,list"`
	Other  []float32 `parquet:"other,list"` // of another length
}

// recordOf is row i of a file; some vectors are null.
func recordOf(i, dim int) record {
	r := record{ID: fmt.Sprintf("é%d", i%7), Notes: []note{}, Other: []float32{float32(i)}}
	if i%3 > 0 {
		count := int32(i)
		r.Count = &count
		r.Notes = append(r.Notes, note{Code: int64(i), Words: []string{"a", fmt.Sprint(i)}, More: map[string]string{"k": "v"}})
	}
	if i%5 > 0 {
		for _, v := range fixtureVector(i, dim) {
			r.Vector = append(r.Vector, float64(v))
		}
	}
	return r
}

func writeRecords(t *testing.T, rows, group, dim int) string {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[record](&b, parquet.Compression(&parquet.Zstd), parquet.KeyValueMetadata("mine", "kept"))
	for i := range rows {
		if _, err := w.Write([]record{recordOf(i, dim)}); err != nil {
			t.Fatal(err)
		}
		if i%group == group-1 {
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return save(t, ".parquet", b.Bytes())
}

// More rows than a batch, null vectors, lists of structs and maps: read back
// by the generic reader.
func TestApplyKeepsRows(t *testing.T) {
	const rows, group, dim = 9000, 5000, 8
	in := writeRecords(t, rows, group, dim)
	tr := testTransform(dim, 11)
	f, err := OpenVectors(in, "", tr)
	if err != nil || f.Column != "vector" || !f.Guessed || f.Format != "parquet" || f.Rows != rows {
		t.Fatalf("%+v, %v", f, err)
	}
	f.Close()
	out := applied(t, in, "", tr)
	sameOthers(t, in, out, "vector")
	got, err := parquet.ReadFile[record](out)
	if err != nil || len(got) != rows {
		t.Fatal(len(got), err)
	}
	for i, r := range got {
		want := recordOf(i, dim)
		x := want.Vector
		want.Vector = nil
		if x != nil {
			for j := range tr.Out {
				want.Vector = append(want.Vector, transformed(fixtureVector(i, dim), j))
			}
		}
		if len(want.Notes) == 0 {
			want.Notes = r.Notes[:0] // an empty list reads as nil
		}
		if !reflect.DeepEqual(r, want) {
			t.Fatalf("row %d: %+v, want %+v", i, r, want)
		}
	}
	file, err := openParquetPath(out)
	if err != nil {
		t.Fatal(err)
	}
	defer file.close()
	if v, ok := file.Lookup("mine"); !ok || v != "kept" {
		t.Errorf("the file's own note is %q, %v", v, ok)
	}
}

func TestApplyNPY(t *testing.T) {
	const rows, dim, out = 9000, 3, 2 // more than two batches
	for _, dtype := range []string{"<f2", "<f4", "<f8"} {
		name := save(t, ".npy", npyOf(dtype, fmt.Sprintf("(%d, %d)", rows, dim), rows*dim))
		data, err := os.ReadFile(applied(t, name, "", testTransform(dim, out)))
		if err != nil {
			t.Fatal(err)
		}
		head := "{'descr': '<f4', 'fortran_order': False, 'shape': (9000, 2), }"
		if string(data[10:10+len(head)]) != head || len(data) != 128+4*rows*out {
			t.Fatalf("%s: %d bytes that begin %q", dtype, len(data), data[:100])
		}
		for i := range rows * out {
			row, j := i/out, i%out
			x := []float32{npyValue(row * dim), npyValue(row*dim + 1), npyValue(row*dim + 2)}
			if got := math.Float32frombits(binary.LittleEndian.Uint32(data[128+4*i:])); float64(got) != transformed(x, j) {
				t.Fatalf("%s: row %d: %v, want %v", dtype, row, got, transformed(x, j))
			}
		}
	}
	for shape, want := range map[string]string{"(3,)": "'shape': (2,), }", "(0, 3)": "'shape': (0, 2), }"} {
		data, err := os.ReadFile(applied(t, save(t, ".npy", npyOf("<f4", shape, map[string]int{"(3,)": 3}[shape])), "", testTransform(dim, out)))
		if err != nil || !strings.Contains(string(data), want) {
			t.Errorf("%s: %q, %v", shape, data, err)
		}
	}
}

// npyValue is exact in every type.
func npyValue(i int) float32 { return float32(i%33-16) / 8 }

// npyOf is a file of n values; <f2 can only say multiples of 1/8 up to 2.
func npyOf(dtype, shape string, n int) []byte {
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", dtype, shape)
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), 0)
	b = append(b, head...)
	for i := range n {
		v := npyValue(i)
		switch dtype {
		case "<f2":
			b = binary.LittleEndian.AppendUint16(b, halfOf(v))
		case "<f4":
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		case "<f8":
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(float64(v)))
		}
	}
	return b
}

// halfOf is a float16, where v is one: the exponent has another bias, and
// thirteen bits of the fraction are zero.
func halfOf(v float32) uint16 {
	bits := math.Float32bits(v)
	if v == 0 {
		return 0
	}
	return uint16(bits>>16&0x8000) | uint16((bits>>23&0xff-127+15)<<10) | uint16(bits>>13&0x3ff)
}

func TestApplyMistakes(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile("testdata/good/pandas.parquet")
	if err != nil {
		t.Fatal(err)
	}
	nan := npyOf("<f4", "(5, 4)", 20)
	binary.LittleEndian.PutUint32(nan[len(nan)-4*4+8:], math.Float32bits(float32(math.NaN())))
	write("text.csv", []byte("a,b\n1,2\n"))
	write("empty.npy", nil)
	write("cut.parquet", good[:len(good)-1])
	write("nan.npy", nan)
	write("cut.npy", npyOf("<f4", "(5, 4)", 19))
	write("long.npy", npyOf("<f4", "(5, 4)", 21))
	write("wide.npy", npyOf("<f4", "(5, 5)", 25))
	write("int.npy", npyOf("<i8", "(5, 4)", 0))
	write("cube.npy", npyOf("<f4", "(5, 4, 1)", 20))
	write("huge.npy", npyOf("<f4", "(9223372036854775807, 4)", 20))
	write("fortran.npy", bytes.Replace(npyOf("<f4", "(5, 4)", 20), []byte("False"), []byte("True "), 1))
	fixtures, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir) // so that messages show short names
	fixture := func(name string) string { return filepath.Join(fixtures, name) }
	const left = "question_text_EMB"
	for _, c := range []struct {
		name, column, want string // %s is the file's name
		dim                int
	}{
		{"none.npy", "", "open %s: file does not exist", 4},
		{".", "", "open %s: not a file", 4},
		{"empty.npy", "", "open %s: the file is empty", 4},
		{"text.csv", "", "open %s: neither a Parquet nor an npy file, by its first bytes: save the vectors as one of these", 4},
		{"cut.parquet", "", "open %s: the end of the file is missing: copy or write it again", 4},
		{"nan.npy", "", "%s: row 4 has NaN at position 2, want finite numbers: embed the text again or drop the row", 4},
		{"nan.npy", "a", `%s: an npy file has no columns, so none can be named (got "a")`, 4},
		{"cut.npy", "", "%s: the file ends in row 4 of 5: copy or write it again", 4},
		{"huge.npy", "", "%s: the file ends in row 5 of 9223372036854775807: copy or write it again", 4},
		{"long.npy", "", "%s: 4 bytes follow the array", 4},
		{"wide.npy", "", "%s: vectors have 5 values, want the matrix's 4", 4},
		{"int.npy", "", `%s: dtype is "<i8", want <f2, <f4 or <f8: save it with .astype('<f4')`, 4},
		{"cube.npy", "", "%s: array has 3 dimensions, want 2, or 1 for one vector", 4},
		{"fortran.npy", "", "%s: array is in Fortran order, which has no whole rows to read: save it with np.ascontiguousarray", 4},
		{fixture("good/pandas.parquet"), "emb", `%s: no column "emb"; the file has: question_text, candidate_answers, label, candidate_ans_len, question_text_EMB, candidate_answers_EMB`, 4},
		{fixture("good/pandas.parquet"), "label", `%s: column "label" holds one value of type INT64 in each row, want a list of numbers`, 4},
		{fixture("good/pandas.parquet"), "", "%s: columns question_text_EMB, candidate_answers_EMB all hold vectors of 4 values: choose one with --column", 4},
		{fixture("good/pandas.parquet"), "", "%s: no column holds vectors of the matrix's 5 values; those with vectors: question_text_EMB (4), candidate_answers_EMB (4)", 5},
		{fixture("folder/pairs.parquet"), "", "%s: no column holds vectors; the file has: left, right, label, split, group, kind", 4},
		{fixture("good/pandas.parquet"), left, "%s: row 0: question_text_EMB has 4 values, want the matrix's 5", 5},
		{fixture("wrong/shorter.parquet"), "candidate_answers_EMB", "%s: row 5: candidate_answers_EMB has 3 values, want the matrix's 4", 4},
		{fixture("wrong/nan.parquet"), left, "%s: row 5: question_text_EMB has NaN at position 2, want finite numbers: embed the text again or drop the row", 4},
		{fixture("wrong/null_inside.parquet"), left, "%s: row 5: question_text_EMB has a null among its values, want finite numbers: embed the text again or drop the row", 4},
		{fixture("wrong/empty_vector.parquet"), left, "%s: row 5: question_text_EMB has 0 values, want the matrix's 4", 4},
		{fixture("wrong/more_rows.parquet"), left, "", 4},
	} {
		err := tryApply(c.name, c.column, c.dim)
		if c.want == "" {
			if err == nil {
				t.Errorf("%s: no error", c.name)
			}
			continue
		}
		wantError(t, err, fmt.Sprintf(c.want, c.name))
	}
}

func tryApply(name, column string, dim int) error {
	f, err := OpenVectors(name, column, testTransform(dim, 3))
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Write(context.Background(), io.Discard, func(int64) {})
}

// Null vectors stay null, in lists and in byte arrays.
func TestApplyNulls(t *testing.T) {
	for _, name := range []string{"null_vector", "null_bytes"} {
		in := "testdata/wrong/" + name + ".parquet"
		rows := vectorsOf(t, applied(t, in, DefaultColumns().Left, testTransform(fixtureDim, 3)), DefaultColumns().Left)
		nulls := 0
		for _, v := range rows {
			if v == nil {
				nulls++
			} else if len(v) != 3 {
				t.Errorf("%s: %v", name, v)
			}
		}
		if nulls != 1 || len(rows) != fixtureRows {
			t.Errorf("%s: %d of %d vectors are null, want 1", name, nulls, len(rows))
		}
	}
}

// A failingWriter fails after some bytes.
type failingWriter struct{ left int }

var errFull = errors.New("no space left")

func (w *failingWriter) Write(b []byte) (int, error) {
	if w.left -= len(b); w.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

// Whatever write fails, the error arrives, and so does the end of the context.
func TestApplyStops(t *testing.T) {
	parquetName := writeRecords(t, 40, 10, 8)
	npyName := save(t, ".npy", npyOf("<f4", "(40, 8)", 320))
	for _, name := range []string{parquetName, npyName} {
		f, err := OpenVectors(name, "", testTransform(8, 3))
		if err != nil {
			t.Fatal(err)
		}
		whole := new(bytes.Buffer)
		if err := f.Write(context.Background(), whole, func(int64) {}); err != nil {
			t.Fatal(err)
		}
		f.Close()
		for room := 0; room < whole.Len(); room += 1 + whole.Len()/40 {
			f, err := OpenVectors(name, "", testTransform(8, 3))
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Write(context.Background(), &failingWriter{room}, func(int64) {}); !errors.Is(err, errFull) {
				t.Errorf("%s, room for %d bytes of %d: error %v", name, room, whole.Len(), err)
			}
			f.Close()
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	f, err := OpenVectors(parquetName, "", testTransform(8, 3))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Write(ctx, io.Discard, func(int64) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v after the context ended", err)
	}
}

// Every byte of some files changed: an error about the file or a file written,
// never a panic.
func TestApplyDamaged(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"good/bytes_required", "good/float_dictionary"} {
		whole, err := os.ReadFile("testdata/" + name + ".parquet")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "x.parquet")
		for i := range whole {
			data := bytes.Clone(whole)
			data[i] ^= 0x81
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := tryApply(path, DefaultColumns().Left, fixtureDim); err != nil && !strings.Contains(err.Error(), path) {
				t.Errorf("%s, byte %d: %q does not name the file", name, i, err)
			}
		}
	}
}

// What a footer says of columns that are only copied is looked at too.
func TestApplyFooter(t *testing.T) {
	whole, err := os.ReadFile("testdata/good/pandas.parquet")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.parquet")
	for name, c := range map[string]struct {
		change func(*format.FileMetaData)
		want   string
	}{
		"children of a leaf": {func(m *format.FileMetaData) { m.Schema[1].NumChildren = thrift.New(int32(10)) },
			"open " + path + `: the file is damaged: its column "question_text" has values and columns of its own`},
		"no path": {func(m *format.FileMetaData) { m.RowGroups[0].Columns[0].MetaData.PathInSchema = nil },
			path + `: the file is damaged: a row group does not say which column it has there`},
	} {
		if err := os.WriteFile(path, withFooter(t, whole, c.change), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { wantError(t, tryApply(path, DefaultColumns().Left, fixtureDim), c.want) })
	}
}

// A row group far larger than a batch costs no more memory than a batch.
func TestApplyMemory(t *testing.T) {
	const rows, dim, out = 60_000, 256, 64 // 61 MB of vectors in one row group
	path := filepath.Join(t.TempDir(), "x.parquet")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[record](file, parquet.Compression(&parquet.Uncompressed))
	vector := make([]float64, dim)
	for first := 0; first < rows; first += 1000 {
		part := make([]record, 1000)
		for i := range part {
			vector[(first+i)%dim] = 1
			part[i] = record{ID: "a", Vector: vector}
		}
		if _, err := w.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), file.Close()); err != nil {
		t.Fatal(err)
	}
	w, vector = nil, nil
	f, err := OpenVectors(path, "", Transform{In: dim, Out: out, Apply: func(dst, x []float32) { copy(dst, x) }})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	most, times := uint64(0), 0
	err = f.Write(context.Background(), io.Discard, func(int64) {
		runtime.GC()
		runtime.ReadMemStats(&now)
		most, times = max(most, now.HeapAlloc), times+1
	})
	if err != nil {
		t.Fatal(err)
	}
	if used := int64(most) - int64(before.HeapAlloc); used > 32<<20 || times < 10 {
		t.Errorf("%d MB in use for a file of %d MB, in %d batches", used>>20, rows*dim*8>>20, times)
	}
}

// Whatever the bytes are, writing them again ends with a file that can be read
// or with an error.
func FuzzApply(f *testing.F) {
	for _, name := range []string{"pandas", "dictionary_pages_v1_long", "cut_inside_rows", "list_view", "bytes_plain"} {
		data, err := os.ReadFile("testdata/good/" + name + ".parquet")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	path := filepath.Join(f.TempDir(), "x.parquet")
	f.Fuzz(func(t *testing.T, data []byte) {
		if !bytes.HasPrefix(data, []byte("PAR1")) {
			return
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		in, err := OpenVectors(path, DefaultColumns().Left, testTransform(fixtureDim, 3))
		if err != nil {
			return
		}
		defer in.Close()
		var out bytes.Buffer
		if in.Write(context.Background(), &out, func(int64) {}) != nil {
			return
		}
		again, err := openParquet(fstest.MapFS{"x": {Data: out.Bytes()}}, "x", "x")
		if err != nil {
			t.Fatal(err)
		}
		again.close()
	})
}
