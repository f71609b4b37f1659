package kernels

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// budgetPage holds the table that TestBudgetPage writes with COSFIT_UPDATE=1.
const (
	budgetPage  = "../../../docs/gpu-budget.md"
	budgetBegin = "<!-- the table is written by go test ./cuda/internal/kernels with COSFIT_UPDATE=1 -->\n"
)

// budgetTables are the budgets of steps of the sizes that the page shows.
func budgetTables(t *testing.T) string {
	t.Helper()
	var s strings.Builder
	for _, size := range [][3]int{{1000, 1536, 1024}, {8192, 1536, 1024}} {
		budgetTable(t, &s, "A step", StepKernels, size[0], size[1], size[2])
		budgetTable(t, &s, "InfoNCE", ContrastKernels, size[0], size[1], size[2])
		budgetTable(t, &s, "Sides and shapes", OtherKernels, size[0], size[1], size[2])
	}
	return s.String()
}

// budgetTable is the budgets of some kernels, and the sum of all.
func budgetTable(t *testing.T, s *strings.Builder, all string, kernels []string, n, d, k int) {
	t.Helper()
	fmt.Fprintf(s, "\n%s of %d pairs, %d → %d:\n\n| | fp32 MB | tf32 MB | bf16 MB | GFLOP | fp32 µs | tf32 µs | bf16 µs |\n|---|---|---|---|---|---|---|---|\n", all, n, d, k)
	total := map[Precision]Budget{}
	floors := map[Precision]time.Duration{}
	row := func(name string, budget func(Precision) Budget, floor func(Precision) time.Duration) {
		fmt.Fprintf(s, "| %s", name)
		for _, p := range []Precision{FP32, TF32, BF16} {
			fmt.Fprintf(s, " | %.2f", float64(budget(p).Bytes)/1e6)
		}
		fmt.Fprintf(s, " | %.2f", float64(budget(FP32).FLOPs)/1e9)
		for _, p := range []Precision{FP32, TF32, BF16} {
			fmt.Fprintf(s, " | %.1f", float64(floor(p).Nanoseconds())/1e3)
		}
		s.WriteString(" |\n")
	}
	for _, kernel := range kernels {
		budget := func(p Precision) Budget {
			b, err := BudgetOf(kernel, n, d, k, p)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		row(kernel, budget, func(p Precision) time.Duration { return budget(p).Floor(p) })
		for _, p := range []Precision{FP32, TF32, BF16} {
			b := budget(p)
			total[p] = Budget{total[p].Bytes + b.Bytes, total[p].FLOPs + b.FLOPs}
			floors[p] += b.Floor(p)
		}
	}
	row("all", func(p Precision) Budget { return total[p] }, func(p Precision) time.Duration { return floors[p] })
}

func TestBudgetPage(t *testing.T) {
	page, err := os.ReadFile(budgetPage)
	if err != nil {
		t.Fatal(err)
	}
	text, _, found := strings.Cut(string(page), budgetBegin)
	if !found {
		t.Fatalf("%s has no line %q", budgetPage, budgetBegin)
	}
	want := text + budgetBegin + budgetTables(t)
	if os.Getenv("COSFIT_UPDATE") == "1" {
		err = os.WriteFile(budgetPage, []byte(want), 0o644)
	} else if string(page) != want {
		err = fmt.Errorf("%s is not what the budgets say: run go test ./cuda/internal/kernels with COSFIT_UPDATE=1", budgetPage)
	}
	if err != nil {
		t.Error(err)
	}
}

// The step's operations are the 8·B·d·k by which speed is counted, those of InfoNCE
// three products of all vectors, and the bytes of some kernels are added up by hand.
func TestBudget(t *testing.T) {
	const n, d, k = 10, 6, 5
	flops := int64(0)
	for _, kernel := range StepKernels {
		b, err := BudgetOf(kernel, n, d, k, BF16)
		if err != nil || b.Bytes <= 0 {
			t.Fatal(kernel, b, err)
		}
		flops += b.FLOPs
	}
	if flops != 8*n*d*k {
		t.Errorf("%d operations, want %d", flops, 8*n*d*k)
	}
	// 20 rows of 5 float32 in and of 5 bfloat16 out; s, two lengths and ds.
	if b, _ := BudgetOf("pull", n, d, k, BF16); b.Bytes != 400+200+160 {
		t.Errorf("pull moves %d bytes, want 760", b.Bytes)
	}
	flops = 0
	for _, kernel := range ContrastKernels {
		b, err := BudgetOf(kernel, n, d, k, BF16)
		if err != nil || b.Bytes <= 0 {
			t.Fatal(kernel, b, err)
		}
		flops += b.FLOPs
	}
	if flops != 6*n*n*k {
		t.Errorf("%d operations of InfoNCE, want %d", flops, 6*n*n*k)
	}
	// 100 float32 in, 100 bfloat16 out, and two float64 of each pair.
	if b, _ := BudgetOf("contrast", n, d, k, BF16); b.Bytes != 400+200+160 {
		t.Errorf("contrast moves %d bytes, want 760", b.Bytes)
	}
	if _, err := BudgetOf("none", n, d, k, TF32); err == nil {
		t.Error("a kernel that is not there has a budget")
	}
	if f := (Budget{Bytes: 3e9, FLOPs: 1}).Floor(TF32); f != time.Millisecond {
		t.Errorf("3 GB take %v", f)
	}
	if f := (Budget{Bytes: 3, FLOPs: 400e9}).Floor(TF32); f != time.Millisecond {
		t.Errorf("400 GFLOP take %v", f)
	}
}
