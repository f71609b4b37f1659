//go:build gpu && linux

package cuda

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/trainer"
)

var tolerances = map[Precision]float64{FP32: backendtest.FP32, TF32: backendtest.TF32, BF16: backendtest.BF16}

// TestBackendOnDevice runs the suite that every backend passes.
func TestBackendOnDevice(t *testing.T) {
	for precision, tolerance := range tolerances {
		t.Run(string(precision), func(t *testing.T) {
			backendtest.Run(t, func(t *testing.T) graph.Backend {
				return openWith(t, settings{Options: Options{Precision: precision}, algorithm: 1})
			}, tolerance)
		})
	}
}

func random(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, 0))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

// A history is a training whose batches, tables and dropout change from step
// to step.
type history struct {
	loss        graph.Objective
	shape       graph.Shape // nil for a full matrix
	side        graph.Side
	d, k, texts int
	sizes       []int // of the batches
	turn        int   // steps on each table
}

// lately is what there was after a step.
type lately struct {
	loss             float32
	gradient, matrix []float32
	parameters       []float32 // of a loss that learns some
}

// run trains on a backend and returns what there was after the given steps. It
// looks at nothing in between, so that steps and tables queue up.
func (h history) run(t *testing.T, b graph.Backend, look func(step int) bool) []lately {
	t.Helper()
	model := must(graph.NewShapedModel(b, h.shape, h.side, h.d, h.k, h.loss))(t)
	defer model.Close()
	weights, own := model.Weights(), model.Parameters()
	update := must(b.NewUpdate(trainer.AdamW{WeightDecay: 0.1}, weights.Size()))(t)
	var fit graph.UpdateKernel
	if own != nil {
		fit = must(b.NewUpdate(trainer.Adam{}, own.Size()))(t)
	}
	must(model.Begin(random(1, h.side.Rows(h.d)*h.k), 1))(t)
	table := must(b.NewTable(h.d))(t)
	rng := rand.New(rand.NewPCG(2, 0))
	var all []lately
	for i, n := range h.sizes {
		if i%h.turn == 0 {
			vectors := random(uint64(100+i), (h.texts+i%3)*h.d)
			do(t, table.Set(vectors))
			if b.Name() == "cuda" {
				clear(vectors) // it has taken them
			}
		}
		batch := &graph.Batch{Table: table, Labels: make([]float32, n), Dropout: graph.Dropout{Rate: 0.3, Seed: 7, Step: uint32(i)}}
		for j := range n {
			batch.Left = append(batch.Left, int32(rng.IntN(h.texts)))
			batch.Right = append(batch.Right, int32(rng.IntN(h.texts)))
			batch.Labels[j] = float32(rng.IntN(2))
			batch.Groups = append(batch.Groups, int32(rng.IntN(n)))
		}
		do(t, model.Step(batch))
		hyper := graph.Hyper{LearningRate: 0.01, Step: i + 1}
		do(t, update.Apply(hyper, weights, model.Gradient()))
		if own != nil {
			do(t, fit.Apply(hyper, own, model.ParameterGradient()))
		}
		if !look(i) {
			continue
		}
		now := lately{gradient: make([]float32, weights.Size()), matrix: make([]float32, h.side.Rows(h.d)*h.k)}
		now.loss = must(model.Loss())(t)
		do(t, b.Download(now.gradient, model.Gradient()), b.Download(now.matrix, must(model.MatrixOf(weights))(t)))
		if own != nil {
			now.parameters = make([]float32, own.Size())
			do(t, b.Download(now.parameters, own))
		}
		all = append(all, now)
	}
	return all
}

func every(int) bool { return true }

// last looks after the last step only.
func (h history) last(step int) bool { return step == len(h.sizes)-1 }

func (l lately) same(m lately) bool {
	return l.loss == m.loss && slices.Equal(l.gradient, m.gradient) && slices.Equal(l.matrix, m.matrix) && slices.Equal(l.parameters, m.parameters)
}

// short is a training of small odd sizes, long enough for every size of batch
// to be told, recorded and repeated; again, once the batch of 30 has made
// memories grow.
var short = history{loss: graph.MSE{}, d: 13, k: 7, texts: 20, sizes: []int{9, 9, 9, 4, 9, 4, 4, 1, 9, 30, 9, 30, 30, 4, 9, 4, 9, 4}, turn: 4}

// inGo is a shape that the backend knows nothing more of.
type inGo struct{ graph.Shape }

// A way is one in which steps are computed otherwise.
type way struct {
	name     string
	loss     graph.Objective
	shape    graph.Shape
	side     graph.Side
	recorded bool // they can be
}

