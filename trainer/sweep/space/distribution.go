package space

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
)

// A Distribution is the values that a parameter may take: a [Float], an [Int]
// or a [Categorical]. They have the meaning of Optuna's distributions of these
// names, and the same numbers stand for the same values.
type Distribution interface {
	// Contains reports whether x is one of the values.
	Contains(x float64) bool
	// Text is the value x as the flag takes it. It parses back to exactly x.
	Text(x float64) string
	// Count is how many values there are, 0 where they are a continuum.
	Count() int
	// Value is the i-th value, 0 ≤ i < Count(), in ascending order.
	Value(i int) float64
	// check refuses what no value can be taken from.
	check() error
}

// A Float is the numbers from Low to High, both included.
type Float struct {
	Low, High float64
	Step      float64 // between neighbouring values; 0 means a continuum. High is a whole number of steps from Low
	Log       bool    // even on a logarithmic scale; Low is then above 0 and Step 0
}

// mostSteps bounds a range with steps, so that each value has a number.
const mostSteps = 1 << 20

// Contains takes Optuna's rounding of a multiple of the step as well.
func (d Float) Contains(x float64) bool {
	if !(x >= d.Low && x <= d.High) {
		return false
	}
	if d.Step == 0 {
		return true
	}
	steps := (x - d.Low) / d.Step
	if math.Abs(steps-math.Round(steps)) < 1e-8 {
		return true
	}
	return x == d.Value(int(math.Round(steps))) // far from 0, where the quotient has lost digits
}

// Text has as many digits as it takes to tell x from its neighbours.
func (d Float) Text(x float64) string { return formatFloat(x) }

