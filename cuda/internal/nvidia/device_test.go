//go:build gpu && linux

package nvidia

import (
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
)

// A rig is a device that is ready to compute: a GPU, or whatever else the
// libraries that are found drive.
type rig struct {
	driver  *Driver
	nvrtc   *NVRTC
	context *Context
	stream  *Stream
}

// device opens the machine's first GPU, or skips the test where there is none.
func device(t *testing.T) rig {
	t.Helper()
	d, err := OpenDriver()
	var missing *NotFoundError
	if errors.As(err, &missing) || IsNoDevice(err) {
		t.Skip(err)
	}
	do(t, err)
	n, err := OpenNVRTC(d.Version.Major)
	orSkip(t, err, "COSFIT_TEST_NVRTC")
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	g := must(d.Device(0))(t)
	c := must(g.Retain())(t)
	do(t, c.SetCurrent())
	s := must(c.NewStream())(t)
	t.Cleanup(func() { do(t, s.Destroy(), c.Release()) })
	t.Logf("%s, driver %v, NVRTC %v", must(g.Name())(t), d.Version, n.Version)
	return rig{d, n, c, s}
}

// upload is values on the device, until the test ends.
func (r rig) upload(t *testing.T, values []float32) Pointer {
	t.Helper()
	pinned := must(r.context.AllocPinned(4 * len(values)))(t)
	copy(View[float32](pinned), values)
	p := must(r.context.Alloc(4 * len(values)))(t)
	do(t, r.stream.ToDevice(p, pinned, 0, pinned.Len()), r.stream.Synchronize(), pinned.Free())
	t.Cleanup(func() { do(t, r.context.Free(p)) })
	return p
}

func (r rig) download(t *testing.T, p Pointer, count int) []float32 {
	t.Helper()
	pinned := must(r.context.AllocPinned(4 * count))(t)
	do(t, r.stream.ToHost(pinned, 0, p, pinned.Len()), r.stream.Synchronize())
	values := append([]float32(nil), View[float32](pinned)...)
	do(t, pinned.Free())
	return values
}

func random(seed uint64, count int) []float32 {
	r := rand.New(rand.NewPCG(seed, 0))
	values := make([]float32, count)
	for i := range values {
		values[i] = r.Float32()*2 - 1
	}
	return values
}

func TestKernelOnDevice(t *testing.T) {
	r := device(t)
	arch := must(r.nvrtc.Architecture(must(r.context.Device.Capability())(t)))(t)
	image, _, err := r.nvrtc.Compile("scale.cu", scaleSource, arch)
	do(t, err)
	m := must(r.context.LoadModule(image))(t)
	f := must(m.Function("scale"))(t)
	if _, err := m.Function("none"); err == nil || !strings.HasPrefix(err.Error(), "kernel none: cuModuleGetFunction: CUDA_ERROR_NOT_FOUND (500)") {
		t.Errorf("a kernel that is not there: %v", err)
	}
	registers, local, most := must(f.Resource(FunctionRegisters))(t), must(f.Resource(FunctionLocalMemory))(t), must(f.Resource(FunctionMaxThreads))(t)
	if registers <= 0 || local != 0 || most < 256 {
		t.Errorf("%d registers, %d bytes of local memory, at most %d threads", registers, local, most)
	}

	const n = 1000
	x := random(1, n)
	from, to := r.upload(t, x), r.upload(t, make([]float32, n+1))
	var a Arguments
	a.Pointer(to).Pointer(from).Int32(n).Float32(0.5).Uint64(3)
	for i, p := range f.Params() {
		if a.Layout()[i] != p {
			t.Errorf("parameter %d: %v, Go passes %v", i, p, a.Layout()[i])
		}
	}
	launch := func() error { return r.stream.Launch(f, Dim{X: (n + 127) / 128}, Dim{X: 128}, 0, &a) }
	check := func(by float32) {
		t.Helper()
		got := r.download(t, to, n+1)
		for i, v := range x {
			if want := by*v + 3; math.Abs(float64(got[i]-want)) > 1e-6 {
				t.Fatalf("value %d: %v, want %v", i, got[i], want)
			}
		}
		if got[n] != 0 {
			t.Errorf("behind the end: %v", got[n])
		}
	}
	do(t, launch())
	check(0.5)

	// Recorded, with its own arguments of then; run twice, timed.
	do(t, r.stream.BeginCapture())
	a.Reset().Pointer(to).Pointer(from).Int32(n).Float32(2).Uint64(3)
	do(t, launch(), r.stream.Copy(from, to, 4))
	graph := must(r.stream.EndCapture())(t)
	exec := must(graph.Instantiate())(t)
	a.Reset()
	check(0.5) // nothing has run yet
	start, end := must(r.context.NewEvent(true))(t), must(r.context.NewEvent(true))(t)
	do(t, r.stream.Record(start), r.stream.LaunchGraph(exec), r.stream.Record(end), end.Synchronize())
	if took := must(end.Since(start))(t); took <= 0 {
		t.Errorf("it took %v", took)
	}
	check(2)
	x[0] = 2*x[0] + 3
	do(t, r.stream.LaunchGraph(exec))
	check(2)
	do(t, r.stream.Fill(to, math.Float32bits(3), n))
	clear(x)
	check(0)
	do(t, start.Destroy(), end.Destroy(), exec.Destroy(), graph.Destroy(), m.Unload())
}

