package projection

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// The sides that a matrix can have been learned for.
const (
	SideBoth  = "both"  // one matrix for all texts
	SideQuery = "query" // for left-side texts; right-side texts keep their embeddings
	SideDual  = "dual"  // a matrix for each side
	SideLeft  = "left"  // the left half of a dual run, as Left returns it
	SideRight = "right" // the right half, as Right returns it
)

// Metadata is what a service should know beside the numbers. It travels in a
// safetensors file and is lost in an npy file. Its zero value says nothing, and
// a file need not have any of it.
type Metadata struct {
	Model     string   // the embedding model whose vectors go in, such as text-embedding-3-small
	Side      string   // one of the Side constants; empty: as SideBoth, or SideDual with a second matrix
	Threshold *float64 // a pair is similar when its cosine is above this; nil: none was chosen
	Normalize bool     // whether outputs are meant to be divided by their norm
	LabelMin  float64  // the range of the labels that were learned from,
	LabelMax  float64  // such as 0 and 1 or −1 and 1; both 0: unknown
	Metric    string   // the similarity that compares outputs: cosine
	// Calibration is what makes a probability of a cosine; nil: none was fitted.
	Calibration *Calibration
}

// A Calibration says how likely a pair is similar, as a function of its cosine:
// 1/(1 + exp(−(Scale·cosine + Bias))). It was fitted where the threshold was
// chosen, and holds for pairs that are similar as often as those were.
type Calibration struct{ Scale, Bias float64 }

// Probability is that of a cosine.
func (c Calibration) Probability(cosine float64) float64 {
	return 1 / (1 + math.Exp(-(c.Scale*cosine + c.Bias)))
}

// schemaVersion is the newest layout of a safetensors file that this package knows.
const schemaVersion = 1

func (m Metadata) validate(dual bool) error {
	for _, text := range []string{m.Model, m.Metric} {
		if !utf8.ValidString(text) {
			return fmt.Errorf("metadata: %q is not valid UTF-8", text)
		}
	}
	if err := checkSide(m.Side, dual); err != nil {
		return err
	}
	if m.Threshold != nil && !finite(*m.Threshold) {
		return fmt.Errorf("metadata: threshold is %v, want a finite number", *m.Threshold)
	}
	if c := m.Calibration; c != nil && !(finite(c.Scale) && finite(c.Bias)) {
		return fmt.Errorf("metadata: the calibration is %v, %v, want finite numbers", c.Scale, c.Bias)
	}
	if m.hasLabels() && !(finite(m.LabelMin) && finite(m.LabelMax) && m.LabelMin < m.LabelMax) {
		return fmt.Errorf("metadata: label range is %v..%v, want two finite numbers, the smaller first", m.LabelMin, m.LabelMax)
	}
	return nil
}

func checkSide(side string, dual bool) error {
	switch side {
	case "":
		return nil
	case SideDual:
		if !dual {
			return fmt.Errorf("metadata: side is %q, but there is no matrix_right", side)
		}
		return nil
	case SideBoth, SideQuery, SideLeft, SideRight:
		if dual {
			return fmt.Errorf("metadata: side is %q, but there is a matrix_right; want %q", side, SideDual)
		}
		return nil
	}
	return fmt.Errorf("metadata: side is %q, want both, query, dual, left or right", side)
}

func (m Metadata) hasLabels() bool { return m.LabelMin != 0 || m.LabelMax != 0 }

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// fields spells m as the string map of a safetensors file, leaving out what m
// does not say.
func (m Metadata) fields() map[string]string {
	fields := map[string]string{
		"schema_version": strconv.Itoa(schemaVersion),
		"normalise":      strconv.FormatBool(m.Normalize),
	}
	for name, text := range map[string]string{"model": m.Model, "side": m.Side, "metric": m.Metric} {
		if text != "" {
			fields[name] = text
		}
	}
	if m.Threshold != nil {
		fields["threshold"] = formatFloat(*m.Threshold)
	}
	if c := m.Calibration; c != nil {
		fields["calibration_scale"], fields["calibration_bias"] = formatFloat(c.Scale), formatFloat(c.Bias)
	}
	if m.hasLabels() {
		fields["label_range"] = formatFloat(m.LabelMin) + ".." + formatFloat(m.LabelMax)
	}
	return fields
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// parseMetadata is the inverse of fields. Keys that it does not know are other
// programs' notes and are passed over.
func parseMetadata(fields map[string]string) (Metadata, error) {
	if err := checkVersion(fields); err != nil {
		return Metadata{}, err
	}
	m := Metadata{Model: fields["model"], Side: fields["side"], Metric: fields["metric"]}
	if text, ok := fields["threshold"]; ok {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return Metadata{}, fmt.Errorf("metadata: threshold is %q, want a number", text)
		}
		m.Threshold = &v
	}
	scale, scaled := fields["calibration_scale"]
	bias, biased := fields["calibration_bias"]
	if scaled || biased {
		c := Calibration{}
		var errScale, errBias error
		c.Scale, errScale = strconv.ParseFloat(scale, 64)
		c.Bias, errBias = strconv.ParseFloat(bias, 64)
		if errScale != nil || errBias != nil {
			return Metadata{}, fmt.Errorf("metadata: calibration_scale is %q and calibration_bias %q, want two numbers", scale, bias)
		}
		m.Calibration = &c
	}
	if text, ok := fields["normalise"]; ok {
		if text != "true" && text != "false" {
			return Metadata{}, fmt.Errorf(`metadata: normalise is %q, want "true" or "false"`, text)
		}
		m.Normalize = text == "true"
	}
	if text, ok := fields["label_range"]; ok {
		low, high, _ := strings.Cut(text, "..")
		var errLow, errHigh error
		m.LabelMin, errLow = strconv.ParseFloat(low, 64)
		m.LabelMax, errHigh = strconv.ParseFloat(high, 64)
		if errLow != nil || errHigh != nil || m.LabelMin >= m.LabelMax {
			return Metadata{}, fmt.Errorf(`metadata: label_range is %q, want the smallest and the largest label, such as "0..1"`, text)
		}
	}
	return m, nil
}

func checkVersion(fields map[string]string) error {
	text, ok := fields["schema_version"]
	if !ok {
		return nil
	}
	version, err := strconv.Atoi(text)
	if err != nil || version < 1 {
		return fmt.Errorf("metadata: schema_version is %q, want a number from 1", text)
	}
	if version > schemaVersion {
		return fmt.Errorf("metadata: schema_version %d is newer than %d, the newest that this version of cosfit reads; upgrade cosfit", version, schemaVersion)
	}
	return nil
}
