//go:build gpu && linux

package nvidia

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestPlaces(t *testing.T) {
	root := t.TempDir()
	target := map[string]string{"amd64": "x86_64-linux", "arm64": "sbsa-linux"}[runtime.GOARCH]
	want := []string{ // in the order of the search
		"home/cuda/lib64",
		"home/cuda/targets/" + target + "/lib",
		"conda/lib",
		"venv/lib/python3.12/site-packages/nvidia/cu13/lib",
		"venv/lib/python3.12/site-packages/nvidia/cuda_nvrtc/lib",
		"venv/lib/python3.12/site-packages/nvidia/cublas/lib",
		"venv/lib/python3.9/site-packages/nvidia/cublas/lib",
		"conda/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib",
		"opt/python/lib/python3.13/site-packages/nvidia/cu14/lib",
		"opt/python/lib/python3.13/site-packages/nvidia/cu13/lib",
		"user/.local/lib/python3.10/site-packages/nvidia/cu13/lib",
		"usr/local/lib/python3.10/dist-packages/nvidia/cu13/lib",
		"usr/lib/python3/dist-packages/nvidia/cu13/lib",
		"usr/local/cuda/lib64",
		"usr/local/cuda-13.0/lib64",
		"usr/local/cuda-12.10/lib64",
		"usr/local/cuda-12.9/lib64",
		"usr/local/cuda-12.9/targets/" + target + "/lib",
		"usr/lib/" + multiarch(),
		"usr/lib/wsl/lib",
	}
	others := []string{"opt/python/bin", "bin", "conda/lib/python3.11/site-packages/nvidia/cudnn/lib", "usr/local/cuda-12.9/targets/riscv-linux/lib"}
	for _, folder := range append(others, want...) {
		do(t, os.MkdirAll(filepath.Join(root, folder), 0o755))
	}
	do(t, os.WriteFile(filepath.Join(root, "opt/python/bin/python3"), nil, 0o755))
	f := finder{root: root, env: only(map[string]string{
		"CUDA_HOME": root + "/home/cuda", "CUDA_PATH": root + "/home/cuda", "CONDA_PREFIX": root + "/conda", "VIRTUAL_ENV": root + "/venv",
		"HOME": root + "/user", "PATH": root + "/bin::" + root + "/opt/python/bin:" + root + "/venv/bin",
	})}
	got := f.places()
	for i := range got {
		got[i] = strings.TrimPrefix(got[i], root+"/")
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if all := (finder{env: only(nil), root: t.TempDir()}).places(); len(all) != 0 {
		t.Errorf("places that are not there: %v", all)
	}
}

// TestNotFound: the error says what was tried and what to do.
func TestNotFound(t *testing.T) {
	old, broken, absent := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "absent")
	do(t, os.WriteFile(filepath.Join(old, "libnvrtc.so.13"), nil, 0o644),
		os.WriteFile(filepath.Join(broken, "libnvrtc.so.12"), []byte("not a library"), 0o644))
	_, err := nowhere(t, strings.Join([]string{old, absent, broken, ""}, ":")).openNVRTC(12)
	if err == nil {
		t.Skip("the loader finds an NVRTC here")
	}
	var missing *NotFoundError
	if !errors.As(err, &missing) || !slices.Equal(missing.Looked, []string{old, broken}) {
		t.Fatalf("%T %+v", err, err)
	}
	for _, says := range []string{
		"NVRTC (libnvrtc.so) was not found: pip install nvidia-cuda-nvrtc-cu12 nvidia-cublas-cu12, or name its folder in COSFIT_CUDA_LIBRARIES",
		old + "/libnvrtc.so.13 needs a newer NVIDIA driver",
		"it was found but does not load: " + broken + "/libnvrtc.so.12: ",
	} {
		if !strings.Contains(err.Error(), says) {
			t.Errorf("%v\nwant it to say %s", err, says)
		}
	}
	_, err = nowhere(t, "").openCublasLt(0)
	if err == nil {
		t.Skip("the loader finds a cuBLASLt here")
	}
	if want := "cuBLASLt (libcublasLt.so) was not found: pip install nvidia-cuda-nvrtc nvidia-cublas, or name its folder in COSFIT_CUDA_LIBRARIES"; err.Error() != want {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// TestFirstPlaceWins: a library in a folder that the user names, the newest of
// what the driver runs.
func TestFirstPlaceWins(t *testing.T) {
	f := stub(t)
	folder := f.env(librariesVariable)
	image := must(os.ReadFile(filepath.Join(folder, "libcuda.so.1")))(t)
	empty, second := t.TempDir(), t.TempDir()
	for _, path := range []string{folder + "/libnvrtc.so.13", folder + "/libnvrtc.so.12", folder + "/libnvrtc.so.11.2", second + "/libnvrtc.so.13"} {
		do(t, os.WriteFile(path, image, 0o644))
	}
	f.env = only(map[string]string{librariesVariable: empty + ":" + folder + ":" + second})
	w := wanted{sonames: []soname{{"libnvrtc.so.13", 13}, {"libnvrtc.so.12", 12}, {"libnvrtc.so.11.2", 11}}}
	for newest, want := range map[int]string{0: "libnvrtc.so.13", 14: "libnvrtc.so.13", 12: "libnvrtc.so.12", 11: "libnvrtc.so.11.2"} {
		lib := must(f.find(w, newest))(t)
		var take symbol
		do(t, lib.bind(map[string]*symbol{"take": &take}, false))
		asked := lib.Path
		lib.Path = ""
		lib.locate(take)
		if lib.Name != want || asked != filepath.Join(folder, want) || lib.Path != asked {
			t.Errorf("driver of CUDA %d: %s at %s, which the loader calls %s", newest, lib.Name, asked, lib.Path)
		}
	}
	if _, err := f.find(w, 10); err == nil || strings.Count(err.Error(), "needs a newer NVIDIA driver") != 4 {
		t.Errorf("driver of CUDA 10: %v", err)
	}
}
