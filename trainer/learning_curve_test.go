package trainer_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

func curveOptions() trainer.LearningCurveOptions {
	return trainer.LearningCurveOptions{Recipe: quick(), Open: func() (graph.Backend, error) { return cpu.New(0), nil }}
}

func curveOf(t *testing.T, data *loader.Dataset) rundir.LearningCurve {
	t.Helper()
	c, err := trainer.LearningCurve(context.Background(), data, curveOptions())
	if err != nil {
		t.Fatal(err)
	}
	c.Seconds = 0
	return c
}

// TestLearningCurve wants the whole training's point to be what Train reaches, the
// signal that was planted to be found better with more labels, and test to play no
// part.
func TestLearningCurve(t *testing.T) {
	if testing.Short() {
		t.Skip("trains thirteen times")
	}
	data := planted(t)
	c := curveOf(t, data)
	whole := c.Points[len(c.Points)-1]
	if len(c.Points) != 4 || whole.Share != 1 || whole.Pairs != len(data.Indices(loader.Train)) || c.Split != "validation" || c.Figure != "roc_auc" {
		t.Fatalf("curve %+v", c)
	}
	for i, p := range c.Points[:3] {
		if len(p.Values) != 4 || p.Groups != whole.Groups>>(3-i) || p.Values[0] == p.Values[1] {
			t.Errorf("point %d: %+v, want four draws of %d groups", i, p, whole.Groups>>(3-i))
		}
		if next := c.Points[i+1]; math.Abs(float64(next.Mean-p.Mean-next.Gain)) > 1e-12 || !(next.GainSE > 0 && next.GainSE < 0.1) {
			t.Errorf("point %d: %+v after %+v", i+1, next, p)
		}
	}
	if !(whole.Mean > c.Points[0].Mean+0.01 && c.Points[0].Mean >= c.Start) {
		t.Errorf("from %v, an eighth of the labels reaches %v and all of them %v", c.Start, c.Points[0].Mean, whole.Mean)
	}
	best := 0.0
	for _, v := range trained(t, quick()) {
		best = math.Max(best, v)
	}
	if float64(whole.Mean) != best {
		t.Errorf("with all labels %v, Train reaches %v", whole.Mean, best)
	}

	other := planted(t)
	other.CarveValidation()
	for _, i := range other.Indices(loader.Test) {
		other.Pairs.Label[i] = 1 - other.Pairs.Label[i]
	}
	if a, b := asJSON(t, c), asJSON(t, curveOf(t, other)); a != b {
		t.Errorf("with other labels in test the curve is\n%s\nwas\n%s", b, a)
	}
}

func TestLearningCurveMistakes(t *testing.T) {
	few := planted(t)
	few.CarveValidation()
	seen, keep := map[int32]bool{}, make([]bool, few.Pairs.Len())
	for i, g := range few.Pairs.Group {
		if few.Pairs.Split[i] == loader.Train && len(seen) < 15 {
			seen[g] = true
		}
		keep[i] = few.Pairs.Split[i] != loader.Train || seen[g]
	}
	few.Pairs = few.Pairs.Only(keep)
	if _, err := trainer.LearningCurve(context.Background(), few, curveOptions()); err == nil || !strings.HasSuffix(err.Error(), "the training split has 15 groups: a learning curve takes at least 16") {
		t.Errorf("15 groups: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	opts := curveOptions()
	opts.Progress = func(int, int) { cancel() }
	if _, err := trainer.LearningCurve(ctx, planted(t), opts); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}
