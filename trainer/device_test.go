package trainer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/trainer"
)

// A device is the CPU with what a GPU's backend has besides. It notes what it
// is asked.
type device struct {
	interrupting
	choices string // what it has chosen by timing
	refuse  error  // of Restore
	calls   []string
}

func (d *device) Tuning() ([]byte, error) { return []byte(d.choices), nil }

func (d *device) Restore(tuning []byte) error {
	d.calls = append(d.calls, "restore "+string(tuning))
	return d.refuse
}

func (d *device) Upload(dst graph.Array, src []float32) error {
	d.calls = append(d.calls, "upload")
	return d.interrupting.Upload(dst, src)
}

// TestTuned resumes on a backend that has chosen otherwise: it is told the
// first one's choices before anything else, and if it cannot take them the
// run does not go on.
func TestTuned(t *testing.T) {
	dir := newDir(t)
	train := func(d *device, steps int, resume bool) error {
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		d.interrupting = interrupting{Backend: cpu.New(1), left: steps, cancel: cancel}
		_, err := trainer.Train(ctx, planted(t), trainer.Options{Recipe: quick(), Backend: d, Dir: dir, Resume: resume})
		return err
	}
	if err := train(&device{choices: "\x00first"}, 2, false); !errors.Is(err, trainer.ErrInterrupted) {
		t.Fatal(err)
	}
	reason := errors.New("chosen on another GPU")
	if err := train(&device{refuse: reason}, -1, true); !errors.Is(err, reason) || !strings.Contains(err.Error(), dir.Path()+" cannot go on to the same result here: ") {
		t.Errorf("choices that cannot be restored: %v", err)
	}
	d := &device{choices: "second"}
	if err := train(d, 1, true); !errors.Is(err, trainer.ErrInterrupted) {
		t.Fatal(err)
	}
	if len(d.calls) == 0 || d.calls[0] != "restore \x00first" || slices.Contains(d.calls[1:], d.calls[0]) {
		t.Errorf("the backend was asked %q, want the first one's choices restored once, before all", d.calls)
	}
}
