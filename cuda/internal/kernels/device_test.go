//go:build gpu && linux

package kernels

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"testing"
	"unsafe"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// A rig is a device that is ready to compute, for one test: a GPU, or whatever
// else the libraries that are found drive.
type rig struct {
	*testing.T
	rng      *rand.Rand
	compiler *Compiler
	context  *nvidia.Context
	stream   *nvidia.Stream
	plant    *plant // a mistake to make in the source, or nil
	shift    int    // bytes that arrays are moved by, off the alignment of vectors
}

// device opens the machine's first GPU, or skips the test where there is none.
func device(t *testing.T) *rig {
	t.Helper()
	d, err := nvidia.OpenDriver()
	var missing *nvidia.NotFoundError
	if errors.As(err, &missing) || nvidia.IsNoDevice(err) {
		t.Skip(err)
	}
	r := &rig{T: t, plant: planted(t)}
	r.do(err)
	n := openNVRTC(t)
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	g, err := d.Device(0)
	r.do(err)
	capability, err := g.Capability()
	r.do(err)
	architecture, err := n.Architecture(capability)
	r.do(err)
	r.compiler = NewCompiler(n, architecture, "")
	r.context, err = g.Retain()
	r.do(err, r.context.SetCurrent())
	r.stream, err = r.context.NewStream()
	r.do(err)
	t.Cleanup(func() { r.do(r.stream.Destroy(), r.context.Release()) })
	r.rng = newRand(t)
	return r
}

// newRand logs its seed; COSFIT_TEST_SEED repeats one.
func newRand(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if fixed := os.Getenv("COSFIT_TEST_SEED"); fixed != "" {
		var err error
		if seed, err = strconv.ParseUint(fixed, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func (r *rig) do(errs ...error) {
	r.Helper()
	for _, err := range errs {
		if err != nil {
			r.Fatal(err)
		}
	}
}

// source is a source with the planted mistake in it.
func (r *rig) source(s string) string {
	if r.plant == nil {
		return s
	}
	return r.plant.in(s)
}

func (r *rig) step(p Precision) *Step {
	r.Helper()
	k, err := r.compiler.step(r.context, p, r.source(stepSource()))
	r.do(err)
	r.Cleanup(func() { r.do(k.Close()) })
	return k
}

func (r *rig) loss(l graph.DeviceLoss) *Loss {
	r.Helper()
	k, err := r.compiler.loss(r.context, r.source(lossSource(l.CUDA(), len(learned(l)))))
	r.do(err)
	r.Cleanup(func() { r.do(k.Close()) })
	return k
}

func (r *rig) contrast(p Precision) *Contrast {
	r.Helper()
	k, err := r.compiler.contrast(r.context, p, r.source(contrastSource()))
	r.do(err)
	r.Cleanup(func() { r.do(k.Close()) })
	return k
}

func (r *rig) update(rule graph.DeviceRule, p Precision) *Update {
	r.Helper()
	k, err := r.compiler.update(r.context, rule.Slots(), p, r.source(updateSource(rule.CUDA(), rule.Slots())))
	r.do(err)
	r.Cleanup(func() { r.do(k.Close()) })
	return k
}

// alloc takes memory until the test ends, filled with NaN in every type of ours.
func (r *rig) alloc(bytes int) nvidia.Pointer {
	r.Helper()
	bytes = (bytes + r.shift + 3) / 4 * 4
	p, err := r.context.Alloc(max(bytes, 4))
	r.do(err, r.stream.Fill(p, 0x7fff7fff, bytes/4))
	r.Cleanup(func() { r.do(r.context.Free(p)) })
	return p + nvidia.Pointer(r.shift)
}

// upload is values on the device, until the test ends.
func upload[T float32 | int32 | byte](r *rig, values []T) nvidia.Pointer {
	r.Helper()
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(values))), len(values)*int(unsafe.Sizeof(*new(T))))
	p := r.alloc(len(bytes))
	if len(bytes) == 0 {
		return p
	}
	pinned, err := r.context.AllocPinned(len(bytes))
	r.do(err)
	copy(nvidia.View[byte](pinned), bytes)
	r.do(r.stream.ToDevice(p, pinned, 0, len(bytes)), r.stream.Synchronize(), pinned.Free())
	return p
}

