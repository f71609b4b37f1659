package prepare

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/cosfit/cosfit/loader"
)

// A Pair is what a source says about two texts.
type Pair struct {
	Left, Right string
	Label       float64 // in the scale of Draft.LabelRange
	// Group is what a split must not tear. Empty means the left text.
	Group string
	// Split is train, validation or test, or empty where the source does not say.
	// All pairs have one, or none.
	Split  string
	Kind   loader.Kind
	Source string // the document that Right comes from; empty where that is unknown
}

// A Draft is a data set that is being put together. Texts stand in a scratch
// file; a pair costs 20 bytes of memory, and a text under a hundred. It is not
// safe for concurrent use. Close ends it.
type Draft struct {
	// Tally counts the rows of the source.
	Tally Tally

	// LabelRange is the scale of the labels, "min..max"; empty leaves it to
	// whoever reads the data set: 0..1, or −1..1 where one is negative.
	LabelRange string

	// Pairs are those that were added. Left and Right are numbers of texts.
	// Split is empty where the source brought none.
	Pairs loader.Pairs

	// Columns says what the columns of the source were taken for, and Notes what
	// else was decided for the user, a sentence each.
	Columns []ColumnUse
	Notes   []string

	Repeated     int // rows left out, since the same two texts had the same label before
	Contradicted int // rows of two texts that had another label before; both are kept

	texts   texts
	groups  map[string]int32
	homes   map[int32]loader.Split // the first split of each query, where the source brings splits
	torn    map[int32]bool         // the queries that the source has in several
	sources names
	labels  map[pairKey]float32 // the first of each two texts that are a pair
	others  map[labelKey]bool   // what else they were labelled
	lowest  float32             // of the labels, or 0
}

// NewDraft begins a data set. dir is where its scratch file goes, "" means the
// user's cache folder.
func NewDraft(dir string) *Draft {
	return &Draft{texts: texts{dir: dir}, groups: map[string]int32{}, homes: map[int32]loader.Split{}, torn: map[int32]bool{}, sources: names{numbers: map[string]int32{}}, labels: map[pairKey]float32{}, others: map[labelKey]bool{}}
}

// Close removes the scratch file.
func (d *Draft) Close() error { return d.texts.close() }

// Reject counts a row that is no good. It is an error once they are too many.
func (d *Draft) Reject(at Place, why error) error { return d.Tally.Reject(at, why) }

// A pairKey is two texts in a split; without splits all pairs are in the first.
type pairKey struct {
	left, right int32
	split       loader.Split
}

// A labelKey is two texts in a split, with a label.
type labelKey struct {
	pairKey
	label float32
}

// Add adds a pair of the source, or rejects it and returns nil. The same two
// texts with the same label count once in a split: published splits have some
// pairs in two. An error ends the reading. The
// source counts its rows itself, in Tally.Rows.
func (d *Draft) Add(at Place, p Pair) error {
	if why := d.check(p); why != nil {
		return d.Reject(at, why)
	}
	left, err := d.text(p.Left, query, "")
	if err != nil {
		return err
	}
	right, err := d.text(p.Right, passage, p.Source)
	if err != nil {
		return err
	}
	label := float32(p.Label)
	split, given := loader.ParseSplit(p.Split)
	key := pairKey{left, right, split}
	switch first, again := d.labels[key]; {
	case again && (first == label || d.others[labelKey{key, label}]):
		d.Repeated++
		return nil
	case again:
		d.Contradicted++
		d.others[labelKey{key, label}] = true
	default:
		d.labels[key] = label
	}
	d.lowest = min(d.lowest, label)
	if p.Group == "" {
		p.Group = d.ownGroup(left, split, given)
	}
	if given {
		d.Pairs.Split = append(d.Pairs.Split, split)
	}
	d.addPair(left, right, label, p.Kind, d.group(p.Group))
	return nil
}

// ownGroup is what the group of a query is called that has no other. Published
// splits have some queries in several, which are a group of their own in each.
func (d *Draft) ownGroup(left int32, split loader.Split, given bool) string {
	name := d.ID(left).String()
	if !given {
		return name
	}
	first, known := d.homes[left]
	if !known {
		d.homes[left] = split
		return name
	}
	if first == split {
		return name
	}
	d.torn[left] = true
	return name + "/" + split.String()
}

// Torn is the number of queries that the source has in several splits.
func (d *Draft) Torn() int { return len(d.torn) }

// check says what is wrong with a pair.
func (d *Draft) check(p Pair) error {
	if err := checkText("left", p.Left); err != nil {
		return err
	}
	if err := checkText("right", p.Right); err != nil {
		return err
	}
	if math.IsNaN(p.Label) || math.IsInf(p.Label, 0) {
		return fmt.Errorf("the label is %g", p.Label)
	}
	if (p.Split == "") != (len(d.Pairs.Split) == 0) && d.Pairs.Len() > 0 {
		return errSomeSplit
	}
	if _, ok := loader.ParseSplit(p.Split); !ok && p.Split != "" {
		return badSplit(p.Split)
	}
	return nil
}

