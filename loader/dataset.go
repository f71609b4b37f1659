package loader

import (
	"crypto/sha256"
	"fmt"
	"slices"
)

// A Dataset is labelled pairs of texts with the embeddings of those texts. Once
// it is open nothing changes it but [Dataset.CarveValidation] and
// [Dataset.TestOnly], which move pairs between the splits. It is not safe for
// concurrent use.
type Dataset struct {
	Name       string // where it came from, as the user named it
	Embeddings string // the folder of embeddings/ or of the cache that the vectors came from, or two, one for each side; "" for a wide file
	Cache      string // the cache that has that folder, "" where it is the data set's own
	Model      string // the model behind the vectors, "" where unknown
	// Space is whose vectors they are; it is zero where that is unknown, or where
	// the two sides have different ones.
	Space   Manifest
	Vectors *Table // the unique vectors
	Pairs   Pairs
	Labels  LabelRange
	// SplitGiven says that the data bring a split, or that the user said how to
	// draw one.
	SplitGiven bool
	Notes      []string // what was decided for the user while opening, one sentence each
	Memory     int64    // bytes that buffers may take, 0 without a bound: Options.Memory

	// Rows that texts of one side have on the other, where two models made the
	// sides' vectors: right texts as the left ones' model has them, and the reverse.
	alsoLeft, alsoRight wanted

	textless bool // ids are of vectors

	spare  [2]*Chunk                    // memory for Chunks
	source func(func(Text) error) error // visits the texts that the data bring

	division Division // how the split was drawn; zero where the data brought it

	given      []float32 // labels as they were, where they were brought to another scale
	givenRange string    // of the labels, as the file or the user says it; "" where none does
}

// GivenLabels returns the labels as the data have them, and the scale that the
// data or the user says they have, "" where neither does.
func (d *Dataset) GivenLabels() (labels []float32, labelRange string) {
	if d.given != nil {
		return d.given, d.givenRange
	}
	return d.Pairs.Label, d.givenRange
}

// Textless reports whether the data bring no texts, or only those of one side: then
// ids are hashes of vectors.
func (d *Dataset) Textless() bool { return d.textless }

// AddNegative adds a pair of the lowest label: the left text, the group and the
// split of pair like, with another right text, a row of the table.
func (d *Dataset) AddNegative(right int32, kind Kind, like int32) {
	p := &d.Pairs
	p.Left, p.Right = append(p.Left, p.Left[like]), append(p.Right, right)
	p.Label, p.Kind = append(p.Label, float32(d.Labels.Min)), append(p.Kind, kind)
	p.Split, p.Group = append(p.Split, p.Split[like]), append(p.Group, p.Group[like])
	if d.given != nil {
		low, _, _ := ParseRange(d.givenRange)
		d.given = append(d.given, low)
	}
}

// Close releases the scratch file, where there is one.
func (d *Dataset) Close() error { return d.Vectors.Close() }

// Pairs are columns of equal length, one entry for each pair.
type Pairs struct {
	Left, Right []int32 // rows of the table
	Label       []float32
	Split       []Split
	Group       []int32 // index into Groups
	Kind        []Kind
	Groups      []string // names of the groups, in order of first appearance

	apart bool // a text may have two rows, since it has two vectors
}

// Len returns the number of pairs.
func (p *Pairs) Len() int { return len(p.Label) }

// Split says what a pair is used for.
type Split uint8

// The splits, in the order in which they are shown.
const (
	Train Split = iota
	Validation
	Test
	NumSplits = 3
)

var splitNames = [NumSplits]string{"train", "validation", "test"}

func (s Split) String() string { return splitNames[s] }

// SplitNames returns the names of the splits, in the order of the constants.
func SplitNames() []string { return slices.Clone(splitNames[:]) }

// ParseSplit returns the split of that name, the inverse of String; ok is false
// where there is none.
func ParseSplit(name string) (s Split, ok bool) {
	i := slices.Index(splitNames[:], name)
	return Split(max(i, 0)), i >= 0
}

// Kind says how a pair came about.
type Kind uint8

// The kinds of pair.
const (
	Given    Kind = iota // labelled by whoever made the data
	Positive             // the passage answers the query
	Weak                 // a negative drawn at random
	Hard                 // a negative chosen for its similarity
	NumKinds = 4
)

var kindNames = [NumKinds]string{"given", "positive", "weak", "hard"}

func (k Kind) String() string { return kindNames[k] }

// KindNames returns the names of the kinds, in the order of the constants.
func KindNames() []string { return slices.Clone(kindNames[:]) }

// ParseKind returns the kind of that name, the inverse of String; ok is false
// where there is none.
func ParseKind(name string) (k Kind, ok bool) {
	i := slices.Index(kindNames[:], name)
	return Kind(max(i, 0)), i >= 0
}

// LabelRange is the scale of the labels. A pair is positive when its label
// reaches the middle of the range.
type LabelRange struct {
	Min, Max float64
	Graded   bool // labels other than Min and Max occur
}

// Positive reports whether a label counts as similar.
func (r LabelRange) Positive(label float32) bool {
	return float64(label) >= r.middle()
}

func (r LabelRange) middle() float64 { return (r.Min + r.Max) / 2 }

func (r LabelRange) String() string { return fmt.Sprintf("%g..%g", r.Min, r.Max) }

// Indices returns the numbers of the pairs of some splits, in the data set's
// order.
func (d *Dataset) Indices(splits ...Split) []int32 {
	var out []int32
	for i, split := range d.Pairs.Split {
		if slices.Contains(splits, split) {
			out = append(out, int32(i))
		}
	}
	return out
}

// Fingerprint identifies the contents: equal for equal vectors, pairs, labels,
// splits and groups, however they were stored.
func (d *Dataset) Fingerprint() (string, error) {
	// The order of the table's rows depends on the layout, so each pair brings
	// its rows.
	rows, err := d.Vectors.digests(func(row int32) string { return d.Vectors.IDs[row] })
	if err != nil {
		return "", err
	}
	h := sha256.New()
	p := &d.Pairs
	h.Write(bytesOf([]int64{int64(d.Vectors.Dim), int64(p.Len())}))
	if left, right := d.Vectors.Dims(); left != right {
		h.Write(bytesOf([]int64{int64(left), int64(right)}))
	}
	for i := range p.Label {
		h.Write(rows[p.Left[i]][:])
		h.Write(rows[p.Right[i]][:])
	}
	h.Write(bytesOf(p.Label))
	h.Write(bytesOf(p.Split))
	h.Write(bytesOf(p.Group))
	return digest(h.Sum(nil)).String(), nil
}
