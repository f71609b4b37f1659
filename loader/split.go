package loader

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// testShare is the share of the pairs that becomes the test split where
// nothing else is said.
const testShare = 0.3

// validationShare is the share of the training pairs that CarveValidation
// takes.
const validationShare = 0.15

// SplitOptions say how pairs are divided into splits. The zero value keeps the
// split that the data bring, else it draws a test split of 30 % and no
// validation split.
type SplitOptions struct {
	By SplitBy // what is not torn; "" means ByAuto
	// Shares of the pairs. All zero means the default. With Folds they say how much of the rest is for validation.
	Shares Shares
	// Folds cuts the pairs into as many parts; Fold, counted from 1, says which
	// of them is the test split. 0 means none.
	Folds, Fold int
	Seed        uint64 // draws another split
}

// Shares are how much train, validation and test get, in any unit.
type Shares [NumSplits]float64

func (s Shares) String() string { return fmt.Sprintf("%g:%g:%g", s[Train], s[Validation], s[Test]) }

// ParseShares reads the shares of train, validation and test, such as
// "70:15:15", or of train and test, "80:20".
func ParseShares(s string) (shares Shares, err error) {
	wrong := fmt.Errorf("is %q, want shares of train, validation and test such as 70:15:15, or of train and test such as 80:20", s)
	parts := strings.Split(s, ":")
	at := []Split{Train, Validation, Test}
	if len(parts) == 2 {
		at = []Split{Train, Test}
	}
	if len(parts) != len(at) {
		return shares, wrong
	}
	for i, part := range parts {
		x, err := strconv.ParseFloat(part, 64)
		if err != nil || !(x >= 0 && x < 1e9) {
			return shares, wrong
		}
		shares[at[i]] = x
	}
	if shares[Train] == 0 || shares[Validation]+shares[Test] == 0 {
		return shares, fmt.Errorf("is %q: training needs a share, and one of the others", s)
	}
	return shares, nil
}

// Check says what is wrong with the options.
func (o SplitOptions) Check() error {
	_, known := ParseSplitBy(string(o.By))
	switch {
	case o.By != "" && !known:
		return fmt.Errorf("--split-by %q is unknown; there are: %s", o.By, strings.Join(SplitUnits(), ", "))
	case o.By == ByColumn && o.draws():
		return errors.New("--split-by column takes the split that the data bring: leave out --split, --folds and --split-seed")
	case o.Folds == 0 && o.Fold != 0:
		return errors.New("--fold says which of --folds is the test split: give both")
	case o.Folds < 0 || o.Folds == 1:
		return fmt.Errorf("--folds is %d, want 2 or more", o.Folds)
	case o.Folds > 1 && o.Fold == 0:
		return fmt.Errorf("--folds needs --fold, which says which part is the test split: give a number from 1 to %d", o.Folds)
	case o.Folds > 1 && (o.Fold < 1 || o.Fold > o.Folds):
		return fmt.Errorf("--fold is %d, want a number from 1 to %d", o.Fold, o.Folds)
	}
	return nil
}

// draws reports whether the options ask for a drawing of their own.
func (o SplitOptions) draws() bool {
	return o.Shares != (Shares{}) || o.Folds > 0 || o.Seed != 0
}

// keeps reports whether a split that the data bring is to stay.
func (o SplitOptions) keeps() bool { return o.By == "" || o.By == ByAuto || o.By == ByColumn }

// Draws reports whether a split is drawn of data that bring one, or none.
func (o SplitOptions) Draws(given bool) bool { return !given || !o.keeps() }

// A Division is how pairs were divided.
type Division struct {
	By    SplitBy        `json:"by"`
	Units int            `json:"units,omitempty"`
	Pairs [NumSplits]int `json:"pairs"`
	// Known says that passages of test may be known from training: too many
	// groups share texts to keep them apart.
	Known bool `json:"known_passages,omitempty"`

	units []int32 // of the groups; nil where nothing was drawn
}

// what is what was not torn, in words.
func (d Division) what() string {
	switch {
	case d.Known:
		return "group (new questions, known passages: too many groups share texts to keep them apart)"
	case d.By == ByComponent:
		return "group, keeping groups that share a text together"
	case d.By == BySource:
		return "source, keeping the groups of a document together"
	}
	return "group (new questions, perhaps known passages)"
}

