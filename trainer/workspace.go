package trainer

import (
	"encoding/json"
	"fmt"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// A Workspace is where recipes are tried in turn on one data set: a backend
// with the embeddings on it, and the graphs, arrays and compiled kernels of the
// recipes so far, which the next one takes over where it needs the same. It is
// not safe for concurrent use.
type Workspace struct {
	data    *loader.Dataset
	open    func() (graph.Backend, error)
	backend graph.Backend
	eval    *evaluator
	kept    map[string]*keptParts
	starts  map[string]Beginning
	chosen  map[choice]string // by Auto: state.Start
}

// keptParts are parts whose optimiser takes the settings of another.
type keptParts struct {
	*parts
	rule *exchangeable // nil where it cannot
}

// An exchangeable rule is another one of the same expression at another time.
type exchangeable struct{ graph.DeviceRule }

// mostKept bounds what a workspace keeps. A device's memory is only given back
// with its backend, so a workspace with as many parts begins again.
const mostKept = 8

// NewWorkspace makes a workspace for a data set, which nobody may use or change
// at the same time; see [loader.Dataset.Share]. Open opens a backend, now and
// whenever the memory of the last one is given back. The caller closes the
// workspace.
func NewWorkspace(data *loader.Dataset, open func() (graph.Backend, error)) (*Workspace, error) {
	w := &Workspace{data: data, open: open}
	return w, w.begin()
}

func (w *Workspace) begin() (err error) {
	w.kept, w.starts, w.chosen = map[string]*keptParts{}, map[string]Beginning{}, map[choice]string{}
	if w.backend, err = w.open(); err != nil {
		return err
	}
	w.eval, err = newEvaluator(w.data, w.backend)
	return err
}

// Backend returns the backend of the moment.
func (w *Workspace) Backend() graph.Backend { return w.backend }

// Close gives everything back.
func (w *Workspace) Close() error {
	w.closeParts()
	if w.backend == nil {
		return nil
	}
	err := w.backend.Close()
	w.backend = nil
	return err
}

// closeParts gives back all but the backend.
func (w *Workspace) closeParts() {
	for _, p := range w.kept {
		p.close()
	}
	w.kept = nil
}

// renew gives everything back and begins again.
func (w *Workspace) renew() error {
	if err := w.Close(); err != nil {
		return err
	}
	return w.begin()
}

// prepare makes the workspace ready for a recipe.
func (w *Workspace) prepare(recipe Recipe) error {
	key, _, err := partsKey(recipe)
	if err != nil {
		return err
	}
	if w.backend == nil || w.kept[key] == nil && len(w.kept) >= mostKept {
		return w.renew()
	}
	return nil
}

// partsFor returns the parts of a recipe as new ones are, and the evaluator.
func (w *Workspace) partsFor(recipe Recipe) (*parts, *evaluator, error) {
	key, rule, err := partsKey(recipe)
	if err != nil {
		return nil, nil, err
	}
	if p := w.kept[key]; p != nil {
		if p.rule != nil {
			p.rule.DeviceRule = rule.DeviceRule
		}
		return p.parts, w.eval, p.reset(w.backend, recipe)
	}
	if rule != nil {
		recipe.Optimizer = rule
	}
	d, _ := w.data.Vectors.Dims()
	p, err := newParts(w.backend, recipe, d)
	if err != nil {
		return nil, nil, err
	}
	w.kept[key] = &keptParts{p, rule}
	return p, w.eval, nil
}

// partsKey is equal for recipes whose parts are the same but for the settings
// of the rule that it returns.
func partsKey(recipe Recipe) (key string, rule *exchangeable, err error) {
	c, err := recipe.Config()
	if err != nil {
		return "", nil, err
	}
	// What parts are not made of. Anything else that a recipe may have one day
	// makes parts of its own.
	c.Name, c.Epochs, c.BatchSize, c.LearningRate, c.Dropout, c.Patience = "", 0, 0, 0, 0, 0
	c.Schedule, c.Start, c.ClosedForm, c.SelectedOn, c.Metric, c.Seed, c.ShuffleWindow = rundir.Part{}, rundir.Part{}, nil, "", "", 0, 0
	if recipe.ClosedForm != nil { // which has neither
		c.Shape, c.Average = nil, 0
	}
	expression := ""
	if r, ok := recipe.Optimizer.(graph.DeviceRule); ok {
		rule = &exchangeable{r}
		c.Optimizer.Settings, expression = nil, fmt.Sprint(r.Slots(), r.CUDA())
	}
	text, err := json.Marshal(c)
	return string(text) + expression, rule, err
}

// reset makes parts as they were when they were new. The matrix is the run's to
// set.
func (p *parts) reset(b graph.Backend, recipe Recipe) error {
	slots := p.update.State()
	if p.fit != nil {
		slots = append(slots, p.fit.State()...)
		if err := b.Upload(p.model.Parameters(), recipe.objective().(graph.Fitted).Parameters()); err != nil {
			return err
		}
	}
	for _, s := range slots {
		if err := b.Upload(s, make([]float32, s.Size())); err != nil {
			return err
		}
	}
	return nil
}

// beginning returns the start of a recipe, which is not to be changed.
func (w *Workspace) beginning(recipe Recipe) (Beginning, error) {
	key, err := json.Marshal(struct {
		Name string
		Start
		K    int
		Seed uint64
	}{recipe.Start.Name(), recipe.Start, recipe.Dims, recipe.Seed})
	if err != nil {
		return Beginning{}, err
	}
	if b, ok := w.starts[string(key)]; ok {
		return b, nil
	}
	b, err := recipe.Start.Begin(w.data, recipe.Dims, recipe.Seed)
	if err == nil {
		if len(w.starts) >= mostKept {
			clear(w.starts)
		}
		w.starts[string(key)] = b
	}
	return b, err
}

// Forget gives everything back, for the next recipe to begin with a backend of
// its own: after an error nobody knows what state the parts are in.
func (w *Workspace) Forget() { w.Close() }
