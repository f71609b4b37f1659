//go:build gpu && linux

package nvidia

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/fake"
)

// TestFakeDevice runs the tests that need a device on the fake one, in a
// process of its own: the loader reads LD_LIBRARY_PATH when a process starts.
// The device must find the mistakes that they make on purpose, and no other.
func TestFakeDevice(t *testing.T) {
	libraries := fake.For(t, "")
	for _, order := range []string{"ascending", "descending", "random:1"} {
		command := exec.Command(os.Args[0], "-test.run=OnDevice$", "-test.v")
		command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries, librariesVariable+"="+libraries, "COSFIT_FAKE_ORDER="+order)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", order, err, out)
			continue
		}
		var passed, found []string
		for line := range strings.Lines(string(out)) {
			if name, ok := strings.CutPrefix(line, "--- PASS: "); ok {
				passed = append(passed, strings.Fields(name)[0])
			}
			if mistake, ok := strings.CutPrefix(line, fake.Prefix); ok {
				before, _, _ := strings.Cut(mistake, ":")
				found = append(found, strings.TrimSpace(before))
			}
		}
		if want := []string{"TestKernelOnDevice", "TestOutOfMemoryOnDevice", "TestMatmulOnDevice"}; !slices.Equal(passed, want) {
			t.Errorf("%s: %v passed, want %v\n%s", order, passed, want, out)
		}
		if want := []string{"the module has no kernel none (CUDA_ERROR_NOT_FOUND)", "cuMemAlloc_v2", "cublasLtMatmulAlgoCheck"}; !slices.Equal(found, want) {
			t.Errorf("%s: mistakes %q were found, want %q\n%s", order, found, want, out)
		}
	}
}
