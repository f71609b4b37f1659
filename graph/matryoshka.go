package graph

import "fmt"

// Matryoshka is the sum of a loss over vectors that are cut to their first Dims
// numbers, for each of Dims, so that they can be cut after training too. Source:
// Kusupati et al. 2022, with equal weights.
type Matryoshka struct {
	Loss Objective // a Loss or a VectorLoss
	Dims []int     // each at most k
}

var _ VectorLoss = Matryoshka{}

// Name is that of the loss.
func (l Matryoshka) Name() string { return l.Loss.Name() }

// Evaluate is the formula.
func (l Matryoshka) Evaluate(v *Vectors, dp []float32) (float64, error) {
	loss, err := vectorLoss(l.Loss)
	if err != nil {
		return 0, err
	}
	clear(dp)
	total := 0.0
	for _, dims := range l.Dims {
		if dims < 1 || dims > v.K {
			return 0, fmt.Errorf("vectors of %d dimensions cannot be cut to %d", v.K, dims)
		}
		n := 2 * v.Pairs()
		cut, d := *v, v.Scratch(n*dims)
		cut.K, cut.P, cut.room, cut.used = dims, v.Scratch(n*dims), nil, 0
		v.eachRow(n, func(r int) { copy(cut.P[r*dims:(r+1)*dims], v.P[r*v.K:]) })
		value, err := loss.Evaluate(&cut, d)
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

// vectorLoss is any loss as a VectorLoss.
func vectorLoss(objective Objective) (VectorLoss, error) {
	switch loss := objective.(type) {
	case VectorLoss:
		return loss, nil
	case Loss:
		return ofCosines{loss}, nil
	}
	return nil, fmt.Errorf("%s is neither a Loss nor a VectorLoss", objective.Name())
}

// ofCosines is a Loss as a VectorLoss.
type ofCosines struct{ Loss }

// Evaluate compares each pair's vectors.
func (l ofCosines) Evaluate(v *Vectors, dp []float32) (float64, error) {
	n, k := v.Pairs(), v.K
	u, inverse := v.Unit()
	s, ds := v.Scratch(n), v.Scratch(n)
	v.eachRow(n, func(i int) { s[i] = float32(dot(u[i*k:(i+1)*k], u[(n+i)*k:(n+i+1)*k])) })
	loss := l.Loss.Evaluate(v.Scored(s), ds)
	du := v.Scratch(2 * n * k)
	v.eachRow(2*n, func(r int) {
		other := u[(r+n)%(2*n)*k:][:k]
		for j, x := range other {
			du[r*k+j] = ds[r%n] * x
		}
	})
	v.ThroughUnit(u, inverse, du, dp)
	return loss, nil
}
