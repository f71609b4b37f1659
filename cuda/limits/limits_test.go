//go:build gpu && linux

package limits

import (
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/cuda/fake"
)

// onFake is set in the process that must find a device, the fake one.
const onFake = "COSFIT_TEST_ON_FAKE"

// TestFakeDevice runs the test below on the fake device, in a process of its
// own, and wants it to make the one mistake there that it makes on purpose.
func TestFakeDevice(t *testing.T) {
	libraries := fake.For(t, "")
	command := exec.Command(os.Args[0], "-test.run=OnDevice$", "-test.v")
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries, "COSFIT_CUDA_LIBRARIES="+libraries, onFake+"=1")
	out, err := command.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestWorkOnDevice") || strings.Count(string(out), fake.Prefix) != 1 {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestWorkOnDevice(t *testing.T) {
	if _, err := cuda.Devices(); err != nil && os.Getenv(onFake) == "" {
		t.Skip(err)
	}
	work := map[string]func() (*Work, error){
		"copy": func() (*Work, error) { return NewCopy(0, 4*1001) },
	}
	for _, p := range []cuda.Precision{cuda.FP32, cuda.TF32, cuda.BF16} {
		work[string(p)] = func() (*Work, error) { return NewProduct(0, Product{Rows: 8, Columns: 24, Inner: 16, Precision: p}) }
		work[string(p)+" transposed"] = func() (*Work, error) {
			return NewProduct(0, Product{Rows: 8, Columns: 24, Inner: 16, TransA: true, TransB: true, Precision: p})
		}
	}
	for name, make := range work {
		t.Run(name, func(t *testing.T) {
			w, err := make()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Do(0); err == nil {
				t.Error("doing it no times is no error")
			}
			if took, err := w.Do(3); err != nil || took <= 0 {
				t.Errorf("it took %v, %v", took, err)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := NewCopy(99, 4); err == nil || !strings.Contains(err.Error(), "there is no GPU 99") {
		t.Errorf("GPU 99: %v", err)
	}
	if _, err := NewCopy(0, 1<<50); err == nil {
		t.Error("a copy of a pebibyte is no error")
	}
}

func TestBFloat16(t *testing.T) {
	for x, want := range map[float32]uint16{1: 0x3f80, -2: 0xc000, 0: 0,
		1 + 1.0/256: 0x3f80, 1 + 3.0/256: 0x3f82, // halfway goes to even
		1 + 1.5/256: 0x3f81, math.MaxFloat32: 0x7f80} {
		if got := bfloat16(x); got != want {
			t.Errorf("%v is %#x, want %#x", x, got, want)
		}
	}
}
