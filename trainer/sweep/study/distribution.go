package study

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// distributionJSON is what optuna.distributions.distribution_to_json writes,
// byte for byte.
func distributionJSON(d space.Distribution) string {
	switch d := d.(type) {
	case space.Float:
		step := "null"
		if d.Step != 0 {
			step = pythonFloat(d.Step)
		}
		return fmt.Sprintf(`{"name": "FloatDistribution", "attributes": {"step": %s, "low": %s, "high": %s, "log": %t}}`, step, pythonFloat(d.Low), pythonFloat(d.High), d.Log)
	case space.Int:
		return fmt.Sprintf(`{"name": "IntDistribution", "attributes": {"log": %t, "step": %d, "low": %d, "high": %d}}`, d.Log, d.Step, d.Low, d.High)
	case space.Categorical:
		choices := make([]string, len(d.Choices))
		for i, c := range d.Choices {
			choices[i] = pythonString(c)
		}
		return fmt.Sprintf(`{"name": "CategoricalDistribution", "attributes": {"choices": [%s]}}`, strings.Join(choices, ", "))
	}
	panic(fmt.Sprintf("study: a distribution of type %T", d))
}

// pythonFloat is Python's repr, which json.dumps uses: the shortest digits
// that tell x, with a point, and with an exponent below 1e-4 and from 1e16.
func pythonFloat(x float64) string {
	if size := math.Abs(x); size != 0 && (size < 1e-4 || size >= 1e16) {
		return strconv.FormatFloat(x, 'e', -1, 64)
	}
	text := strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// pythonString is the string as json.dumps writes it, in ASCII.
func pythonString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r <= '~':
			b.WriteRune(r)
		case strings.ContainsRune("\n\r\t\b\f", r):
			b.WriteByte('\\')
			b.WriteByte(map[rune]byte{'\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f'}[r])
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// parseDistribution reads what distributionJSON writes, in any order and
// spacing. Of a categorical distribution, choices that are not strings are an
// error. Whether a range makes sense is not asked: [space.New] does.
func parseDistribution(text string) (space.Distribution, error) {
	var d struct {
		Name       string          `json:"name"`
		Attributes json.RawMessage `json:"attributes"`
	}
	if err := strictJSON([]byte(text), &d); err != nil {
		return nil, err
	}
	// Pointers tell what is missing.
	switch d.Name {
	case "FloatDistribution":
		var a struct {
			Low, High *float64
			Step      *float64
			Log       *bool
		}
		if err := strictJSON(d.Attributes, &a); err != nil {
			return nil, err
		}
		if a.Low == nil || a.High == nil || a.Log == nil {
			return nil, missing(d.Name)
		}
		float := space.Float{Low: *a.Low, High: *a.High, Log: *a.Log}
		if a.Step != nil {
			if float.Step = *a.Step; float.Step == 0 {
				return nil, errors.New("FloatDistribution has steps of 0")
			}
		}
		return float, nil
	case "IntDistribution":
		var a struct {
			Low, High, Step *int
			Log             *bool
		}
		if err := strictJSON(d.Attributes, &a); err != nil {
			return nil, err
		}
		if a.Low == nil || a.High == nil || a.Step == nil || a.Log == nil {
			return nil, missing(d.Name)
		}
		return space.Int{Low: *a.Low, High: *a.High, Step: *a.Step, Log: *a.Log}, nil
	case "CategoricalDistribution":
		var a struct{ Choices []*string }
		if err := strictJSON(d.Attributes, &a); err != nil {
			return nil, err
		}
		var choices []string
		for _, c := range a.Choices {
			if c == nil {
				return nil, errors.New("CategoricalDistribution has a choice that is null")
			}
			choices = append(choices, *c)
		}
		return space.Categorical{Choices: choices}, nil
	}
	return nil, fmt.Errorf("unknown distribution %q", d.Name)
}

func missing(name string) error { return fmt.Errorf("%s lacks an attribute", name) }

// strictJSON reads one value without keys that v does not know.
func strictJSON(text []byte, v any) error {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(v); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one value")
	}
	return nil
}

// sameNumbers reports whether a number means the same in a distribution that
// Optuna has written as in d. Ranges may differ.
func sameNumbers(d space.Distribution, text string) bool {
	if text == distributionJSON(d) {
		return true
	}
	other, err := parseDistribution(text)
	if err != nil {
		return false
	}
	choices, categorical := d.(space.Categorical)
	others, otherCategorical := other.(space.Categorical)
	return categorical == otherCategorical && slices.Equal(choices.Choices, others.Choices)
}