// Sentence says what was done, without a full stop.
func (d Division) Sentence() string {
	if d.By == ByColumn {
		return "the data bring their split"
	}
	return fmt.Sprintf("%d train, %d validation and %d test pairs, drawn by %s", d.Pairs[Train], d.Pairs[Validation], d.Pairs[Test], d.what())
}

// Divide gives every pair its split, or keeps those that the pairs have. The
// choice depends neither on the order of the pairs nor on what else the machine
// did, and a small change of the pairs moves few of them.
func (p *Pairs) Divide(o SplitOptions, f SplitFacts) (Division, error) {
	if err := o.Check(); err != nil {
		return Division{}, err
	}
	given, keeps := len(p.Split) > 0, o.keeps()
	switch {
	case o.By == ByColumn && !given:
		return Division{}, errors.New("--split-by column: the data bring no split")
	case given && keeps && o.draws():
		return Division{}, errors.New("the data bring a split: to draw another, say what is not to be torn with --split-by component, group or source")
	case given && keeps:
		return Division{By: ByColumn, Pairs: p.count()}, nil
	}
	units, by, err := p.units(o.By, f)
	if err != nil {
		return Division{}, err
	}
	p.Split = make([]Split, p.Len())
	if o.Folds > 0 {
		err = p.drawFold(units, o, f)
	} else {
		p.drawShares(units, o, f)
	}
	number := map[int32]bool{}
	for _, u := range units {
		number[u] = true
	}
	return Division{By: by, Units: len(number), Pairs: p.count(), Known: by == ByGroup && o.By != ByGroup, units: units}, err
}

// drawShares draws test, and validation from what is left.
func (p *Pairs) drawShares(units []int32, o SplitOptions, f SplitFacts) {
	shares := o.Shares
	if shares == (Shares{}) {
		shares = Shares{Train: 1 - testShare, Test: testShare}
	}
	rest := shares[Train] + shares[Validation]
	p.move(units, Test, shares[Test]/(rest+shares[Test]), o.Seed, f.Middle)
	p.move(units, Validation, shares[Validation]/rest, o.Seed, f.Middle)
}

// drawFold makes a fold the test split.
func (p *Pairs) drawFold(units []int32, o SplitOptions, f SplitFacts) error {
	folds, err := p.folds(units, o.Folds, o.Seed, f.Middle)
	if err != nil {
		return err
	}
	for i, fold := range folds {
		if int(fold) == o.Fold-1 {
			p.Split[i] = Test
		}
	}
	if rest := o.Shares[Train] + o.Shares[Validation]; rest > 0 {
		p.move(units, Validation, o.Shares[Validation]/rest, o.Seed, f.Middle)
	}
	return nil
}

// folds returns the fold of each training pair, counted from 0, and −1 for
// others. No unit is in two.
func (p *Pairs) folds(units []int32, k int, seed uint64, middle float32) ([]int32, error) {
	list := p.unitsOf(p.of(Train), units, "fold", seed, middle)
	if len(list) < k {
		return nil, fmt.Errorf("%d folds cannot be made: there are %d units that must not be torn", k, len(list))
	}
	shares := slices.Repeat([]float64{1 / float64(k)}, k)
	fold := make(map[int32]int32, len(list))
	for i, bin := range apportion(list, shares) {
		fold[list[i].id] = int32(bin)
	}
	out := make([]int32, p.Len())
	for i, s := range p.Split {
		out[i] = -1
		if s == Train {
			out[i] = fold[units[p.Group[i]]]
		}
	}
	return out, nil
}

// move gives about share of the training pairs to the split to, and returns
// how many. One unit alone stays.
func (p *Pairs) move(units []int32, to Split, share float64, seed uint64, middle float32) (moved int) {
	list := p.unitsOf(p.of(Train), units, to.String(), seed, middle)
	if share == 0 || len(list) < 2 {
		return 0
	}
	take := map[int32]bool{}
	for i, bin := range apportion(list, []float64{share, 1 - share}) {
		if bin == 0 {
			take[list[i].id] = true
		}
	}
	for i, s := range p.Split {
		if s == Train && take[units[p.Group[i]]] {
			p.Split[i] = to
			moved++
		}
	}
	return moved
}

// of lists the pairs of a split.
func (p *Pairs) of(s Split) (pairs []int32) {
	for i, x := range p.Split {
		if x == s {
			pairs = append(pairs, int32(i))
		}
	}
	return pairs
}

func (p *Pairs) count() (n [NumSplits]int) {
	for _, s := range p.Split {
		n[s]++
	}
	return n
}
