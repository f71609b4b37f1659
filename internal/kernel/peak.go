package kernel

import "strings"

// Names lists the arithmetics that COSFIT_CPU can force on this processor, the
// fastest first.
func Names() (names []string) {
	for _, m := range micros() {
		plain, _, _ := strings.Cut(m.name, "/")
		names = append(names, plain)
	}
	return names
}

// peakK is the length of the panels of Peak, which stay in the first-level cache.
const peakK = 128

// PeakFLOP is how many operations Peak does for n tiles on each of the threads.
func (p *Pool) PeakFLOP(tiles int) float64 {
	m := current()
	return 2 * float64(m.rows) * float64(m.columns) * peakK * float64(tiles) * float64(p.threads)
}

// Peak multiplies the same two panels over and over on each of the threads, n
// times each: hardly anything but fused multiplications and additions, and so
// the speed that no product can exceed.
func (p *Pool) Peak(tiles int) {
	m := current()
	size := (m.rows+m.columns)*peakK + maxTile
	p.packed.a.data = grow(p.packed.a.data, size*p.threads)
	clear(p.packed.a.data)
	p.Run(p.threads, func(i int) {
		memory := p.packed.a.data[i*size:]
		a, b, c := &memory[0], &memory[m.rows*peakK], &memory[(m.rows+m.columns)*peakK]
		for range tiles {
			m.run(1, peakK, a, 0, b, c, m.columns, 0, a, b)
		}
	})
}
