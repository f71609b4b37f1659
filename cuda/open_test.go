//go:build gpu && linux

package cuda

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/fake"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

func TestUnknownPrecision(t *testing.T) {
	if _, err := Open(Options{Precision: "fp8"}); err == nil || err.Error() != `precision "fp8" is unknown; there are: fp32, tf32, bf16` {
		t.Error(err)
	}
}

// Without a driver there is no GPU, which a caller can tell from a fault.
func TestWithoutDriver(t *testing.T) {
	if d, err := nvidia.OpenDriver(); err == nil {
		t.Skipf("there is a driver: %s", d.Library.Path)
	}
	b, err := Open(Options{})
	_, listed := Devices()
	for _, err := range []error{err, listed} {
		if !errors.Is(err, ErrNoGPU) || err.Error() != "no NVIDIA driver is installed (libcuda.so.1 was not found): install the one for your GPU" {
			t.Error(err)
		}
	}
	if b != nil {
		t.Errorf("the backend is a %T beside the error", b)
	}
	all := Libraries()
	if len(all) != 3 || all[0].Name != "driver" || all[0].Err == nil || all[0].Path != "" {
		t.Errorf("%+v", all)
	}
}

// TestWithoutCompiler runs where the driver is the only library.
func TestWithoutCompiler(t *testing.T) {
	if n, err := nvidia.OpenNVRTC(0); err == nil {
		t.Skipf("there is an NVRTC: %s", n.Library.Path)
	}
	libraries, folder := fake.For(t, ""), t.TempDir()
	for _, name := range []string{"libcuda.so.1", "device"} {
		do(t, os.Symlink(filepath.Join(libraries, name), filepath.Join(folder, name)))
	}
	command := exec.Command(os.Args[0], "-test.run=^TestOpenWithoutCompiler$", "-test.v")
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+folder, withoutCompiler+"=1")
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("%v\n%s", err, out)
	}
}

const withoutCompiler = "COSFIT_TEST_WITHOUT_COMPILER"

func TestOpenWithoutCompiler(t *testing.T) {
	if os.Getenv(withoutCompiler) == "" {
		t.Skip("a part of TestWithoutCompiler")
	}
	_, err := Open(Options{})
	if err == nil || errors.Is(err, ErrNoGPU) || !strings.Contains(err.Error(), "NVRTC (libnvrtc.so) was not found: pip install nvidia-cuda-nvrtc-cu12") {
		t.Error(err)
	}
}

func TestListsOnDevice(t *testing.T) {
	devices, err := Devices()
	if errors.Is(err, ErrNoGPU) {
		t.Skip(err)
	}
	do(t, err)
	for i, d := range devices {
		if d.Index != i || d.Name == "" || d.Memory <= 0 || d.Capability == "" || d.Multiprocessors <= 0 {
			t.Errorf("GPU %d is %+v", i, d)
		}
	}
	for _, l := range Libraries() {
		if l.Err != nil || l.Version == "" || l.Path == "" {
			t.Errorf("%+v", l)
		}
	}
	if _, err := Open(Options{Device: len(devices)}); err == nil || errors.Is(err, ErrNoGPU) || !strings.Contains(err.Error(), "there is no GPU") {
		t.Error(err)
	}
	b := openWith(t, settings{Options: Options{Precision: BF16}, algorithm: 1})
	if k := b.Kernel(); !strings.HasPrefix(k, "bf16/sm_") || !strings.Contains(k, "/cublasLt-") || !strings.Contains(k, "/nvrtc-") {
		t.Errorf("the kernel is called %s", k)
	}
	if b.Name() != "cuda" || b.Precision() != "bf16" {
		t.Errorf("%s at %s", b.Name(), b.Precision())
	}
	do(t, b.Close(), b.Close())
	if _, err := b.NewArray(1); err == nil || err.Error() != "the CUDA backend has been closed" {
		t.Error(err)
	}
}

// The variable that switches recording off is looked at.
func TestGraphsVariableOnDevice(t *testing.T) {
	for value, want := range map[string]bool{"": false, "1": false, "0": true} {
		t.Setenv(graphsVariable, value)
		b, err := Open(Options{Precision: FP32, Cache: os.Getenv(cacheVariable)})
		if errors.Is(err, ErrNoGPU) {
			t.Skip(err)
		}
		do(t, err)
		if got := b.(*Backend).recordsNothing; got != want {
			t.Errorf("%s=%q: records nothing is %v", graphsVariable, value, got)
		}
		do(t, b.Close())
	}
}

// TestShortOfMemory wants a device of 1,000,000 bytes, which only the fake one
// can be: two tables do not fit, then not even one.
func TestShortOfMemory(t *testing.T) {
	if os.Getenv("COSFIT_FAKE_MEMORY") != "1000000" {
		t.Skip("a part of TestShortOfMemoryOnFake")
	}
	b := openWith(t, settings{algorithm: 1})
	const d = 100
	table := must(b.NewTable(d))(t)
	cosine := func() float32 {
		var s [1]float32
		do(t, b.PairCosines(table, []int32{0}, []int32{1}, s[:]))
		return s[0]
	}
	var each []float32
	for i := range 3 {
		vectors := random(uint64(i), 1500*d)
		copy(vectors[d:2*d], vectors[:d])
		vectors[d] += float32(i)
		do(t, table.Set(vectors))
		each = append(each, cosine())
	}
	if !(each[0] > 0.99999 && each[1] < each[0] && each[2] < each[1]) {
		t.Errorf("cosines %v, want 1 and less and less", each)
	}
	err := table.Set(make([]float32, 3000*d))
	var full *OutOfMemoryError
	const want = "the GPU has 1000 kB of 1.0 MB free, and 1.2 MB are needed at once: hold fewer embeddings there with --memory 900kB"
	if !errors.As(err, &full) || err.Error() != want || !nvidia.IsOutOfMemory(err) {
		t.Errorf("error %v, want %q", err, want)
	}
	if err := b.PairCosines(table, []int32{0}, []int32{1}, make([]float32, 1)); err == nil || !strings.Contains(err.Error(), "row 0 of an array that has 0") {
		t.Errorf("a table that could not be filled: %v", err)
	}
	do(t, table.Set(random(9, 10*d)))
	cosine()
	if _, err := b.NewArray(1000, 1000); err == nil || !strings.Contains(err.Error(), "and 4.0 MB are needed at once: take a smaller --batch-size") {
		t.Error(err)
	}
	kernel := must(b.NewScore(d, 2))(t)
	m := must(b.NewArray(d, 2))(t)
	if _, err := kernel.Forward(m, &graph.Batch{Table: table, Left: []int32{1}, Right: []int32{0}}); !errors.As(err, &full) {
		t.Errorf("a product without room to work in: %v", err)
	}
	do(t, b.Close())
}
