package trainer

import (
	"context"
	"fmt"
	"slices"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/projection"
)

// EvaluateOptions say how to evaluate. Backend is required.
type EvaluateOptions struct {
	Backend graph.Backend
	Loss    graph.Objective // to report; default graph.MSE
	Split   loader.Split    // that is judged
	// Metric judges, one of Metrics. Where it is empty, or the data have no such
	// figure, that of their labels does.
	Metric string
	// SelectedOn is the split that chose the matrix, where the data are those
	// that it was learned from, and nothing for other data, which are all held out.
	SelectedOn string
	// Learned has the ids of the texts that the matrix was learned from, where the data
	// are others; nil where they are not known.
	Learned map[string]bool
	Guard   *loader.Dataset // as in Options
	Threads int             // that project; 0 means all
}

// Evaluate scores a learned matrix on a data set, every split of it, beside
// the embeddings as they are. It also returns each pair's cosines.
//
// The thresholds are the best on the validation split. Without one, the
// matrix's own is used, and the embeddings as they are get the best threshold
// of each split, which flatters them.
func Evaluate(ctx context.Context, data *loader.Dataset, p *projection.Projection, opts EvaluateOptions) (rundir.Summary, []rundir.Score, error) {
	t := data.Vectors
	if err := fits(p, data); err != nil {
		return rundir.Summary{}, nil, err
	}
	figure, note, err := judgedBy(opts.Metric, data, opts.Split)
	if err != nil {
		return rundir.Summary{}, nil, err
	}
	backend, loss := opts.Backend, opts.Loss
	if loss == nil {
		loss = graph.MSE{}
	}
	table, err := backend.NewTable(t.Dim)
	if err != nil {
		return rundir.Summary{}, nil, err
	}
	projected, err := backend.NewTable(p.Out)
	if err != nil {
		return rundir.Summary{}, nil, err
	}
	e := &evaluator{data: data, backend: backend, table: table, dims: p.Out, loss: loss}
	if p.Left() != p.Right() {
		e.side = graph.Dual
	}
	e.project = func(vectors []float32, left, right []int32) (graph.Array, error) {
		y := make([]float32, (len(left)+len(right))*p.Out)
		at := len(left) * p.Out
		applyTo(p.Left(), y[:at], vectors, left, t.Dim, opts.Threads)
		applyTo(p.Right(), y[at:], vectors, right, t.Dim, opts.Threads)
		return projected, projected.Set(y)
	}
	task := newRetrievalTask(data)
	known, err := e.knows(opts)
	if err != nil {
		return rundir.Summary{}, nil, err
	}
	if figure == byNDCG {
		e.task = task
	}
	pairs := data.Indices(loader.Train, loader.Validation, loader.Test)
	before, err := e.untrained(ctx, pairs)
	if err != nil {
		return rundir.Summary{}, nil, err
	}
	after, err := e.measure(ctx, pairs, true)
	if err != nil {
		return rundir.Summary{}, nil, err
	}
	s := rundir.Summary{SchemaVersion: rundir.SchemaVersion, SelectedOn: opts.SelectedOn, Device: backend.Name(), Precision: "fp32"} // scoring has no other
	if s.Data, err = describe(data, rundir.Data{Path: data.Name}); err != nil {
		return s, nil, err
	}
	s.Selection = figure
	for _, note := range []string{known, note} {
		if note != "" {
			s.Data.Notes = append(s.Data.Notes, note)
		}
	}
	if OtherModel(p.Metadata.Model, data.Model) {
		s.Data.Notes = slices.Insert(s.Data.Notes, 0, fmt.Sprintf("THE MATRIX IS OF ANOTHER MODEL: it was learned from vectors of %s, and these are of %s, so the figures say nothing of either", p.Metadata.Model, data.Model))
	}
	thresholdBefore := bestThreshold(e.split(pairs, before, loader.Validation))
	thresholdAfter := bestThreshold(e.split(pairs, after, loader.Validation))
	if !thresholdAfter.Known() && metricOf("", data) == byROCAUC {
		note := "no validation split and no threshold with the matrix: both sides get the best threshold on the very pairs that are scored, which flatters them"
		if p.Metadata.Threshold != nil {
			thresholdAfter = rundir.Figure(*p.Metadata.Threshold)
			note = "no validation split: the matrix brings its threshold, and the untrained embeddings get the best one on the very pairs that are scored, which flatters them"
		}
		if opts.SelectedOn == loader.Test.String() {
			thresholdAfter = rundir.None
			note = "the test split chose the epoch and the thresholds, which flatters the figures"
		}
		s.Data.Notes = append(s.Data.Notes, note)
	}
	e.figures(&s, pairs, before, after, thresholdBefore, thresholdAfter)
	if err := e.search(ctx, task, &s); err != nil {
		return s, nil, err
	}
	if err := e.account(&s, opts.Split, figure, pairs, before, after); err != nil {
		return s, nil, err
	}
	if opts.Guard != nil {
		if s.Guard, err = guarded(p, opts.Guard, data, opts.Threads); err != nil {
			return s, nil, err
		}
	}
	if t, found := testedOn(&s, opts.Split, s.Selection); found {
		s.Judgement = scored{figure: s.Selection, split: opts.Split, selectedOn: opts.SelectedOn, test: t}.judgement()
	}
	return s, scoreRows(data, pairs, before.cosines, after.cosines), nil
}

