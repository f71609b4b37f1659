package loader

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

func TestNotParquet(t *testing.T) {
	whole, err := os.ReadFile("testdata/good/pandas.parquet")
	if err != nil {
		t.Fatal(err)
	}
	noise := make([]byte, 300)
	for i := range noise {
		noise[i] = byte(rand.New(rand.NewPCG(1, uint64(i))).Uint32())
	}
	manyRows, err := os.ReadFile("testdata/too_many_rows.parquet")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty.parquet":     {nil, "the file is empty"},
		"noise.parquet":     {noise, "not a Parquet file: it does not begin with PAR1"},
		"100%d.parquet":     {[]byte("a,b\n1,2\n"), "not a Parquet file: it does not begin with PAR1"},
		"short.parquet":     {[]byte("PAR"), "not a Parquet file: it does not begin with PAR1"},
		"marks.parquet":     {[]byte("PAR1PAR1"), "the end of the file is missing: copy or write it again"},
		"truncated.parquet": {whole[:len(whole)-1], "the end of the file is missing: copy or write it again"},
		"long.parquet":      {[]byte("PAR1\x64\x00\x00\x00PAR1"), "the file is damaged: its footer would be 100 bytes, which is more than it holds"},
		"rows.parquet":      {manyRows, "the file says that it has 2147483648 rows, want at most 2147483647"},
		"half.parquet":      {whole[:len(whole)/2], "the end of the file is missing: copy or write it again"},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(context.Background(), path, Options{})
		wantError(t, err, "open "+path+": "+c.want)
	}
}

// Messages show a path as the user wrote it.
func TestPathsInErrors(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"folder/inner", "empty"} {
		if err := os.MkdirAll(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("folder/x.parquet", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"none.parquet":               "open none.parquet: file does not exist",
		"./folder/none":              "open ./folder/none: file does not exist",
		"./folder/x.parquet":         "open ./folder/x.parquet: the file is empty",
		"folder/inner/../x.parquet":  "open folder/inner/../x.parquet: the file is empty",
		dir + "/folder/x.parquet":    "open " + dir + "/folder/x.parquet: the file is empty",
		"./empty":                    "./empty: no pairs.parquet in it: give a data set folder or one wide Parquet file",
		"empty/":                     "empty/: no pairs.parquet in it: give a data set folder or one wide Parquet file",
		"folder/x.parquet/y.parquet": "open folder/x.parquet/y.parquet: not a directory",
	} {
		_, err := Open(context.Background(), path, Options{})
		wantError(t, err, want)
	}
}

// A file that claims two thousand million rows costs no more than it has.
func TestMemoryFollowsData(t *testing.T) {
	const path = "testdata/wrong/fewer_rows.parquet"
	texts := withFooter(t, parquetOf(t, newCheckedFolder().texts).Data, func(m *format.FileMetaData) { m.NumRows = math.MaxInt32 })
	folder := fstest.MapFS{"pairs.parquet": parquetOf(t, newCheckedFolder().pairs), "texts.parquet": {Data: texts}}
	found := func(findings Findings, err error) error {
		if err == nil && findings.Break() {
			err = errors.New(sentences(findings)[0])
		}
		return err
	}
	for name, read := range map[string]func() error{
		"open":           func() error { _, err := Open(context.Background(), path, Options{}); return err },
		"check":          func() error { return found(Check(context.Background(), path, Options{})) },
		"check a folder": func() error { return found(CheckFS(context.Background(), folder, "set", Options{})) },
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := read()
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 || err == nil {
			t.Errorf("%s: %d bytes for 24 rows, error %v", name, used, err)
		}
	}
}

// Garbage in the middle of a compressed column is found by the codec, or by
// the count of rows.
func TestDamagedColumn(t *testing.T) {
	for _, c := range []struct{ file, column string }{
		{"good/pandas.parquet", "question_text_EMB"},
		{"good/pandas_numpy_zstd.parquet", "candidate_answers_EMB"},
		{"good/fixed_size_list.parquet", "candidate_answers_EMB"},
		{"good/checksums.parquet", "label"},
	} {
		data, err := os.ReadFile("testdata/" + c.file)
		if err != nil {
			t.Fatal(err)
		}
		start, end := chunk(t, data, c.column)
		for i := start + (end-start)/2; i < end; i++ {
			data[i] ^= 0xa5
		}
		_, err = openBytes(data)
		if want := `x: column "` + c.column + `" is damaged: `; err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v, want it to begin %s", c.file, err, want)
		}
	}
}

// chunk returns where the bytes of a column lie in a file of one row group.
func chunk(t *testing.T, file []byte, column string) (start, end int64) {
	t.Helper()
	f, err := openParquet(fstest.MapFS{"x": {Data: file}}, "x", "x")
	if err != nil {
		t.Fatal(err)
	}
	err = f.read(column, func(leaf *parquet.Column) error {
		meta := f.Metadata().RowGroups[0].Columns[leaf.Index()].MetaData
		start = meta.DataPageOffset
		if meta.DictionaryPageOffset > 0 {
			start = meta.DictionaryPageOffset
		}
		end = start + meta.TotalCompressedSize
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return start, end
}

// withFooter returns a file with another footer.
func withFooter(t *testing.T, file []byte, change func(*format.FileMetaData)) []byte {
	t.Helper()
	end := len(file) - 8
	start := end - int(binary.LittleEndian.Uint32(file[end:]))
	meta := new(format.FileMetaData)
	if err := thrift.Unmarshal(new(thrift.CompactProtocol), file[start:end], meta); err != nil {
		t.Fatal(err)
	}
	change(meta)
	return closeFile(t, slices.Clone(file[:start]), meta)
}

// Every byte of some files, changed in three ways, and every length: an error
// or data that hold together, never a panic.
func TestDamagedAnywhere(t *testing.T) {
	for _, name := range []string{"good/bytes_required", "good/required_lists", "good/float_dictionary"} {
		whole, err := os.ReadFile("testdata/" + name + ".parquet")
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			if _, err := openBytes(whole[:i]); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken for the file", name, i, len(whole))
			}
			for _, flip := range []byte{0x01, 0x80, 0xff} {
				data := bytes.Clone(whole)
				data[i] ^= flip
				if d, err := openBytes(data); err == nil {
					checkWhole(t, d)
				} else if strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "x: ") {
					t.Errorf("%s, byte %d: %q is no sentence about the file", name, i, err)
				}
			}
		}
	}
}
