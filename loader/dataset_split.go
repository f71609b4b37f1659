package loader

import (
	"fmt"
	"slices"
)

// divide gives the pairs their splits, where the data bring none or others are
// asked for, and says how.
func (d *Dataset) divide(o SplitOptions, given bool, sources func() ([]int32, error)) error {
	d.SplitGiven = given
	if !given {
		d.Pairs.Split = nil
	}
	facts := d.splitFacts()
	if o.By == BySource {
		var err error
		if facts.Source, err = sources(); err != nil {
			return err
		}
	}
	division, err := d.Pairs.Divide(o, facts)
	if err != nil {
		return fmt.Errorf("%s: %w", d.Name, err)
	}
	if division.By == ByColumn {
		return nil
	}
	d.division = division
	d.SplitGiven = o.By != "" && o.By != ByAuto || o.draws()
	switch n := division.Pairs; {
	case n[Test]+n[Validation] == 0:
		d.Notes = append(d.Notes, "no split given and all pairs are of one group: there is no test split")
	case d.SplitGiven:
		d.Notes = append(d.Notes, "split as asked for: "+division.Sentence())
	default:
		d.Notes = append(d.Notes, fmt.Sprintf("no split given: %d of %d pairs became the test split, drawn by %s", n[Test], d.Pairs.Len(), division.what()))
	}
	return nil
}

func (d *Dataset) splitFacts() SplitFacts {
	return SplitFacts{Texts: d.Vectors.Rows(), Same: d.sameTexts(), Middle: float32(d.Labels.middle())}
}

// sameTexts pairs the rows of a text that has two, since it has two vectors.
func (d *Dataset) sameTexts() (same [][2]int32) {
	if !d.Pairs.apart {
		return nil
	}
	first := make(map[string]int32, len(d.Vectors.IDs))
	for row, id := range d.Vectors.IDs {
		if other, ok := first[id]; ok {
			same = append(same, [2]int32{other, int32(row)})
			continue
		}
		first[id] = int32(row)
	}
	return same
}

// TestOnly makes all pairs the test split, for data that are only scored.
func (d *Dataset) TestOnly() {
	for i := range d.Pairs.Split {
		d.Pairs.Split[i] = Test
	}
	d.SplitGiven, d.Notes = true, nil
}

// CarveValidation turns a share of the training pairs into a validation split
// where there is none, without tearing a group.
func (d *Dataset) CarveValidation() {
	if slices.Contains(d.Pairs.Split, Validation) {
		return
	}
	division := d.trainingUnits()
	moved := d.Pairs.move(division.units, Validation, validationShare, 0, d.splitFacts().Middle)
	if moved == 0 {
		d.Notes = append(d.Notes, "no validation split given and the training pairs are too few groups to take one from them")
		return
	}
	d.Notes = append(d.Notes, fmt.Sprintf("no validation split given: %d training pairs became one, drawn by %s", moved, division.what()))
}

// trainingUnits is how training pairs are divided further: as the split was drawn,
// or, where the data brought one, as one would be.
func (d *Dataset) trainingUnits() Division {
	if d.division.units != nil {
		return d.division
	}
	units, by, _ := d.Pairs.units(ByAuto, d.splitFacts()) // which only documents can make fail
	return Division{By: by, Known: by == ByGroup, units: units}
}

// Folds cuts the training pairs into k parts without tearing a group, nor, where
// that can be, groups that share a text. It returns the part of each pair,
// counted from 0, and −1 for those of other splits.
func (d *Dataset) Folds(k int, seed uint64) ([]int32, error) {
	folds, err := d.Pairs.folds(d.trainingUnits().units, k, seed, d.splitFacts().Middle)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Name, err)
	}
	return folds, nil
}
