//go:build gpu && linux

package nvidia

import (
	"errors"
	"regexp"
	"testing"
	"unsafe"
)

// openCublasLt is the machine's cuBLASLt. COSFIT_TEST_CUBLASLT=1 demands one.
func openCublasLt(t *testing.T) *CublasLt {
	t.Helper()
	b, err := OpenCublasLt(0)
	orSkip(t, err, "COSFIT_TEST_CUBLASLT")
	return b
}

func TestCublasLtSaysWhatItIs(t *testing.T) {
	b := openCublasLt(t)
	if !regexp.MustCompile(`^1\d\.\d+\.\d+$`).MatchString(b.Library.Version) {
		t.Errorf("version %q", b.Library.Version)
	}
	t.Logf("%s: version %s", b.Library.Path, b.Library.Version)
}

func TestHeuristicLayout(t *testing.T) {
	var h heuristic
	for _, c := range []struct {
		of        string
		got, want uintptr
	}{
		{"size", unsafe.Sizeof(h), 96}, {"workspace", unsafe.Offsetof(h.workspace), 64}, {"state", unsafe.Offsetof(h.state), 72},
		{"waves", unsafe.Offsetof(h.waves), 76}, {"reserved", unsafe.Offsetof(h.reserved), 80}, {"Algo's alignment", unsafe.Alignof(Algo{}), 8},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.of, c.got, c.want)
		}
	}
}

// TestAttributes asks the real library, which describes products without a
// GPU: our attributes read back as they were set, and another size is refused.
func TestAttributes(t *testing.T) {
	b := openCublasLt(t)
	var descGet, layoutGet, preferenceGet symbol
	if err := b.Library.bind(map[string]*symbol{
		"cublasLtMatmulDescGetAttribute":       &descGet,
		"cublasLtMatrixLayoutGetAttribute":     &layoutGet,
		"cublasLtMatmulPreferenceGetAttribute": &preferenceGet,
	}, false); err != nil {
		t.Fatal(err)
	}
	// A [5, 3] stored as it is, B [3, 7] stored as [7, 3], D in rows 8 apart.
	p, err := b.plan(Matmul{M: 5, N: 7, K: 3, TransB: true, Input: BFloat16, StrideD: 8})
	if err != nil {
		t.Fatal(err)
	}
	preference, err := b.preference(1<<20, 16)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		of        string
		get       *symbol
		handle    uintptr
		attribute uintptr
		bytes     uint64
		want      uint64
	}{
		{"compute type", &descGet, p.operation, 0, 4, 68},
		{"scale type", &descGet, p.operation, 1, 4, 0},
		{"first operand transposed", &descGet, p.operation, 3, 4, 1},
		{"second operand transposed", &descGet, p.operation, 4, 4, 0},
		{"A's type", &layoutGet, p.a, 0, 4, 14}, {"A's rows", &layoutGet, p.a, 2, 8, 3}, {"A's columns", &layoutGet, p.a, 3, 8, 5}, {"A's stride", &layoutGet, p.a, 4, 8, 3},
		{"B's type", &layoutGet, p.b, 0, 4, 14}, {"B's rows", &layoutGet, p.b, 2, 8, 3}, {"B's columns", &layoutGet, p.b, 3, 8, 7}, {"B's stride", &layoutGet, p.b, 4, 8, 3},
		{"C's type", &layoutGet, p.c, 0, 4, 0}, {"C's rows", &layoutGet, p.c, 2, 8, 7}, {"C's columns", &layoutGet, p.c, 3, 8, 5}, {"C's stride", &layoutGet, p.c, 4, 8, 7},
		{"D's stride", &layoutGet, p.d, 4, 8, 8},
		{"workspace", &preferenceGet, preference, 1, 8, 1 << 20}, {"reductions", &preferenceGet, preference, 3, 4, 0},
		{"A's alignment", &preferenceGet, preference, 5, 4, 16}, {"D's alignment", &preferenceGet, preference, 8, 4, 16},
	} {
		var value, written uint64
		err := b.do(c.get, c.handle, c.attribute, uintptr(unsafe.Pointer(&value)), uintptr(c.bytes), uintptr(unsafe.Pointer(&written)))
		if err != nil || value != c.want || written != c.bytes {
			t.Errorf("%s: %d in %d bytes, %v, want %d in %d", c.of, value, written, err, c.want, c.bytes)
		}
	}

	value := uint64(1)
	for _, set := range []struct {
		with      *symbol
		handle    uintptr
		attribute uintptr
		wrong     uintptr
	}{{&b.descSet, p.operation, 3, 8}, {&b.preferenceSet, preference, 1, 4}} {
		err := b.do(set.with, set.handle, set.attribute, uintptr(unsafe.Pointer(&value)), set.wrong)
		var e *Error
		if !errors.As(err, &e) || e.Code != 7 || e.Name != "CUBLAS_STATUS_INVALID_VALUE" {
			t.Errorf("%s with %d bytes: %v", set.with.name, set.wrong, err)
		}
	}
	if err := b.do(&b.preferenceDestroy, preference); err != nil {
		t.Error(err)
	}
	if err := p.Destroy(); err != nil {
		t.Error(err)
	}
	if err := p.Destroy(); err != nil {
		t.Errorf("a second time: %v", err)
	}
}

func TestMatmulWithoutASide(t *testing.T) {
	b := &CublasLt{}
	if _, err := b.plan(Matmul{M: 5, N: 0, K: 3}); err == nil || err.Error() != "matrix product [5, 3]·[3, 0]: a side is not positive" {
		t.Error(err)
	}
}
