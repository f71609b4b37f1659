package loader

import (
	"math"
	"strconv"
	"strings"
)

// What other data sets call splits and labels.

// SplitCalled returns the split that a data set means by a name, such as "dev" or
// "Test"; ok is false where it means none.
func SplitCalled(name string) (s Split, ok bool) {
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "train", "training":
		return Train, true
	case "validation", "valid", "val", "dev", "development", "eval":
		return Validation, true
	case "test", "testing":
		return Test, true
	}
	return 0, false
}

// LabelCalled reads a label that is a text: a number, or a word for the lowest or the
// highest of the scale; ok is false for anything else.
func LabelCalled(text string, low, high float64) (label float64, ok bool) {
	text = strings.TrimSpace(text)
	switch strings.ToLower(text) {
	case "true", "yes", "t", "y":
		return high, true
	case "false", "no", "f", "n":
		return low, true
	}
	x, err := strconv.ParseFloat(text, 64)
	return x, err == nil && !math.IsNaN(x) && !strings.ContainsAny(text, "xX_")
}