// history is short in this way.
func (w way) history() history {
	h := short
	h.loss, h.shape, h.side = w.loss, w.shape, w.side
	return h
}

var ways = []way{
	{name: "mse", loss: graph.MSE{}, recorded: true},
	{name: "learned scale", loss: graph.Logistic{Scale: 5, Threshold: 0.2, Learn: true}, recorded: true},
	{name: "infonce", loss: graph.InfoNCE{Temperature: 0.3}, recorded: true},
	{name: "learned temperature", loss: graph.InfoNCE{Temperature: 0.3, Symmetric: true, Learn: true}, recorded: true},
	{name: "matryoshka", loss: graph.Matryoshka{Loss: graph.Logistic{Scale: 5, Learn: true}, Dims: []int{3, 7}}}, // on the processor
	{name: "low rank", loss: graph.MSE{}, shape: graph.LowRank{Rank: 3}, recorded: true},
	{name: "a shape in Go", loss: graph.MSE{}, shape: inGo{graph.LowRank{Rank: 2}}}, // on the processor
	{name: "diagonal of queries", loss: graph.InfoNCE{Temperature: 0.3}, shape: graph.Diagonal{}, side: graph.Query, recorded: true},
	{name: "low rank of each side", loss: graph.Logistic{Scale: 5, Threshold: 0.2, Learn: true}, shape: graph.LowRank{Rank: 2}, side: graph.Dual, recorded: true},
}

// eachWay runs a test of short in each way, the first at each precision and the others
// at two, since a fake device takes its time.
func eachWay(t *testing.T, test func(t *testing.T, h history, precision Precision, recorded bool)) {
	for i, way := range ways {
		for precision := range tolerances {
			if i > 0 && precision == TF32 {
				continue
			}
			t.Run(way.name+"/"+string(precision), func(t *testing.T) {
				test(t, way.history(), precision, way.recorded)
			})
		}
	}
}

// Repeated steps have the bits of steps that were told call by call, after
// every step, and after many that were queued in one go.
func TestRecordingOnDevice(t *testing.T) {
	eachWay(t, func(t *testing.T, h history, precision Precision, recorded bool) {
		plain := openWith(t, settings{Options: Options{Precision: precision}, algorithm: 2, recordNothing: true})
		want := h.run(t, plain, every)
		do(t, plain.Close())

		b := openWith(t, settings{Options: Options{Precision: precision}, algorithm: 2})
		got := h.run(t, b, every)
		for i := range want {
			if !want[i].same(got[i]) {
				t.Errorf("step %d of %d pairs: loss %v, want %v, or another gradient, matrix or parameters", i, h.sizes[i], got[i].loss, want[i].loss)
			}
		}
		sizes, expected := 0, 0
		for _, s := range b.recordings[0].steps {
			if s.graph != nil {
				sizes++
			}
		}
		if recorded {
			expected = 3 // those of 9, 4 and 30 pairs; of 1 there is one step
		}
		if sizes != expected {
			t.Errorf("%d sizes of batches were recorded, want %d", sizes, expected)
		}
		do(t, b.Close())

		b = openWith(t, settings{Options: Options{Precision: precision}, algorithm: 2})
		if queued := h.run(t, b, h.last); !queued[0].same(want[len(want)-1]) {
			t.Errorf("steps and tables that queue up: loss %v, want %v, or another gradient, matrix or parameters", queued[0].loss, want[len(want)-1].loss)
		}
		do(t, b.Close())
	})
}

// A training agrees with the CPU's within the precision, after every step.
func TestTrainingOnDevice(t *testing.T) {
	eachWay(t, func(t *testing.T, h history, precision Precision, _ bool) {
		want := h.run(t, cpu.New(1), every)
		b := openFor(t, Options{Precision: precision}) // which chooses its algorithms
		defer func() { do(t, b.Close()) }()
		var loss, matrix, parameters float64 // the largest errors
		for i, got := range h.run(t, b, every) {
			// One of few pairs may be small, and its error relatively large.
			loss = max(loss, math.Abs(float64(got.loss-want[i].loss))/max(float64(want[i].loss), 0.05))
			matrix = max(matrix, distance(got.matrix, want[i].matrix))
			if got.parameters != nil {
				parameters = max(parameters, distance(got.parameters, want[i].parameters))
			}
		}
		t.Logf("the losses are off by %.2g, the matrices by %.2g, the parameters by %.2g", loss, matrix, parameters)
		if tolerance := tolerances[precision]; !(loss <= 3*tolerance && matrix <= tolerance && parameters <= tolerance) {
			t.Errorf("the losses are off by %.2g, the matrices by %.2g, the parameters by %.2g, want at most %g, %g and %g", loss, matrix, parameters, 3*tolerance, tolerance, tolerance)
		}
	})
}

