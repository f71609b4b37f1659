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

// TestMetamorphic wants one matrix and one summary from every way to store the
// data and to run: a wide file, folders of segments of any size, pages and row
// groups; any number of threads; any memory; interrupted, and gone on with in
// another way.
func TestMetamorphic(t *testing.T) {
	recipe := quick()
	recipe.ShuffleWindow = 200   // so that there are several
	recipe.Start = trainer.PCA{} // which looks at all training vectors
	run := func(w way, dir rundir.Dir, resume bool, steps int) (rundir.Summary, error) {
		data, err := loader.Open(context.Background(), w.layout, loader.Options{Memory: w.memory, Scratch: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		defer data.Close()
		if streamed := data.Vectors.Data == nil; streamed != (w.memory > 0 && w.memory < 1<<20) {
			t.Fatalf("%v: streamed is %v", w, streamed)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		backend := &interrupting{Backend: cpu.New(w.threads), left: steps, cancel: cancel}
		return trainer.Train(ctx, data, trainer.Options{Recipe: recipe, Backend: backend, Dir: dir, Resume: resume})
	}
	result := func(dir rundir.Dir, s rundir.Summary) string {
		s.Timing, s.Data.Path, s.Data.Notes = rundir.Timing{}, "", nil // a folder brings its split, a wide file has it drawn
		scores, err := os.ReadFile(filepath.Join(dir.Path(), "scores.parquet"))
		if err != nil {
			t.Fatal(err)
		}
		return matrixBytes(t, dir) + asJSON(t, s) + string(scores)
	}
	layouts := layouts(t)
	first := newDir(t)
	s, err := run(way{layouts[0], 1, 0}, first, false, -1)
	if err != nil {
		t.Fatal(err)
	}
	want := result(first, s)

	var ways []way
	for _, layout := range layouts {
		for _, memory := range []int64{0, 3000, 40_000, 1 << 30} {
			ways = append(ways, way{layout, 1 + len(ways)%3, memory})
		}
	}
	for _, w := range ways {
		dir := newDir(t)
		s, err := run(w, dir, false, -1)
		if err != nil {
			t.Fatal(w, err)
		}
		if result(dir, s) != want {
			t.Errorf("%v: another result", w)
		}
	}
	rng := rand.New(rand.NewPCG(4, 4))
	for range 4 {
		dir, calls := newDir(t), []way{}
		for {
			w := ways[rng.IntN(len(ways))]
			s, err := run(w, dir, len(calls) > 0, rng.IntN(4))
			calls = append(calls, w)
			if err == nil {
				if result(dir, s) != want {
					t.Errorf("%v: another result", calls)
				}
				break
			}
			if !errors.Is(err, trainer.ErrInterrupted) || len(calls) == 100 {
				t.Fatal(calls, err)
			}
		}
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