func formatFloat(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

// Count is 0 without a step.
func (d Float) Count() int {
	if d.Step == 0 {
		return 0
	}
	return int(math.Round((d.High-d.Low)/d.Step)) + 1
}

// Value is the float64 that is nearest to Low + i·Step in decimals, so that
// the third of 0, 0.1, … is 0.3 and not 0.30000000000000004.
func (d Float) Value(i int) float64 {
	x := new(big.Rat).Mul(decimalOf(d.Step), new(big.Rat).SetInt64(int64(i)))
	v, _ := x.Add(x, decimalOf(d.Low)).Float64()
	return v
}

// decimalOf is the decimal number that x is written as.
func decimalOf(x float64) *big.Rat {
	r, _ := new(big.Rat).SetString(formatFloat(x))
	return r
}

func (d Float) check() error {
	switch {
	case math.IsNaN(d.Low-d.High) || math.IsInf(d.Low, 0) || math.IsInf(d.High, 0):
		return fmt.Errorf("has an end that is not a number: %g..%g", d.Low, d.High)
	case math.IsInf(d.High-d.Low, 0):
		return fmt.Errorf("has a range that is wider than numbers go: %g..%g", d.Low, d.High)
	case d.Low > d.High:
		return reversed(d.Text(d.Low), d.Text(d.High))
	case d.Low == d.High:
		return single(d.Text(d.Low))
	case d.Log && d.Step != 0:
		return errLogStep
	case d.Log && d.Low <= 0:
		return logOf(d.Text(d.Low))
	case d.Step == 0:
		return nil
	case !(d.Step > 0) || math.IsInf(d.Step, 0):
		return stepsOf(d.Text(d.Step))
	}
	steps := new(big.Rat).Sub(decimalOf(d.High), decimalOf(d.Low))
	steps.Quo(steps, decimalOf(d.Step))
	if steps.Cmp(big.NewRat(mostSteps, 1)) > 0 {
		return fmt.Errorf("has more than %d steps: leave the step out", mostSteps)
	}
	if !steps.IsInt() {
		whole := new(big.Int).Quo(steps.Num(), steps.Denom())
		return uneven(d.Text(d.Low), d.Text(d.High), d.Text(d.Step), d.Text(d.Value(int(whole.Int64()))))
	}
	if n := d.Count(); d.Value(1) == d.Low || d.Value(n-2) == d.High {
		return fmt.Errorf("has steps of %s, which are too small to tell from one another near %s..%s", d.Text(d.Step), d.Text(d.Low), d.Text(d.High))
	}
	return nil
}

// An Int is the whole numbers from Low to High, both included.
type Int struct {
	Low, High int
	Step      int  // between neighbouring values, at least 1. High is a whole number of steps from Low
	Log       bool // even on a logarithmic scale; Low is then above 0 and Step 1
}

// Contains takes whole numbers of steps.
func (d Int) Contains(x float64) bool {
	return x >= float64(d.Low) && x <= float64(d.High) && x == math.Trunc(x) && (int(x)-d.Low)%d.Step == 0
}

// Text has no decimal point.
func (d Int) Text(x float64) string { return strconv.Itoa(int(x)) }

// Count is at least 1.
func (d Int) Count() int { return (d.High-d.Low)/d.Step + 1 }

// Value is Low + i·Step.
func (d Int) Value(i int) float64 { return float64(d.Low + i*d.Step) }

func (d Int) check() error {
	// Beyond this a float64 does not tell a whole number from the next.
	const largest = 1 << 53
	switch {
	case int64(d.Low) < -largest || int64(d.High) > largest:
		return fmt.Errorf("has an end beyond ±2^53: %d..%d", d.Low, d.High)
	case d.Low > d.High:
		return reversed(strconv.Itoa(d.Low), strconv.Itoa(d.High))
	case d.Low == d.High:
		return single(strconv.Itoa(d.Low))
	case d.Step < 1:
		return fmt.Errorf("has steps of %d, want 1 or more", d.Step)
	case d.Log && d.Step != 1:
		return errLogStep
	case d.Log && d.Low < 1:
		return logOf(strconv.Itoa(d.Low))
	case (d.High-d.Low)%d.Step != 0:
		last := d.High - (d.High-d.Low)%d.Step
		return uneven(strconv.Itoa(d.Low), strconv.Itoa(d.High), strconv.Itoa(d.Step), strconv.Itoa(last))
	}
	return nil
}

// A Categorical is a list of choices without an order. The number of a choice
// is its index.
type Categorical struct {
	Choices []string // as the flag takes them, each once
}

// Contains takes indices of choices.
func (d Categorical) Contains(x float64) bool {
	return x >= 0 && x < float64(len(d.Choices)) && x == math.Trunc(x)
}

// Text is the choice.
func (d Categorical) Text(x float64) string { return d.Choices[int(x)] }

// Count is the number of choices.
func (d Categorical) Count() int { return len(d.Choices) }

// Value is i.
func (d Categorical) Value(i int) float64 { return float64(i) }

func (d Categorical) check() error {
	if len(d.Choices) == 0 {
		return fmt.Errorf("has no values: write at least one")
	}
	seen := map[string]bool{}
	for _, c := range d.Choices {
		if seen[c] {
			return fmt.Errorf("has the value %s twice", c)
		}
		seen[c] = true
	}
	return nil
}

var errLogStep = fmt.Errorf("has both log and a step, which exclude each other")

func reversed(low, high string) error {
	return fmt.Errorf("has the range %s..%s, which is reversed: write %s..%s", low, high, high, low)
}

func single(value string) error {
	return fmt.Errorf("has the range %s..%s, which is one value: write %s", value, value, value)
}

func logOf(low string) error {
	return fmt.Errorf("has a logarithmic range from %s, want one from a number above 0", low)
}

func stepsOf(step string) error { return fmt.Errorf("has steps of %s, want a number above 0", step) }

func uneven(low, high, step, last string) error {
	if last == low {
		return fmt.Errorf("has the range %s..%s, which is less than a step of %s", low, high, step)
	}
	return fmt.Errorf("has the range %s..%s, which is no whole number of steps of %s: write %s..%s", low, high, step, low, last)
}
