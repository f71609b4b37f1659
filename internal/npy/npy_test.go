package npy

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// The lines are numpy's own: numpy.save of arrays of these shapes.
func TestHeaders(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  string
	}{
		{[]int{5}, "{'descr': '<f4', 'fortran_order': False, 'shape': (5,), }"},
		{[]int{0, 3}, "{'descr': '<f4', 'fortran_order': False, 'shape': (0, 3), }"},
		{[]int{1 << 30, 1536}, "{'descr': '<f4', 'fortran_order': False, 'shape': (1073741824, 1536), }"},
	} {
		b := AppendHeader(nil, c.shape...)
		if want := Magic + "\x01\x00\x76\x00" + c.want + strings.Repeat(" ", 117-len(c.want)) + "\n"; string(b) != want {
			t.Errorf("%v: got %q, want %q", c.shape, b, want)
		}
		h, err := ReadHeader(bytes.NewReader(append(b, "numbers"...)))
		want := Header{Descr: "<f4"}
		for _, n := range c.shape {
			want.Shape = append(want.Shape, int64(n))
		}
		if err != nil || !reflect.DeepEqual(h, want) {
			t.Errorf("%v: read %+v, %v", c.shape, h, err)
		}
		for n := range b {
			if _, err := ReadHeader(bytes.NewReader(b[:n])); err == nil || err.Error() != "the file ends within the header" {
				t.Errorf("%v, the first %d bytes: %v", c.shape, n, err)
			}
		}
	}
}