func TestOutOfMemoryOnDevice(t *testing.T) {
	r := device(t)
	free, total, err := r.context.MemoryInfo()
	if err != nil || free <= 0 || free > total {
		t.Errorf("%d of %d bytes free, %v", free, total, err)
	}
	if _, err := r.context.Alloc(1 << 45); !IsOutOfMemory(err) {
		t.Error(err)
	}
}

func TestMatmulOnDevice(t *testing.T) {
	r := device(t)
	b, err := OpenCublasLt(r.driver.Version.Major)
	orSkip(t, err, "COSFIT_TEST_CUBLASLT")
	h := must(b.NewHandle())(t)
	const workspace = 1 << 20
	space := must(r.context.Alloc(workspace))(t)
	for _, m := range []Matmul{
		{M: 9, N: 17, K: 33},
		{M: 9, N: 17, K: 33, TransA: true},
		{M: 9, N: 17, K: 33, TransB: true},
		{M: 9, N: 17, K: 33, TransA: true, TransB: true},
		{M: 16, N: 8, K: 24, TransA: true, StrideA: 20, StrideB: 12, StrideC: 40, StrideD: 12},
		{M: 64, N: 32, K: 48, Compute: ComputeTF32},
	} {
		// No subtest: it would be another goroutine, on another thread.
		p := must(h.Plan(m))(t)
		algos := must(p.Candidates(workspace, 4))(t)
		if len(algos) > 4 {
			t.Errorf("%d candidates", len(algos))
		}
		for _, algo := range algos {
			if needs := must(p.Check(&algo))(t); needs != algo.Workspace || needs > workspace {
				t.Errorf("%+v: it needs %d bytes, the candidate said %d", m, needs, algo.Workspace)
			}
			r.multiply(t, p, m, &algo, space, workspace)
		}
		do(t, p.Destroy())
	}
	small := must(h.Plan(Matmul{M: 8, N: 8, K: 8}))(t)
	if err := small.Run(r.stream, &Algo{Workspace: 64}, 1, 0, 0, 0, 0, 0, space, 32); err == nil ||
		err.Error() != "the product's algorithm needs a workspace of 64 bytes, it was given 32" {
		t.Error(err)
	}
	if _, err := small.Check(&Algo{}); err == nil {
		t.Error("an algorithm of zeros is accepted")
	}
	do(t, small.Destroy(), h.Destroy(), r.context.Free(space))
}

// multiply compares one product with the same in float64.
func (r rig) multiply(t *testing.T, p *Plan, m Matmul, algo *Algo, space Pointer, bytes int) {
	t.Helper()
	const alpha, beta = 0.5, 2
	stride := func(given, columns int) int {
		if given == 0 {
			return columns
		}
		return given
	}
	lda, ldb := stride(m.StrideA, pick(m.TransA, m.M, m.K)), stride(m.StrideB, pick(m.TransB, m.K, m.N))
	ldc, ldd := stride(m.StrideC, m.N), stride(m.StrideD, m.N)
	a, b := random(1, pick(m.TransA, m.K, m.M)*lda), random(2, pick(m.TransB, m.N, m.K)*ldb)
	c, d := random(3, m.M*ldc), random(4, m.M*ldd)
	to := r.upload(t, d)
	do(t, p.Run(r.stream, algo, alpha, r.upload(t, a), r.upload(t, b), beta, r.upload(t, c), to, space, bytes))
	got := r.download(t, to, len(d))
	tolerance := 1e-5
	if m.Compute == ComputeTF32 {
		tolerance = 1e-2
	}
	for i := range m.M {
		for j := range ldd {
			want := float64(d[i*ldd+j]) // between the rows nothing changes
			if j < m.N {
				want = beta * float64(c[i*ldc+j])
				for k := range m.K {
					want += alpha * float64(a[pick(m.TransA, k*lda+i, i*lda+k)]) * float64(b[pick(m.TransB, j*ldb+k, k*ldb+j)])
				}
			}
			if math.Abs(float64(got[i*ldd+j])-want) > tolerance {
				t.Fatalf("%+v: row %d, column %d: %v, want %v", m, i, j, got[i*ldd+j], want)
			}
		}
	}
}
