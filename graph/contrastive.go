package graph

import "fmt"

// Contrastive pulls similar pairs to a cosine of 1 and pushes dissimilar ones
// apart as long as their distance 1 − s is below a margin:
//
//	L = mean ½·(t·(1 − s)² + (1 − t)·max(0, margin − (1 − s))²)
//
// with the label t on the scale 0..1; a graded one weighs both parts. Source:
// Hadsell, Chopra and LeCun 2006, with the cosine distance that
// sentence-transformers takes.
type Contrastive struct {
	Margin float64 `json:"margin"` // of the cosine distance, in 0..2
}

var _ DeviceLoss = Contrastive{}

// Name returns "contrastive".
func (Contrastive) Name() string { return "contrastive" }

// Evaluate is the formula, with the derivative −t·(1 − s) + (1 − t)·max(0, …).
func (l Contrastive) Evaluate(b Scored, gradient []float32) float64 {
	sum, n := 0.0, float64(len(b.Cosines))
	for i, s := range b.Cosines {
		t, distance := b.Target(i), 1-float64(s)
		within := max(0, l.Margin-distance)
		sum += (t*distance*distance + (1-t)*within*within) / 2
		gradient[i] = float32(((1-t)*within - t*distance) / n)
	}
	return sum / n
}

// CUDA is Evaluate for a GPU.
func (l Contrastive) CUDA() string {
	return fmt.Sprintf(`
__device__ void loss(scored b, float *ds, float *mean) {
	float sum = 0;
	each(i, b.n) {
		float t = target(b, i), distance = 1 - b.s[i];
		float slack = %s - distance, within = slack < 0 ? 0 : slack;  // NaN stays
		sum += (t * distance * distance + (1 - t) * within * within) / 2;
		ds[i] = ((1 - t) * within - t * distance) / b.n;
	}
	sum = block_sum(sum);
	*mean = sum / b.n;
}`, cudaFloat(l.Margin))
}
