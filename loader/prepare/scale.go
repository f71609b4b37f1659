package prepare

import (
	"errors"
	"fmt"
	"strings"

	"github.com/cosfit/cosfit/loader"
)

// A Scale is the range of labels. Its zero value takes 0..1 and −1..1, and
// truth values in words.
type Scale struct {
	Low, High float64
}

// ParseScale reads "0:5" or "0..5"; "" is the zero value.
func ParseScale(text string) (Scale, error) {
	if text == "" {
		return Scale{}, nil
	}
	low, high, ok := loader.ParseRange(text)
	if !ok {
		return Scale{}, fmt.Errorf("%q is not two numbers, the lower one first, such as 0:5", text)
	}
	return Scale{float64(low), float64(high)}, nil
}

func (s Scale) given() bool { return s != Scale{} }

// String is what a data set's metadata say, "" for the zero value.
func (s Scale) String() string {
	if !s.given() {
		return ""
	}
	return fmt.Sprintf("%g..%g", s.Low, s.High)
}

// high and low are the labels of two texts that are as similar as can be, and
// of two that have nothing to do with each other.
func (s Scale) high() float64 {
	if s.given() {
		return s.High
	}
	return 1
}

func (s Scale) low() float64 { return s.Low }

// parse reads a label.
func (s Scale) parse(text string) (float64, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, errors.New("the label is empty")
	}
	x, ok := loader.LabelCalled(text, s.low(), s.high())
	switch {
	case !ok:
		return 0, fmt.Errorf("the label %.40q is neither a number nor true or false", text)
	case s.given() && (x < s.Low || x > s.High):
		return 0, fmt.Errorf("the label is %g, outside the scale of %g to %g", x, s.Low, s.High)
	case !s.given() && (x < -1 || x > 1):
		return 0, fmt.Errorf("the label is %g, want 0 to 1 or -1 to 1: give another scale with --score-range, such as 0:5", x)
	}
	return x, nil
}
