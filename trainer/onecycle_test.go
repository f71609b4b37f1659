package trainer_test

import (
	"math"
	"testing"

	"github.com/cosfit/cosfit/trainer"
)

// The learning rates that a notebook with PyTorch's OneCycleLR printed after each of its 20 epochs of 12 steps, with
// the peak 1000: each is the rate of the step that follows, the last one of a step past the end.
func TestOneCycleAgainstNotebook(t *testing.T) {
	const epochs, steps, peak = 20, 12, 1000
	printed := [epochs]float64{
		106.08900519038662, 286.15703489881764, 530.6186018335296, 772.1561153028633,
		944.2571837178693, 999.9125808060514, 985.2983425335606, 946.3493192253873,
		885.0185775471609, 804.3814969815023, 708.4815574590986, 602.1275823908767,
		490.6526041822819, 379.64644371966443, 274.6754134099789, 181.0031990338036,
		103.32691656106306, 45.54157914284935, 10.54478488786761, 0.09141919394861321,
	}
	for epoch, want := range printed {
		got := peak * trainer.OneCycle{}.Rate(steps*(epoch+1)+1, steps*epochs)
		if !(math.Abs(got-want) <= 1e-12*want) {
			t.Errorf("rate after epoch %d is %v, want %v", epoch, got, want)
		}
	}
}
