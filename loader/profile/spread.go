package profile

import (
	"math"
	"slices"
)

// A Spread says how numbers are distributed.
type Spread struct {
	Count  int     `json:"count"`
	Mean   float64 `json:"mean"`
	Least  int     `json:"min"`
	Lower  int     `json:"lower_quartile"`
	Median int     `json:"median"`
	Upper  int     `json:"upper_quartile"`
	Most   int     `json:"max"`
}

// newSpread sorts the numbers. Quartiles are numbers that occur.
func newSpread(numbers []int) Spread {
	n := len(numbers)
	if n == 0 {
		return Spread{}
	}
	slices.Sort(numbers)
	sum := 0.0
	for _, x := range numbers {
		sum += float64(x)
	}
	at := func(share float64) int { return numbers[int(share*float64(n-1)+0.5)] }
	return Spread{Count: n, Mean: sum / float64(n), Least: numbers[0], Lower: at(0.25), Median: at(0.5), Upper: at(0.75), Most: numbers[n-1]}
}

// LengthBins is into how many ranges of equal ratio lengths are counted.
const LengthBins = 36

// Lengths are those of texts, in characters.
type Lengths struct {
	Spread
	// Bins counts the texts by the logarithm of their length, from Least to Most.
	Bins []int `json:"bins"`
}

func newLengths(lengths []int) Lengths {
	l := Lengths{Spread: newSpread(lengths)}
	if len(lengths) == 0 {
		return l
	}
	l.Bins = make([]int, LengthBins)
	low, high := math.Log(float64(max(1, l.Least))), math.Log(float64(max(1, l.Most)))
	for _, n := range lengths {
		bin := 0
		if high > low {
			bin = int((math.Log(float64(max(1, n))) - low) / (high - low) * LengthBins)
		}
		l.Bins[min(bin, LengthBins-1)]++
	}
	return l
}
