package loader

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"slices"
	"unsafe"
)

// A Dataset is labelled pairs of texts with the embeddings of those texts, all
// in memory. Once it is open nothing changes it but [Dataset.CarveValidation]
// and [Dataset.TestOnly], which move pairs between the splits.
type Dataset struct {
	Name       string // where it came from, as the user named it
	Embeddings string // the folder of embeddings/ that the vectors came from, "" for a wide file
	Model      string // the model behind the vectors, "" where unknown
	Vectors    *Table // the unique vectors
	Pairs      Pairs
	Labels     LabelRange
	// SplitGiven says that the data bring a split; otherwise one was drawn.
	SplitGiven bool
	Notes      []string // what was decided for the user while opening, one sentence each
}

// A Table holds unique vectors, row-major.
type Table struct {
	Dim  int       // d
	Data []float32 // [len(IDs), Dim]
	IDs  []string  // text id of each row: hex of the first 16 bytes of SHA-256 of the text
	Text []string  // the texts themselves, "" where unknown
}

// Rows returns the number of vectors.
func (t *Table) Rows() int { return len(t.IDs) }

// Row returns vector i, which belongs to the table.
func (t *Table) Row(i int32) []float32 {
	return t.Data[int(i)*t.Dim : (int(i)+1)*t.Dim]
}

// Pairs are columns of equal length, one entry for each pair.
type Pairs struct {
	Left, Right []int32 // rows of the table
	Label       []float32
	Split       []Split
	Group       []int32 // index into Groups
	Kind        []Kind
	Groups      []string // names of the groups, in order of first appearance
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
)

var kindNames = [...]string{"given", "positive", "weak", "hard"}

func (k Kind) String() string { return kindNames[k] }

// LabelRange is the scale of the labels. A pair is positive when its label
// reaches the middle of the range.
type LabelRange struct {
	Min, Max float64
	Graded   bool // labels other than Min and Max occur
}

// Positive reports whether a label counts as similar.
func (r LabelRange) Positive(label float32) bool {
	return float64(label) >= (r.Min+r.Max)/2
}

func (r LabelRange) String() string { return fmt.Sprintf("%g..%g", r.Min, r.Max) }

// Indices returns the numbers of the pairs of a split, in the data set's order.
func (d *Dataset) Indices(s Split) []int32 {
	var out []int32
	for i, split := range d.Pairs.Split {
		if split == s {
			out = append(out, int32(i))
		}
	}
	return out
}

// Fingerprint identifies the contents: equal for equal vectors, pairs, labels,
// splits and groups, however they were stored.
func (d *Dataset) Fingerprint() string {
	h := sha256.New()
	p := &d.Pairs
	write(h, []int64{int64(d.Vectors.Dim), int64(p.Len())})
	// The order of the table's rows depends on the layout, so each pair brings
	// its rows.
	rows := d.Vectors.digests()
	for i := range p.Label {
		h.Write(rows[p.Left[i]][:])
		h.Write(rows[p.Right[i]][:])
	}
	write(h, p.Label)
	write(h, p.Split)
	write(h, p.Group)
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// digests returns a hash of each row's vector and id.
func (t *Table) digests() [][sha256.Size]byte {
	out := make([][sha256.Size]byte, t.Rows())
	h := sha256.New()
	for i, id := range t.IDs {
		h.Reset()
		write(h, t.Row(int32(i)))
		io.WriteString(h, id)
		h.Sum(out[i][:0])
	}
	return out
}

// write feeds the memory of a slice to a hash. Every platform that we build
// for is little-endian.
func write[T any](w io.Writer, s []T) {
	if len(s) > 0 {
		w.Write(unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0]))))
	}
}

// TextID returns the id of a text: hex of the first 16 bytes of its SHA-256.
func TextID(text string) string { return shortHash([]byte(text)) }

// vectorID stands in for a text id where only the vector is known.
func vectorID(v []float32) string {
	b := make([]byte, 0, 4*len(v))
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return shortHash(b)
}

func shortHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}
