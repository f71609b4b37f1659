package trainer_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
	"github.com/cosfit/cosfit/trainer"
)

// TestAuto adds noise to all vectors in a few directions, which drowns what tells
// them apart: the start that makes all directions vary alike is to be chosen. In the sample as it is
// nothing is to be undone.
func TestAuto(t *testing.T) {
	r := quick()
	r.Dims, r.Epochs, r.Start = 384, 1, trainer.Auto{}
	for _, test := range []struct {
		name   string
		few    bool
		noise  float64
		chosen bool
	}{
		{"as they are", false, 0, false},
		{"drowned", false, 1, true},
		{"few, drowned", true, 1, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			data, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if test.few {
				keep := make([]bool, data.Pairs.Len())
				for i, s := range data.Pairs.Split {
					keep[i] = (s == loader.Train || s == loader.Test) && data.Pairs.Group[i]%5 == 0
				}
				data.Pairs = data.Pairs.Only(keep)
			}
			rng := rand.New(rand.NewPCG(1, 2))
			for row := data.Vectors.Data; len(row) > 0; row = row[384:] {
				for i := range 6 {
					row[i] += float32(test.noise * rng.NormFloat64())
				}
			}
			s, _ := train(t, data, r)
			notes := strings.Join(s.Data.Notes, "\n")
			if chosen := strings.Contains(notes, "training started from whitened embeddings"); chosen != test.chosen {
				t.Errorf("notes %q", notes)
			}
			if test.chosen && (!s.Judgement.Accepted || !strings.Contains(s.Judgement.Text, "The start, whitened embeddings, had raised it there from")) {
				t.Errorf("judgement %+v", s.Judgement)
			}
			if gain := s.After["test"].ROCAUC - s.Before["test"].ROCAUC; test.chosen && gain < 0.05 {
				t.Errorf("test ROC AUC changed by %+.3f", gain)
			}
		})
	}
}
