//go:build gpu && linux

package cuda

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/fake"
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
// unless the test says otherwise.
func openWith(t *testing.T, o settings) *Backend {
	t.Helper()
	if o.Cache == "" {
		o.Cache = os.Getenv(cacheVariable)
	}
	if o.projectRows == 0 {
		o.projectRows = 64
	}
	b, err := open(o)
	if errors.Is(err, ErrNoGPU) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

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
