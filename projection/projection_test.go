package projection

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/npy"
)

// small is the projection that testdata/make.py wrote, by make.py's formula.
func small() *Projection {
	p := &Projection{In: 4, Out: 3}
	for i := range 12 {
		p.Matrix = append(p.Matrix, float32(i-5)/8)
	}
	return p
}

func smallDual() *Projection {
	p := small()
	for _, v := range p.Matrix {
		p.MatrixRight = append(p.MatrixRight, -2*v)
	}
	p.Offset = []float32{0, 0.25, 0.5, 0.75}
	p.Metadata = Metadata{
		Model: "text-embedding-3-small <é>", Side: SideDual, Threshold: new(0.815),
		Normalize: true, LabelMin: -1, LabelMax: 1, Metric: "cosine", Calibration: &Calibration{Scale: 12.5, Bias: -6.25},
	}
	return p
}

func random(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

// reference is the formula of the package comment in float64, term by term.
func reference(p *Projection, x []float32, normalize bool) []float64 {
	y := make([]float64, p.Out)
	var sum float64
	for j := range y {
		for i, v := range x {
			c := float64(v)
			if p.Offset != nil {
				c -= float64(p.Offset[i])
			}
			y[j] += c * float64(p.Matrix[i*p.Out+j])
		}
		sum += y[j] * y[j]
	}
	if normalize && sum > 0 {
		for j := range y {
			y[j] /= math.Sqrt(sum)
		}
	}
	return y
}

// relativeError is ‖got−want‖ / ‖want‖.
func relativeError(got []float32, want []float64) float64 {
	var diff, norm float64
	for i, w := range want {
		d := float64(got[i]) - w
		diff += d * d
		norm += w * w
	}
	if norm == 0 {
		return math.Sqrt(diff)
	}
	return math.Sqrt(diff / norm)
}

func TestApply(t *testing.T) {
	const tolerance = 1e-5
	rng := rand.New(rand.NewPCG(1, 2))
	for _, shape := range []struct{ n, in, out int }{{1, 1, 1}, {3, 5, 7}, {2, 4, 3}, {7, 33, 65}, {1030, 6, 2}, {20, 384, 128}} {
		for _, offset := range []bool{false, true} {
			for _, normalize := range []bool{false, true} {
				name := fmt.Sprintf("%dx%dx%d/offset=%t/normalize=%t", shape.n, shape.in, shape.out, offset, normalize)
				t.Run(name, func(t *testing.T) {
					p := &Projection{Matrix: random(rng, shape.in*shape.out), In: shape.in, Out: shape.out}
					if offset {
						p.Offset = random(rng, shape.in)
					}
					x := random(rng, shape.n*shape.in)
					all := poisoned(shape.n * shape.out)
					p.ApplyAll(all, x, normalize, 2)
					for r := range shape.n {
						row := x[r*shape.in : (r+1)*shape.in]
						want := reference(p, row, normalize)
						one := poisoned(shape.out)
						p.Apply(one, row, normalize)
						if e := relativeError(one, want); !(e < tolerance) {
							t.Fatalf("Apply, row %d: relative error %g", r, e)
						}
						if e := relativeError(all[r*shape.out:(r+1)*shape.out], want); !(e < tolerance) {
							t.Fatalf("ApplyAll, row %d: relative error %g", r, e)
						}
					}
				})
			}
		}
	}
}

// poisoned returns a table in which a value that was not written shows.
func poisoned(n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.NaN())
	}
	return v
}

func TestApplyAllIsTheSameForEveryNumberOfThreads(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	p := &Projection{Matrix: random(rng, 70*30), Offset: random(rng, 70), In: 70, Out: 30}
	x := random(rng, 1100*70)
	want := make([]float32, 1100*30)
	p.ApplyAll(want, x, true, 1)
	for _, threads := range []int{-1, 0, 2, 3, 16, 5000} {
		got := poisoned(len(want))
		p.ApplyAll(got, x, true, threads)
		if !slices.Equal(got, want) {
			t.Errorf("%d threads give another result than 1", threads)
		}
	}
}

