package trainer

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
)

// textsOf is a data set of texts without pairs.
func textsOf(name string, vectors ...[]float32) *loader.Dataset {
	data := &loader.Dataset{Name: name, Vectors: &loader.Table{}}
	for i, v := range vectors {
		data.Vectors.Dim = len(v)
		data.Vectors.IDs = append(data.Vectors.IDs, fmt.Sprintf("%s %03d", name, i))
		data.Vectors.Data = append(data.Vectors.Data, v...)
	}
	return data
}

// TestGuardAgainstNumpy compares with what testdata/guard.py recorded.
func TestGuardAgainstNumpy(t *testing.T) {
	raw, err := os.ReadFile("testdata/guard.json")
	if err != nil {
		t.Fatal(err)
	}
	var recorded struct {
		Texts                       [][]float32
		Left, Right, Square, Offset []float32
		Cases                       []struct {
			Side           string
			Kept, Spearman float64
		}
	}
	if err := json.Unmarshal(raw, &recorded); err != nil {
		t.Fatal(err)
	}
	guard, data := textsOf("guard", recorded.Texts...), textsOf("pairs", recorded.Texts[0])
	if err := CheckGuard(guard, data); err != nil {
		t.Fatal(err)
	}
	for _, c := range recorded.Cases {
		p := &projection.Projection{Matrix: recorded.Left, Offset: recorded.Offset, In: len(recorded.Offset), Metadata: projection.Metadata{Side: c.Side}}
		switch c.Side {
		case projection.SideDual:
			p.MatrixRight = recorded.Right
		case projection.SideQuery:
			p.Matrix = recorded.Square
		}
		p.Out = len(p.Matrix) / p.In
		g, err := guarded(p, guard, data, 2)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(recorded.Texts); g.Texts != n || g.Queries != n || g.Pairs != n*(n-1) {
			t.Errorf("%s: %+v", c.Side, g)
		}
		if kept, r := float64(g.NeighboursKept), float64(g.Spearman); !(math.Abs(kept-c.Kept) < 1e-12 && math.Abs(r-c.Spearman) < 1e-6) {
			t.Errorf("%s: %.6f of neighbours kept, Spearman %.6f; numpy has %.6f and %.6f", c.Side, kept, r, c.Kept, c.Spearman)
		}
	}
}

// TestGuardOfMany: of many texts a part is looked at, and a matrix that turns
// everything changes nothing.
func TestGuardOfMany(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var texts [][]float32
	for range guardTexts + 100 {
		texts = append(texts, []float32{float32(rng.NormFloat64()), float32(rng.NormFloat64()), float32(rng.NormFloat64())})
	}
	turn := &projection.Projection{Matrix: []float32{0, 1, 0, 0, 0, 1, -1, 0, 0}, In: 3, Out: 3}
	g, err := guarded(turn, textsOf("guard", texts...), textsOf("pairs", texts[0]), 0)
	if err != nil {
		t.Fatal(err)
	}
	if g.Texts != guardTexts || g.Queries != guardQueries || g.Pairs != guardPairs {
		t.Errorf("%+v, want %d texts, %d queries, %d pairs", g, guardTexts, guardQueries, guardPairs)
	}
	if g.NeighboursKept < 0.999 || g.Spearman < 0.999999 { // sums of cosines round in another order
		t.Errorf("a rotation keeps %v of the neighbours, and Spearman is %v", g.NeighboursKept, g.Spearman)
	}
}

func TestCheckGuard(t *testing.T) {
	many := func(d int) (vectors [][]float32) {
		for range 30 {
			vectors = append(vectors, make([]float32, d))
		}
		return vectors
	}
	data := textsOf("pairs", many(3)...)
	data.Model = "a"
	other := textsOf("guard", many(3)...)
	other.Model = "b"
	for _, c := range []struct {
		guard *loader.Dataset
		want  string
	}{
		{textsOf("guard", many(3)...), ""},
		{textsOf("guard", many(4)...), "guard has embeddings of 4 dimensions and pairs of 3: "},
		{other, "guard has embeddings of b and pairs of a: "},
		{data, "pairs has 0 texts that are not in pairs: --guard takes at least 21"},
	} {
		err := CheckGuard(c.guard, data)
		if got := fmt.Sprint(err); c.want == "" && err != nil || c.want != "" && !strings.HasPrefix(got, c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
