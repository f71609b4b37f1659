package benchmarks

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
	"github.com/cosfit/cosfit/trainer"
)

// TestCrossModel asks an old index with the queries of another model. It prints
// the retrieval figures of the test split where one model embeds both sides, and
// where the queries of the one are mapped to the passages of the other.
//
// COSFIT_TEST_TWO_MODELS is a data set folder, a cache, and two spaces of it that
// have the texts, with commas between them.
func TestCrossModel(t *testing.T) {
	where := strings.Split(os.Getenv("COSFIT_TEST_TWO_MODELS"), ",")
	if len(where) != 4 {
		t.Skip("COSFIT_TEST_TWO_MODELS does not name a data set, a cache and two of its spaces")
	}
	folder, cache, models := where[0], where[1], where[2:]
	open := func(embeddings string) *loader.Dataset {
		data, err := loader.Open(context.Background(), folder, loader.Options{Embeddings: embeddings, Cache: cache, UnequalSides: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { data.Close() })
		return data
	}
	t.Logf("%-24s %-24s %-10s %9s %9s %9s %9s", "queries", "passages", "by", "recall@1", "recall@10", "nDCG@10", "ROC AUC")
	show := func(left, right *loader.Dataset, by string, m rundir.Metrics) {
		t.Logf("%-24s %-24s %-10s %9.3f %9.3f %9.3f %9.3f", left.Model, right.Model, by, m.RecallAt1, m.RecallAt10, m.NDCGAt10, m.ROCAUC)
	}
	native := map[string]*loader.Dataset{}
	for _, model := range models {
		data := open(model)
		native[model] = data
		d := data.Vectors.Dim
		eye := &projection.Projection{Matrix: make([]float32, d*d), In: d, Out: d}
		for i := range d {
			eye.Matrix[i*d+i] = 1
		}
		s, _, err := trainer.Evaluate(context.Background(), data, eye, trainer.EvaluateOptions{Backend: cpu.New(0)})
		if err != nil {
			t.Fatal(err)
		}
		show(data, data, "-", s.Before["test"])
	}
	for _, pair := range [][2]string{{models[0], models[1]}, {models[1], models[0]}} {
		data := open(pair[0] + "," + pair[1])
		left, right := data.Vectors.Dims()
		learned := trainer.Default(left)
		learned.Side = graph.Query
		for _, recipe := range []trainer.Recipe{trainer.Closed(trainer.Ridge{}, graph.Query, left), trainer.Closed(trainer.Procrustes{}, graph.Query, left), learned} {
			dir, err := rundir.Create(filepath.Join(t.TempDir(), "run"), false)
			if err != nil {
				t.Fatal(err)
			}
			s, err := trainer.Train(context.Background(), data, trainer.Options{Recipe: recipe.Across(left, right), Backend: cpu.New(0), Dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			show(native[pair[0]], native[pair[1]], recipe.Name, s.After["test"])
		}
		texts, _ := data.InBothSpaces()
		t.Logf("  %d training texts in both spaces, %d training pairs", len(texts), len(data.Indices(loader.Train)))
	}
}
