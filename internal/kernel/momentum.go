package kernel

// MomentumStep is a step of gradient descent with momentum, for each element:
//
//	v ← Momentum·v + g
//	w ← w − Rate·v
type MomentumStep struct{ Momentum, Rate float32 }

// Descend updates w and v by the gradient g. All have one length. Without
// momentum v is g, and is left alone.
func (s MomentumStep) Descend(w, g, v []float32) { s.with(current(), w, g, v) }

func (s MomentumStep) with(m micro, w, g, v []float32) {
	if s.Momentum == 0 {
		v = g // is written over with itself, which spares the memory of v
	}
	g, v = g[:len(w):len(w)], v[:len(w):len(w)] // assembly does not look
	done := 0
	if n := len(w) / max(m.lanes, 1); m.momentum != nil && n > 0 {
		m.momentum(n, &w[0], &g[0], &v[0], s.Momentum, s.Rate)
		done = n * m.lanes
	}
	s.generic(w[done:], g[done:], v[done:])
}

func (s MomentumStep) generic(w, g, v []float32) {
	for i, x := range g {
		v[i] = float32(s.Momentum*v[i]) + x // float32 keeps Go from fusing
		w[i] -= float32(s.Rate * v[i])
	}
}