var errSomeSplit = errors.New("some rows have a split and some have none")

func badSplit(name string) error {
	return fmt.Errorf("the split is %.40q, want one of %s", name, strings.Join(loader.SplitNames(), ", "))
}

// checkText says what is wrong with a text, which messages call what.
func checkText(what, text string) error {
	if strings.TrimSpace(text) == "" {
		return fmt.Errorf("the %s text is empty", what)
	}
	if !utf8.ValidString(text) {
		return fmt.Errorf("the %s text is not UTF-8", what)
	}
	return nil
}

// AddPassage adds a text that could become a negative, with the document that
// it comes from, and returns its number. It must be UTF-8 and not blank.
func (d *Draft) AddPassage(text, source string) (int32, error) {
	if err := checkText("passage's", text); err != nil {
		return 0, err
	}
	return d.text(text, passage, source)
}

// AddNegative adds a pair of two texts of the draft by their numbers, with the
// group and the split of pair like, and the lowest label. It does nothing where
// the draft has these two as a pair.
func (d *Draft) AddNegative(left, right int32, kind loader.Kind, like int32) {
	if d.Paired(left, right) {
		return
	}
	label, split := d.unrelated(), loader.Train
	if len(d.Pairs.Split) > 0 {
		split = d.Pairs.Split[like]
		d.Pairs.Split = append(d.Pairs.Split, split)
	}
	d.labels[pairKey{left, right, split}] = label
	d.addPair(left, right, label, kind, d.Pairs.Group[like])
}

// addDrawn adds a pair of two texts that nobody has as a pair, with the left one
// as its group.
func (d *Draft) addDrawn(left, right int32, label float32, split loader.Split) {
	d.labels[pairKey{left, right, split}] = label
	d.texts.all[left].role |= query
	d.addPair(left, right, label, loader.Given, d.group(d.ID(left).String()))
	d.Pairs.Split = append(d.Pairs.Split, split)
}

// Paired reports whether the draft has a pair of two texts, by their numbers.
func (d *Draft) Paired(left, right int32) bool {
	for split := range loader.Split(loader.NumSplits) {
		if _, ok := d.labels[pairKey{left, right, split}]; ok {
			return true
		}
	}
	return false
}

// TakenOut returns the texts of pairs that were added and of which none is left
// in Pairs.
func (d *Draft) TakenOut() map[int32]bool {
	out := map[int32]bool{}
	for pair := range d.labels {
		out[pair.left], out[pair.right] = true, true
	}
	for i := range d.Pairs.Left {
		delete(out, d.Pairs.Left[i])
		delete(out, d.Pairs.Right[i])
	}
	return out
}

// unrelated is the label of two texts that have nothing to do with each other.
func (d *Draft) unrelated() float32 {
	low, _, _ := loader.ParseRange(d.scale())
	return low
}

func (d *Draft) addPair(left, right int32, label float32, kind loader.Kind, group int32) {
	p := &d.Pairs
	p.Left, p.Right = append(p.Left, left), append(p.Right, right)
	p.Label, p.Kind, p.Group = append(p.Label, label), append(p.Kind, kind), append(p.Group, group)
}

// text numbers a text and notes where it was seen.
func (d *Draft) text(text string, seen role, source string) (int32, error) {
	n, err := d.texts.add(text)
	if err != nil {
		return 0, err
	}
	t := &d.texts.all[n]
	t.role |= seen
	if t.source == none && source != "" {
		t.source = d.sources.number(source)
	}
	return n, nil
}

func (d *Draft) group(name string) int32 {
	n, ok := d.groups[name]
	if !ok {
		n = int32(len(d.Pairs.Groups))
		d.groups[name] = n
		d.Pairs.Groups = append(d.Pairs.Groups, name)
	}
	return n
}

// Texts returns how many texts the draft has.
func (d *Draft) Texts() int { return len(d.texts.all) }

// ID returns the id of text n.
func (d *Draft) ID(n int32) loader.ID { return d.texts.all[n].id }

// Text returns text n.
func (d *Draft) Text(n int32) (string, error) {
	text, err := d.texts.read(n, nil)
	return string(text), err
}

// Source returns the document that text n comes from, or "".
func (d *Draft) Source(n int32) string { return d.sources.name(d.texts.all[n].source) }

// IsQuery and IsPassage report the sides that text n was seen on.
func (d *Draft) IsQuery(n int32) bool   { return d.texts.all[n].role&query != 0 }
func (d *Draft) IsPassage(n int32) bool { return d.texts.all[n].role&passage != 0 }

// names are numbered in order of first appearance.
type names struct {
	numbers map[string]int32
	all     []string
}

func (s *names) number(name string) int32 {
	n, ok := s.numbers[name]
	if !ok {
		n = int32(len(s.all))
		s.numbers[name] = n
		s.all = append(s.all, name)
	}
	return n
}

// name returns name n, and "" for none.
func (s *names) name(n int32) string {
	if n == none {
		return ""
	}
	return s.all[n]
}
