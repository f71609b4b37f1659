package prepare

import (
	"context"
	"errors"
	"fmt"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/alike"
)

// SplitOptions say how a draft is divided.
type SplitOptions struct {
	loader.SplitOptions // Shares may be zero: then Shares() is meant
	// FixLeakage mends what the splits share: texts that are almost the same stay
	// together where a split is drawn, and then pairs go, as
	// loader.Pairs.MendLeaks says.
	FixLeakage bool
	// Strict makes it an error that splits share a group or a text.
	Strict bool
	// Where Shares are zero and fewer than Undivided pairs are for training, none of
	// them become validation, and test gets its default share of the pairs.
	Undivided int
}

// Shares are how much of the pairs each split gets where nothing else is said.
func Shares() loader.Shares { return loader.Shares{70, 15, 15} }

// A SplitReport is what Split did.
type SplitReport struct {
	loader.Division
	Leaks []loader.Leak         `json:"leaks,omitempty"` // that are left
	Alike int                   `json:"alike"`           // times two texts of different splits are almost the same
	Gone  [loader.NumSplits]int `json:"gone"`            // pairs of each split that FixLeakage took out
	// Example is two texts that are almost the same.
	Example [2]string `json:"example_alike,omitzero"`
	// Few says that there is no validation split because there are few pairs.
	Few bool `json:"few,omitempty"`
}

// Sentences say what was done and what to know, each without a full stop.
func (r SplitReport) Sentences() []string {
	out := []string{r.Division.Sentence()}
	if r.Few {
		out = append(out, "few pairs, so none are held out for validation: training judges by cross-validation")
	}
	for s, n := range r.Gone {
		if n > 0 {
			out = append(out, fmt.Sprintf("%d %s pairs shared a group or a text, or almost one, with a split that is held out, and were left out", n, loader.Split(s)))
		}
	}
	for _, l := range r.Leaks {
		out = append(out, l.String())
	}
	if r.Alike > 0 {
		out = append(out, fmt.Sprintf("texts of different splits that are almost the same: %d pairs of them, such as %.60q and %.60q, which --fix-leakage mends", r.Alike, r.Example[0], r.Example[1]))
	}
	return out
}

// Split divides the pairs into splits. It comes before negatives are drawn,
// which join what has nothing to do with each other and get the split of their
// pair.
func (d *Draft) Split(ctx context.Context, o SplitOptions) (SplitReport, error) {
	facts := d.facts()
	draws := o.Draws(len(d.Pairs.Split) > 0)
	few := draws && o.Shares == (loader.Shares{}) && d.few(o)
	if draws && o.Shares == (loader.Shares{}) && !few {
		o.Shares = Shares()
	}
	if draws && o.FixLeakage {
		everywhere := make([]uint8, d.Texts()) // as if each text were in two splits: all are compared
		for i := range d.Pairs.Left {
			everywhere[d.Pairs.Left[i]], everywhere[d.Pairs.Right[i]] = 3, 3
		}
		pairs, err := d.alike(ctx, everywhere)
		if err != nil {
			return SplitReport{}, err
		}
		facts.Same = same(pairs)
	}
	division, err := d.Pairs.Divide(o.SplitOptions, facts)
	if err != nil {
		return SplitReport{}, err
	}
	r := SplitReport{Division: division, Few: few}
	facts.Same = nil
	pairs, err := d.alike(ctx, d.Pairs.SplitSets(d.Texts()))
	if err != nil {
		return r, err
	}
	if o.FixLeakage {
		facts.Same = same(pairs)
		return r, d.mend(&r, facts)
	}
	r.Leaks = d.Pairs.Leaks(facts, func(n int32) string { return d.ID(n).String() })
	if o.Strict && len(r.Leaks) > 0 {
		return r, fmt.Errorf("%s: mend it with --fix-leakage, or leave out --strict", r.Leaks[0])
	}
	if r.Alike = len(pairs); r.Alike > 0 {
		for i, n := range []int32{pairs[0].A, pairs[0].B} {
			if r.Example[i], err = d.Text(n); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// few reports whether the training pairs stay together.
func (d *Draft) few(o SplitOptions) bool {
	shares := Shares()
	train, all := shares[loader.Train], shares[loader.Train]+shares[loader.Validation]+shares[loader.Test]
	if o.Folds > 0 {
		train, all = float64(o.Folds-1), float64(o.Folds)
	}
	return float64(d.Pairs.Len())*train < float64(o.Undivided)*all
}

// mend takes out pairs that leak.
func (d *Draft) mend(r *SplitReport, f loader.SplitFacts) error {
	var keep []bool
	keep, r.Gone = d.Pairs.MendLeaks(f)
	if r.Gone[loader.Train] > 0 && r.Gone[loader.Train] == r.Pairs[loader.Train] {
		return errors.New("every training pair shares a group or a text with validation or test, so that nothing would be left to learn from: draw the split by component, or leave out --fix-leakage")
	}
	d.Pairs = d.Pairs.Only(keep)
	for s, n := range r.Gone {
		r.Pairs[s] -= n
	}
	return nil
}

func same(pairs []alike.Pair) (out [][2]int32) {
	for _, p := range pairs {
		out = append(out, [2]int32{p.A, p.B})
	}
	return out
}

// alike finds texts that are almost the same and in different splits.
func (d *Draft) alike(ctx context.Context, in []uint8) ([]alike.Pair, error) {
	var buf []byte
	return alike.Across(ctx, in, func(visit func(int32, []byte) error) error {
		for n := range in {
			if in[n] == 0 {
				continue
			}
			text, err := d.texts.read(int32(n), buf)
			if err != nil {
				return err
			}
			buf = text
			if err := visit(int32(n), text); err != nil {
				return err
			}
		}
		return nil
	}, 0)
}

// facts are what a split depends on beside the pairs.
func (d *Draft) facts() loader.SplitFacts {
	f := loader.SplitFacts{Texts: d.Texts(), Middle: (d.unrelated() + 1) / 2, Source: make([]int32, d.Texts())}
	if low, high, ok := loader.ParseRange(d.LabelRange); ok {
		f.Middle = (low + high) / 2
	}
	for n := range f.Source {
		f.Source[n] = d.texts.all[n].source
	}
	return f
}
