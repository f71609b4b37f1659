package search

import (
	"math"
	"math/rand/v2"
	"strconv"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// An axis maps the numbers of a range to the interval from 0 to 1, evenly on
// the range's own scale. Where there are steps, each number owns a cell of the
// interval, of equal widths on the scale, so that the first and the last have as
// much of it as those between.
type axis struct {
	low, high   float64 // the numbers of the range
	step        float64 // 0 for a continuum
	log         bool
	from, width float64 // of the interval that is mapped, on the range's scale
}

// axisOf returns nil for a categorical distribution.
func axisOf(d space.Distribution) *axis {
	var a axis
	switch d := d.(type) {
	case space.Float:
		a = axis{low: d.Low, high: d.High, step: d.Step, log: d.Log}
	case space.Int:
		a = axis{low: float64(d.Low), high: float64(d.High), step: float64(d.Step), log: d.Log}
	default:
		return nil
	}
	a.from = a.scale(a.low - a.step/2)
	a.width = a.scale(a.high+a.step/2) - a.from
	return &a
}

func (a *axis) scale(x float64) float64 {
	if a.log {
		return math.Log(x)
	}
	return x
}

// unit is where x lies, 0 to 1.
func (a *axis) unit(x float64) float64 {
	if a.width == 0 {
		return 0.5
	}
	return min(1, max(0, (a.scale(x)-a.from)/a.width))
}

// cell is the part of the interval that belongs to x, where there are steps.
func (a *axis) cell(x float64) (from, to float64) {
	return a.unit(x - a.step/2), a.unit(x + a.step/2)
}

// at is the number at u of the interval.
func (a *axis) at(u float64, d space.Distribution) float64 {
	x := a.from + u*a.width
	if a.log {
		x = math.Exp(x)
	}
	if a.step == 0 {
		return min(a.high, max(a.low, a.tidy(x)))
	}
	steps := math.RoundToEven((x - a.low) / a.step)
	return d.Value(min(d.Count()-1, max(0, int(steps))))
}

// tidy rounds a number of a continuum to a millionth of the range at most, so
// that command lines stay short. It also hides the last bits, in which
// processors differ.
func (a *axis) tidy(x float64) float64 {
	const digits = 6
	decimals := digits - int(math.Floor(math.Log10(a.width)))
	text := strconv.FormatFloat(x, 'f', max(0, decimals), 64)
	if a.log { // where the width is one of ratios
		text = strconv.FormatFloat(x, 'e', max(digits, decimals)-1, 64)
	}
	tidied, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return x
	}
	return tidied
}

// draw is a number of a distribution, all equally likely on its scale.
func draw(d space.Distribution, rng *rand.Rand) float64 {
	if a := axisOf(d); a != nil {
		return a.at(rng.Float64(), d)
	}
	return d.Value(rng.IntN(d.Count()))
}
