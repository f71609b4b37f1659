package trainer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// The parts of the training groups that a learning curve has beside all of them.
const (
	curveHalvings = 3 // the smallest is an eighth
	curveDraws    = 4 // of each of them
	fewestGroups  = 8 // in the smallest
)

// LearningCurveOptions say how to draw a learning curve. Recipe and Open are
// required.
type LearningCurveOptions struct {
	Recipe   Recipe
	Open     func() (graph.Backend, error) // for each training
	Progress func(done, all int)           // called after each training; may be nil
}

// LearningCurve trains by a recipe with parts of the training groups, each of
// which holds the smaller ones of its draw, and with all of them, and scores the
// validation split at each one's best epoch. Test takes no part. A recipe that
// chooses on test, or judges few pairs in parts, chooses on validation here, for
// which training groups are carved off where there is no such split.
func LearningCurve(ctx context.Context, data *loader.Dataset, opts LearningCurveOptions) (rundir.LearningCurve, error) {
	start := time.Now()
	opts.Recipe.SelectOn, opts.Recipe.CrossValidate = loader.Validation, 0
	opts.Recipe = opts.Recipe.For(data)
	opts.Recipe.Metric = metricOf(opts.Recipe.Metric, data)
	if err := Prepare(data, opts.Recipe); err != nil {
		return rundir.LearningCurve{}, err
	}
	l := learning{data: data, opts: opts}
	if opts.Recipe.Metric == byNDCG {
		l.task = newRetrievalTask(data).of(loader.Validation, chosenBy, data.Pairs.Groups)
	}
	l.curve = rundir.LearningCurve{SchemaVersion: rundir.SchemaVersion, Split: loader.Validation.String(), Figure: opts.Recipe.Metric}
	l.groups = trainingGroups(data)
	plan, err := l.plan()
	if err != nil {
		return l.curve, err
	}
	for i, p := range plan {
		if err := l.train(ctx, p); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return l.curve, err
		}
		if opts.Progress != nil {
			opts.Progress(i+1, len(plan))
		}
	}
	l.sumUp()
	l.curve.Seconds = time.Since(start).Seconds()
	return l.curve, nil
}

// A learning is a learning curve under way.
type learning struct {
	data   *loader.Dataset
	opts   LearningCurveOptions
	groups []int32         // of the training split
	task   *retrievalTask  // among all passages, whatever the part; nil for other metrics
	scores [][]splitScores // of each point and draw
	curve  rundir.LearningCurve
}

// A part is some of the training groups.
type part struct {
	point int          // of the curve
	pairs loader.Pairs // theirs, and those of validation
}

func trainingGroups(data *loader.Dataset) (groups []int32) {
	seen := make([]bool, len(data.Pairs.Groups))
	for _, i := range data.Indices(loader.Train) {
		if g := data.Pairs.Group[i]; !seen[g] {
			seen[g] = true
			groups = append(groups, g)
		}
	}
	return groups
}

// plan lays out the curve's points and what is trained for them.
func (l *learning) plan() ([]part, error) {
	var sizes []int // of the parts, the smallest first
	for halvings := curveHalvings; halvings > 0; halvings-- {
		if n := len(l.groups) >> halvings; n >= fewestGroups {
			sizes = append(sizes, n)
		}
	}
	if sizes == nil {
		return nil, fmt.Errorf("%s: the training split has %d groups: a learning curve takes at least %d", l.data.Name, len(l.groups), 2*fewestGroups)
	}
	orders := l.orders(sizes[0])
	if orders == nil {
		return nil, fmt.Errorf("%s: the labels of training pairs are so much of one kind that parts of them cannot be learned from", l.data.Name)
	}
	var plan []part
	for _, n := range append(sizes, len(l.groups)) {
		for _, order := range orders {
			plan = append(plan, part{len(l.curve.Points), l.pairsOf(order[:n])})
			if n == len(l.groups) {
				break // they have all the same
			}
		}
		l.curve.Points = append(l.curve.Points, rundir.LearningPoint{Share: float64(n) / float64(len(l.groups)), Groups: n})
	}
	l.scores = make([][]splitScores, len(l.curve.Points))
	return plan, nil
}

// orders draws orders of the training groups whose first n can be learned from.
func (l *learning) orders(n int) (orders [][]int32) {
	const tries = 100
	for try := range uint64(tries) {
		groups := slices.Clone(l.groups)
		rng := rand.New(rand.NewPCG(l.opts.Recipe.Seed, try))
		rng.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		if l.opts.Recipe.ClosedForm == nil && l.opts.Recipe.checkSplit(l.with(l.pairsOf(groups[:n])), loader.Train) != nil {
			continue
		}
		if orders = append(orders, groups); len(orders) == curveDraws {
			break
		}
	}
	return orders
}

// pairsOf are the training pairs of some groups, and all of validation.
func (l *learning) pairsOf(groups []int32) loader.Pairs {
	p := &l.data.Pairs
	among := make([]bool, len(p.Groups))
	for _, g := range groups {
		among[g] = true
	}
	keep := make([]bool, p.Len())
	for i, s := range p.Split {
		keep[i] = s == loader.Validation || s == loader.Train && among[p.Group[i]]
	}
	return p.Only(keep)
}

