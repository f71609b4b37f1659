//go:build gpu && linux

package cubin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// TestReadOfNVRTC compiles the same source with the machine's NVRTC, for every
// architecture that we name, and compares the registers with what ptxas prints.
// With COSFIT_UPDATE=1 it writes the cubin for sm_90 into testdata.
func TestReadOfNVRTC(t *testing.T) {
	n, err := nvidia.OpenNVRTC(0)
	var missing *nvidia.NotFoundError
	if errors.As(err, &missing) && os.Getenv("COSFIT_TEST_NVRTC") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("testdata/kernels.cu")
	if err != nil {
		t.Fatal(err)
	}
	known, err := n.Architectures()
	if err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []int{80, 86, 89, 90, 100, 120} {
		if !slices.Contains(known, architecture) {
			continue
		}
		image, log, err := n.Compile("kernels.cu", string(source), fmt.Sprintf("sm_%d", architecture), "--ptxas-options=-v")
		if err != nil {
			t.Fatal(err)
		}
		check(t, image, architecture)
		f, err := Read(image)
		if err != nil {
			t.Fatal(err)
		}
		printed := regexp.MustCompile(`Function properties for (\w+)\n\D*(\d+) bytes stack frame.*\n.*Used (\d+) registers`).FindAllStringSubmatch(log, -1)
		if len(printed) != 3 {
			t.Fatalf("ptxas prints of %d kernels, want 3:\n%s", len(printed), log)
		}
		for _, p := range printed {
			frame, _ := strconv.Atoi(p[2])
			registers, _ := strconv.Atoi(p[3])
			if k := f.Kernels[p[1]]; k.Frame != frame || k.Registers != registers {
				t.Errorf("sm_%d %s: %d bytes of frame, %d registers, ptxas prints %d and %d", architecture, p[1], k.Frame, k.Registers, frame, registers)
			}
			t.Logf("NVRTC %v sm_%d %s: %s registers, %s bytes of frame", n.Version, architecture, p[1], p[3], p[2])
		}
		if os.Getenv("COSFIT_UPDATE") == "1" && architecture == 90 {
			if err := os.WriteFile(filepath.Join("testdata", "nvrtc-"+n.Version.String()+".cubin"), image, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