// knows finds the pairs that share something with what the matrix was learned from:
// of other data those of the split that is judged, as far as these are known, and else
// those of test. The note says how many those of other data are, or why that is not known.
func (e *evaluator) knows(opts EvaluateOptions) (note string, err error) {
	if opts.Learned == nil {
		e.heldOut = newHeldOut(e.data, loader.Test, e.data.SharedWithTraining())
		return "", nil
	}
	shares, err := e.data.SharedWithTexts(opts.Learned)
	if err != nil {
		return "", err
	}
	e.heldOut = newHeldOut(e.data, opts.Split, shares)
	switch n := e.heldOut.shared; {
	case n > 0:
		return fmt.Sprintf("%d of the %d %s pairs share a text with the pairs that the matrix was learned from", n, len(e.data.Indices(opts.Split)), opts.Split), nil
	case e.data.Textless():
		return "these data bring no texts, so whether they share some with what the matrix was learned from is known only if that had none either: name the texts with --left-text-column and --right-text-column", nil
	}
	return "", nil
}

// fits refuses data that a matrix does not take.
func fits(p *projection.Projection, data *loader.Dataset) error {
	left, right := data.Vectors.Dims()
	const remedy = "choose the data or --embeddings that it was learned from"
	switch {
	case left == right && p.In != left:
		return fmt.Errorf("%s: embeddings of %d dimensions, but the matrix takes %d: %s", data.Name, left, p.In, remedy)
	case p.Right() != nil && left != right:
		return fmt.Errorf("%s: left vectors of %d and right ones of %d dimensions, but the matrix is not for left texts alone: %s", data.Name, left, right, remedy)
	case p.Right() == nil && (p.In != left || p.Out != right):
		return fmt.Errorf("%s: left vectors of %d and right ones of %d dimensions, but the matrix maps %d to %d: %s", data.Name, left, right, p.In, p.Out, remedy)
	}
	return nil
}

// applyTo writes rows of vectors [_, d] under p, or, where that is nil, their
// first numbers as they are, to y.
func applyTo(p *projection.Projection, y, vectors []float32, rows []int32, d, threads int) {
	if len(rows) == 0 {
		return
	}
	k := len(y) / len(rows)
	var x []float32
	if p != nil {
		x = make([]float32, 0, len(rows)*p.In)
	}
	for i, r := range rows {
		row := vectors[int(r)*d : (int(r)+1)*d]
		if p == nil {
			copy(y[i*k:(i+1)*k], row)
			continue
		}
		x = append(x, row[:p.In]...)
	}
	if p != nil {
		p.ApplyAll(y, x, false, threads)
	}
}
