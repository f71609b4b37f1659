package safetensors

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// file puts a header before data.
func file(header, data string) string {
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + header + data
}

func open(text string) (*File, error) { return Open(strings.NewReader(text), int64(len(text))) }

func TestOpen(t *testing.T) {
	f, err := open(file(`{"b":{"dtype":"I8","shape":[2,1],"data_offsets":[8,10]},"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},`+
		`"c":{"dtype":"I32","shape":[],"data_offsets":[10,14]},"__metadata__":{"format":"np"}}`,
		"\xff\xff\xff\xff\xff\xff\xff\xff\x80\x7f\xfe\xff\xff\xff"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata["format"] != "np" || len(f.Tensors) != 3 {
		t.Errorf("%+v", f)
	}
	a, _ := f.Tensor("a")
	b, _ := f.Tensor("b")
	c, ok := f.Tensor("c")
	if _, more := f.Tensor("d"); more || !ok {
		t.Error("tensors are not found by name")
	}
	for want, tensor := range map[int64]Tensor{-1: a, -2: c} {
		if got, err := f.Integers(tensor); err != nil || !slices.Equal(got, []int64{want}) {
			t.Errorf("%s: %v, %v", tensor.Name, got, err)
		}
	}
	if got, err := f.Floats(b); err != nil || !slices.Equal(got, []float32{-128, 127}) {
		t.Errorf("b: %v, %v", got, err)
	}
	if _, err := f.Floats(a); err == nil || err.Error() != `dtype is "I64", want F32, F64, F16, BF16 or I8` {
		t.Error(err)
	}
	if _, err := f.Integers(b); err == nil || err.Error() != `dtype is "I8", want I32 or I64` {
		t.Error(err)
	}
}

// What is wrong with a header is tested by the package projection, which shows
// these errors to users; here is what no projection asks for.
func TestOpenErrors(t *testing.T) {
	for text, want := range map[string]string{
		file(`{"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,4]}}`, "1234"):                `tensor "a": dtype "Q4" is not known`,
		file(`{"a":{"dtype":"I8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}}`, "1"):   `header: tensor "a": shape holds more than 8 numbers`,
		file(`{"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1,1]}}`, "1"):                 `header: tensor "a": data_offsets are [0 1 1], want the first byte and the one after the last`,
		file(`{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,4]}}`, "1234"):               `tensor "a": data are 4 bytes, want 8 for I64 [1]`,
		file(`{"a":{"dtype":"I8","shape":[],"data_offsets":[0,1]},"a":{"dtype":"I8"}}`, "1"): `header: key "a" is given twice`,
	} {
		if _, err := open(text); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

func TestManyNotesAreRefused(t *testing.T) {
	var notes strings.Builder
	for i := range maxKeys + 1 {
		fmt.Fprintf(&notes, `"%d":"",`, i)
	}
	_, err := open(file(`{"__metadata__":{`+notes.String()+`"z":""}}`, ""))
	if want := "header: __metadata__: an object has more than 10000 keys"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte(file(`{"a":{"dtype":"I32","shape":[1,1],"data_offsets":[0,4]},"b":{"dtype":"F16","shape":[2],"data_offsets":[4,8]}}`, "12345678")))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Open(bytes.NewReader(text), int64(len(text)))
		if err != nil {
			return
		}
		for _, tensor := range file.Tensors {
			n := 1
			for _, d := range tensor.Shape {
				n *= int(d)
			}
			if values, err := file.Floats(tensor); err == nil && len(values) != n {
				t.Fatalf("%v has %d values", tensor, len(values))
			}
			if values, err := file.Integers(tensor); err == nil && len(values) != n {
				t.Fatalf("%v has %d values", tensor, len(values))
			}
		}
	})
}
