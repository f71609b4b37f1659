//go:build gpu && linux

package nvidia

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// only is an environment of a few variables.
func only(variables map[string]string) func(string) string {
	return func(name string) string { return variables[name] }
}

// nowhere is a finder that finds what the loader finds, and else only what
// folder holds.
func nowhere(t testing.TB, folder string) finder {
	return finder{env: only(map[string]string{librariesVariable: folder}), root: t.TempDir()}
}

// stub compiles testdata/driver.c and returns a finder that finds it.
func stub(t testing.TB, flags ...string) finder {
	t.Helper()
	compiler, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("there is no C compiler")
	}
	folder := t.TempDir()
	arguments := append(flags, "-shared", "-fPIC", "-o", filepath.Join(folder, "libcuda.so.1"), "testdata/driver.c")
	if out, err := exec.Command(compiler, arguments...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return nowhere(t, folder)
}

// transcript is a stub's record of its calls.
type transcript struct {
	t    *testing.T
	take symbol
}

func transcribe(t *testing.T, d *Driver) transcript {
	r := transcript{t: t}
	if err := d.Library.bind(map[string]*symbol{"take": &r.take}, false); err != nil {
		t.Fatal(err)
	}
	return r
}

// answer makes the stub answer every call with code.
func (r transcript) answer(code int) { r.take.call(uintptr(code)) }

// want compares the calls since the last time.
func (r transcript) want(lines ...string) {
	r.t.Helper()
	got := goString((*byte)(fromC(r.take.call(0))))
	if want := strings.Join(append(lines, ""), "\n"); got != want {
		r.t.Errorf("the driver was called so:\n%swant:\n%s", got, want)
	}
}

