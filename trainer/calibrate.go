package trainer

import (
	"math"

	"github.com/cosfit/cosfit/projection"
)

// calibrate fits the chance that a pair is similar as a function of its cosine,
// p = σ(scale·s + bias), to the pairs of a split. It is nil where they are all
// alike, and where labels are grades. Targets are drawn in from 0 and 1 by what as many pairs can tell. Source:
// Platt 1999, with the iteration of Lin, Lin and Weng 2007.
func calibrate(s splitScores) *projection.Calibration {
	positives := 0
	for _, p := range s.positive {
		if p {
			positives++
		}
	}
	n := len(s.cosines)
	if s.graded || positives == 0 || positives == n {
		return nil
	}
	high, low := float64(positives+1)/float64(positives+2), 1/float64(n-positives+2)
	target := func(i int) float64 {
		if s.positive[i] {
			return high
		}
		return low
	}
	loss := func(scale, bias float64) (sum float64) {
		for i, c := range s.cosines {
			z := scale*float64(c) + bias
			sum += math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - target(i)*z
		}
		return sum
	}
	scale, bias := 0.0, math.Log(float64(positives+1)/float64(n-positives+1))
	at := loss(scale, bias)
	const iterations, tiny, ridge = 100, 1e-10, 1e-12
	for range iterations {
		var ga, gb, haa, hab, hbb float64
		for i, c := range s.cosines {
			x := float64(c)
			p := 1 / (1 + math.Exp(-(scale*x + bias)))
			g, h := p-target(i), p*(1-p)
			ga, gb = ga+g*x, gb+g
			haa, hab, hbb = haa+h*x*x, hab+h*x, hbb+h
		}
		haa, hbb = haa+ridge, hbb+ridge
		det := haa*hbb - hab*hab
		da, db := (hbb*ga-hab*gb)/det, (haa*gb-hab*ga)/det
		if !(math.Abs(ga) > tiny || math.Abs(gb) > tiny) {
			break
		}
		step, better := 1.0, false
		for ; step > 1e-10; step /= 2 {
			if next := loss(scale-step*da, bias-step*db); next < at {
				at, better = next, true
				break
			}
		}
		if !better {
			break
		}
		scale, bias = scale-step*da, bias-step*db
	}
	return &projection.Calibration{Scale: scale, Bias: bias}
}
