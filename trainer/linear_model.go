package trainer

import "math"

// A link says how a linear model's z relates to a label, which it takes the mean
// of over the pairs of one text.
type link interface {
	loss(z, label float64) float64
	slope(z, label float64) float64 // of the loss by z
	curvature(z float64) float64
}

// logit is logistic regression: a label in [0, 1] is the chance 1/(1 + exp(−z)).
type logit struct{}

func (logit) loss(z, label float64) float64 {
	return math.Max(z, 0) + math.Log1p(math.Exp(-math.Abs(z))) - label*z
}

func (logit) slope(z, label float64) float64 { return 1/(1+math.Exp(-z)) - label }

func (logit) curvature(z float64) float64 {
	p := 1 / (1 + math.Exp(-z))
	return p * (1 - p)
}

// squared is ridge regression: the label is z.
type squared struct{}

func (squared) loss(z, label float64) float64  { return (z - label) * (z - label) / 2 }
func (squared) slope(z, label float64) float64 { return z - label }
func (squared) curvature(float64) float64      { return 1 }

// linearPenalty weighs ½|w|² against the sum of the losses: scikit-learn's own
// choice for both links (C = 1 of LogisticRegression, alpha = 1 of Ridge).
const linearPenalty = 1

// fitLinear returns (w, b) [d+1] that minimises Σ counts_i·loss(w·u_i + b, labels_i)
// + ½·linearPenalty·|w|², by Newton's method with conjugate gradients (Nocedal
// and Wright, Numerical Optimization, 2006, algorithm 7.1) in double precision.
// It centres the vectors on their mean, which changes b alone.
func fitLinear(u *unitVectors, counts, labels []float64, l link) ([]float64, error) {
	const iterations, enough = 30, 1e-6 // of the first gradient
	if err := u.centre(counts); err != nil {
		return nil, err
	}
	f := &linearFit{vectors: u, counts: counts, labels: labels, link: l}
	if err := f.moveTo(make([]float64, len(u.mean)+1)); err != nil {
		return nil, err
	}
	first := math.Sqrt(inner(f.gradient, f.gradient))
	for range iterations {
		norm := math.Sqrt(inner(f.gradient, f.gradient))
		if norm <= enough*first {
			break
		}
		step, err := u.newtonStep(f.gradient, f.weights(), math.Min(0.5, math.Sqrt(norm/first))*norm)
		if err != nil {
			return nil, err
		}
		better, err := f.descend(step)
		if err != nil {
			return nil, err
		}
		if !better { // rounding is all that is left
			break
		}
	}
	return f.at, nil
}

// A linearFit is a fit under way.
type linearFit struct {
	vectors        *unitVectors
	counts, labels []float64 // [n]
	link           link

	at, gradient []float64 // [d+1] where it is, and the gradient there
	value        float64   // of what is minimised
	z            []float64 // [n]
}

// moveTo goes to a point.
func (f *linearFit) moveTo(at []float64) (err error) {
	d := len(at) - 1
	f.at, f.value, f.z = at, 0, make([]float64, len(f.counts))
	f.gradient, err = f.vectors.sum(at, func(i int, z float64) float64 {
		f.z[i] = z
		return f.counts[i] * f.link.slope(z, f.labels[i])
	})
	for i, z := range f.z {
		f.value += f.counts[i] * f.link.loss(z, f.labels[i])
	}
	for j, w := range at[:d] {
		f.value += linearPenalty * w * w / 2
		f.gradient[j] += linearPenalty * w
	}
	return err
}

// descend moves along a step, or along as little of it as it takes to get lower
// (Armijo's rule). Where nothing does, it stays and returns false.
func (f *linearFit) descend(step []float64) (better bool, err error) {
	const halvings = 20
	from, slope, t := *f, inner(f.gradient, step), 1.0
	for range halvings {
		next := make([]float64, len(step))
		for j := range next {
			next[j] = from.at[j] + t*step[j]
		}
		if err := f.moveTo(next); err != nil {
			return false, err
		}
		if f.value < from.value+1e-4*t*slope {
			return true, nil
		}
		t /= 2
	}
	*f = from
	return false, nil
}

// weights are how much each vector counts in the Hessian.
func (f *linearFit) weights() []float64 {
	h := make([]float64, len(f.z))
	for i, z := range f.z {
		h[i] = f.counts[i] * f.link.curvature(z)
	}
	return h
}

// newtonStep solves H·s = −g for the Hessian H = Σ h_i·(u_i, 1)ᵀ(u_i, 1) + the
// penalty's, until the residual is at most so long.
func (u *unitVectors) newtonStep(g, h []float64, residual float64) ([]float64, error) {
	const most = 60
	d := len(u.mean)
	s, r, p := make([]float64, d+1), make([]float64, d+1), make([]float64, d+1)
	for j, v := range g {
		r[j], p[j] = -v, -v
	}
	rr := inner(r, r)
	for range most {
		if math.Sqrt(rr) <= residual {
			break
		}
		hp, err := u.sum(p, func(i int, z float64) float64 { return h[i] * z })
		if err != nil {
			return nil, err
		}
		for j := range d {
			hp[j] += linearPenalty * p[j]
		}
		curvature := inner(p, hp)
		if !(curvature > 0) {
			break
		}
		t := rr / curvature
		for j := range s {
			s[j] += t * p[j]
			r[j] -= t * hp[j]
		}
		next := inner(r, r)
		for j := range p {
			p[j] = r[j] + next/rr*p[j]
		}
		rr = next
	}
	return s, nil
}

func inner(a, b []float64) (sum float64) {
	for i, v := range a {
		sum += v * b[i]
	}
	return sum
}
