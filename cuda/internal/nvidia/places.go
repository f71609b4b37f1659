//go:build gpu && linux

package nvidia

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// librariesVariable names folders that are searched before all others,
// separated by colons.
const librariesVariable = "COSFIT_CUDA_LIBRARIES"

// places are the folders that may hold a library which the loader does not
// find by itself, each once, in the order of the search. Nothing is run to
// learn them.
func (f finder) places() []string {
	var all []string
	add := func(patterns ...string) {
		for _, pattern := range patterns {
			found, _ := filepath.Glob(pattern) // the only error is a malformed pattern
			slices.SortStableFunc(found, newestFirst)
			all = append(all, found...)
		}
	}
	for _, variable := range []string{"CUDA_HOME", "CUDA_PATH"} {
		if home := f.env(variable); home != "" {
			add(toolkit(home)...)
		}
	}
	if conda := f.env("CONDA_PREFIX"); conda != "" {
		add(filepath.Join(conda, "lib"))
		add(targets(conda)...)
	}
	for _, packages := range f.sitePackages() {
		add(filepath.Join(packages, "nvidia/cu[0-9]*/lib"),
			filepath.Join(packages, "nvidia/cuda_nvrtc/lib"),
			filepath.Join(packages, "nvidia/cublas/lib"))
	}
	add(toolkit(f.root + "/usr/local/cuda")...)
	add(toolkit(f.root + "/usr/local/cuda-*")...)
	add(toolkit(f.root + "/opt/cuda")...)
	for _, system := range []string{
		"/usr/lib/" + multiarch(), "/usr/lib/" + multiarch() + "/nvidia/current", // Debian
		"/usr/lib64",
		"/usr/local/nvidia/lib64", "/usr/local/nvidia/lib", // containers
		"/usr/lib/wsl/lib",
		"/run/opengl-driver/lib", // NixOS
	} {
		add(f.root + system)
	}
	return unique(all)
}

// sitePackages are the patterns of the folders where pip puts packages: the
// virtual environment's, conda's, those of the python3 on PATH, the user's and
// the system's.
func (f finder) sitePackages() []string {
	var all []string
	under := func(prefix string) {
		if prefix != "" {
			all = append(all, filepath.Join(prefix, "lib/python3*/site-packages"))
		}
	}
	under(f.env("VIRTUAL_ENV"))
	under(f.env("CONDA_PREFIX"))
	for _, folder := range folders(f.env("PATH")) {
		if _, err := os.Stat(filepath.Join(folder, "python3")); err == nil && filepath.Base(folder) == "bin" {
			under(filepath.Dir(folder))
			break
		}
	}
	if home := f.env("HOME"); home != "" {
		under(filepath.Join(home, ".local"))
	}
	return append(all,
		f.root+"/usr/local/lib/python3*/site-packages",
		f.root+"/usr/local/lib/python3*/dist-packages",
		f.root+"/usr/lib/python3/dist-packages")
}

// toolkit is where a CUDA toolkit keeps its libraries.
func toolkit(home string) []string {
	return append([]string{filepath.Join(home, "lib64")}, targets(home)...)
}

// targets are a toolkit's folders for this kind of processor.
func targets(home string) []string {
	kinds := []string{"x86_64-linux"}
	if runtime.GOARCH == "arm64" {
		kinds = []string{"sbsa-linux", "aarch64-linux"}
	}
	var all []string
	for _, kind := range kinds {
		all = append(all, filepath.Join(home, "targets", kind, "lib"))
	}
	return all
}

// multiarch is Debian's name of this kind of processor.
func multiarch() string {
	if runtime.GOARCH == "arm64" {
		return "aarch64-linux-gnu"
	}
	return "x86_64-linux-gnu"
}

// newestFirst orders folders by the numbers in their names: cuda-13.0 before
// cuda-12.9, python3.12 before python3.9.
func newestFirst(a, b string) int { return slices.Compare(numbers(b), numbers(a)) }

func numbers(text string) []int {
	var all []int
	for _, digits := range strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsDigit(r) }) {
		n, err := strconv.Atoi(digits)
		if err != nil {
			n = 0 // longer than any version
		}
		all = append(all, n)
	}
	return all
}

func folders(list string) []string {
	return slices.DeleteFunc(filepath.SplitList(list), func(s string) bool { return s == "" })
}

func unique(all []string) []string {
	seen := map[string]bool{}
	return slices.DeleteFunc(all, func(s string) bool {
		was := seen[s]
		seen[s] = true
		return was
	})
}