// do says that nothing may go wrong.
func do(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// must is the value of a call that may not go wrong.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// TestCalls goes through the driver's functions one by one.
func TestCalls(t *testing.T) {
	d := must(stub(t).openDriver())(t)
	r := transcribe(t, d)
	if d.Version != (Version{12, 4}) || d.Library.Version != "12.4" || filepath.Base(d.Library.Path) != "libcuda.so.1" {
		t.Errorf("%v %+v", d.Version, d.Library)
	}

	g := must(d.Device(1))(t)
	name, bytes, capability, count := must(g.Name())(t), must(g.TotalMemory())(t), must(g.Capability())(t), must(g.Attribute(Multiprocessors))(t)
	if name != "stub of 71" || bytes != 85<<30 || capability != (Capability{9, 0}) || count != 132 {
		t.Errorf("%q, %d bytes, %v, %d", name, bytes, capability, count)
	}
	r.want("get 1", "name 71", "total 71", "attribute 75 71", "attribute 76 71", "attribute 16 71")
	if _, err := d.Device(2); err == nil || err.Error() != "there is no GPU 2: the driver has 2, counted from 0" {
		t.Error(err)
	}

	c := must(g.Retain())(t)
	do(t, c.SetCurrent())
	if free, total, err := c.MemoryInfo(); free != 3<<32 || total != 5<<32 || err != nil {
		t.Errorf("%d of %d bytes, %v", free, total, err)
	}
	s := must(c.NewStream())(t)
	r.want("retain 71", "current 0xc0", "stream 1")

	p := must(c.Alloc(1 << 33))(t)
	pinned := must(c.AllocPinned(18))(t)
	View[int32](pinned)[2] = 7
	do(t, s.ToDevice(p+4, pinned, 8, 4), s.ToHost(pinned, 12, p+8, 4), s.Copy(p+16, p, 64), s.Fill(p, 0x3f800000, 1<<32))
	if got := View[int32](pinned); !slices.Equal(got, []int32{0, 0, 7, 99}) || pinned.Len() != 18 {
		t.Errorf("pinned %v", got)
	}
	for _, outside := range []error{s.ToDevice(p, pinned, 16, 4), s.ToDevice(p, pinned, -1, 4), s.ToHost(pinned, 0, p, -4), s.ToHost(pinned, 19, p, 0)} {
		if outside == nil || !strings.HasSuffix(outside.Error(), "of pinned memory, which has 18") {
			t.Error(outside)
		}
	}
	do(t, pinned.Free(), c.Free(p))
	r.want("alloc 8589934592", "pinned 18 1", "to device 7f0000000104 7 4 0x50", "to host 7f0000000108 4 0x50",
		"copy 7f0000000110 7f0000000100 64 0x50", "fill 7f0000000100 3f800000 4294967296 0x50", "free pinned", "free 7f0000000100")

	timed, untimed := must(c.NewEvent(true))(t), must(c.NewEvent(false))(t)
	do(t, s.Record(timed), s.Wait(untimed), timed.Synchronize())
	if took := must(timed.Since(untimed))(t); took != 1500*time.Microsecond {
		t.Errorf("took %v", took)
	}
	do(t, timed.Destroy(), untimed.Destroy())
	r.want("event 0", "event 2", "record 0xe0 0x50", "wait 0x50 0xe2 0", "synchronize event 0xe0", "elapsed 0xe2 0xe0", "destroy event 0xe0", "destroy event 0xe2")

	m := must(c.LoadModule([]byte("image\x00")))(t)
	f := must(m.Function("kernel"))(t)
	if registers := must(f.Resource(FunctionRegisters))(t); registers != 44 {
		t.Errorf("%d registers", registers)
	}
	a := new(Arguments)
	do(t, s.Launch(f, Dim{X: 1 << 20, Y: 3}, Dim{X: 256}, 512, a.Pointer(p).Int32(-5).Float32(0.25).Uint64(1<<63)))
	r.want("load image", "function 0xd0 kernel", "resource 4 0xf0", "launch 0xf0 1048576 3 1, 256 1 1, 512 0x50: 7f0000000100 -5 0.25 9223372036854775808, (nil)")

	do(t, s.BeginCapture())
	graph := must(s.EndCapture())(t)
	exec := must(graph.Instantiate())(t)
	do(t, graph.Destroy(), s.LaunchGraph(exec), exec.Destroy())
	r.want("begin 0x50 1", "end 0x50", "instantiate 0xa0 0", "destroy graph 0xa0", "launch graph 0xb0 0x50", "destroy exec 0xb0")

	do(t, m.Unload(), s.Synchronize(), s.Destroy(), c.Release())
	r.want("unload 0xd0", "synchronize 0x50", "destroy stream 0x50", "release 71")

	r.answer(2)
	_, err := c.Alloc(64)
	if !IsOutOfMemory(err) || IsNoDevice(err) || err.Error() != "allocate 64 bytes on the GPU: cuMemAlloc_v2: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory" {
		t.Error(err)
	}
	if err := s.Launch(f, Dim{}, Dim{}, 0, a); err == nil || !strings.HasPrefix(err.Error(), "kernel kernel: cuLaunchKernel: ") {
		t.Error(err)
	}
}

// TestArguments: what does not fit is refused before CUDA reads it.
func TestArguments(t *testing.T) {
	for _, flag := range []string{"-DNEW", "-DOLD"} {
		d := must(stub(t, flag).openDriver())(t)
		c := must(must(d.Device(0))(t).Retain())(t)
		s := must(c.NewStream())(t)
		f := must(must(c.LoadModule([]byte{1, 0}))(t).Function("kernel"))(t)
		a := new(Arguments)
		layout := a.Pointer(1).Uint32(2).Float32(3).Int64(4).Layout()
		if flag == "-DOLD" {
			if f.Params() != nil {
				t.Errorf("a driver that does not tell: %v", f.Params())
			}
			do(t, s.Launch(f, Dim{}, Dim{}, 0, a))
			continue
		}
		if !slices.Equal(f.Params(), layout) {
			t.Errorf("Go passes %v, the kernel takes %v", layout, f.Params())
		}
		for want, a := range map[string]*Arguments{
			"kernel kernel: 3 arguments, it takes 4":                 new(Arguments).Pointer(1).Uint32(2).Float32(3),
			"kernel kernel: 5 arguments, it takes 4":                 new(Arguments).Pointer(1).Uint32(2).Float32(3).Int64(4).Int32(5),
			"kernel kernel: argument 1 has 8 bytes, its parameter 4": new(Arguments).Pointer(1).Pointer(2).Float32(3).Int64(4),
			"kernel kernel: argument 3 has 4 bytes, its parameter 8": new(Arguments).Pointer(1).Uint32(2).Float32(3).Int32(4),
		} {
			if err := s.Launch(f, Dim{}, Dim{}, 0, a); err == nil || err.Error() != want {
				t.Errorf("%v, want %s", err, want)
			}
		}
		a.Reset()
		for range maxArguments + 1 {
			a.Int32(0)
		}
		if err := s.Launch(f, Dim{}, Dim{}, 0, a); err == nil || err.Error() != "kernel kernel: 33 arguments, at most 32 can be passed" {
			t.Error(err)
		}
		if !slices.Equal(new(Arguments).Int32(1).Pointer(2).Float32(3).Layout(), []Param{{0, 4}, {8, 8}, {16, 4}}) {
			t.Error("a pointer behind an int is not aligned")
		}
	}
}

// TestStacksMove calls from goroutines whose stacks grow, and so move, inside
// the binding: an answer that went to where the stack was would be lost.
func TestStacksMove(t *testing.T) {
	d := must(stub(t, "-DQUIET").openDriver())(t)
	c := must(must(d.Device(0))(t).Retain())(t)
	f := must(must(c.LoadModule([]byte{1, 0}))(t).Function("kernel"))(t)
	for depth := range 400 {
		done := make(chan error)
		go func() { done <- deep(depth, f) }()
		do(t, <-done)
	}
}

//go:noinline
func deep(n int, f *Function) error {
	if n > 0 {
		return deep(n-1, f)
	}
	if registers, err := f.Resource(FunctionRegisters); registers != 44 || err != nil {
		return fmt.Errorf("%d registers, %v", registers, err)
	}
	return nil
}

func TestNoDriver(t *testing.T) {
	_, err := nowhere(t, "").openDriver()
	if err == nil {
		t.Skip("the loader finds a driver here")
	}
	var missing *NotFoundError
	if !errors.As(err, &missing) || err.Error() != "no NVIDIA driver is installed (libcuda.so.1 was not found): install the one for your GPU" {
		t.Errorf("%T %v", err, err)
	}
}

// TestInitRefuses: the answers of cuInit that have a sentence of their own.
func TestInitRefuses(t *testing.T) {
	for code, want := range map[string]string{
		"100": "the NVIDIA driver found no GPU: nvidia-smi should list one; CUDA_VISIBLE_DEVICES hides GPUs, and a container needs --gpus all",
		"34":  "the libcuda.so.1 that was loaded is the stub of a CUDA toolkit, not a driver: ",
		"46":  "the GPU is in another process's hands, ",
		"802": "the GPUs are not ready: where NVSwitch connects them, start nvidia-fabricmanager, ",
		"999": "the NVIDIA driver does not start: nvidia-smi should list a GPU, ",
		"803": "the NVIDIA driver and the libcuda.so.1 that was loaded do not fit together: ",
		"2":   "cuInit: CUDA_ERROR_OUT_OF_MEMORY (2): out of memory",
		"777": "cuInit: failed (777)",
	} {
		_, err := stub(t, "-DINIT="+code).openDriver()
		if err == nil || !strings.HasPrefix(err.Error(), want) || IsNoDevice(err) != (code == "100") {
			t.Errorf("%s: %v, want %s", code, err, want)
		}
	}
}

func TestDriverTooOld(t *testing.T) {
	_, err := stub(t, "-DANCIENT").openDriver()
	if err == nil || !strings.HasSuffix(err.Error(), "libcuda.so.1 has no function cuGraphInstantiateWithFlags: it is too old, install a newer one") {
		t.Error(err)
	}
	for code, want := range map[int]string{222: "the NVIDIA driver is older than the NVRTC that compiled the kernels: ", 209: "the kernels were compiled for another kind of GPU (cuModuleLoadData)"} {
		if err := (&Error{Call: "cuModuleLoadData", Code: code}); !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d: %v", code, err)
		}
	}
	if err := (&Error{Call: "cuStreamSynchronize", Code: 999, Name: "CUDA_ERROR_UNKNOWN"}); err.Error() != "cuStreamSynchronize: CUDA_ERROR_UNKNOWN (999)" {
		t.Error(err)
	}
	if err := (&Error{Call: "cuDevicePrimaryCtxRetain", Code: 2}); !strings.HasPrefix(err.Error(), "the GPU has no memory left for another program: ") || !IsOutOfMemory(err) {
		t.Error(err)
	}
	if err := (&Error{Call: "cublasLtMatmul", Code: 100, Name: "X"}); err.Error() != "cublasLtMatmul: X (100)" || IsNoDevice(err) {
		t.Error(err)
	}
}
