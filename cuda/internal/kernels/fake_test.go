//go:build gpu && linux

package kernels

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/fake"
)

// onFake runs tests of this package on the fake device, in a process of their
// own: the loader reads LD_LIBRARY_PATH when a process starts.
func onFake(libraries, tests string, env ...string) (out string, err error) {
	command := exec.Command(os.Args[0], "-test.run="+tests, "-test.v")
	command.Env = append(append(os.Environ(), "LD_LIBRARY_PATH="+libraries, "COSFIT_CUDA_LIBRARIES="+libraries, "COSFIT_CPU=generic"), env...)
	all, err := command.CombinedOutput()
	return string(all), err
}

// deviceTests are the tests that need a device.
var deviceTests = []string{
	"TestGatherOnDevice", "TestAsIsOnDevice", "TestDiagonalOnDevice", "TestConvertOnDevice", "TestCosineOnDevice", "TestPullOnDevice", "TestNormalizeOnDevice", "TestPairCosinesOnDevice",
	"TestSimilaritiesOnDevice", "TestRepeatOnDevice", "TestLossOnDevice", "TestUnitOnDevice", "TestContrastOnDevice", "TestUpdateOnDevice", "TestBytesOnDevice",
}

// The kernels are right in every order of threads, and with a look at every
// access for races; the device finds nothing to say.
func TestFakeDevice(t *testing.T) {
	for _, sanitizer := range []string{"", fake.Thread} {
		libraries := fake.For(t, sanitizer)
		for _, order := range []string{"ascending", "descending", "random:1"} {
			t.Run(strings.Join([]string{order, sanitizer}, " "), func(t *testing.T) {
				t.Parallel()
				env := []string{"COSFIT_FAKE_ORDER=" + order}
				if sanitizer != "" {
					env = append(env, "COSFIT_TEST_SMALL=1")
				}
				out, err := onFake(libraries, "OnDevice$", env...)
				if err != nil || strings.Contains(out, fake.Prefix) {
					t.Errorf("%v\n%s", err, out)
				}
				for _, name := range deviceTests {
					if !strings.Contains(out, "--- PASS: "+name+" ") {
						t.Errorf("%s did not pass", name)
					}
				}
				if passed := strings.Count(out, "--- PASS: "); passed != len(deviceTests) {
					t.Errorf("%d tests passed, want %d\n%s", passed, len(deviceTests), out)
				}
			})
		}
	}
}
