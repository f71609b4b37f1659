package kernel

// Dot returns a·x for a and x [d], summed in double precision.
func Dot(a []float64, x []float32) float64 { return current().dotOf(a, x) }

func (m micro) dotOf(a []float64, x []float32) (sum float64) {
	a = a[:len(x)]
	if n := len(x) / max(2*m.lanes, 1); m.dot != nil && n > 0 {
		sum = m.dot(&a[0], &x[0], n)
		a, x = a[n*2*m.lanes:], x[n*2*m.lanes:]
	}
	var s [4]float64 // which a processor adds up side by side
	for ; len(x) >= 4; a, x = a[4:], x[4:] {
		s[0] += a[0] * float64(x[0])
		s[1] += a[1] * float64(x[1])
		s[2] += a[2] * float64(x[2])
		s[3] += a[3] * float64(x[3])
	}
	for i, v := range x {
		s[i] += a[i] * float64(v)
	}
	return sum + ((s[0] + s[1]) + (s[2] + s[3]))
}

// AddTimes adds by·x to y, for x and y [d].
func AddTimes(y []float64, by float64, x []float32) { current().addTimesTo(y, by, x) }

func (m micro) addTimesTo(y []float64, by float64, x []float32) {
	y = y[:len(x)]
	if n := len(x) / max(2*m.lanes, 1); m.addTimes != nil && n > 0 {
		m.addTimes(&y[0], by, &x[0], n)
		y, x = y[n*2*m.lanes:], x[n*2*m.lanes:]
	}
	for i, v := range x {
		y[i] += by * float64(v)
	}
}
