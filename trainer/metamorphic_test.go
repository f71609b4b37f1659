package trainer_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// A way is everything about a run that must not show in its result.
type way struct {
	layout  string
	threads int
	memory  int64
}

func (w way) String() string {
	return fmt.Sprintf("%s, %d threads, %d bytes", filepath.Base(w.layout), w.threads, w.memory)
}

// A history is runs of one recipe.
type history struct {
	*testing.T
	recipe trainer.Recipe
}

// run trains in some way, for so many steps, or to the end where they are below 0.
func (h history) run(w way, dir rundir.Dir, resume bool, steps int) (rundir.Summary, error) {
	data, err := loader.Open(context.Background(), w.layout, loader.Options{Memory: w.memory, Scratch: h.TempDir()})
	if err != nil {
		h.Fatal(err)
	}
	defer data.Close()
	if streamed := data.Vectors.Data == nil; streamed != (w.memory > 0 && w.memory < 1<<20) {
		h.Fatalf("%v: streamed is %v", w, streamed)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	backend := &interrupting{Backend: cpu.New(w.threads), left: steps, cancel: cancel}
	return trainer.Train(ctx, data, trainer.Options{Recipe: h.recipe, Backend: backend, Dir: dir, Resume: resume})
}

// result is all that a run leaves.
func (h history) result(dir rundir.Dir, s rundir.Summary) string {
	s.Timing, s.Data.Path, s.Data.Notes = rundir.Timing{}, "", nil // a folder brings its split, a wide file has it drawn
	scores, err := os.ReadFile(filepath.Join(dir.Path(), "scores.parquet"))
	if err != nil {
		h.Fatal(err)
	}
	return matrixBytes(h.T, dir) + asJSON(h.T, s) + string(scores)
}

// whole is the result of a run in some way.
func (h history) whole(w way) string {
	h.Helper()
	dir := newDir(h.T)
	s, err := h.run(w, dir, false, -1)
	if err != nil {
		h.Fatal(w, err)
	}
	return h.result(dir, s)
}

// interrupted is the result of a run that is interrupted after up to most steps,
// over and over, and goes on in another way.
func (h history) interrupted(rng *rand.Rand, ways []way, most int) (result string, calls []way) {
	h.Helper()
	dir := newDir(h.T)
	for {
		w := ways[rng.IntN(len(ways))]
		s, err := h.run(w, dir, len(calls) > 0, rng.IntN(most))
		calls = append(calls, w)
		if err == nil {
			return h.result(dir, s), calls
		}
		if !errors.Is(err, trainer.ErrInterrupted) || len(calls) == 100 {
			h.Fatal(calls, err)
		}
	}
}

// everyWay is each layout with several memories and numbers of threads.
func everyWay(layouts []string) (ways []way) {
	for _, layout := range layouts {
		for _, memory := range []int64{0, 3000, 40_000, 1 << 30} {
			ways = append(ways, way{layout, 1 + len(ways)%3, memory})
		}
	}
	return ways
}

// TestMetamorphic wants one matrix and one summary from every way to store the
// data and to run: a wide file, folders of segments of any size, pages and row
// groups; any number of threads; any memory; interrupted, and gone on with in
// another way.
func TestMetamorphic(t *testing.T) {
	h := history{t, quick()}
	h.recipe.ShuffleWindow = 200   // so that there are several
	h.recipe.Start = trainer.PCA{} // which looks at all training vectors
	layouts := layouts(t)
	want := h.whole(way{layouts[0], 1, 0})
	ways := everyWay(layouts)
	step, broken := 1, 4
	if testing.Short() {
		step, broken = 4, 1
	}
	for i := 0; i < len(ways); i += step {
		if w := ways[i]; h.whole(w) != want {
			t.Errorf("%v: another result", w)
		}
	}
	rng := rand.New(rand.NewPCG(4, 4))
	for range broken {
		if got, calls := h.interrupted(rng, ways, 4); got != want {
			t.Errorf("%v: another result", calls)
		}
	}
}

// TestMetamorphicRecipes does so, in fewer ways, for recipes that look at groups,
// tell the sides apart, take an offset off or have no epochs.
func TestMetamorphicRecipes(t *testing.T) {
	layouts := layouts(t)
	ways := everyWay(layouts)
	rng := rand.New(rand.NewPCG(4, 5))
	for name, change := range map[string]func(r *trainer.Recipe, d int){
		"infonce, centred queries": func(r *trainer.Recipe, d int) {
			r.Loss, r.Side, r.Start, r.Dims = graph.InfoNCE{Temperature: 0.1, Symmetric: true, Learn: true}, graph.Query, trainer.Centred{}, d
		},
		"triplets, dual":      func(r *trainer.Recipe, _ int) { r.Loss, r.Side = graph.Triplet{Margin: 0.3}, graph.Dual },
		"angle over cut ones": func(r *trainer.Recipe, _ int) { r.Loss, r.Matryoshka = graph.AnglE{Scale: 20}, []int{4, 12} },
		"low rank, dual, averaged": func(r *trainer.Recipe, _ int) {
			r.Shape, r.Side, r.Average, r.Start = graph.LowRank{Rank: 3}, graph.Dual, 0.9, trainer.TopRemoved{}
		},
		"diagonal":             func(r *trainer.Recipe, _ int) { r.Shape, r.Start = graph.Diagonal{}, trainer.Whitened{Power: 0.5} },
		"within-class, closed": func(r *trainer.Recipe, d int) { *r = trainer.Closed(trainer.WCCN{}, graph.Both, d) },
		"mean difference":      func(r *trainer.Recipe, d int) { *r = trainer.Closed(trainer.MeanDifference{}, graph.Query, d) },
	} {
		t.Run(name, func(t *testing.T) {
			h := history{t, quick()}
			h.recipe.ShuffleWindow = 200
			change(&h.recipe, planted(t).Vectors.Dim)
			want := h.whole(way{layouts[0], 1, 0})
			others, calls := 3, 6
			if testing.Short() {
				others, calls = 1, 2
			}
			for range others {
				if w := ways[rng.IntN(len(ways))]; h.whole(w) != want {
					t.Errorf("%v: another result", w)
				}
			}
			if got, made := h.interrupted(rng, ways, calls); got != want {
				t.Errorf("%v: another result", made)
			}
		})
	}
}

// layouts writes the planted pairs in several ways.
func layouts(t *testing.T) []string {
	type pair struct {
		Left  string  `parquet:"left"`
		Right string  `parquet:"right"`
		Label float32 `parquet:"label"`
		Split string  `parquet:"split"`
		Group string  `parquet:"group"`
	}
	type text struct {
		ID        string    `parquet:"id"`
		Embedding []float32 `parquet:"embedding,list"`
	}
	const wide = "testdata/planted.parquet"
	data := planted(t)
	var pairs []pair
	p, v := &data.Pairs, data.Vectors
	for i := range p.Label {
		pairs = append(pairs, pair{v.IDs[p.Left[i]], v.IDs[p.Right[i]], p.Label[i], p.Split[i].String(), p.Groups[p.Group[i]]})
	}
	var texts []text
	for i, id := range v.IDs {
		texts = append(texts, text{id, v.Data[i*v.Dim : (i+1)*v.Dim]})
	}
	all := []string{wide}
	for name, l := range map[string]struct {
		segment int // texts in a file
		options []parquet.WriterOption
	}{
		"one segment":       {len(texts), nil},
		"many segments":     {37, nil},
		"small row groups":  {300, []parquet.WriterOption{parquet.MaxRowsPerRowGroup(11)}},
		"small pages, zstd": {500, []parquet.WriterOption{parquet.PageBufferSize(700), parquet.Compression(&parquet.Zstd)}},
	} {
		folder := filepath.Join(t.TempDir(), name)
		segments := filepath.Join(folder, "embeddings", "planted")
		if err := os.MkdirAll(segments, 0o700); err != nil {
			t.Fatal(err)
		}
		manifest := fmt.Sprintf(`{"schema_version": 1, "dimensions": %d}`, v.Dim)
		if err := os.WriteFile(filepath.Join(segments, "manifest.json"), []byte(manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := parquet.WriteFile(filepath.Join(folder, "pairs.parquet"), pairs, l.options...); err != nil {
			t.Fatal(err)
		}
		shuffled := slices.Clone(texts)
		rand.New(rand.NewPCG(uint64(l.segment), 0)).Shuffle(len(texts), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		n := 0
		for part := range slices.Chunk(shuffled, l.segment) {
			if err := parquet.WriteFile(filepath.Join(segments, fmt.Sprintf("%04d.parquet", n)), part, l.options...); err != nil {
				t.Fatal(err)
			}
			n++
		}
		all = append(all, folder)
	}
	slices.Sort(all[1:])
	return all
}
