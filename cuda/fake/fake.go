// Package fake builds a device that is none: one C++ library that stands in for
// the CUDA driver, NVRTC and cuBLASLt, so that the very backend that drives a
// GPU runs on the CPU, in tests. Put the folder that Build returns into
// LD_LIBRARY_PATH of the process under test; g++ is needed, also at run time.
//
// Kernels run in a process of their own (src/device.cc), a fiber for each CUDA
// thread (src/grid.cc), over memory in which every allocation ends at a guard
// page (src/memory.h). Work waits until the host synchronises (src/streams.cc).
// What a kernel or a caller does wrong is said on stderr, in a line that begins
// with Prefix, and returned as the error code that the real library returns.
//
// The settings, all of the environment:
//
//	COSFIT_FAKE_ORDER     ascending (the default), descending or random:SEED:
//	                      in which order threads and blocks run
//	COSFIT_FAKE_MEMORY    the device's memory in bytes, 1 GiB by default
//	COSFIT_FAKE_REFUSED   digits: the algorithms, from 0 on, that cuBLASLt names
//	                      and then refuses to run
//	COSFIT_FAKE_CXXFLAGS  more flags for g++ when it compiles kernels
//
// It shows neither speed nor occupancy nor the weak order of a device's memory.
package fake

import (
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

//go:embed src
var sources embed.FS

// Prefix begins every line that the fake device writes.
const Prefix = "fake device: "

// Thread is the sanitizer that watches for races between CUDA threads: writes
// of two blocks, or of two threads without a barrier.
const Thread = "thread"

var sonames = []string{"libcuda.so.1", "libnvrtc.so.12", "libcublasLt.so.12"}

// Build compiles the library into a folder within dir and returns it; what is
// there already from the same sources is kept. The sanitizer is "" or Thread.
// Without g++ the error is exec.ErrNotFound.
func Build(dir string, sanitizer string) (libDir string, err error) {
	if sanitizer != "" && sanitizer != Thread {
		return "", fmt.Errorf("sanitizer %q: want none or %q", sanitizer, Thread)
	}
	compiler, err := exec.LookPath("g++")
	if err != nil {
		return "", err
	}
	files, err := fs.Glob(sources, "src/*")
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	fmt.Fprintln(hash, sanitizer)
	for _, name := range files {
		text, err := sources.ReadFile(name)
		if err != nil {
			return "", err
		}
		fmt.Fprintln(hash, name, len(text))
		hash.Write(text)
	}
	dir, err = filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	libDir = filepath.Join(dir, fmt.Sprintf("fake-%x", hash.Sum(nil)[:8]))
	if _, err := os.Stat(libDir); err == nil {
		return libDir, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	partial, err := os.MkdirTemp(dir, "building-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(partial)
	if err := os.Chmod(partial, 0o755); err != nil {
		return "", err
	}
	for _, name := range files {
		text, err := sources.ReadFile(name)
		if err != nil {
			return "", err
		}
		if err := os.WriteFile(filepath.Join(partial, path.Base(name)), text, 0o644); err != nil {
			return "", err
		}
	}
	if err := compile(compiler, partial, sanitizer); err != nil {
		return "", err
	}
	// Another process may have been faster; its folder is as good.
	if err := os.Rename(partial, libDir); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return libDir, nil
}

// deviceUnits are linked into the device process, and the others, with
// memory.cc, into the library.
var deviceUnits = []string{"device.o", "grid.o", "races.o", "multiply.o", "memory.o"}

// compile makes the library and the device process beside it. The sanitizer is
// only linked into the latter: it watches kernels, not their scheduler.
func compile(compiler, dir, sanitizer string) error {
	flags := []string{"-c", "-std=c++17", "-O1", "-Wall", "-Wextra", "-fPIC"}
	device := append(deviceUnits[:len(deviceUnits):len(deviceUnits)], "-o", "device", "-rdynamic", "-Wl,--no-as-needed", "-ldl", "-lm")
	if sanitizer == Thread {
		flags = append(flags, "-DCOSFIT_FAKE_TSAN")
		device = append(device, "-fsanitize=thread")
	}
	library := []string{"memory.o"}
	units, err := filepath.Glob(filepath.Join(dir, "*.cc"))
	if err != nil {
		return err
	}
	var compiling sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	errs := make([]error, len(units))
	for i, unit := range units {
		if object := strings.TrimSuffix(filepath.Base(unit), ".cc") + ".o"; !slices.Contains(deviceUnits, object) {
			library = append(library, object)
		}
		compiling.Go(func() {
			slots <- struct{}{}
			errs[i] = command(compiler, dir, append(flags[:len(flags):len(flags)], unit)...)
			<-slots
		})
	}
	compiling.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := command(compiler, dir, append(library, "-o", sonames[0], "-shared", "-Wl,-Bsymbolic", "-ldl", "-lpthread")...); err != nil {
		return err
	}
	// The loader takes the links for one library, so the three share one state.
	for _, name := range sonames[1:] {
		if err := os.Symlink(sonames[0], filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return command(compiler, dir, device...)
}

func command(program, dir string, arguments ...string) error {
	c := exec.Command(program, arguments...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("building the fake device: %w\n%s", err, out)
	}
	return nil
}

// For builds the library for a test, into a folder that outlives it. Without
// g++ the test is skipped, unless COSFIT_TEST_FAKE=1 demands it.
func For(t testing.TB, sanitizer string) (libDir string) {
	t.Helper()
	libDir, err := Build(filepath.Join(os.TempDir(), "cosfit-fake"), sanitizer)
	if errors.Is(err, exec.ErrNotFound) && os.Getenv("COSFIT_TEST_FAKE") != "1" {
		t.Skip("the fake device needs g++")
	}
	if err != nil {
		t.Fatal(err)
	}
	return libDir
}
