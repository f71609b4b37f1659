package graph

import "fmt"

// vectorLoss is any objective as a VectorLoss.
func vectorLoss(objective Objective) (VectorLoss, error) {
	switch loss := objective.(type) {
	case VectorLoss:
		return loss, nil
	case Loss:
		return OfCosines{loss}, nil
	}
	return nil, fmt.Errorf("%s is neither a Loss nor a VectorLoss", objective.Name())
}

// OfCosines is a Loss as a VectorLoss: a function of each pair's cosine. A backend may
// compute it as the Loss that it is.
type OfCosines struct{ Loss }

var (
	_ VectorLoss       = OfCosines{}
	_ FittedVectorLoss = OfCosines{}
)

// Evaluate compares each pair's vectors.
func (l OfCosines) Evaluate(v *Vectors, dp []float32) (float64, error) {
	return l.through(v, dp, l.Loss.Evaluate), nil
}

// Parameters are the loss's.
func (l OfCosines) Parameters() []float32 { return fittedParameters(l.Loss) }

// At fixes them.
func (l OfCosines) At(parameters []float32) Objective { return l.Loss.(Fitted).At(parameters) }

// EvaluateAt is Evaluate for other parameters.
func (l OfCosines) EvaluateAt(v *Vectors, parameters, dp, byParameters []float32) (float64, error) {
	return l.through(v, dp, func(b Scored, gradient []float32) float64 {
		return l.Loss.(FittedLoss).EvaluateAt(b, parameters, gradient, byParameters)
	}), nil
}

// through evaluates a function of the cosines and brings its derivative to the
// vectors.
func (l OfCosines) through(v *Vectors, dp []float32, loss func(b Scored, gradient []float32) float64) float64 {
	n, k := v.Pairs(), v.K
	u, inverse := v.Unit()
	s, ds := v.Scratch(n), v.Scratch(n)
	v.eachRow(n, func(i int) { s[i] = float32(dot(u[i*k:(i+1)*k], u[(n+i)*k:(n+i+1)*k])) })
	value := loss(v.Scored(s), ds)
	du := v.Scratch(2 * n * k)
	v.eachRow(2*n, func(r int) {
		other := u[(r+n)%(2*n)*k:][:k]
		for j, x := range other {
			du[r*k+j] = ds[r%n] * x
		}
	})
	v.ThroughUnit(u, inverse, du, dp)
	return value
}
