package projection

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestReadSafetensorsFromPython(t *testing.T) {
	withOffset := small()
	withOffset.Offset = smallDual().Offset
	for name, want := range map[string]*Projection{
		"plain":    small(),
		"both":     smallDual(),
		"float64":  withOffset,
		"float16":  small(),
		"bfloat16": small(),
	} {
		got, err := Load("testdata/" + name + ".safetensors")
		if err != nil {
			t.Error(err)
			continue
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", name, got, want)
		}
	}
}

// What we write differs from what Python writes in the order of the metadata only.
func TestWriteSafetensorsAsPython(t *testing.T) {
	want, err := os.ReadFile("testdata/both.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	got := written(t, smallDual())
	gotHeader, gotData := split(t, got)
	wantHeader, wantData := split(t, want)
	if !reflect.DeepEqual(gotHeader, wantHeader) {
		t.Errorf("header:\ngot  %v\nwant %v", gotHeader, wantHeader)
	}
	if !bytes.Equal(gotData, wantData) {
		t.Error("data differ")
	}
	if !bytes.Equal(written(t, smallDual()), got) {
		t.Error("the same projection gave other bytes the second time")
	}
}

func written(t *testing.T, p *Projection) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := p.WriteSafetensors(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func split(t *testing.T, file []byte) (header map[string]any, data []byte) {
	t.Helper()
	n := binary.LittleEndian.Uint64(file)
	if n%8 != 0 {
		t.Errorf("the data begin at byte %d, no multiple of 8", 8+n)
	}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	return header, file[8+n:]
}

func TestSafetensorsBytes(t *testing.T) {
	p := &Projection{Matrix: []float32{0.5}, In: 1, Out: 1}
	header := `{"__metadata__":{"normalise":"false","schema_version":"1"},"matrix":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]}} `
	want := "\x78\x00\x00\x00\x00\x00\x00\x00" + header + "\x00\x00\x00\x3f"
	if got := written(t, p); string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestSafetensorsRoundTrip(t *testing.T) {
	big := &Projection{In: 300, Out: 700, Metadata: Metadata{Side: SideQuery, Threshold: new(0.0), LabelMin: 0, LabelMax: 5}}
	for i := range big.In * big.Out {
		big.Matrix = append(big.Matrix, float32(math.Sin(float64(i))))
	}
	for _, p := range []*Projection{small(), smallDual(), smallDual().Left(), smallDual().Right(), big} {
		file := written(t, p)
		got, err := ReadSafetensors(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			t.Error(err)
			continue
		}
		if !reflect.DeepEqual(got, p) {
			t.Errorf("wrote %+v, read %+v", p, got)
		}
	}
}

func TestReadSafetensorsKeepsToTheFile(t *testing.T) {
	// Tensors may lie in any order, and the header in any layout.
	header := "{ \"offset\": {\"data_offsets\":[0, 4], \"shape\":[1], \"dtype\":\"F32\"},\n\"matrix\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[4,8]}, \"__metadata__\":{\"format\":\"pt\"}}  "
	file := safetensorsFile(header, "\x00\x00\x80\x3f\x00\x00\x00\x3f")
	p, err := ReadSafetensors(strings.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if want := (&Projection{Matrix: []float32{0.5}, Offset: []float32{1}, In: 1, Out: 1}); !reflect.DeepEqual(p, want) {
		t.Errorf("got %+v, want %+v", p, want)
	}
}

func safetensorsFile(header, data string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + data
}

func TestReadSafetensorsErrors(t *testing.T) {
	const one = "\x00\x00\x00\x3f"
	entry := func(dtype, shape string, begin, end any) string {
		return fmt.Sprintf(`{"dtype":%q,"shape":%s,"data_offsets":[%v,%v]}`, dtype, shape, begin, end)
	}
	matrix := entry("F32", "[1,1]", 0, 4)
	only := func(entry string) string { return safetensorsFile(`{"matrix":`+entry+`}`, one) }
	and := func(rest, data string) string { return safetensorsFile(`{"matrix":`+matrix+`,`+rest+`}`, one+data) }
	meta := func(m string) string { return and(`"__metadata__":{`+m+`}`, "") }
	for _, c := range []struct{ name, file, want string }{
		{"good", only(matrix), ""},
		{"nothing", "", "file has 0 bytes, too few for a safetensors header"},
		{"huge header", "\xff\xff\xff\xff\xff\xff\xff\xff{}", "header is 18446744073709551615 bytes by its own account, want at most 100000000"},
		{"long header", "\x03\x00\x00\x00\x00\x00\x00\x00{}", "header is 3 bytes by its own account, but only 2 follow"},
		{"empty header", safetensorsFile("", one), "header does not begin with {; this is no safetensors file"},
		{"array", safetensorsFile("[]", one), "header does not begin with {; this is no safetensors file"},
		{"not UTF-8", safetensorsFile("{\"\xff\":1}", one), "header is not valid UTF-8"},
		{"not closed", safetensorsFile(`{"matrix":`+matrix, one), "header: the JSON ends too early"},
		{"two objects", safetensorsFile(`{"matrix":`+matrix+`}{}`, one), "header: something follows the closing }"},
		{"a key without quotes", safetensorsFile(`{7:1}`, one), "header: invalid character '7'"},
		{"comma at the end", safetensorsFile(`{"matrix":`+matrix+`,}`, one), "header: invalid character '}'"},
		{"no matrix", safetensorsFile(`{}`, ""), `tensor "matrix" is missing`},
		{"unknown tensor", and(`"bias":`+entry("F32", "[1]", 4, 8), one), `header: tensor "bias" is not known, want matrix, matrix_right and offset only`},
		{"tensor twice", and(`"matrix":`+matrix, ""), `header: key "matrix" is given twice`},
		{"not an object", only(`7`), `header: tensor "matrix": found 7, want {`},
		{"key twice", only(`{"dtype":"F32","dtype":"F64"}`), `header: tensor "matrix": key "dtype" is given twice`},
		{"unknown key", only(`{"DType":"F32"}`), `header: tensor "matrix": key "DType" is not known, want dtype, shape and data_offsets`},
		{"no offsets", only(`{"dtype":"F32","shape":[1,1]}`), `header: tensor "matrix": data_offsets are [], want the first byte and the one after the last`},
		{"dtype no string", only(`{"dtype":32}`), `header: tensor "matrix": dtype is 32, want a string`},
		{"dtype", only(entry("I32", "[1,1]", 0, 4)), `tensor "matrix": dtype is "I32", want F32, F64, F16 or BF16`},
		{"fraction", only(entry("F32", "[1.0,1]", 0, 4)), `header: tensor "matrix": shape holds 1.0, want whole numbers from 0`},
		{"negative", only(entry("F32", "[-1,1]", 0, 4)), `header: tensor "matrix": shape holds -1, want whole numbers from 0`},
		{"beyond int64", only(entry("F32", "[9223372036854775808,1]", 0, 4)), `header: tensor "matrix": shape holds 9223372036854775808, want whole numbers from 0`},
		{"a string for a number", only(entry("F32", `["1",1]`, 0, 4)), `header: tensor "matrix": shape holds 1, want whole numbers from 0`},
		{"nested", only(entry("F32", `[[1],1]`, 0, 4)), `header: tensor "matrix": shape holds [, want whole numbers from 0`},
		{"three dimensions", only(entry("F32", "[1,1,1]", 0, 4)), `tensor "matrix": shape is [1 1 1], want two dimensions`},
		{"one dimension", only(entry("F32", "[1]", 0, 4)), `tensor "matrix": shape is [1], want two dimensions`},
		{"no shape", only(`{"dtype":"F32","data_offsets":[0,4]}`), `tensor "matrix": shape is [], want two dimensions`},
		{"empty dimension", only(entry("F32", "[0,1]", 0, 0)), `tensor "matrix": shape is [0 1], want no empty dimension`},
		{"overflow", only(entry("F32", "[4611686018427387904,4]", 0, 4)), `tensor "matrix": shape is [4611686018427387904 4], which is more than memory can address`},
		{"too few bytes", only(entry("F32", "[1,2]", 0, 4)), `tensor "matrix": data are 4 bytes, want 8 for F32 [1 2]`},
		{"other dtype's bytes", only(entry("F16", "[1,1]", 0, 4)), `tensor "matrix": data are 4 bytes, want 2 for F16 [1 1]`},
		{"beyond the file", only(entry("F32", "[1,2]", 0, 8)), `tensor "matrix": data_offsets are [0 8], want them in order and within the file's 4 bytes of data`},
		{"backwards", only(entry("F32", "[1,1]", 4, 0)), `tensor "matrix": data_offsets are [4 0], want them in order and within the file's 4 bytes of data`},
		{"hole before", safetensorsFile(`{"matrix":`+entry("F32", "[1,1]", 4, 8)+`}`, one+one), `tensor "matrix": data begin at byte 4, want 0: tensors must not overlap or leave gaps`},
		{"hole after", safetensorsFile(`{"matrix":`+matrix+`}`, one+one), "tensors end at byte 4 of the data, but the file holds 8"},
		{"overlap", and(`"matrix_right":`+matrix, ""), `tensor "matrix_right": data begin at byte 0, want 4: tensors must not overlap or leave gaps`},
		{"right shape", and(`"matrix_right":`+entry("F32", "[1,2]", 4, 12), one+one), `tensor "matrix_right": shape is [1 2], want [1 1] to fit the matrix`},
		{"offset shape", and(`"offset":`+entry("F32", "[1,1]", 4, 8), one), `tensor "offset": shape is [1 1], want [1] to fit the matrix`},
		{"NaN", safetensorsFile(`{"matrix":`+matrix+`}`, "\x00\x00\xc0\x7f"), "matrix: row 0, column 0 is NaN, want a finite float32"},

		{"foreign notes", meta(`"format":"pt"`), ""},
		{"no string", meta(`"side":1`), "header: __metadata__: side is 1, want a string"},
		{"note twice", meta(`"a":"1","a":"2"`), `header: __metadata__: key "a" is given twice`},
		{"newer", meta(`"schema_version":"2"`), "metadata: schema_version 2 is newer than 1, the newest that this version of cosfit reads; upgrade cosfit"},
		{"no version", meta(`"schema_version":"one"`), `metadata: schema_version is "one", want a number from 1`},
		{"threshold", meta(`"threshold":"high"`), `metadata: threshold is "high", want a number`},
		{"threshold NaN", meta(`"threshold":"nan"`), "metadata: threshold is NaN, want a finite number"},
		{"normalise", meta(`"normalise":"yes"`), `metadata: normalise is "yes", want "true" or "false"`},
		{"labels", meta(`"label_range":"0-1"`), `metadata: label_range is "0-1", want the smallest and the largest label, such as "0..1"`},
		{"labels equal", meta(`"label_range":"0..0"`), `metadata: label_range is "0..0", want the smallest and the largest label, such as "0..1"`},
		{"labels infinite", meta(`"label_range":"0..inf"`), "metadata: label range is 0..+Inf, want two finite numbers, the smaller first"},
		{"side", meta(`"side":"dual"`), `metadata: side is "dual", but there is no matrix_right`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadSafetensors(strings.NewReader(c.file), int64(len(c.file)))
			got := message(err)
			if strings.Contains(c.want, "invalid character") && strings.HasPrefix(got, c.want) {
				return // the rest is encoding/json's own wording
			}
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// A disk's error, or a file that shrinks while it is read, must reach the
// caller from wherever it strikes.
func TestSafetensorsFaults(t *testing.T) {
	file := written(t, smallDual())
	size := int64(len(file))
	broken := errors.New("input/output error")
	for n := range len(file) {
		if _, err := ReadSafetensors(brokenReaderAt{file[:n], broken}, size); !errors.Is(err, broken) {
			t.Fatalf("reading fails after %d bytes: got %v", n, err)
		}
		if _, err := ReadSafetensors(bytes.NewReader(file[:n]), size); err == nil {
			t.Fatalf("a file that ends at %d of %d bytes was accepted", n, size)
		}
		if _, err := ReadSafetensors(bytes.NewReader(file), int64(n)); err == nil {
			t.Fatalf("%d of %d bytes were accepted", n, size)
		}
		if err := smallDual().WriteSafetensors(&brokenWriter{n, broken}); !errors.Is(err, broken) {
			t.Fatalf("writing fails after %d bytes: got %v", n, err)
		}
	}
}

// brokenReaderAt fails where its bytes end.
type brokenReaderAt struct {
	bytes []byte
	err   error
}

func (r brokenReaderAt) ReadAt(b []byte, at int64) (int, error) {
	n, err := bytes.NewReader(r.bytes).ReadAt(b, at)
	if err == io.EOF {
		err = r.err
	}
	return n, err
}

func TestFloat16AgainstNumpy(t *testing.T) {
	got, err := Load("testdata/float16_edges.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	want, err := Load("testdata/float16_edges.npy")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Matrix, want.Matrix) {
		t.Errorf("got %v, numpy has %v", got.Matrix, want.Matrix)
	}
}

func FuzzReadSafetensors(f *testing.F) {
	f.Fuzz(func(t *testing.T, file []byte) {
		p, err := ReadSafetensors(bytes.NewReader(file), int64(len(file)))
		if err != nil {
			return
		}
		var out bytes.Buffer
		if err := p.WriteSafetensors(&out); err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		again, err := ReadSafetensors(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("read %+v, wrote and read %+v, %v", p, again, err)
		}
	})
}
