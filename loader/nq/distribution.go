package nq

import (
	"maps"
	"math"
	"slices"
)

// A Distribution counts whole numbers, such as lengths. Its zero value is empty.
type Distribution struct {
	counts map[int]int64
	n, sum int64
}

// Add counts a number.
func (d *Distribution) Add(x int) {
	if d.counts == nil {
		d.counts = map[int]int64{}
	}
	d.counts[x]++
	d.n++
	d.sum += int64(x)
}

// N returns how many numbers were counted.
func (d *Distribution) N() int64 { return d.n }

// Summary returns the figures of a distribution; all are 0 where it is empty.
func (d *Distribution) Summary() Summary {
	if d.n == 0 {
		return Summary{}
	}
	values := slices.Sorted(maps.Keys(d.counts))
	at := func(p float64) float64 { return d.quantile(values, p) }
	return Summary{Count: d.n, Mean: float64(d.sum) / float64(d.n), Lower: at(0.25), Median: at(0.5), Upper: at(0.75), Max: values[len(values)-1]}
}

// A Summary describes a distribution. Quartiles lie between two neighbouring
// numbers where they must, by the definition that numpy and pandas use.
type Summary struct {
	Count  int64   `json:"count"`
	Mean   float64 `json:"mean"`
	Lower  float64 `json:"lower_quartile"`
	Median float64 `json:"median"`
	Upper  float64 `json:"upper_quartile"`
	Max    int     `json:"max"`
}

func (d *Distribution) quantile(values []int, p float64) float64 {
	where := p * float64(d.n-1)
	low := math.Floor(where)
	a, b := d.nth(values, int64(low)), d.nth(values, min(int64(low)+1, d.n-1))
	return float64(a) + (where-low)*float64(b-a)
}

// nth returns the number at place n, counted from 0, of all in order.
func (d *Distribution) nth(values []int, n int64) int {
	for _, v := range values {
		if n -= d.counts[v]; n < 0 {
			return v
		}
	}
	return values[len(values)-1]
}

// Below returns the share of the numbers that are less than x.
func (d *Distribution) Below(x int) float64 {
	below := int64(0)
	for v, n := range d.counts {
		if v < x {
			below += n
		}
	}
	return float64(below) / float64(max(d.n, 1))
}