// The numbers are numpy's, in float64.
func TestApplyAgainstNumpy(t *testing.T) {
	text, err := os.ReadFile("testdata/applied.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string][][]float64
	if err := json.Unmarshal(text, &golden); err != nil {
		t.Fatal(err)
	}
	p, err := Load("testdata/both.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	for side, half := range map[string]*Projection{"left": p.Left(), "right": p.Right()} {
		for _, normalize := range []bool{false, true} {
			key := side
			if normalize {
				key += "_normalized"
			}
			for r, wide := range golden["x"] {
				x := make([]float32, len(wide))
				for i, v := range wide {
					x[i] = float32(v)
				}
				y := make([]float32, half.Out)
				half.Apply(y, x, normalize)
				if e := relativeError(y, golden[key][r]); !(e < 1e-6) {
					t.Errorf("%s, row %d: got %v, numpy has %v", key, r, y, golden[key][r])
				}
			}
		}
	}
}

func TestApplyEdges(t *testing.T) {
	p := &Projection{Matrix: []float32{1, 2, 3, 4}, In: 2, Out: 2}
	y := make([]float32, 2)
	p.Apply(y, []float32{0, 0}, true)
	if !slices.Equal(y, []float32{0, 0}) {
		t.Errorf("a zero vector became %v", y)
	}
	// The squares of these underflow in float32, not in float64.
	p.Apply(y, []float32{1e-30, 0}, true)
	if e := relativeError(y, []float64{1 / math.Sqrt(5), 2 / math.Sqrt(5)}); e > 1e-6 {
		t.Errorf("a tiny vector became %v", y)
	}
	p.Apply(y, []float32{float32(math.NaN()), 0}, true)
	if y[0] == y[0] || y[1] == y[1] {
		t.Errorf("NaN became %v", y)
	}
	p.ApplyAll(nil, nil, true, 0)
}

func TestApplyAllocatesNothing(t *testing.T) {
	p := smallDual()
	x, y := make([]float32, 4), make([]float32, 3)
	if n := testing.AllocsPerRun(100, func() { p.Apply(y, x, true) }); n != 0 {
		t.Errorf("Apply allocates %v times", n)
	}
}

func TestApplyPanicsOnLengths(t *testing.T) {
	p := small()
	for name, call := range map[string]func(){
		"Apply x":      func() { p.Apply(make([]float32, 3), make([]float32, 5), false) },
		"Apply dst":    func() { p.Apply(make([]float32, 4), make([]float32, 4), false) },
		"ApplyAll x":   func() { p.ApplyAll(make([]float32, 3), make([]float32, 5), false, 1) },
		"ApplyAll dst": func() { p.ApplyAll(make([]float32, 3), make([]float32, 8), false, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			call()
		})
	}
}

func TestSides(t *testing.T) {
	one := small()
	if one.Left() != one || one.Right() != one {
		t.Error("one matrix: both sides should be the projection itself")
	}
	one.Metadata.Side = SideQuery
	if one.Left() != one || one.Right() != nil {
		t.Error("query: the right side should have no projection")
	}
	dual := smallDual()
	left, right := dual.Left(), dual.Right()
	if &left.Matrix[0] != &dual.Matrix[0] || &right.Matrix[0] != &dual.MatrixRight[0] {
		t.Error("dual: each side should have its matrix")
	}
	for _, half := range []*Projection{left, right} {
		if err := half.Validate(); err != nil {
			t.Error(err)
		}
		if half.MatrixRight != nil || half.Metadata.Model != dual.Metadata.Model || half.Left() != half || half.Right() != half {
			t.Errorf("dual: %s is no projection of its own", half.Metadata.Side)
		}
	}
	if dual.Metadata.Side != SideDual {
		t.Error("taking a side changed the projection")
	}
}

func TestValidate(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	for _, c := range []struct {
		want  string // "": valid
		wrong func(p *Projection)
	}{
		{"", func(p *Projection) {}},
		{"", func(p *Projection) { p.Metadata = Metadata{} }},
		{"", func(p *Projection) { p.Matrix[0] = math.MaxFloat32 }},
		{"matrix is [0, 3], want at least [1, 1]", func(p *Projection) { p.In = 0 }},
		{"matrix is [4, -3], want at least [1, 1]", func(p *Projection) { p.Out = -3 }},
		{"matrix has 11 values, want [4, 3]", func(p *Projection) { p.Matrix = p.Matrix[:11] }},
		{"matrix has 0 values, want [4, 3]", func(p *Projection) { p.Matrix = nil }},
		{"matrix has 12 values, want [2147483647, 3]", func(p *Projection) { p.In = math.MaxInt32 }},
		{"matrix: row 2, column 1 is NaN, want a finite float32", func(p *Projection) { p.Matrix[7] = nan }},
		{"matrix_right has 9 values, want [4, 3]", func(p *Projection) { p.MatrixRight = p.MatrixRight[:9] }},
		{"matrix_right: row 3, column 2 is -Inf, want a finite float32", func(p *Projection) { p.MatrixRight[11] = inf }},
		{"offset has 3 values, want 4", func(p *Projection) { p.Offset = p.Offset[:3] }},
		{"offset: value 1 is NaN, want a finite float32", func(p *Projection) { p.Offset[1] = nan }},
		{`metadata: "\xff" is not valid UTF-8`, func(p *Projection) { p.Metadata.Model = "\xff" }},
		{"metadata: threshold is NaN, want a finite number", func(p *Projection) { p.Metadata.Threshold = new(math.NaN()) }},
		{"metadata: the calibration is 1, +Inf, want finite numbers", func(p *Projection) { p.Metadata.Calibration = &Calibration{1, math.Inf(1)} }},
		{"metadata: label range is 1..0, want two finite numbers, the smaller first", func(p *Projection) { p.Metadata.LabelMin, p.Metadata.LabelMax = 1, 0 }},
		{`metadata: side is "up", want both, query, dual, left or right`, func(p *Projection) { p.Metadata.Side = "up" }},
		{`metadata: side is "dual", but there is no matrix_right`, func(p *Projection) { p.MatrixRight = nil }},
		{`metadata: side is "query", but there is a matrix_right; want "dual"`, func(p *Projection) { p.Metadata.Side = SideQuery }},
	} {
		p := smallDual()
		c.wrong(p)
		if got := message(p.Validate()); got != c.want {
			t.Errorf("got  %s\nwant %s", got, c.want)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestLoadErrors(t *testing.T) {
	folder := t.TempDir()
	for _, c := range []struct{ name, content, want string }{
		{"empty", "", "is neither a safetensors nor an npy file"},
		{"text", "a,b,c\n1,2,3\n", "is neither a safetensors nor an npy file"},
		{"header.npy", npy.Magic, "the file ends within the header"},
		{"header.safetensors", "\x02\x00\x00\x00\x00\x00\x00\x00{}", `tensor "matrix" is missing`},
	} {
		path := filepath.Join(folder, c.name)
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); message(err) != path+": "+c.want {
			t.Errorf("got %v, want %s: %s", err, path, c.want)
		}
	}
	for _, path := range []string{filepath.Join(folder, "absent"), folder} {
		if _, err := Load(path); strings.Count(message(err), path) != 1 {
			t.Errorf("got %v, want an error that names %s once", err, path)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	rng := rand.New(rand.NewPCG(5, 6))
	p := &Projection{Matrix: random(rng, 1536*1024), In: 1536, Out: 1024}
	x, y := random(rng, p.In), make([]float32, p.Out)
	for b.Loop() {
		p.Apply(y, x, true)
	}
	b.ReportMetric(2*1536*1024*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}
