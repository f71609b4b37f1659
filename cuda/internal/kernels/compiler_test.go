//go:build gpu && linux

package kernels

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
)

const nothing = "extern \"C\" __global__ void nothing() {}"

func TestImagesAreKept(t *testing.T) {
	n := openNVRTC(t)
	folder := filepath.Join(t.TempDir(), "made", "kernels")
	compile := func(architecture, source string, options ...string) []byte {
		t.Helper()
		image, err := NewCompiler(n, architecture, folder).image("nothing", source, options)
		if err != nil {
			t.Fatal(err)
		}
		return image
	}
	kept := func() []string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(folder, "*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	first := compile("sm_90", nothing)
	if files := kept(); len(files) != 1 || !strings.HasPrefix(filepath.Base(files[0]), "nothing-sm_90-") {
		t.Fatalf("kept %v", files)
	}
	file := kept()[0]

	// What is kept is what is used: another image under the same name is.
	keepImage(file, []byte("another"))
	if got := compile("sm_90", nothing); string(got) != "another" {
		t.Error("a kept image is compiled again")
	}
	for what, damage := range map[string]func(content []byte) []byte{
		"a bit":    func(c []byte) []byte { c[len(c)-1] ^= 1; return c },
		"an end":   func(c []byte) []byte { return c[:len(c)-1] },
		"all":      func([]byte) []byte { return nil },
		"the rest": func(c []byte) []byte { return c[:20] },
	} {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, damage(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := compile("sm_90", nothing); !bytes.Equal(got, first) {
			t.Errorf("damaged in %s, the image is not compiled anew", what)
		}
		if got := readImage(file); !bytes.Equal(got, first) {
			t.Errorf("damaged in %s, the image is not kept anew", what)
		}
	}

	// Everything that the image depends on makes it another one.
	compile("sm_80", nothing)
	compile("sm_90", nothing+"\n")
	compile("sm_90", nothing, "--fmad=false")
	if files := kept(); len(files) != 4 {
		t.Errorf("kept %v, want four", files)
	}

	// A folder that cannot be is no obstacle, and without one nothing is kept.
	for _, folder := range []string{filepath.Join(file, "below a file"), ""} {
		if image, err := NewCompiler(n, "sm_90", folder).image("nothing", nothing, nil); err != nil || !bytes.Equal(image, first) {
			t.Errorf("folder %q: %d bytes, %v", folder, len(image), err)
		}
	}
	if _, err := NewCompiler(n, "sm_90", folder).image("broken", "oops", nil); err == nil || !strings.Contains(err.Error(), "compile broken.cu for sm_90") {
		t.Error(err)
	}
	if files := kept(); len(files) != 4 {
		t.Errorf("a source that does not compile is kept: %v", files)
	}
}

// A formula that does not compile is named, with its own line.
func TestFormulaThatDoesNotCompile(t *testing.T) {
	n := openNVRTC(t)
	c := NewCompiler(n, "sm_90", "")
	if _, err := c.loss(nil, lossSource("\n\nnothing of this kind;", 0)); err == nil || !strings.Contains(err.Error(), "formula") || !strings.Contains(err.Error(), "3") {
		t.Errorf("loss: %v", err)
	}
	if _, err := c.Update(nil, "w -= rate;", 0, FP32); err == nil || !strings.Contains(err.Error(), "rule") || !strings.Contains(err.Error(), "1") {
		t.Errorf("rule: %v", err)
	}
}

// struct job is laid out in CUDA C as Job is in Go: the compiler is told every
// place and refuses another.
func TestJobLayout(t *testing.T) {
	n := openNVRTC(t)
	fields := []string{"table", "offset", "left", "right", "labels", "groups", "seed", "step", "row", "bound", "scale", "lefts", "low", "width"}
	job := reflect.TypeFor[Job]()
	if job.NumField() != len(fields) {
		t.Fatalf("a job of %d fields, want %v", job.NumField(), fields)
	}
	says := func(last int) string {
		s := source()
		for i, name := range fields {
			field := job.Field(i)
			if !strings.EqualFold(field.Name, name) {
				t.Fatalf("field %d is %s, want %s", i, field.Name, name)
			}
			s += fmt.Sprintf("static_assert(__INTADDR__(&((job *)0)->%s) == %d, \"%s\");\n", name, field.Offset, name)
			s += fmt.Sprintf("static_assert(sizeof(((job *)0)->%s) == %d, \"%s\");\n", name, field.Type.Size(), name)
		}
		return s + fmt.Sprintf("static_assert(sizeof(job) == %d, \"the end\");\n", last) + nothing
	}
	if _, _, err := n.Compile("layout.cu", says(JobSize), "sm_90", "--std=c++17"); err != nil {
		t.Error(err)
	}
	if _, _, err := n.Compile("layout.cu", says(JobSize+8), "sm_90", "--std=c++17"); err == nil || !strings.Contains(err.Error(), "the end") {
		t.Errorf("a job that is longer: %v", err)
	}
}

func TestJobIsWrittenAsItLies(t *testing.T) {
	j := Job{Table: 0x1122334455667788, Lefts: 7, Width: -2}
	j.Drop(graph.Dropout{Rate: 0.5, Seed: 3, Step: 4, Row: 5})
	block := make([]byte, JobSize+1)
	j.Put(block)
	if want := []byte{0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11}; !bytes.Equal(block[:8], want) || block[JobSize] != 0 {
		t.Errorf("%x", block)
	}
	if j.Bound != 1<<31 || j.Scale != 2 || j.Seed != 3 || j.Step != 4 || j.Row != 5 {
		t.Errorf("dropout of a half is %+v", j)
	}
	if j.Drop(graph.Dropout{}); j.Bound != 0 || j.Scale != 1 {
		t.Errorf("no dropout is %+v", j)
	}
}

func TestTooLarge(t *testing.T) {
	step := new(Step)
	for what, err := range map[string]error{
		"gather":       step.Gather(nil, 0, 0, 0, 0, 1<<30, 4096),
		"as is":        step.AsIs(nil, 0, 0, 1<<30, 4096),
		"diagonal":     step.Diagonal(nil, 0, 0, 0, 1, 1<<20, 1<<20),
		"pull":         step.Pull(nil, 0, 0, 0, 0, 0, 1<<30, 4096),
		"similarities": step.Similarities(nil, 0, 0, 0, 1<<30, 1, 1),
	} {
		if err == nil || !strings.Contains(err.Error(), "a GPU") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
