//go:build gpu && linux

package kernels

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed *.cu
var files embed.FS

// stepFiles are the kernels that are the same for every training.
var stepFiles = []string{"gather.cu", "convert.cu", "reduce.cu", "cosine.cu", "pull.cu", "diagonal.cu", "scale.cu", "evaluate.cu", "similarities.cu"}

// source joins files behind the prelude.
func source(names ...string) string {
	s := file("prelude.cu")
	for _, name := range names {
		s += file(name)
	}
	return s
}

// file is one of this package's, with its name for messages.
func file(name string) string {
	text, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the names are this package's
	}
	return fmt.Sprintf("#line 1 %q\n%s", name, text)
}

// stepSource is the source of a Step.
func stepSource() string { return source(stepFiles...) }

// lossSource is the source of a Loss, whose formula comes from a DeviceLoss, with
// that many parameters.
func lossSource(formula string, parameters int) string {
	return source("reduce.cu") + fmt.Sprintf("#define PARAMETERS %d\n#line 1 \"formula\"\n", parameters) + formula + "\n" + file("loss.cu")
}

// contrastSource is the source of a Contrast.
func contrastSource() string { return source("reduce.cu", "unit.cu", "contrast.cu") }

// updateSource is the source of an Update, whose body comes from a DeviceRule.
func updateSource(body string, slots int) string {
	var parameters, pointers []string
	for i := range slots {
		parameters = append(parameters, fmt.Sprintf(", float *__restrict__ slot%d", i))
		pointers = append(pointers, fmt.Sprintf("slot%d", i))
	}
	return source() + fmt.Sprintf(`
#define SLOTS %d
#define SLOT_PARAMETERS %s
#define SLOT_POINTERS %s
__device__ __forceinline__ void update(float &w, float g, float *slot, const float *h) {
#line 1 "rule"
%s
}
`, slots, strings.Join(parameters, ""), strings.Join(pointers, ", "), body) + file("update.cu")
}

// options are NVRTC's for kernels of a precision.
func options(p Precision) []string {
	return []string{"--std=c++17", "--define-macro=" + strings.ToUpper(string(p))}
}

// updateOptions keep the compiler from fusing a product and a sum, so that an
// update's bits are those of Go's portable code.
func updateOptions(p Precision) []string { return append(options(p), "--fmad=false") }
