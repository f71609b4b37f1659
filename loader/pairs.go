package loader

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/parquet-go/parquet-go"
)

// What both layouts say about a pair beside its texts: the label, the group,
// the split and the kind.

// readLabels reads the label column and settles the range, which may be given
// as "min..max", else by the file's metadata.
func (d *Dataset) readLabels(f *parquetFile, column, given string) error {
	if given == "" {
		given, _ = f.Lookup("label_range")
	}
	labels, err := f.labels(column, given)
	if err != nil {
		return err
	}
	d.Pairs.Label = labels
	if given == "" {
		if d.Labels, err = labelRange(labels); err != nil {
			return f.errorf("%w", err)
		}
		return nil
	}
	low, high, ok := ParseRange(given)
	if !ok {
		return f.errorf("the label range is %q, want two numbers, the lower one first, such as 0..5", given)
	}
	for row, l := range labels {
		if !(l >= low && l <= high) {
			return f.errorf("row %d: the label is %g, outside the label range %s", row, l, given)
		}
	}
	d.givenRange = given
	if low != 0 && low != -1 || high != 1 {
		d.given = slices.Clone(labels)
	}
	d.Labels = rescale(labels, low, high)
	return nil
}

// labels reads a column of numbers, booleans or texts. Words are the ends of the given
// range, or of 0..1.
func (f *parquetFile) labels(column, given string) ([]float32, error) {
	low, high := ends(given)
	var out []float32
	err := f.scalars(column, func(row int, t parquet.Type, v parquet.Value) error {
		if v.IsNull() {
			return f.errorf("row %d: %s is null, want a number: fill it in or drop the row", row, column)
		}
		x, ok := labelOf(t, v, low, high)
		switch {
		case !ok && v.Kind() == parquet.ByteArray:
			return f.errorf("row %d: %s is %.40q, want a number, or a word such as yes or no", row, column, v.ByteArray())
		case !ok:
			return f.errorf("column %q holds values of type %s, want numbers or booleans", column, t)
		}
		out = append(out, float32(x))
		return nil
	})
	return out, err
}

// ends are those of a range, of 0..1 where it is none.
func ends(given string) (low, high float64) {
	if l, h, ok := ParseRange(given); ok {
		return float64(l), float64(h)
	}
	return 0, 1
}

// labelOf reads one label, where it is one.
func labelOf(t parquet.Type, v parquet.Value, low, high float64) (float64, bool) {
	if v.Kind() == parquet.ByteArray {
		return LabelCalled(string(v.ByteArray()), low, high)
	}
	x, ok := number(t, v)
	return x / decimalUnit(t), ok
}

// labelRange derives the range from the labels: −1..1 where a label is
// negative, else 0..1.
func labelRange(labels []float32) (LabelRange, error) {
	r := LabelRange{Min: 0, Max: 1}
	for _, l := range labels {
		if l < 0 {
			r.Min = -1
		}
	}
	for row, l := range labels {
		if v := float64(l); math.IsNaN(v) || v < r.Min || v > r.Max {
			return r, fmt.Errorf("row %d: the label is %g, want 0..1 or -1..1: give their scale with --label-range, such as 0..5", row, v)
		} else if v != r.Min && v != r.Max {
			r.Graded = true
		}
	}
	return r, nil
}

// ParseRange reads the scale of labels, "min..max" or "min:max"; ok is false where
// that is not two numbers, the lower one first.
func ParseRange(s string) (low, high float32, ok bool) {
	first, second, dots := strings.Cut(s, "..")
	if !dots {
		first, second, _ = strings.Cut(s, ":")
	}
	l, err1 := strconv.ParseFloat(first, 32)
	h, err2 := strconv.ParseFloat(second, 32)
	return float32(l), float32(h), err1 == nil && err2 == nil && l < h && !math.IsInf(h-l, 0)
}

// rescale brings labels from low..high to 0..1 in place; −1..1 stays as it is,
// since a cosine of −1 can be meant.
func rescale(labels []float32, low, high float32) LabelRange {
	r := LabelRange{Min: 0, Max: 1}
	if low == -1 && high == 1 {
		r.Min = -1
	}
	for i, l := range labels {
		if r.Min == 0 {
			labels[i] = (l - low) / (high - low)
		}
		r.Graded = r.Graded || (l != low && l != high)
	}
	return r
}

// A nameColumn is an optional column whose values are names.
type nameColumn struct {
	name string
	flag string // leaves the column out; "" where the layout fixes its columns
}

// wayOut ends the sentence about a value that is none of the names.
func (c nameColumn) wayOut() string {
	if c.flag == "" {
		return ""
	}
	return ", or leave the column out with " + c.flag + " " + NoColumn
}

// readSplitAndKind reads two optional columns.
func (d *Dataset) readSplitAndKind(f *parquetFile, split, kind nameColumn) (splitGiven bool, err error) {
	n := d.Pairs.Len()
	d.Pairs.Split, d.Pairs.Kind = make([]Split, n), make([]Kind, n)
	if f.has(split.name) {
		splitGiven = true
		if err := readNames(f, split, SplitNames(), SplitCalled, d.Pairs.Split); err != nil {
			return false, err
		}
	}
	if f.has(kind.name) {
		if err := readNames(f, kind, kindNames[:], ParseKind, d.Pairs.Kind); err != nil {
			return false, err
		}
	}
	return splitGiven, nil
}

// readNames reads what names call.
func readNames[T any](f *parquetFile, column nameColumn, names []string, called func(string) (T, bool), out []T) error {
	values, err := f.strings(column.name, false)
	if err != nil {
		return err
	}
	for row, v := range values {
		it, ok := called(v)
		if !ok {
			return f.errorf("row %d: %s is %q, want one of %s%s", row, column.name, v, strings.Join(names, ", "), column.wayOut())
		}
		out[row] = it
	}
	return nil
}

// setGroups numbers the groups in order of first appearance.
func (p *Pairs) setGroups(names []string) {
	numbers := map[string]int32{}
	p.Group = make([]int32, len(names))
	for i, name := range names {
		number, ok := numbers[name]
		if !ok {
			number = int32(len(p.Groups))
			numbers[name] = number
			p.Groups = append(p.Groups, name)
		}
		p.Group[i] = number
	}
}
