package negatives

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
)

// A Corpus is a data set in which negatives are looked for. Its texts have
// numbers, which its pairs point to.
type Corpus struct {
	Pairs  *loader.Pairs // Split may be empty: then all are of one split
	Middle float32       // where labels begin to mean similar
	IDs    []loader.ID   // of each text; a text that has two vectors may be there twice

	Passages []int32 // texts that may become negatives, ascending
	// Classes has the number of each text's class. Texts of a class say the same.
	Classes []int32
	Sources []int32 // number of each text's document, −1 where it is unknown; nil where all are

	// Alike reports whether a text says almost the same as one of others, which is
	// more than classes tell. Nil where nobody looks.
	Alike func(text int32, others []int32) (bool, error)

	Vectors *Vectors // nil where there are none

	texts *prepare.Draft // that Close closes
}

// Close releases what FromFolder opened.
func (c *Corpus) Close() error {
	if c.texts == nil {
		return nil
	}
	return c.texts.Close()
}

// Vectors are the embeddings of a corpus.
type Vectors struct {
	Dim int
	// Queries copies the vectors of texts into dst [len(texts), Dim], as those of
	// queries; Passages as those of passages, nil where that makes no difference.
	Queries, Passages func(texts []int32, dst []float32) error
}

func (v *Vectors) passages(texts []int32, dst []float32) error {
	if v.Passages == nil {
		return v.Queries(texts, dst)
	}
	return v.Passages(texts, dst)
}

// A Negative is a pair to be added.
type Negative struct {
	Like       int32 // the pair whose left text, group and split it has
	Passage    int32
	Kind       loader.Kind // weak or hard
	Similarity float32     // of a hard one to its query; NaN where there are no vectors
}

// A query is a left text of a group with passages that answer it.
type query struct {
	text, like, group int32
	positives         []int32
	barred            []int32 // classes that cannot be its negatives, ascending, beside those of its group
	say               []int32 // its text and its positives, once they were asked for
	pool              []int32 // what its hard negatives are chosen from, where there are pools
}

// mining is the work on a corpus.
type mining struct {
	*Corpus
	Options
	queries []query   // of the splits in question
	ofGroup [][]int32 // classes that are paired with each group, ascending
	homes   []homes   // of each class
	report  Report
}

// homes is the set of splits that a class belongs to.
type homes uint8

func (h homes) has(s loader.Split) bool { return h&(1<<s) != 0 }

func (m *mining) split(pair int32) loader.Split {
	if len(m.Pairs.Split) == 0 {
		return loader.Train
	}
	return m.Pairs.Split[pair]
}

func (m *mining) positive(pair int) bool { return m.Pairs.Label[pair] >= m.Middle }

// wants reports whether queries of a split get negatives.
func (m *mining) wants(s loader.Split) bool {
	return m.Splits == nil || len(m.Pairs.Split) == 0 || slices.Contains(m.Splits, s)
}

// findQueries lists the queries in the order of their first pair.
func (m *mining) findQueries() {
	type key struct{ group, text int32 }
	at := map[key]int{}
	without := map[key]bool{}
	for i := range m.Pairs.Label {
		k := key{m.Pairs.Group[i], m.Pairs.Left[i]}
		if !m.wants(m.split(int32(i))) {
			continue
		}
		if !m.positive(i) {
			without[k] = true
			continue
		}
		n, ok := at[k]
		if !ok {
			n = len(m.queries)
			at[k] = n
			m.queries = append(m.queries, query{text: k.text, like: int32(i), group: k.group})
		}
		m.queries[n].positives = append(m.queries[n].positives, m.Pairs.Right[i])
	}
	for k := range without {
		if _, ok := at[k]; !ok {
			m.report.Unanswered++
		}
	}
	m.report.Queries = len(m.queries)
	m.bar()
}

// bar notes what cannot be a negative of each query: the query, what is paired
// with it or its group, and what is similar to its text elsewhere, on whichever
// side.
func (m *mining) bar() {
	p := m.Pairs
	m.ofGroup = make([][]int32, len(p.Groups))
	ofText := map[int32][]int32{}  // classes that are paired with a text
	ofClass := map[int32][]int32{} // classes that are similar to a class
	for i := range p.Label {
		left, right := m.Classes[p.Left[i]], m.Classes[p.Right[i]]
		m.ofGroup[p.Group[i]] = append(m.ofGroup[p.Group[i]], right)
		ofText[p.Left[i]] = append(ofText[p.Left[i]], right)
		if m.positive(i) {
			ofClass[left] = append(ofClass[left], right)
			ofClass[right] = append(ofClass[right], left)
		}
	}
	for g, classes := range m.ofGroup {
		slices.Sort(classes)
		m.ofGroup[g] = slices.Compact(classes)
	}
	for i := range m.queries {
		q := &m.queries[i]
		class := m.Classes[q.text]
		q.barred = slices.Concat([]int32{class}, ofClass[class], ofText[q.text])
		slices.Sort(q.barred)
		q.barred = slices.Compact(q.barred)
	}
}

// bars reports whether a text cannot be a negative of the query.
func (m *mining) bars(q *query, text int32) bool {
	class := m.Classes[text]
	if _, found := slices.BinarySearch(q.barred, class); found {
		return true
	}
	_, found := slices.BinarySearch(m.ofGroup[q.group], class)
	return found
}

// findHomes gives each class its splits: those of its pairs, else one of those
// that its document is in, else one of those in question, by the id of its
// first text.
func (m *mining) findHomes() {
	classes := int32(0)
	for _, c := range m.Classes {
		classes = max(classes, c+1)
	}
	m.homes = make([]homes, classes)
	ofSource := map[int32]homes{}
	for i := range m.Pairs.Label {
		split := homes(1) << m.split(int32(i))
		for _, text := range []int32{m.Pairs.Left[i], m.Pairs.Right[i]} {
			m.homes[m.Classes[text]] |= split
			if m.Sources != nil && m.Sources[text] >= 0 {
				ofSource[m.Sources[text]] |= split
			}
		}
	}
	var all homes
	for _, q := range m.queries {
		all |= 1 << m.split(q.like)
	}
	for _, text := range m.Passages {
		home := &m.homes[m.Classes[text]]
		if *home != 0 {
			continue
		}
		among := all
		if m.Sources != nil && ofSource[m.Sources[text]] != 0 {
			among = ofSource[m.Sources[text]]
		}
		*home = among.one(binary.LittleEndian.Uint64(m.IDs[text][8:]))
	}
}

// one chooses a split of the set.
func (h homes) one(by uint64) homes {
	var list []homes
	for s := range loader.NumSplits {
		if h.has(loader.Split(s)) {
			list = append(list, 1<<s)
		}
	}
	if len(list) == 0 {
		return 0
	}
	return list[by%uint64(len(list))]
}

// passagesOf lists the passages of a split, of each class the first.
func (m *mining) passagesOf(s loader.Split) []int32 {
	seen := make([]bool, len(m.homes))
	var list []int32
	for _, text := range m.Passages {
		if c := m.Classes[text]; !seen[c] && m.homes[c].has(s) {
			seen[c] = true
			list = append(list, text)
		}
	}
	return list
}

// random is the generator of a query: what it draws depends on the seed, the
// query's text and the kind alone.
func (m *mining) random(text int32, kind loader.Kind) *rand.Rand {
	id := m.IDs[text]
	high, low := binary.LittleEndian.Uint64(id[:]), binary.LittleEndian.Uint64(id[8:])
	return rand.New(rand.NewPCG(high^m.Seed, low+uint64(kind)))
}
