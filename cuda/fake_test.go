//go:build gpu && linux

package cuda

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cosfit/cosfit/cuda/fake"
	"github.com/cosfit/cosfit/graph"
)

// cacheVariable names the folder that keeps compiled kernels between the tests
// of a process.
const cacheVariable = "COSFIT_TEST_CUDA_CACHE"

// onFake runs tests of this file's package on the fake device, in a process of
// its own: the loader reads LD_LIBRARY_PATH when a process starts. All must
// pass, and the device must find no mistake but those expected.
func onFake(t *testing.T, sanitizer, run string, expected []string, env ...string) {
	t.Helper()
	libraries := fake.For(t, sanitizer)
	command := exec.Command(os.Args[0], "-test.run="+run, "-test.v")
	command.Env = append(append(os.Environ(), "LD_LIBRARY_PATH="+libraries, "COSFIT_CUDA_LIBRARIES="+libraries, cacheVariable+"="+t.TempDir()), env...)
	out, err := command.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
		return
	}
	if !bytes.Contains(out, []byte("\n--- PASS: ")) || bytes.Contains(out, []byte("--- SKIP: ")) {
		t.Errorf("no test ran, or one was skipped\n%s", out)
	}
	for line := range strings.Lines(string(out)) {
		mistake, ok := strings.CutPrefix(line, fake.Prefix)
		if !ok {
			continue
		}
		if len(expected) > 0 && strings.Contains(mistake, expected[0]) {
			expected = expected[1:]
			continue
		}
		t.Errorf("the device says %s", line)
	}
	if len(expected) > 0 {
		t.Errorf("the device does not say %q\n%s", expected, out)
	}
}

// openFor opens a backend for a test, or skips it where there is no GPU.
func openFor(t *testing.T, o Options) *Backend {
	t.Helper()
	return openWith(t, settings{Options: o})
}

// openWith is openFor with more to choose. Projections are in small blocks,
// unless the test says otherwise, and similarities in small parts.
func openWith(t *testing.T, o settings) *Backend {
	t.Helper()
	if o.Cache == "" {
		o.Cache = os.Getenv(cacheVariable)
	}
	if o.projectRows == 0 {
		o.projectRows = 64
	}
	if o.partSimilarities == 0 {
		o.partSimilarities = 1
	}
	b, err := open(o)
	if errors.Is(err, ErrNoGPU) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if !onFakeDevice(t) {
		held.Do(func() { _, err = b.device.Retain() })
		do(t, err)
	}
	return b
}

// held keeps a GPU's context until the process ends: to make it anew for each
// of many tests would take most of their time. The fake device's is given back
// by each, because it then says what is still alive.
var held sync.Once

// orders are those that threads and blocks may run in.
var orders = []string{"ascending", "descending", "random:1"}

func TestOnFake(t *testing.T) {
	for _, order := range orders {
		t.Run(order, func(t *testing.T) { onFake(t, "", "OnDevice$", nil, "COSFIT_FAKE_ORDER="+order) })
	}
}

// TestSanitizedOnFake has the sanitizer look for races between CUDA threads.
func TestSanitizedOnFake(t *testing.T) {
	if testing.Short() {
		t.Skip("takes tens of seconds")
	}
	onFake(t, fake.Thread, "^Test(Backend|LargeProjection)OnDevice$/^(|bf16)$", nil)
}

func TestShortOfMemoryOnFake(t *testing.T) {
	onFake(t, "", "^TestShortOfMemory$", []string{
		"cuMemAlloc_v2: 600000 bytes, and 399988 of 1000000 are free", // the second table
		"cuMemAlloc_v2: 600000 bytes, and 399988 of 1000000 are free", // again, which needs no new memory
		"cuMemAlloc_v2: 1200000 bytes, and 399988 of 1000000 are free",
		"cuMemAlloc_v2: 1200000 bytes, and 999988 of 1000000 are free", // with the first given up
		"cuMemAlloc_v2: 4000000 bytes",
		"cuMemAlloc_v2: 33554432 bytes", // the products' workspace
	}, "COSFIT_FAKE_MEMORY=1000000")
}