// with is the data set with other pairs.
func (l *learning) with(pairs loader.Pairs) *loader.Dataset {
	own := l.data.Share(1)[0]
	own.Pairs = pairs
	return own
}

// train scores what is learned from a part.
func (l *learning) train(ctx context.Context, p part) (err error) {
	w, err := NewWorkspace(l.with(p.pairs), l.opts.Open)
	if err != nil {
		return err
	}
	defer func() { err = errorOr(err, w.Close()) }()
	t := &try{workspace: w, report: func(int, float64) bool { return true }}
	r, err := newRun(w.data, Options{Recipe: l.opts.Recipe, Backend: w.backend, try: t})
	if err != nil {
		return err
	}
	defer r.close()
	r.eval.task = l.task
	if err := r.begin(ctx); err != nil {
		return err
	}
	if err := r.train(ctx); err != nil {
		return err
	}
	if err := r.use(r.result()); err != nil {
		return err
	}
	validation := w.data.Indices(loader.Validation)
	m, err := r.eval.measure(ctx, validation, true)
	if err != nil {
		return err
	}
	scores := r.eval.split(validation, m, loader.Validation)
	point := &l.curve.Points[p.point]
	point.Pairs += len(w.data.Indices(loader.Train))
	point.Values = append(point.Values, rundir.Figure(scores.figure(l.curve.Figure)))
	l.scores[p.point] = append(l.scores[p.point], scores)
	l.curve.Start = rundir.Figure(t.Start) // in the end of the whole
	return nil
}

// sumUp fills in what follows from all trainings.
func (l *learning) sumUp() {
	for i := range l.curve.Points {
		p := &l.curve.Points[i]
		p.Pairs /= len(p.Values)
		p.Mean = rundir.Figure(meanOf(p.Values))
		if p.Gain, p.GainSE = rundir.None, rundir.None; i > 0 {
			p.Gain = p.Mean - l.curve.Points[i-1].Mean
			p.GainSE = rundir.Figure(l.gainError(i-1, i))
		}
	}
	last := len(l.curve.Points) - 1
	l.curve.Gain, l.curve.GainSE = l.curve.Points[last].Mean-l.curve.Points[0].Mean, rundir.Figure(l.gainError(0, last))
	_, l.curve.Groups = denseGroups(estimator(l.curve.Figure)(l.scores[0][0]).groups)
	l.curve.Text = doubling(l.curve)
}

// gainError is the standard error of a point's gain over an earlier one: that of
// other validation groups, by resampling them, and that of other draws, which is of
// the mean of as many as there are of the earlier point.
func (l *learning) gainError(from, at int) float64 {
	mean := func(scores []splitScores) func(w []float64) float64 {
		var figures []func(w []float64) float64
		for _, s := range scores {
			figures = append(figures, estimator(l.curve.Figure)(s).of)
		}
		return func(w []float64) (sum float64) {
			for _, f := range figures {
				sum += f(w) / float64(len(figures))
			}
			return sum
		}
	}
	before, after := mean(l.scores[from]), mean(l.scores[at])
	groups := estimator(l.curve.Figure)(l.scores[at][0]).groups
	sampled := bootstrap(groups, resamplesFor(len(groups)*len(l.scores[from])), bootstrapSeed, func(w []float64) float64 { return after(w) - before(w) }).se
	a, b := l.curve.Points[from].Values, l.curve.Points[at].Values
	var gains []float64
	for draw, v := range a {
		gains = append(gains, float64(b[min(draw, len(b)-1)]-v)) // all groups are one draw
	}
	return math.Sqrt(sampled*sampled + variance(gains)/float64(len(gains)))
}

// variance is 0 for a single value, of which it is unknown.
func variance(values []float64) (sum float64) {
	if len(values) < 2 {
		return 0
	}
	mean := meanOf(values)
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return sum / float64(len(values)-1)
}

// doubling says what twice the labels would bring, by what the last doubling did, and
// where one cannot tell, what all of them did.
func doubling(c rundir.LearningCurve) string {
	last := c.Points[len(c.Points)-1]
	brought := fmt.Sprintf("the last doubling changed the %s on validation by %+.3f (standard error %.3f)", figureNames[c.Figure], last.Gain, last.GainSE)
	switch {
	case !last.GainSE.Known():
		return "Whether more labels would help cannot be said: the validation split has too few groups."
	case last.Gain > 2*last.GainSE:
		return fmt.Sprintf("Twice the labels would bring about %+.3f more: %s.", last.Gain, brought)
	case last.Gain < -2*last.GainSE:
		return "More labels like these would not help: " + brought + "."
	}
	text := "What twice the labels would bring cannot be told: " + brought + "."
	if n := len(c.Points) - 1; n > 1 && math.Abs(float64(c.Gain)) > 2*float64(c.GainSE) {
		text += fmt.Sprintf(" All %d doublings together changed it by %+.3f (standard error %.3f), which is clear.", n, c.Gain, c.GainSE)
	}
	return text
}
