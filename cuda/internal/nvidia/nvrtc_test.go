//go:build gpu && linux

package nvidia

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/cubin"
)

// openNVRTC is the machine's NVRTC. A test that needs one is skipped where
// there is none, unless COSFIT_TEST_NVRTC=1 says that there must be.
func openNVRTC(t *testing.T) *NVRTC {
	t.Helper()
	n, err := OpenNVRTC(0)
	orSkip(t, err, "COSFIT_TEST_NVRTC")
	return n
}

// orSkip passes over a test whose library is not on this machine, unless a
// variable of the environment demands it.
func orSkip(t *testing.T, err error, demanded string) {
	t.Helper()
	var missing *NotFoundError
	switch {
	case errors.As(err, &missing) && os.Getenv(demanded) != "1":
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
}

const scaleSource = `
extern "C" __global__ void scale(float *y, const float *x, int n, float by, unsigned long long seed) {
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n) y[i] = by * x[i] + (float)seed;
}`

func TestNVRTCSaysWhatItIs(t *testing.T) {
	n := openNVRTC(t)
	if n.Version.Major < 11 || n.Library.Version != n.Version.String() || !strings.Contains(n.Library.Path, n.Library.Name) {
		t.Errorf("%+v", n.Library)
	}
	known, err := n.Architectures()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(known, 90) || !slices.IsSorted(known) {
		t.Errorf("architectures %v, want 90 among them", known)
	}
	t.Logf("%s: version %s, %v", n.Library.Path, n.Library.Version, known)
}

func TestArchitecture(t *testing.T) {
	n := openNVRTC(t)
	known, err := n.Architectures()
	if err != nil {
		t.Fatal(err)
	}
	newest := known[len(known)-1]
	for c, want := range map[Capability]string{
		{9, 0}:                       "sm_90",
		{8, 8 - 1}:                   "sm_87",
		{8, 9}:                       "sm_89",
		{9, 7}:                       "compute_90",
		{newest / 10, newest%10 + 1}: fmt.Sprintf("compute_%d", newest),
		{99, 0}:                      fmt.Sprintf("compute_%d", newest),
	} {
		if got, err := n.Architecture(c); got != want || err != nil {
			t.Errorf("%v: %q, %v, want %s", c, got, err, want)
		}
	}
	if _, err := n.Architecture(Capability{2, 0}); err == nil || !strings.Contains(err.Error(), "no GPU as old as one of compute capability 2.0") {
		t.Errorf("a GPU of 2.0: %v", err)
	}
}

func TestCompile(t *testing.T) {
	n := openNVRTC(t)
	known, err := n.Architectures()
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []int{80, 90, 100} {
		if !slices.Contains(known, number) {
			t.Logf("this NVRTC does not know sm_%d", number)
			continue
		}
		image, log, err := n.Compile("scale.cu", scaleSource, fmt.Sprintf("sm_%d", number), "--ptxas-options=-v")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(string(image), "\x7fELF") || !strings.Contains(log, "registers") {
			t.Errorf("sm_%d: image of %d bytes, log %q", number, len(image), log)
		}
		f, err := cubin.Read(image)
		if err != nil {
			t.Fatal(err)
		}
		k := f.Kernels["scale"]
		if k.Registers == 0 || k.Frame != 0 {
			t.Errorf("sm_%d: %d registers, %d bytes of frame", number, k.Registers, k.Frame)
		}
		passed := new(Arguments).Pointer(1).Pointer(2).Int32(3).Float32(4).Uint64(5).Layout()
		if len(passed) != len(k.Params) {
			t.Fatalf("sm_%d: Go passes %v, the kernel takes %v", number, passed, k.Params)
		}
		for i, p := range k.Params {
			if Param(p) != passed[i] {
				t.Errorf("sm_%d: parameter %d is %v, Go passes %v", number, i, p, passed[i])
			}
		}
		t.Logf("sm_%d: scale takes %d registers", number, k.Registers)
	}
	image, _, err := n.Compile("scale.cu", scaleSource, "compute_90")
	if err != nil {
		t.Fatal(err)
	}
	if text := string(image); !strings.Contains(text, ".target sm_90") || !strings.HasSuffix(text, "\x00") {
		t.Errorf("PTX: %q", text)
	}
}

func TestCompileShowsTheLog(t *testing.T) {
	n := openNVRTC(t)
	image, log, err := n.Compile("broken.cu", "extern \"C\" __global__ void f(float *x) {\n\tx[0] = missing;\n}\n", "sm_90")
	const says = `broken.cu(2): error: identifier "missing" is undefined`
	if image != nil || err == nil || !strings.HasPrefix(err.Error(), "compile broken.cu for sm_90: NVRTC does not accept the source:\n") ||
		!strings.Contains(err.Error(), says) || !strings.Contains(log, says) {
		t.Errorf("got %v\nwant it to say %s", err, says)
	}
	if _, _, err := n.Compile("scale.cu", scaleSource, "sm_1"); err == nil || !strings.Contains(err.Error(), "NVRTC_ERROR_INVALID_OPTION") {
		t.Errorf("an architecture that does not exist: %v", err)
	}
}
