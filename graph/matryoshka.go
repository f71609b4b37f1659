package graph

import "fmt"

// Matryoshka is the sum of a loss over vectors that are cut to their first Dims
// numbers, for each of Dims, so that they can be cut after training too. Source:
// Kusupati et al. 2022, with equal weights.
type Matryoshka struct {
	Loss Objective // a Loss or a VectorLoss
	Dims []int     // each at most k
}

var (
	_ VectorLoss       = Matryoshka{}
	_ FittedVectorLoss = Matryoshka{}
)

// Name is that of the loss.
func (l Matryoshka) Name() string { return l.Loss.Name() }

// Evaluate is the formula.
func (l Matryoshka) Evaluate(v *Vectors, dp []float32) (float64, error) {
	loss, err := vectorLoss(l.Loss)
	if err != nil {
		return 0, err
	}
	return l.sum(v, dp, loss.Evaluate)
}

// Parameters are the loss's.
func (l Matryoshka) Parameters() []float32 { return fittedParameters(l.Loss) }

// At fixes them.
func (l Matryoshka) At(parameters []float32) Objective {
	return Matryoshka{l.Loss.(Fitted).At(parameters), l.Dims}
}

// EvaluateAt is Evaluate for other parameters.
func (l Matryoshka) EvaluateAt(v *Vectors, parameters, dp, byParameters []float32) (float64, error) {
	loss, err := vectorLoss(l.Loss)
	if err != nil {
		return 0, err
	}
	clear(byParameters)
	part := make([]float32, len(byParameters))
	return l.sum(v, dp, func(cut *Vectors, d []float32) (float64, error) {
		value, err := loss.(FittedVectorLoss).EvaluateAt(cut, parameters, d, part)
		for i, x := range part {
			byParameters[i] += x
		}
		return value, err
	})
}

func (l Matryoshka) sum(v *Vectors, dp []float32, loss func(cut *Vectors, d []float32) (float64, error)) (float64, error) {
	clear(dp)
	total := 0.0
	for _, dims := range l.Dims {
		if dims < 1 || dims > v.K {
			return 0, fmt.Errorf("vectors of %d dimensions cannot be cut to %d", v.K, dims)
		}
		n := 2 * v.Pairs()
		d, p := v.Scratch(n*dims), v.Scratch(n*dims)
		cut := *v // which goes on in the same memory
		cut.K, cut.P = dims, p
		v.eachRow(n, func(r int) { copy(cut.P[r*dims:(r+1)*dims], v.P[r*v.K:]) })
		value, err := loss(&cut, d)
		v.room, v.used = cut.room, cut.used
		if err != nil {
			return 0, err
		}
		total += value
		v.eachRow(n, func(r int) {
			to := dp[r*v.K:][:dims]
			for j, x := range d[r*dims : (r+1)*dims] {
				to[j] += x
			}
		})
	}
	return total, nil
}
