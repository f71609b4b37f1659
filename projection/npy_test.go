package projection

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/cosfit/cosfit/internal/npy"
)

func TestReadNPYFromNumpy(t *testing.T) {
	for _, name := range []string{"c.npy", "fortran.npy", "double.npy", "double_fortran_v2.npy", "v3.npy"} {
		got, err := Load("testdata/" + name)
		if err != nil {
			t.Error(err)
			continue
		}
		if !reflect.DeepEqual(got, small()) {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

// What we write is what numpy.save writes, to the byte.
func TestWriteNPYAsNumpy(t *testing.T) {
	want, err := os.ReadFile("testdata/c.npy")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := small().WriteNPY(&got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), want) {
		t.Errorf("got  %q\nwant %q", got.Bytes(), want)
	}
}

func TestWriteNPYRefuses(t *testing.T) {
	for _, c := range []struct {
		want  string
		wrong func(p *Projection)
	}{
		{"npy holds one matrix, and this projection has one for each side: write safetensors, or a file for each side", func(p *Projection) { p.Offset = nil }},
		{"npy holds a matrix only, and this projection has an offset too: write safetensors", func(p *Projection) { *p = *p.Left() }},
		{"npy holds a matrix only, and cannot say that this one is for left-side texts (queries) alone: write safetensors", func(p *Projection) {
			p.MatrixRight, p.Offset, p.Metadata.Side = nil, nil, SideQuery
		}},
		{"matrix has 11 values, want [4, 3]", func(p *Projection) { p.Matrix = p.Matrix[1:] }},
	} {
		p := smallDual()
		c.wrong(p)
		var out bytes.Buffer
		if err := p.WriteNPY(&out); message(err) != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if out.Len() > 0 {
			t.Errorf("%s: %d bytes were written", c.want, out.Len())
		}
	}
}

// npyFile frames a header of version 1.
func npyFile(header, data string) string {
	return npy.Magic + "\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + data
}

func TestReadNPYErrors(t *testing.T) {
	const one = "\x00\x00\x00\x3f"
	good := "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }\n"
	with := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for _, c := range []struct{ name, file, want string }{
		{"good", npyFile(good, one), ""},
		{"other quotes, order and spacing", npyFile(`{"shape":(1,1),"fortran_order":True,"descr":"<f4"}`, one), ""},
		{"Python 2", npyFile(with("(1, 1)", "(1L, 1L)"), one), ""},
		{"nothing", "", "the file ends within the header"},
		{"another file", "PK\x03\x04 and so on", "does not begin as an npy file"},
		{"version", npy.Magic + "\x04\x00\x10\x00", "npy version is 4, want 1, 2 or 3"},
		{"no length", npy.Magic + "\x01\x00\x10", "the file ends within the header"},
		{"short header", npy.Magic + "\x01\x00\x10\x00{", "the file ends within the header"},
		{"huge header", npy.Magic + "\x02\x00\xff\xff\xff\xff{", "header is 4294967295 bytes by its own account, want at most 16384"},
		{"big-endian", npyFile(with("<f4", ">f4"), one), `dtype is ">f4", want <f4 or <f8: save it with .astype('<f4')`},
		{"integers", npyFile(with("<f4", "<i4"), one), `dtype is "<i4", want <f4 or <f8: save it with .astype('<f4')`},
		{"fields", npyFile(with("'<f4'", "[('a', '<f4')]"), one), `header: descr: found "[('a', '<f4')], 'for", want a string`},
		{"vector", npyFile(with("(1, 1)", "(1,)"), one), "array has 1 dimensions, want 2"},
		{"scalar", npyFile(with("(1, 1)", "()"), one), "array has 0 dimensions, want 2"},
		{"empty", npyFile(with("(1, 1)", "(0, 5)"), ""), "shape is [0 5], want no empty dimension"},
		{"overflow", npyFile(with("(1, 1)", "(4611686018427387904, 3)"), one), "shape is [4611686018427387904 3], which is more than memory can address"},
		{"beyond int64", npyFile(with("(1, 1)", "(9223372036854775808, 3)"), one), `header: shape: found "9223372036854775808,", want a whole number below 2⁶³`},
		{"negative", npyFile(with("(1, 1)", "(-1, 3)"), one), `header: shape: found "-1, 3), }\n", want a whole number below 2⁶³`},
		{"truth", npyFile(with("False", "0"), one), `header: fortran_order: found "0, 'shape': (1, 1), ", want True or False`},
		{"key twice", npyFile("{'descr': '<f4', 'descr': '<f8'}", one), `header: key "descr" is given twice`},
		{"key unknown", npyFile("{'order': '<f4'}", one), `header: key "order" is not known, want descr, fortran_order and shape`},
		{"key missing", npyFile("{'descr': '<f4', 'shape': (1, 1)}", one), `header: key "fortran_order" is missing`},
		{"no dictionary", npyFile("['descr']", one), `header: found "['descr']", want {`},
		{"no colon", npyFile("{'descr' '<f4'}", one), `header: found "'<f4'}", want :`},
		{"no comma", npyFile(with(", 'fortran", " 'fortran"), one), `header: found "'fortran_order': Fal", want , or }`},
		{"no comma in the shape", npyFile(with("(1, 1)", "(1 1)"), one), `header: shape: found "1), }\n", want , or )`},
		{"no shape", npyFile(with("(1, 1)", "[1, 1]"), one), `header: shape: found "[1, 1], }\n", want (`},
		{"not closed", npyFile("{'descr': '<f4", one), `header: descr: found "<f4", want a plain string`},
		{"after the end", npyFile(with("}", "} 7"), one), `header: found "7\n", want the end`},
		{"short data", npyFile(with("(1, 1)", "(1, 3)"), one+one+"\x00"), "data end after 2 of 3 values"},
		{"a promise of 2 TB", npyFile(with("(1, 1)", "(1, 500000000000)"), one), "data end after 1 of 500000000000 values"},
		{"long data", npyFile(good, one+one), "something follows the array"},
		{"NaN", npyFile(good, "\x00\x00\xc0\x7f"), "matrix: row 0, column 0 is NaN, want a finite float32"},
		{"too large for float32", npyFile(with("<f4", "<f8"), "\x00\x00\x00\x00\x00\x00\xf0\x47"), "matrix: row 0, column 0 is +Inf, want a finite float32"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ReadNPY(strings.NewReader(c.file)); message(err) != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

// A disk's error must reach the caller from wherever it strikes.
func TestNPYFaults(t *testing.T) {
	var whole bytes.Buffer
	if err := small().WriteNPY(&whole); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	for n := range whole.Len() {
		r := io.MultiReader(bytes.NewReader(whole.Bytes()[:n]), iotest.ErrReader(broken))
		if _, err := ReadNPY(r); !errors.Is(err, broken) {
			t.Fatalf("reading fails after %d bytes: got %v", n, err)
		}
		if _, err := ReadNPY(bytes.NewReader(whole.Bytes()[:n])); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, whole.Len())
		}
		if err := small().WriteNPY(&brokenWriter{n, broken}); !errors.Is(err, broken) {
			t.Fatalf("writing fails after %d bytes: got %v", n, err)
		}
	}
	if _, err := ReadNPY(iotest.OneByteReader(bytes.NewReader(whole.Bytes()))); err != nil {
		t.Errorf("one byte at a time: %v", err)
	}
}

// brokenWriter fails once it has taken left bytes.
type brokenWriter struct {
	left int
	err  error
}

func (w *brokenWriter) Write(b []byte) (int, error) {
	if len(b) > w.left {
		return w.left, w.err
	}
	w.left -= len(b)
	return len(b), nil
}

func FuzzReadNPY(f *testing.F) {
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := ReadNPY(bytes.NewReader(file))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := p.WriteNPY(&out); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := ReadNPY(&out)
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("read %+v, wrote and read %+v, %v", p, again, err)
		}
	})
}
