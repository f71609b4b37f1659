package study

import (
	"bufio"
	"math"
	"os"
	"reflect"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// TestDistributionJSON reads and writes what optuna 5.0.0 wrote, recorded by
// testdata/schema.py.
func TestDistributionJSON(t *testing.T) {
	f, err := os.Open("testdata/distributions.jsonl")
	must(t, err)
	defer f.Close()
	known := []space.Distribution{
		space.Float{Low: 1e-4, High: 1e-2, Log: true},
		space.Float{Low: 1e-5, High: 1},
		space.Float{Low: 0, High: 0.5, Step: 0.1},
		space.Float{Low: -1e16, High: 1e16},
		space.Float{Low: -9999999999999998, High: 123456789012345680},
		space.Float{Low: 5e-324, High: math.MaxFloat64, Log: true},
		space.Int{Low: 64, High: 384, Step: 64},
		space.Int{Low: 1, High: 4096, Step: 1, Log: true},
		space.Int{Low: -1 << 53, High: 1 << 53, Step: 1},
		space.Categorical{Choices: []string{"mse", "infonce"}},
		space.Categorical{Choices: []string{"0.1"}},
		space.Categorical{Choices: []string{`a"b\c/<&>`, "ö 漢 😀 \u2028", "\n\r\t\b\f\x00\x1f\x7f\u0080", ""}},
	}
	lines := 0
	for scan := bufio.NewScanner(f); scan.Scan(); lines++ {
		d, err := parseDistribution(scan.Text())
		if err != nil {
			t.Fatalf("%s: %v", scan.Text(), err)
		}
		if lines < len(known) && !reflect.DeepEqual(d, known[lines]) {
			t.Errorf("%s is read as %#v", scan.Text(), d)
		}
		if got := distributionJSON(d); got != scan.Text() {
			t.Errorf("got  %s\nwant %s", got, scan.Text())
		}
	}
	if lines < 100 {
		t.Errorf("%d lines", lines)
	}
}

func TestParseDistributionErrors(t *testing.T) {
	for _, text := range []string{
		``, `null`, `{}`, `[]`, `{"name": "UniformDistribution", "attributes": {"low": 0, "high": 1}}`,
		`{"name": "FloatDistribution"}`,
		`{"name": "FloatDistribution", "attributes": {"low": 0.0, "high": 1.0}}`,
		`{"name": "FloatDistribution", "attributes": {"step": 0, "low": 0.0, "high": 1.0, "log": false}}`,
		`{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": Infinity, "log": false}}`,
		`{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false, "q": 1}}`,
		`{"name": "IntDistribution", "attributes": {"log": false, "step": null, "low": 1, "high": 2}}`,
		`{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 1e30}}`,
		`{"name": "CategoricalDistribution", "attributes": {"choices": ["a", 1]}}`,
		`{"name": "CategoricalDistribution", "attributes": {"choices": ["a", null]}}`,
		`{"name": "CategoricalDistribution", "attributes": {"choices": ["a"]}} {}`,
	} {
		if d, err := parseDistribution(text); err == nil {
			t.Errorf("%s is read as %#v", text, d)
		}
	}
}

// FuzzParseDistribution demands that what is read is written, and read again,
// the same.
func FuzzParseDistribution(f *testing.F) {
	f.Add(`{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0001, "high": 0.01, "log": true}}`)
	f.Add(`{"name": "IntDistribution", "attributes": {"log": false, "step": 64, "low": 64, "high": 384}}`)
	f.Add(`{"name": "CategoricalDistribution", "attributes": {"choices": ["mse", "\u00f6\ud83d\ude00"]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDistribution(text)
		if err != nil {
			return
		}
		written := distributionJSON(d)
		again, err := parseDistribution(written)
		if err != nil {
			t.Fatalf("%s was written as %s: %v", text, written, err)
		}
		if !reflect.DeepEqual(d, again) {
			t.Fatalf("%#v was written as %s and read as %#v", d, written, again)
		}
	})
}

// FuzzParseSpace demands the same of the attribute that holds the space.
func FuzzParseSpace(f *testing.F) {
	attributes, err := example().attributes()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(attributes["cosfit:space"])
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSpace(text)
		if err != nil {
			return
		}
		attributes, err := Definition{Space: s}.attributes()
		if err != nil {
			t.Fatal(err)
		}
		again, err := parseSpace(attributes["cosfit:space"])
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Fatalf("%#v was written as %s and read as %#v: %v", s, attributes["cosfit:space"], again, err)
		}
	})
}
