package kernel

import (
	"strings"
	"sync"
)

// Names lists the arithmetics that COSFIT_CPU can force on this processor, the
// fastest first.
func Names() (names []string) {
	for _, m := range micros() {
		plain, _, _ := strings.Cut(m.name, "/")
		names = append(names, plain)
	}
	return names
}

// peakK and peakTiles are a thread's share of Peak: panels of peakK steps,
// which stay in the first-level cache, multiplied peakTiles times.
const peakK, peakTiles = 128, 1000

// PeakFLOP is how many operations one thread's share of Peak has.
func PeakFLOP() float64 {
	m := current()
	return 2 * float64(m.rows) * float64(m.columns) * peakK * peakTiles
}

// Peak multiplies the same two panels over and over on each of the threads:
// hardly anything but fused multiplications and additions, and so the speed
// that no product can exceed.
func Peak(threads int) {
	m := current()
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			memory := make([]float32, (m.rows+m.columns)*peakK+maxTile)
			a, b, c := &memory[0], &memory[m.rows*peakK], &memory[(m.rows+m.columns)*peakK]
			for range peakTiles {
				m.run(1, peakK, a, 0, b, c, m.columns, 0, a, b)
			}
		})
	}
	wg.Wait()
}
