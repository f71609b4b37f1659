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
	m := vectors()
	return 2 * float64(m.rows) * float64(m.columns) * peakK * float64(tiles) * float64(p.threads)
}

// Peak multiplies the same two panels over and over on each of the threads, n
// times each: hardly anything but fused multiplications and additions, and so
// the speed that no product in vector registers can exceed.
func (p *Pool) Peak(tiles int) {
	m := vectors()
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

// vectors is the micro-kernel of this process or, where that is a matrix
// engine's, the next, which computes with fused multiplications and additions.
func vectors() micro {
	m := current()
	if m.tiling != nil {
		m = micros()[1]
	}
	return m
}

// Engine says whether a matrix engine computes the products of this process.
func Engine() bool { return current().tiling != nil }

// EngineFLOP is how many operations EnginePeak does for n steps on each of the
// threads, counted as those of the product in single precision; in bfloat16 it is
// six times as many.
func (p *Pool) EngineFLOP(steps int) float64 {
	return 2 * side * side * side * float64(steps) * float64(p.threads)
}

// EnginePeak multiplies what is in the engine's registers, as often as n steps of
// a product take it on each of the threads. There must be an engine.
func (p *Pool) EnginePeak(steps int) {
	busy := current().tiling.busy
	p.Run(p.threads, func(int) { busy(steps) })
}