// distance is ‖a − b‖/‖b‖.
func distance(a, b []float32) float64 {
	var diff, norm float64
	for i := range b {
		e := float64(a[i]) - float64(b[i])
		diff += e * e
		norm += float64(b[i]) * float64(b[i])
	}
	return math.Sqrt(diff / norm)
}

// A step that looks at the device in between cannot be recorded. It is told
// call by call, every time.
func TestUnrecordableOnDevice(t *testing.T) {
	b := openWith(t, settings{Options: Options{Precision: BF16}, algorithm: 1})
	defer func() { do(t, b.Close()) }()
	const d, k, n = 5, 3, 4
	table, m := must(b.NewTable(d))(t), must(b.NewArray(d, k))(t)
	do(t, table.Set(random(3, 8*d)), b.Upload(m, random(4, d*k)))
	kernel := must(b.NewScore(d, k))(t)
	r := must(b.NewRecording())(t)
	batch := &graph.Batch{Table: table, Left: []int32{0, 1, 2, 3}, Right: []int32{4, 5, 6, 7}, Labels: make([]float32, n)}
	var seen [][]float32
	for range 4 {
		do(t, r.Run(batch, func() error {
			s, err := kernel.Forward(m, batch)
			if err != nil {
				return err
			}
			seen = append(seen, make([]float32, n))
			if err := b.Download(seen[len(seen)-1], s); err != nil {
				seen = seen[:len(seen)-1]
				return err
			}
			return nil
		}))
	}
	if len(seen) != 4 || !slices.Equal(seen[0], seen[1]) || !slices.Equal(seen[0], seen[3]) || seen[0][0] == 0 {
		t.Errorf("the steps saw %v", seen)
	}
}

// Results have the length of the repeated batch, and their numbers; a matrix
// that was uploaded in between is the one that is used. A batch that is changed
// after its step is another one.
func TestRepeatedShapesOnDevice(t *testing.T) {
	for precision := range tolerances {
		b := openWith(t, settings{Options: Options{Precision: precision}, algorithm: 1})
		const d, k = 6, 5
		table, m := must(b.NewTable(d))(t), must(b.NewArray(d, k))(t)
		do(t, table.Set(random(3, 30*d)))
		recorded, plain := must(b.NewScore(d, k))(t), must(b.NewScore(d, k))(t)
		r := must(b.NewRecording())(t)
		var s graph.Array
		for i, n := range []int{7, 3, 7, 3, 7, 3, 3, 7} {
			batch := &graph.Batch{Table: table, Left: make([]int32, n), Right: make([]int32, n)}
			for j := range n {
				batch.Left[j], batch.Right[j] = int32(i+j), int32(29-j)
			}
			do(t, b.Upload(m, random(uint64(i), d*k)))
			do(t, r.Run(batch, func() (err error) {
				s, err = recorded.Forward(m, batch)
				return err
			}))
			fresh := must(b.NewArray(d, k))(t)
			do(t, b.Upload(fresh, random(uint64(i), d*k)))
			want := must(plain.Forward(fresh, batch))(t)
			if !slices.Equal(s.Shape(), want.Shape()) {
				t.Fatalf("%s, step %d: shape %v, want %v", precision, i, s.Shape(), want.Shape())
			}
			got, wanted := make([]float32, n), make([]float32, n)
			do(t, b.Download(got, s), b.Download(wanted, want))
			if !slices.Equal(got, wanted) {
				t.Errorf("%s, step %d: %v, want %v", precision, i, got, wanted)
			}

			batch.Left[0] = batch.Right[0]
			do(t, b.Download(got, must(plain.Forward(fresh, batch))(t)))
			if math.Abs(float64(got[0])-1) > 1e-6 || !slices.Equal(got[1:], wanted[1:]) {
				t.Errorf("%s, step %d: %v of a text and itself, was %v", precision, i, got, wanted)
			}
		}
		do(t, b.Close())
	}
}

