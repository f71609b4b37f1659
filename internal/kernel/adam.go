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
	const block = 16                                                  // elements; a multiple of every kernel's lanes
	g, m, v = g[:len(w):len(w)], m[:len(w):len(w)], v[:len(w):len(w)] // assembly does not look
	if start != nil {
		start = start[:len(w):len(w)]
	}
	n := len(w) / block
	if micro.adam == nil {
		n = 0
	}
	if n > 0 {
		var from *float32
		if start != nil {
			from = &start[0]
		}
		micro.adam(&s, n*block/micro.lanes, &w[0], &g[0], &m[0], &v[0], from)
	}
	if start != nil {
		start = start[n*block:]
	}
	s.generic(w[n*block:], g[n*block:], m[n*block:], v[n*block:], start)
}

func (s AdamStep) generic(w, g, m, v, start []float32) {
	for i, x := range g {
		if start != nil {
			w[i] -= float32(s.Pull * (w[i] - start[i]))
		}
		m[i] = float32(s.Beta1*m[i]) + float32(s.Rest1*x) // float32 keeps Go from fusing
		v[i] = float32(s.Beta2*v[i]) + float32(s.Rest2*x*x)
		root := float32(math.Sqrt(float64(v[i])))
		w[i] = float32(s.Keep*w[i]) - s.Rate*m[i]/(float32(root*s.Scale)+s.Epsilon)
	}
}