// A step that the driver will not record says how to do without, and the steps
// after it are not the worse for it.
func TestBrokenRecordingOnFake(t *testing.T) {
	onFake(t, "", "^TestBrokenRecording$", []string{"cuStreamSynchronize: the stream is being captured", "cuStreamEndCapture: the capture has been made invalid"})
}

func TestBrokenRecording(t *testing.T) {
	b := openWith(t, settings{Options: Options{Precision: FP32}, algorithm: 1})
	defer func() { do(t, b.Close()) }()
	const d, k = 5, 3
	table, m := must(b.NewTable(d))(t), must(b.NewArray(d, k))(t)
	do(t, table.Set(random(3, 8*d)), b.Upload(m, random(4, d*k)))
	kernel, r := must(b.NewScore(d, k))(t), must(b.NewRecording())(t)
	batch := &graph.Batch{Table: table, Left: []int32{0, 1}, Right: []int32{2, 3}, Labels: make([]float32, 2)}
	for i := range 4 {
		err := r.Run(batch, func() error {
			if _, err := kernel.Forward(m, batch); err != nil || i != 1 {
				return err
			}
			return b.stream.Synchronize()
		})
		if broken := err != nil && strings.HasPrefix(err.Error(), "the GPU cannot record a training step, COSFIT_CUDA_GRAPHS=0 does without: cuStreamSynchronize: "); broken != (i == 1) || err != nil && i != 1 {
			t.Errorf("step %d: %v", i, err)
		}
	}
}

// cuBLASLt may refuse an algorithm that it has named: another one is taken, and
// only where there is none it is an error.
func TestRefusedAlgorithmsOnFake(t *testing.T) {
	onFake(t, "", "^TestRefusedAlgorithms$", nil, refusedVariable+"=02")
	onFake(t, "", "^TestRefusedAlgorithms$", nil, refusedVariable+"=012")
}

const refusedVariable = "COSFIT_FAKE_REFUSED"

func TestRefusedAlgorithms(t *testing.T) {
	refused := os.Getenv(refusedVariable)
	if refused == "" {
		t.Skip("a part of TestRefusedAlgorithmsOnFake")
	}
	b := openWith(t, settings{Options: Options{Precision: FP32}})
	defer func() { do(t, b.Close()) }()
	const d, k, n = 5, 3, 4
	table, m := must(b.NewTable(d))(t), must(b.NewArray(d, k))(t)
	do(t, table.Set(random(3, 8*d)), b.Upload(m, random(4, d*k)))
	batch := &graph.Batch{Table: table, Left: []int32{0, 1, 2, 3}, Right: []int32{4, 5, 6, 7}, Labels: make([]float32, n)}
	s, err := must(b.NewScore(d, k))(t).Forward(m, batch)
	if len(refused) == 3 {
		if err == nil || err.Error() != "the product of 8 × 5 and 5 × 3 at fp32: cublasLtMatmul: CUBLAS_STATUS_NOT_SUPPORTED (15): CUBLAS_STATUS_NOT_SUPPORTED" {
			t.Error(err)
		}
		return
	}
	do(t, err)
	got := make([]float32, n)
	do(t, b.Download(got, s))
	other := openWith(t, settings{Options: Options{Precision: FP32}, algorithm: 2}) // the one that is not refused
	defer func() { do(t, other.Close()) }()
	table, m = must(other.NewTable(d))(t), must(other.NewArray(d, k))(t)
	do(t, table.Set(random(3, 8*d)), other.Upload(m, random(4, d*k)))
	batch.Table = table
	want := make([]float32, n)
	do(t, other.Download(want, must(must(other.NewScore(d, k))(t).Forward(m, batch))(t)))
	if !slices.Equal(got, want) {
		t.Errorf("the cosines are %v, want %v", got, want)
	}
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		do(t, err)
		return v
	}
}

func do(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}