// download waits and returns float32 numbers, or bfloat16 ones widened.
func (r *rig) download(from nvidia.Pointer, count, size int) []float32 {
	r.Helper()
	pinned, err := r.context.AllocPinned(count * size)
	r.do(err, r.stream.ToHost(pinned, 0, from, count*size), r.stream.Synchronize())
	out := make([]float32, count)
	if size == 4 {
		copy(out, nvidia.View[float32](pinned))
	} else {
		for i, half := range nvidia.View[uint16](pinned)[:count] {
			out[i] = math.Float32frombits(uint32(half) << 16)
		}
	}
	r.do(pinned.Free())
	return out
}

func (r *rig) random(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.rng.NormFloat64())
	}
	return x
}

func (r *rig) rows(n, of int) []int32 {
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(r.rng.IntN(of))
	}
	return x
}

// batch stages a job on the device.
func (r *rig) batch(table, offset []float32, width int, left, right []int32, labels []float32, drop graph.Dropout) nvidia.Pointer {
	r.Helper()
	j := Job{Table: upload(r, table), Left: r.words(left), Right: r.words(right), Labels: upload(r, labels), Lefts: int32(len(left)), Width: int32(width)}
	if offset != nil {
		j.Offset = upload(r, offset)
	}
	j.Drop(drop)
	block := make([]byte, JobSize)
	j.Put(block)
	return r.words(block)
}

// words are values that no vectors are read from, so they need no shift.
func (r *rig) words(values any) nvidia.Pointer {
	r.Helper()
	shift := r.shift
	defer func() { r.shift = shift }()
	r.shift = 0
	switch v := values.(type) {
	case []int32:
		return upload(r, v)
	case []byte:
		return upload(r, v)
	}
	panic("words of another type")
}

// rounded is x with that many bits of fraction, computed another way than the
// kernels do. It is for normal numbers.
func rounded(x float32, bits int) float32 {
	fraction, exponent := math.Frexp(float64(x))
	return float32(math.Ldexp(math.RoundToEven(math.Ldexp(fraction, bits+1)), exponent-bits-1))
}

// asOperand is x as the precision's operand.
func asOperand(x float32, p Precision) float32 {
	switch {
	case x != x || math.IsInf(float64(x), 0):
		return x
	case p == TF32:
		return rounded(x, 10)
	case p == BF16:
		return rounded(x, 7)
	}
	return x
}

// same compares to the bit, any NaN with any other.
func (r *rig) same(what string, got, want []float32) {
	r.Helper()
	for i, w := range want {
		if g := got[i]; math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
			r.Fatalf("%s: number %d is %v, want %v", what, i, g, w)
		}
	}
}

// near compares each number with float64, to an absolute tolerance; NaN is near
// NaN alone.
func (r *rig) near(what string, got []float32, want []float64, tolerance float64) {
	r.Helper()
	for i, w := range want {
		g := float64(got[i])
		if w != w && g != g {
			continue
		}
		if !(math.Abs(g-w) <= tolerance) {
			r.Fatalf("%s: number %d is %v, float64 says %v", what, i, g, w)
		}
	}
}

// shapes gives a test the widths of rows at which something changes and some
// at random, with arrays aligned and not.
func (r *rig) shapes(test func(n, k int)) {
	widths := []int{1, 2, 3, 4, 5, 8, 31, 127, 128, 129, 1 + r.rng.IntN(130), 1 + r.rng.IntN(130), 257, 260, 516}
	most := 70
	if r.small() {
		widths, most = []int{1, 3, 4, 20, 260}, 9
	}
	for i, k := range widths {
		r.shift = 0
		if i%3 == 1 {
			r.shift = 4
		}
		n := 1 + r.rng.IntN(most)
		if k > 256 {
			n = 1 + r.rng.IntN(5)
		}
		test(n, k)
	}
	r.shift = 4 // rows of a multiple of four, and no vectors
	test(3, 8)
	r.shift = 0
}

// small says that the device is slow because it looks closely.
func (r *rig) small() bool { return os.Getenv("COSFIT_TEST_SMALL") == "1" }

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

func nan() float32 { return float32(math.NaN()) }
