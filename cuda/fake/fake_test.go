package fake

import (
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A check is one run of testdata/selftest.cc, which does what its name says. A
// check that plants a mistake must bring forth the messages: with the library
// missing, every mistake would fail as expected.
type check struct {
	name     string
	messages []string // each on a line that begins with Prefix; none: not one such line may appear
	env      []string
}

var orders = []string{"ascending", "descending", "random:1", "random:2"}

// Programs without a mistake, in every order and under the sanitizer too.
var right = []string{"add", "reduce", "warp", "ordered"}

var checks = []check{
	{name: "events"},
	{name: "capture"},
	{name: "matmul"},
	{name: "covered"}, // starts again
	{name: "pinned-reuse"},
	{name: "compiler", messages: []string{
		"nvrtcCompileProgram: test.cu does not compile",
		`kernel mangled is not extern "C"`,
		"no kernel absent",
	}},
	{name: "capture-illegal", messages: []string{
		"cuMemAlloc_v2: called while a stream is being captured (CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)",
		"cuStreamSynchronize: the stream is being captured (CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED)",
		"cuStreamEndCapture: the capture has been made invalid",
	}},
	{name: "capture-threads", messages: []string{"cuStreamEndCapture: the capture was begun by another OS thread (CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD)"}},
	{name: "capture-two-streams", messages: []string{"is waited for by no other (CUDA_ERROR_STREAM_CAPTURE_UNJOINED)"}},
	{name: "contexts", messages: []string{"released with 0 allocations, 0 pinned buffers, 0 streams, 0 events, 1 modules"}},
	{name: "leak", messages: []string{"cuDevicePrimaryCtxRelease_v2: released with 1 allocations"}},
	{name: "limit", env: []string{"COSFIT_FAKE_MEMORY=1048576"}, messages: []string{"614400 bytes, and 434176 of 1048576 are free (CUDA_ERROR_OUT_OF_MEMORY)"}},
	{name: "no-context", messages: []string{"cuMemAlloc_v2: this OS thread has no current context"}},
	{name: "old-names", messages: []string{"cuMemAlloc: this is the old function, which takes other types; bind cuMemAlloc_v2", "bind cuStreamBeginCapture_v2"}},
	{name: "free-twice", messages: []string{"cuMemFree_v2: ", "the start of allocation 2 (4 bytes at ", ", freed)"}},
	{name: "copy-range", messages: []string{"cuMemcpyHtoD_v2: 16 bytes at device address", "3 bytes past the end of allocation 2 (12 bytes"}},
	{name: "copy-host", messages: []string{"is no memory of the host's"}},
	{name: "not-pinned", messages: []string{"asynchronous copy from memory that is not pinned"}},
	{name: "too-many-threads", messages: []string{"a block of 1025 × 1 × 1 threads, and at most 1024 may be"}},
	{name: "launch-bounds", messages: []string{"kernel add: a block of 65 threads, and its __launch_bounds__ says 64"}},
	{name: "wrong-handle", messages: []string{"cuEventRecord: ", "is no event, or was one (CUDA_ERROR_INVALID_HANDLE)"}},

	{name: "divergent-barrier", messages: []string{"threads of a block part before they meet", "waits at the __syncthreads() of line 5, but thread (0,0,0) waits at the __syncthreads() of line 3"}},
	{name: "early-exit", messages: []string{"waits at the __syncthreads() of line 3, but thread (7,0,0) has returned"}},
	{name: "shuffle-exit", messages: []string{"threads of a warp part before they meet", "waits at the __shfl_sync(0xffffffff) of line 3, but thread (7,0,0) has returned"}},
	{name: "shuffle-absent", messages: []string{"the __shfl_xor_sync(0xffffffff) of line 1 reads lane 16, which does not take part"}},
	{name: "shuffle-mask", messages: []string{"with the mask 0xff, which is without it"}},
	{name: "use-after-free", messages: []string{"kernel k, block (0,0,0), thread (0,0,0), test.cu:1: write to 0x", "allocation 2 (256 bytes at ", ", freed) (CUDA_ERROR_ILLEGAL_ADDRESS)"}},
	{name: "past-end", messages: []string{"thread (63,0,0), test.cu:1: write to 0x", "right past the end of allocation 2 (256 bytes"}},
	{name: "past-end-read", messages: []string{"block (1,0,0), thread (0,0,0), test.cu:3: read of 0x", "right past the end of allocation 2 (256 bytes"}},
	{name: "past-odd-end", messages: []string{"kernel k wrote right past the end of allocation 2 (20 bytes"}},
	{name: "before", messages: []string{"kernel k wrote 1 bytes before allocation 2 (256 bytes"}},
	{name: "null", messages: []string{"write to 0x0, a null pointer"}},
	{name: "host-pointer", messages: []string{"write to 0xc000010000, no device memory; a pointer of the host's?"}},
	{name: "shared-index", messages: []string{"test.cu:3: index 8 is out of bounds for 'float [8]'"}},
	{name: "shared-pointer", messages: []string{"test.cu:1: write to 0x", "right past the end of the __shared__ array of line 3 (240 bytes)"}},
	{name: "shared-too-much", messages: []string{"49156 bytes of shared memory, and a block has 49152"}},
	{name: "misaligned", messages: []string{"test.cu:2: address 0x", "is not aligned to 16 bytes", "(CUDA_ERROR_MISALIGNED_ADDRESS)"}},
	{name: "assert", messages: []string{"assertion p[0] == THREE failed, test.cu:1 (CUDA_ERROR_ASSERT)"}},
	{name: "stack", messages: []string{"past the end of the thread's stack"}},
	{name: "matmul-past-end", messages: []string{"cublasLtMatmul: read of 0x", "right past the end of allocation 2 (64 bytes", "attribute 3 has 4 bytes, not 8", "epilogue 4"}},
	{name: "matmul-leading", messages: []string{"A is 4 × 4 in columns, and its leading dimension 3 is less than 4"}},
	{name: "matmul-workspace", messages: []string{"the workspace of 64 bytes is no device memory of that size"}},
	{name: "matmul-aligned", messages: []string{"A is 16 bytes into its memory, and the algorithm was asked for with multiples of 256"}},
}

// Mistakes that only the sanitizer sees.
var races = []check{
	{name: "two-blocks", messages: []string{"data race in kernel k, block (1,0,0), thread (0,0,0)", "at test.cu:3", "by block 0,0,0 thread 0,0,0", "the start of allocation 2 (4 bytes"}},
	{name: "two-threads", messages: []string{"data race in kernel k", "at test.cu:4, and in no order with it read of 4 bytes at test.cu:5", "__shared__ array of line 3 (256 bytes)"}},
	{name: "between-barriers", messages: []string{"data race in kernel k", "test.cu:6", "test.cu:5", "__shared__ array of line 2 (256 bytes)"}},
	{name: "between-warps", messages: []string{"data race in kernel k", "test.cu:6", "test.cu:5", "__shared__ array of line 2 (128 bytes)"}},
	{name: "past-end", messages: []string{"right past the end of allocation 2 (256 bytes"}},
	{name: "early-exit", messages: []string{"thread (7,0,0) has returned"}},
}

var selftest struct {
	once sync.Once
	path string
	err  error
}

// program compiles the self test, once.
func program(t testing.TB) string {
	t.Helper()
	selftest.once.Do(func() {
		source, err := os.ReadFile("testdata/selftest.cc")
		if err != nil {
			selftest.err = err
			return
		}
		dir := filepath.Join(os.TempDir(), "cosfit-fake")
		selftest.path = filepath.Join(dir, fmt.Sprintf("selftest-%x", sha256.Sum256(source)))
		if _, err := os.Stat(selftest.path); err == nil {
			return
		}
		partial := fmt.Sprintf("%s.%d", selftest.path, os.Getpid())
		if selftest.err = command("g++", ".", "-std=c++17", "-Wall", "-Wextra", "testdata/selftest.cc", "-ldl", "-lpthread", "-o", partial); selftest.err == nil {
			selftest.err = os.Rename(partial, selftest.path)
		}
	})
	if selftest.err != nil {
		t.Fatal(selftest.err)
	}
	return selftest.path
}

// run runs one check; err is how it ended, said what it wrote on stderr.
func run(t *testing.T, program, libDir, name string, env ...string) (said string, err error) {
	t.Helper()
	var stdout, stderr strings.Builder
	command := exec.Command(program, name)
	command.Env = append(os.Environ(), append(env, "LD_LIBRARY_PATH="+libDir)...)
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(time.Minute, func() { command.Process.Kill() })
	defer timer.Stop()
	if err = command.Wait(); err == nil && !strings.HasSuffix(stdout.String(), "done\n") {
		t.Errorf("did not end: %s", stdout.String())
	}
	if err != nil {
		t.Logf("%v\n%s%s", err, stdout.String(), stderr.String())
	}
	return stderr.String(), err
}

func (c check) run(t *testing.T, program, libDir string, env ...string) {
	t.Run(strings.Join(append([]string{c.name}, env...), ","), func(t *testing.T) {
		said, err := run(t, program, libDir, c.name, append(c.env, env...)...)
		if err != nil {
			t.Error(err)
		}
		lines := strings.Builder{}
		for line := range strings.Lines(said) {
			if strings.HasPrefix(line, Prefix) {
				lines.WriteString(line)
			}
		}
		for _, message := range c.messages {
			if !strings.Contains(lines.String(), message) {
				t.Errorf("no message %q in\n%s", message, said)
			}
		}
		if len(c.messages) == 0 && said != "" {
			t.Errorf("a right program was told\n%s", said)
		}
	})
}

func TestDevice(t *testing.T) {
	libDir := For(t, "")
	program := program(t)
	for _, name := range right {
		for _, order := range orders {
			check{name: name}.run(t, program, libDir, "COSFIT_FAKE_ORDER="+order)
		}
	}
	for _, c := range checks {
		c.run(t, program, libDir)
	}
}

func TestThreadSanitizer(t *testing.T) {
	libDir := For(t, Thread)
	program := program(t)
	for _, name := range right {
		for _, order := range orders {
			check{name: name}.run(t, program, libDir, "COSFIT_FAKE_ORDER="+order)
		}
	}
	for _, c := range races {
		c.run(t, program, libDir)
	}
}

// A missing barrier is seen in the result, though not in every order: here the
// neighbour with the higher index has written already when threads descend.
func TestMissingBarrierShowsInSomeOrder(t *testing.T) {
	libDir := For(t, "")
	program := program(t)
	for order, wrong := range map[string]bool{"ascending": true, "descending": false, "random:1": true} {
		if _, err := run(t, program, libDir, "missing-barrier", "COSFIT_FAKE_ORDER="+order); (err != nil) != wrong {
			t.Errorf("%s: %v, want a wrong result: %v", order, err, wrong)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	libDir := For(t, "")
	program := program(t)
	for setting, message := range map[string]string{
		"COSFIT_FAKE_ORDER=sideways":    Prefix + "COSFIT_FAKE_ORDER is sideways, and may be ascending, descending or random:SEED",
		"COSFIT_FAKE_MEMORY=1GB":        Prefix + "COSFIT_FAKE_MEMORY is 1GB, and must be a number of bytes",
		"COSFIT_FAKE_CXXFLAGS=-Dp=oops": "",
	} {
		said, err := run(t, program, libDir, "reduce", setting)
		if (err == nil) != (message == "") || !strings.Contains(said, message) {
			t.Errorf("%s: %v\n%s", setting, err, said)
		}
	}
}

func TestBuildNamesWhatItWants(t *testing.T) {
	if _, err := Build(t.TempDir(), "address"); err == nil {
		t.Error("sanitizer address is taken")
	}
}

// The figures of launches, printed: go test -bench . -v ./cuda/fake
func BenchmarkLaunch(b *testing.B) {
	for _, sanitizer := range []string{"", Thread} {
		b.Run("sanitizer="+sanitizer, func(b *testing.B) {
			libDir, program := For(b, sanitizer), program(b)
			for b.Loop() {
				command := exec.Command(program, "speed")
				command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libDir)
				said, err := command.CombinedOutput()
				if err != nil {
					b.Fatal(err)
				}
				b.Log(string(said))
			}
		})
	}
}
