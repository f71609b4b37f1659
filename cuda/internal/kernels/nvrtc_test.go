//go:build gpu && linux

package kernels

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/cubin"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/trainer"
)

var precisions = []Precision{FP32, TF32, BF16}

// ceilings are the registers of a thread that leave a multiprocessor with the
// threads that hide its memory's latency: 65,536 over 2,048 threads is 32, over
// 1,024 threads 64, over the product's 512 threads 128.
var ceilings = map[string]int{
	"gather": 40, "as_is": 32, "convert": 32, "cosine": 48, "pull": 40, "diagonal": 32, "diagonal_gradient": 64, "normalize": 40, "pair_cosines": 48, "similarities": 128,
	"run_loss": 64, "scale": 16, "unit": 40, "through_unit": 48, "contrast": 48, "contrast_loss": 64, "apply_update": 64,
}

// launched are the arguments that each launcher passes. A launch of size 0 is
// none, so it needs no device.
func launched(t *testing.T, slots int) map[string][]nvidia.Param {
	t.Helper()
	step, loss, contrast, update := new(Step), new(Loss), new(Contrast), &Update{slots: slots}
	all := map[string][]nvidia.Param{}
	pass := func(kernel string, a *nvidia.Arguments, err error) {
		if err != nil {
			t.Fatal(err)
		}
		all[kernel] = a.Layout()
	}
	pass("gather", &step.arguments, step.Gather(nil, 0, 0, 0, 0, 0, 1))
	pass("as_is", &step.arguments, step.AsIs(nil, 0, 0, 0, 1))
	pass("diagonal", &step.arguments, step.Diagonal(nil, 0, 0, 0, 1, 0, 1))
	pass("diagonal_gradient", &step.arguments, step.DiagonalGradient(nil, 0, 0, 0, 1, 1, 0))
	pass("cosine", &step.arguments, step.Cosine(nil, 0, 0, 0, 0, 1))
	pass("pull", &step.arguments, step.Pull(nil, 0, 0, 0, 0, 0, 0, 1))
	pass("convert", &step.arguments, step.Convert(nil, 0, 0, 0))
	pass("normalize", &step.arguments, step.Normalize(nil, 0, 0, 0, 0, 1))
	pass("pair_cosines", &step.arguments, step.PairCosines(nil, 0, 0, 0, 0, 0, 1))
	pass("similarities", &step.arguments, step.Similarities(nil, 0, 0, 0, 0, 0, 1))
	pass("run_loss", &loss.arguments, loss.Run(nil, 0, 0, 0, 0, 0, 0, 0))
	pass("scale", &step.arguments, step.Scale(nil, 0, 0, 1, 0))
	pass("unit", &contrast.arguments, contrast.Unit(nil, 0, 0, 0, 0, 0, 1))
	pass("through_unit", &contrast.arguments, contrast.ThroughUnit(nil, 0, 0, 0, 0, 0, 0, 1))
	pass("contrast", &contrast.arguments, contrast.Contrast(nil, 0, 0, 0, 0, 0, 0, 0, 0, false, 1))
	pass("contrast_loss", &contrast.arguments, contrast.Loss(nil, 0, 0, 0, 0))
	pass("apply_update", &update.arguments, update.Apply(nil, 0, 0, 0, make([]nvidia.Pointer, slots), 0, 0))
	return all
}

// openNVRTC is the machine's NVRTC. A test that needs one is skipped where
// there is none, unless COSFIT_TEST_NVRTC=1 says that there must be.
func openNVRTC(t *testing.T) *nvidia.NVRTC {
	t.Helper()
	n, err := nvidia.OpenNVRTC(0)
	var missing *nvidia.NotFoundError
	if errors.As(err, &missing) && os.Getenv("COSFIT_TEST_NVRTC") != "1" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// rules are every optimiser's rule, in each form that it has.
var rules = []graph.DeviceRule{trainer.SGD{}, trainer.Adam{}, trainer.AdamW{}, trainer.AdamW{ToStart: true},
	trainer.WithAverage(trainer.AdamW{ToStart: true}, 0.9).(graph.DeviceRule),
}

// Every kernel compiles for every architecture that we name, spills nothing,
// stays under its ceiling and takes what Go passes.
func TestKernelsOfNVRTC(t *testing.T) {
	n := openNVRTC(t)
	known, err := n.Architectures()
	if err != nil {
		t.Fatal(err)
	}
	for _, architecture := range []int{80, 86, 89, 90, 100, 120} {
		if !slices.Contains(known, architecture) {
			t.Logf("NVRTC %v does not know sm_%d", n.Version, architecture)
			continue
		}
		check := func(what, source string, options []string, slots int, kernels ...string) {
			t.Helper()
			image, log, err := n.Compile("kernels.cu", source, fmt.Sprintf("sm_%d", architecture), options...)
			if err != nil {
				t.Fatal(err)
			}
			if log != "" {
				t.Errorf("%s for sm_%d: %s", what, architecture, log)
			}
			f, err := cubin.Read(image)
			if err != nil {
				t.Fatal(err)
			}
			for name := range f.Kernels { // those with a dollar are the compiler's own, such as a division
				if !strings.Contains(name, "$") && !slices.Contains(kernels, name) {
					t.Errorf("%s has a kernel %s, want %v", what, name, kernels)
				}
			}
			passed := launched(t, slots)
			for _, name := range kernels {
				k := f.Kernels[name]
				if k.Frame != 0 || k.Registers == 0 || k.Registers > ceilings[name] {
					t.Errorf("%s, sm_%d, NVRTC %v: %s takes %d registers, want at most %d, and %d bytes of local memory",
						what, architecture, n.Version, name, k.Registers, ceilings[name], k.Frame)
				}
				var params []nvidia.Param
				for _, p := range k.Params {
					params = append(params, nvidia.Param(p))
				}
				if !slices.Equal(params, passed[name]) {
					t.Errorf("%s, sm_%d: %s takes %v, Go passes %v", what, architecture, name, params, passed[name])
				}
				t.Logf("%s, sm_%d: %s takes %d registers, %d bytes of shared memory", what, architecture, name, k.Registers, k.Shared)
			}
		}
		for _, p := range precisions {
			check(string(p), stepSource(), options(p), 0,
				"gather", "as_is", "convert", "cosine", "pull", "diagonal", "diagonal_gradient", "scale", "normalize", "pair_cosines", "similarities")
			check("InfoNCE "+string(p), contrastSource(), options(p), 0, "unit", "through_unit", "contrast", "contrast_loss")
			for _, rule := range rules {
				check(fmt.Sprintf("%s %s", p, rule.Name()), updateSource(rule.CUDA(), rule.Slots()), updateOptions(p), rule.Slots(), "apply_update")
			}
		}
		for _, loss := range losses {
			check(loss.Name(), lossSource(loss.CUDA(), len(learned(loss))), options(FP32), 0, "run_loss")
		}
	}
}
