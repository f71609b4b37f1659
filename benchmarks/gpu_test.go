//go:build gpu && linux

package benchmarks

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda"
	"github.com/cosfit/cosfit/cuda/fake"
)

// tinyGPU are a GPU's tasks of every kind, small enough for the fake device.
func tinyGPU() (tasks []Task) {
	for _, t := range []Task{
		{Benchmark: Machine, What: copying, Batch: 5, D: 6, K: 1},
		{Benchmark: Machine, What: gemm, Batch: 8, D: 8, K: 8},
		{Benchmark: Core, What: projecting, Batch: 8, D: 16, K: 24},
		{Benchmark: Core, What: gradient, Batch: 8, D: 16, K: 24},
		{Benchmark: Core, What: comparing, Batch: 8, D: 16, K: 24},
		{Benchmark: Step, Batch: 4, D: 8, K: 4},
		{Benchmark: Run, Batch: 16, D: 8, K: 4, Pairs: 60, Test: 30, Epochs: 2},
		{Benchmark: Load, What: opening, D: 8, Pairs: 100},
		{Benchmark: Load, What: streaming, D: 8, Pairs: 100},
		{Benchmark: Load, What: consuming, Batch: 4, D: 8, K: 4},
	} {
		if t.Device, t.Precision = "cuda", cuda.BF16; t.Benchmark != Run && t.Benchmark != Load {
			t.Queued = 3
		}
		tasks = append(tasks, t)
	}
	return tasks
}

// TestFakeDevice runs the test below on the fake device, in a process of its
// own, and wants it to make no mistake there.
func TestFakeDevice(t *testing.T) {
	libraries := fake.For(t, "")
	command := exec.Command(os.Args[0], "-test.run=OnDevice$", "-test.v")
	command.Env = append(os.Environ(), "LD_LIBRARY_PATH="+libraries, "COSFIT_CUDA_LIBRARIES="+libraries)
	out, err := command.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestMeasureOnDevice")) || bytes.Contains(out, []byte(fake.Prefix)) {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestMeasureOnDevice(t *testing.T) {
	devices, err := cuda.Devices()
	if err != nil {
		t.Skip(err)
	}
	o := Options{Benchmark: Step, Host: Host{CPU: "CPU", Cores: 2, GPU: devices[0].Name}, Tasks: tinyGPU(), pace: &pace{rounds: 2},
		Pythons: []string{"python3"}, GPU: &GPU{Options: cuda.Options{Precision: cuda.BF16, Cache: t.TempDir()}, Kernel: "bf16/any"}}
	r, err := Measure(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tinyGPU() {
		i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Task == task })
		if i < 0 {
			t.Errorf("%s was not measured; notes: %q", task.title(), r.Notes)
			continue
		}
		if speed, _ := r.Rows[i].rate(); !(speed > 0) || !(r.Rows[i].MS > 0) || task.Benchmark == Step && r.Rows[i].Who != "cosfit bf16" {
			t.Errorf("%s: %+v", task.title(), r.Rows[i])
		}
	}
	var table bytes.Buffer
	r.Print(&table)
	for _, want := range []string{devices[0].Name, "cublasLt bf16", "step of 4 pairs, 8 → 4, bf16 on the GPU", "1.00"} {
		if !strings.Contains(table.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, &table)
		}
	}
}
