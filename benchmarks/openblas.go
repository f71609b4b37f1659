//go:build openblas && !windows

package benchmarks

import (
	"context"
	"runtime"
	"strings"

	"github.com/ebitengine/purego"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// linked says whether this build can load OpenBLAS itself.
const linked = true

// A library is OpenBLAS, loaded when the program runs.
type library struct {
	gonum.Implementation // for what is not overridden below

	setThreads func(n int32)
	corename   func() string
	config     func() string
	sgemm      func(order, transA, transB, m, n, k int32, alpha float32, a *float32, lda int32, b *float32, ldb int32, beta float32, c *float32, ldc int32)
}

// openBLAS offers the library where there is one: alone, and under Gorgonia.
func openBLAS() []*local {
	lib, err := loadOpenBLAS()
	if err != nil {
		return nil
	}
	with := lib.version() + " " + lib.corename()
	under := plainGorgonia("gorgonia openblas", with, lib)
	return []*local{openBLASAlone(lib, with), {is: under.is, prepare: func(ctx context.Context, r request) (job, error) {
		lib.setThreads(int32(r.Task.Threads))
		return under.prepare(ctx, r)
	}}}
}

func loadOpenBLAS() (lib *library, err error) {
	names := []string{"libopenblas.so.0", "libopenblas.so"}
	if runtime.GOOS == "darwin" {
		names = []string{"libopenblas.dylib", "/opt/homebrew/opt/openblas/lib/libopenblas.dylib"}
	}
	var handle uintptr
	for _, name := range names {
		if handle, err = purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL); err == nil {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	lib = &library{}
	for name, function := range map[string]any{
		"openblas_set_num_threads": &lib.setThreads, "openblas_get_corename": &lib.corename,
		"openblas_get_config": &lib.config, "cblas_sgemm": &lib.sgemm,
	} {
		address, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, err
		}
		purego.RegisterFunc(function, address)
	}
	return lib, nil
}

// version is the second word of "OpenBLAS 0.3.21 DYNAMIC_ARCH …".
func (l *library) version() string {
	words := strings.Fields(l.config())
	if len(words) < 2 {
		return "unknown"
	}
	return words[1]
}

// CBLAS's names for the layout and for operands.
const rowMajor, asIs, transposed = 101, 111, 112

func cblas(t blas.Transpose) int32 {
	if t == blas.NoTrans {
		return asIs
	}
	return transposed
}

// Sgemm is what Gorgonia multiplies matrices with.
func (l *library) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if m == 0 || n == 0 || k == 0 {
		l.Implementation.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	l.sgemm(rowMajor, cblas(tA), cblas(tB), int32(m), int32(n), int32(k), alpha, &a[0], int32(lda), &b[0], int32(ldb), beta, &c[0], int32(ldc))
}

func openBLASAlone(lib *library, with string) *local {
	return &local{
		is: Peer{Who: "openblas", With: with, Tasks: []string{Core, Machine + ":" + sgemm}},
		prepare: func(_ context.Context, r request) (job, error) {
			t := r.Task
			if t.Benchmark != Core && t.Benchmark != Machine {
				return job{}, unable("openblas", t)
			}
			lib.setThreads(int32(t.Threads))
			a, b, c := operands(t)
			return job{do: func() error { lib.product(t, a, b, c); return nil }}, nil
		},
	}
}

// product is what multiply is in ours.
func (l *library) product(t Task, a, b, c []float32) {
	switch t.What {
	case gradient:
		l.Sgemm(blas.Trans, blas.NoTrans, t.D, t.K, t.Batch, 1, a, t.D, b, t.K, 0, c, t.K)
	case comparing:
		l.Sgemm(blas.NoTrans, blas.Trans, t.Batch, t.D, t.K, 1, a, t.K, b, t.K, 0, c, t.D)
	default:
		l.Sgemm(blas.NoTrans, blas.NoTrans, t.Batch, t.K, t.D, 1, a, t.D, b, t.K, 0, c, t.K)
	}
}
