package trainer

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
)

// state is what a checkpoint holds beside the arrays, which are the weights, the
// optimiser's slots, both of a loss's own parameters, and the matrix of the best
// epoch. Nothing else varies from
// step to step: the order of an epoch's pairs follows from the seed and the
// epoch, and a dropout mask from the seed and the step. So a run that goes on
// from here ends with the same bits as one that was never interrupted.
type state struct {
	Config    rundir.Config    `json:"config"`
	Start     string           `json:"start,omitempty"` // that Auto chose; empty for the embeddings as they are
	Epochs    int              `json:"epochs"`          // done
	Batch     int              `json:"batch"`           // of the next epoch: how many are done
	Step      int              `json:"step"`            // steps done
	BestEpoch int              `json:"best_epoch"`
	BestScore float64          `json:"best_score"`
	Learned   []float32        `json:"learned,omitempty"` // a loss's own parameters at the best epoch
	Crossed   *crossValidation `json:"crossed,omitempty"` // nil where the pairs are not few
	History   []rundir.Epoch   `json:"history"`
	Timing    rundir.Timing    `json:"timing"`
	Tuning    []byte           `json:"tuning,omitempty"` // the choices of a graph.Tuned backend
}

// checkpoint saves everything that the rest of the run depends on. It is copied at
// once and written while the training goes on; saved waits for that.
func (r *run) checkpoint() error {
	if r.opts.try != nil {
		return nil
	}
	if err := r.saved(); err != nil {
		return err
	}
	r.state.Timing.TotalSeconds += time.Since(r.started).Seconds()
	r.started = time.Now()
	if r.arrays == nil {
		r.arrays = append(r.hostArrays(), make([]float32, len(r.best)))
	}
	on := r.deviceArrays()
	for i, a := range on {
		if err := r.opts.Backend.Download(r.arrays[i], a); err != nil {
			return err
		}
	}
	copy(r.arrays[len(on)], r.best)
	if tuned, ok := r.opts.Backend.(graph.Tuned); ok {
		var err error
		if r.state.Tuning, err = tuned.Tuning(); err != nil {
			return err
		}
	}
	r.copied, r.saving = time.Now(), make(chan error, 1)
	go func(s state) { r.saving <- r.opts.Dir.WriteCheckpoint(s, r.arrays...) }(r.state)
	return nil
}

// saved returns once the last checkpoint is written.
func (r *run) saved() error {
	if r.saving == nil {
		return nil
	}
	err := <-r.saving
	r.saving = nil
	return err
}

// checkpointInTime saves a checkpoint within an epoch where the last one is
// old enough.
func (r *run) checkpointInTime() error {
	every := r.opts.CheckpointEvery
	if every == 0 {
		every = time.Minute
	}
	select { // one that failed ends the run at once, not when the next is due
	case err := <-r.saving:
		r.saving = nil
		if err != nil {
			return err
		}
	default:
	}
	if time.Since(r.copied) < every {
		return nil
	}
	r.countTraining()
	return r.checkpoint()
}

// deviceArrays are the weights and the optimiser's state, and those of the loss's
// own parameters.
func (r *run) deviceArrays() []graph.Array {
	arrays := append([]graph.Array{r.model.Weights()}, r.update.State()...)
	if r.fit != nil {
		arrays = append(append(arrays, r.model.Parameters()), r.fit.State()...)
	}
	return arrays
}

// hostArrays is memory for deviceArrays.
func (r *run) hostArrays() [][]float32 {
	var out [][]float32
	for _, a := range r.deviceArrays() {
		out = append(out, make([]float32, a.Size()))
	}
	return out
}

// resume reads the checkpoint and refuses one of another run.
func (r *run) resume() error {
	var arrays [][]float32
	err := r.opts.Dir.ReadCheckpoint(&r.state, func() ([][]float32, error) {
		arrays = r.hostArrays()
		return append(slices.Clone(arrays), r.best), SameRun(r.opts.Dir.Path(), r.state.Config, r.config)
	})
	if err != nil {
		return err
	}
	if tuned, ok := r.opts.Backend.(graph.Tuned); ok && r.state.Tuning != nil {
		if err := tuned.Restore(r.state.Tuning); err != nil {
			return fmt.Errorf("%s cannot go on to the same result here: %w", r.opts.Dir.Path(), err)
		}
	}
	if err := r.sameStart(); err != nil {
		return err
	}
	offset := r.start.Offset
	if r.recipe.ClosedForm != nil && r.state.Epochs > 0 {
		if err := r.solveOnce(); err != nil {
			return err
		}
		offset = r.solved.Offset
	}
	if _, err := r.model.Begin(r.start.Matrix, r.recipe.Seed); err != nil { // a shape has the start in it
		return err
	}
	for i, a := range r.deviceArrays() {
		if err := r.opts.Backend.Upload(a, arrays[i]); err != nil {
			return err
		}
	}
	if err := r.show(); err != nil {
		return err
	}
	return r.eval.subtract(offset)
}

// SameRun refuses to go on with other settings or data than a run was begun
// with, and says what differs.
func SameRun(path string, begun, now rundir.Config) error {
	a, b := settings(begun), settings(now)
	var differences []string
	for key, was := range a {
		if is := b[key]; !reflect.DeepEqual(was, is) {
			differences = append(differences, fmt.Sprintf("%s was %s and is %s", key, text(was), text(is)))
		}
	}
	if differences == nil {
		return nil
	}
	slices.Sort(differences)
	return fmt.Errorf("%s was begun with other settings (%s): resume with the same, or train into another folder", path, strings.Join(differences, "; "))
}

// settings flattens what decides the result of a run.
func settings(c rundir.Config) map[string]any {
	raw, err := json.Marshal(c)
	if err != nil {
		return nil // a Config is plain data
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		return nil
	}
	delete(m, "data")
	delete(m, "guard")
	m["data"] = c.Data.Fingerprint
	return m
}

func text(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(raw)
}