// Queries and passages come in parts that outgrow their memory.
func TestGrowingSimilaritiesOnDevice(t *testing.T) {
	b := openWith(t, settings{algorithm: 1})
	defer func() { do(t, b.Close()) }()
	const d, n = 9, 60
	table := must(b.NewTable(d))(t)
	vectors := random(8, n*d)
	do(t, table.Set(vectors))
	kernel := must(b.NewSimilarities(d))(t)
	all := make([]int32, n)
	for i := range all {
		all[i] = int32(i)
	}
	do(t, kernel.SetPassages(table, all[:2]), kernel.SetPassages(table, all))
	for at, size := 0, 1; at < n; at, size = at+size, 2*size {
		do(t, kernel.AddQueries(table, all[at:min(at+size, n)]))
	}
	got := make([]float32, n*n)
	do(t, kernel.Of(0, n, got))
	ref := &backendtest.Reference{D: d, Table: backendtest.Widen(vectors)}
	for i := range n {
		for j := range n {
			want := backendtest.Cosine(ref.Embedding(all[i], 0, 0, graph.Dropout{}), ref.Embedding(all[j], 0, 0, graph.Dropout{}))
			if !(math.Abs(float64(got[i*n+j])-want) <= 1e-6) {
				t.Fatalf("query %d and passage %d: %v, want %v", i, j, got[i*n+j], want)
			}
		}
	}
}

// A copy longer than all the blocks that it goes through.
func TestLongCopiesOnDevice(t *testing.T) {
	b := openWith(t, settings{algorithm: 1})
	defer func() { do(t, b.Close()) }()
	const n = (pieceBlocks+1)*pieceBytes/4 + 3
	want := random(9, n)
	a := must(b.NewArray(n))(t)
	got := make([]float32, n)
	do(t, b.Upload(a, want), b.Download(got, a))
	if !slices.Equal(got, want) {
		t.Error("another array came back")
	}
}

// Wrong input is refused before the device sees it.
func TestRefusedOnDevice(t *testing.T) {
	b := openWith(t, settings{algorithm: 1})
	defer func() { do(t, b.Close()) }()
	const d, k = 4, 3
	table, m := must(b.NewTable(d))(t), must(b.NewArray(d, k))(t)
	do(t, table.Set(random(1, 6*d)))
	score, project, similar := must(b.NewScore(d, k))(t), must(b.NewProject(d, k))(t), must(b.NewSimilarities(d))(t)
	forward := func(batch graph.Batch) error {
		_, err := score.Forward(m, &batch)
		return err
	}
	for want, err := range map[string]error{
		"row 6 of an array that has 6": forward(graph.Batch{Table: table, Left: []int32{6}, Right: []int32{0}}),
		"row -1 of an array":           forward(graph.Batch{Table: table, Left: []int32{0}, Right: []int32{-1}}),
		"1 left and 2 right texts":     forward(graph.Batch{Table: table, Left: []int32{0}, Right: []int32{0, 1}}),
		"without a table":              forward(graph.Batch{Left: []int32{0}, Right: []int32{0}}),
		"a matrix of shape (4, 3), want (4, 2)": func() error {
			_, err := must(b.NewScore(d, 2))(t).Forward(m, &graph.Batch{Table: table})
			return err
		}(),
		"embeddings of 3 dimensions, want 4 for a matrix of 4 rows": func() error {
			_, err := project.Forward(m, &graph.Batch{Table: must(b.NewTable(3))(t)})
			return err
		}(),
		"row 9 of an array":        b.PairCosines(table, []int32{9}, []int32{0}, make([]float32, 1)),
		"2 left and 1 right rows":  b.PairCosines(table, []int32{1, 2}, []int32{0}, make([]float32, 1)),
		"row 7 of an array":        similar.AddQueries(table, []int32{7}),
		"queries 0 to 0 of 0":      similar.Of(0, 1, nil),
		"a table of 5 numbers":     table.Set(make([]float32, 5)),
		"got a *cpu.array":         b.Upload(must(cpu.New(1).NewArray(1))(t), make([]float32, 1)),
		"has no formula for a GPU": func() error { _, err := b.NewLoss(struct{ graph.Loss }{graph.MSE{}}); return err }(),
		"7 numbers for a shape of 3": func() error {
			_, err := must(b.NewShape(graph.Diagonal{}, 1, d, k))(t).Forward(must(b.NewArray(7))(t))
			return err
		}(),
		"has no expression for a": func() error { _, err := b.NewUpdate(struct{ graph.Rule }{trainer.SGD{}}, 1); return err }(),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	other := openWith(t, settings{algorithm: 1})
	defer func() { do(t, other.Close()) }()
	if err := other.Upload(m, make([]float32, d*k)); err == nil || !strings.Contains(err.Error(), "another backend") {
		t.Error(err)
	}
}
