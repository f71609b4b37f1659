package cubin

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// check compares a cubin of testdata/kernels.cu with its source.
func check(t *testing.T, image []byte, architecture int) {
	t.Helper()
	f, err := Read(image)
	if err != nil {
		t.Fatal(err)
	}
	if f.Architecture != architecture || len(f.Kernels) != 3 {
		t.Errorf("%d kernels for sm_%d, want 3 for sm_%d", len(f.Kernels), f.Architecture, architecture)
	}
	for name, want := range map[string]Kernel{
		"reversed": {Shared: 256, MaxThreads: 128, Params: []Param{{0, 8}, {8, 8}, {16, 4}, {20, 4}, {24, 8}}},
		"framed":   {Frame: 256, Params: []Param{{0, 8}, {8, 4}, {12, 1}, {16, 8}}},
		"nothing":  {},
	} {
		got := f.Kernels[name]
		if got.Registers < 4 || got.Registers > 32 {
			t.Errorf("%s: %d registers", name, got.Registers)
		}
		want.Registers = got.Registers
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// TestRead reads a cubin of each generation of the format.
func TestRead(t *testing.T) {
	for _, name := range []string{"nvrtc-11.8.cubin", "nvrtc-12.9.cubin", "nvrtc-13.0.cubin"} {
		t.Run(name, func(t *testing.T) {
			image, err := os.ReadFile(filepath.Join("testdata", name))
			if err != nil {
				t.Fatal(err)
			}
			check(t, image, 90)
		})
	}
}

func TestReadRefuses(t *testing.T) {
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		program = nil
	}
	for _, c := range []struct {
		of    string
		image []byte
		want  string
	}{
		{"nothing", nil, "not a cubin: it is not an ELF file"},
		{"PTX", []byte("//\n.version 8.8\n.target sm_90\n" + strings.Repeat(" ", 64)), "not a cubin: it is not an ELF file"},
		{"a program", program, "not a cubin: it is an ELF file for EM_"},
	} {
		if c.of == "a program" && c.image == nil {
			continue
		}
		if _, err := Read(c.image); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", c.of, err, c.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	names, err := filepath.Glob("testdata/*.cubin")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range names {
		image, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(image)
	}
	f.Fuzz(func(t *testing.T, image []byte) { Read(image) })
}
