package kernel

import "math"

// AdamStep is what a step of Adam is made of (Kingma and Ba, ICLR 2015,
// algorithm 1, in the order of PyTorch), for each element:
//
//	w ← w − Pull·(w − w₀)
//	m ← Beta1·m + Rest1·g
//	v ← Beta2·v + Rest2·g²
//	w ← Keep·w − Rate·m/(√v·Scale + Epsilon)
//
// Assembly reads the fields in this order.
type AdamStep struct {
	Pull, Beta1, Rest1, Beta2, Rest2, Rate, Scale, Epsilon, Keep float32
}

// Adam updates w and the moments m and v by the gradient g, with w₀ in start,
// which may be nil. All have one length.
func (s AdamStep) Adam(w, g, m, v, start []float32) { s.with(current(), w, g, m, v, start) }

func (s AdamStep) with(micro micro, w, g, m, v, start []float32) {
	const block = 16 // elements; a multiple of every kernel's lanes
	n := len(w) / block
	if micro.adam == nil {
		n = 0
	}
	if n > 0 {
		var from *float32
		if start != nil {
			from = &start[0]
		}
		lanes := micro.columns / 2 // of a register: a row of a tile is two
		micro.adam(&s, n*block/lanes, &w[0], &g[0], &m[0], &v[0], from)
	}
	if start != nil {
		start = start[n*block:]
	}
	s.generic(w[n*block:], g[n*block:], m[n*block:], v[n*block:], start)
}

func (s AdamStep) generic(w, g, m, v, start []float32) {
	for i, x := range g {
		if start != nil {
			w[i] -= s.Pull * (w[i] - start[i])
		}
		m[i] = s.Beta1*m[i] + s.Rest1*x
		v[i] = s.Beta2*v[i] + s.Rest2*x*x
		root := float32(math.Sqrt(float64(v[i])))
		w[i] = s.Keep*w[i] - s.Rate*m[i]/(root*s.Scale+s.Epsilon)
	}
}
