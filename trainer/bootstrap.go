package trainer

import (
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// interval says how sure a figure is: the bounds of its 95 % confidence interval and its standard error.
type interval struct{ low, high, se float64 }

// bootstrap estimates how a statistic over pairs would vary with other groups. It draws as many groups as there
// are, with replacement, resamples times; statistic receives each pair's weight, [pairs], the number of times
// that its group was drawn, in a slice that is its own only until it returns. The bounds are the 2.5th and
// 97.5th percentiles of the statistic over the resamples, the standard error is its standard deviation (Efron
// and Tibshirani, An Introduction to the Bootstrap, 1993, §§ 6.2 and 13.3); whole groups are drawn because the
// pairs of a group are not independent (Field and Welsh, JRSS B 69, 2007).
//
// groups is [pairs], numbers may be sparse. A resample whose statistic is NaN is skipped, as when it holds one
// class only. With fewer than two groups, or fewer than two values left, everything is NaN. The same arguments
// give the same interval, on any number of threads, of which several may call statistic at a time.
func bootstrap(groups []int32, resamples int, seed uint64, statistic func(weights []float64) float64) interval {
	return intervalOf(resampled(groups, resamples, seed, statistic)[0])
}

// resampled returns what several statistics are of the same resamples, [statistic][resample]; of fewer than two
// groups there are none.
func resampled(groups []int32, resamples int, seed uint64, statistics ...func(weights []float64) float64) [][]float64 {
	values := make([][]float64, len(statistics))
	group, count := denseGroups(groups)
	if count < 2 {
		return values
	}
	for s := range values {
		values[s] = make([]float64, resamples)
	}
	random, next := rand.New(rand.NewPCG(seed, 0)), 0
	var drawing sync.Mutex // one resample after the other, so that each is always the same
	draw := func(drawn []float64) (resample int) {
		drawing.Lock()
		defer drawing.Unlock()
		if next < resamples {
			clear(drawn)
			for range count {
				drawn[random.IntN(count)]++
			}
		}
		next++
		return next - 1
	}
	var workers sync.WaitGroup
	most := (64 << 20) / (8 * (len(groups) + count)) // workers whose memory takes no more than that
	for range max(1, min(runtime.GOMAXPROCS(0), resamples, most)) {
		workers.Go(func() {
			drawn, weights := make([]float64, count), make([]float64, len(groups))
			for r := draw(drawn); r < resamples; r = draw(drawn) {
				for pair, g := range group {
					weights[pair] = drawn[g]
				}
				for s, of := range statistics {
					values[s][r] = of(weights)
				}
			}
		})
	}
	workers.Wait()
	return values
}

// intervalOf sorts the resampled values and sums up those that are numbers.
func intervalOf(values []float64) interval {
	values = slices.DeleteFunc(values, math.IsNaN)
	if len(values) < 2 {
		return interval{math.NaN(), math.NaN(), math.NaN()}
	}
	slices.Sort(values)
	mean := meanOf(values)
	var squares float64
	for _, value := range values {
		squares += (value - mean) * (value - mean)
	}
	return interval{
		low:  percentileOf(values, 0.025),
		high: percentileOf(values, 0.975),
		se:   math.Sqrt(squares / float64(len(values)-1)),
	}
}

// percentileOf returns the value at the share p of the way through sorted values, on a straight line between
// neighbours (definition 7 of Hyndman and Fan, The American Statistician 50, 1996).
func percentileOf(sorted []float64, p float64) float64 {
	position := p * float64(len(sorted)-1)
	below := int(position)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (position-float64(below))*(sorted[above]-sorted[below])
}

// denseGroups renumbers groups 0, 1, 2, … in the order in which they first appear, so that what is summed over
// them is summed in the same order every time, and returns how many there are.
func denseGroups(groups []int32) (dense []int32, count int) {
	numbers := make(map[int32]int32)
	dense = make([]int32, len(groups))
	for pair, group := range groups {
		number, known := numbers[group]
		if !known {
			number = int32(len(numbers))
			numbers[group] = number
		}
		dense[pair] = number
	}
	return dense, len(numbers)
}
