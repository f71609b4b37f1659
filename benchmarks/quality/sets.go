package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"path/filepath"
	"strings"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/sample"
)

// A set is a data set of the study.
type set struct {
	name string
	// published says that the data bring a split, which is kept; else each draw
	// divides the documents anew.
	published bool
	shares    loader.Shares
}

// sets lists the data sets, which cosfit prepare makes of what is published as
// docs/prepare.md shows, but for the sample:
//
//	xquad            prepare pairs --in xquad.en.json --split-by source --hard 4
//	xquad-sentences  the same with --unit sentence --hard 100 --weak 0
//	stsb, patent     prepare pairs of the three files
func sets() []set {
	return []set{
		{name: "sample", shares: loader.Shares{loader.Train: 60, loader.Test: 40}},
		{name: "xquad-sentences", shares: loader.Shares{loader.Train: 65, loader.Test: 35}},
		{name: "xquad", shares: loader.Shares{loader.Train: 65, loader.Test: 35}},
		{name: "stsb", published: true},
		{name: "patent", published: true},
	}
}

// A source says where data sets and vectors are.
type source struct{ sets, cache, embeddings string }

// open opens a set as a draw has it.
func (s source) open(ctx context.Context, which set, draw int) (*loader.Dataset, error) {
	opts := loader.Options{Cache: s.cache, Embeddings: s.embeddings}
	if !which.published {
		opts.Split = loader.SplitOptions{By: loader.BySource, Shares: which.shares, Seed: uint64(draw) + 1}
	}
	if which.name == sample.Name {
		if strings.Contains(s.embeddings, sampleModel) {
			opts.Embeddings = sampleModel
		}
		return loader.OpenFS(ctx, sample.FS(), sample.Name, opts)
	}
	return loader.Open(ctx, filepath.Join(s.sets, which.name), opts)
}

// sampleModel is whose vectors the sample brings with it.
const sampleModel = "all-MiniLM-L6-v2"

// A draw is the labelled pairs that a method may learn from, and the pairs that
// it is judged by.
type draw struct {
	set    set
	size   int // asked for; 0 is all
	number int
	all    *loader.Dataset
	// labelled has the drawn pairs as a user would bring them: without a
	// validation split, unless the data bring one and all pairs are drawn.
	labelled *loader.Dataset
	// carved is the same with the validation split that cosfit would take from it.
	carved *loader.Dataset
	test   []int32 // pairs of all
	shared []bool  // of each test pair: a text or the group is in the training split of the set
}

// seed is what the random numbers of a draw follow from.
func (d *draw) seed() uint64 {
	h := fnv.New64a()
	fmt.Fprint(h, d.set.name, d.size, d.number)
	return h.Sum64() >> 1
}

func newDraw(all *loader.Dataset, s set, size, number int) *draw {
	d := &draw{set: s, size: size, number: number, all: all, test: all.Indices(loader.Test)}
	shared := all.SharedWithTraining()
	for _, i := range d.test {
		d.shared = append(d.shared, shared[i])
	}
	keep := make([]bool, all.Pairs.Len())
	training := all.Indices(loader.Train)
	if size == 0 {
		for _, i := range append(training, all.Indices(loader.Validation)...) {
			keep[i] = true
		}
	} else {
		d.choose(training, keep)
	}
	d.labelled, d.carved = subset(all, keep), subset(all, keep)
	d.carved.CarveValidation()
	return d
}

// choose draws whole groups until there are as many pairs as were asked for.
func (d *draw) choose(training []int32, keep []bool) {
	groups := map[int32][]int32{}
	var order []int32
	for _, i := range training {
		g := d.all.Pairs.Group[i]
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], i)
	}
	rng := rand.New(rand.NewPCG(d.seed(), 0))
	rng.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
	for taken := 0; taken < d.size && len(order) > 0; order = order[1:] {
		for _, i := range groups[order[0]] {
			keep[i] = true
			taken++
		}
	}
}

// subset is a data set with some of the pairs. It shares the vectors.
func subset(d *loader.Dataset, keep []bool) *loader.Dataset {
	s := *d
	s.Pairs = d.Pairs.Only(keep)
	s.Notes = nil
	return &s
}

// A list is pairs as rows of the table, with labels in 0..1 and groups.
type list struct {
	Left   []int32   `json:"left"`
	Right  []int32   `json:"right"`
	Labels []float32 `json:"labels"`
	Groups []int32   `json:"groups"`
}

func listOf(d *loader.Dataset, pairs []int32) (l list) {
	p, low, width := &d.Pairs, float32(d.Labels.Min), float32(d.Labels.Max-d.Labels.Min)
	for _, i := range pairs {
		l.Left, l.Right = append(l.Left, p.Left[i]), append(l.Right, p.Right[i])
		l.Labels, l.Groups = append(l.Labels, (p.Label[i]-low)/width), append(l.Groups, p.Group[i])
	}
	return l
}

// then appends other pairs.
func (l list) then(other list) list {
	return list{append(l.Left[:len(l.Left):len(l.Left)], other.Left...), append(l.Right[:len(l.Right):len(l.Right)], other.Right...),
		append(l.Labels[:len(l.Labels):len(l.Labels)], other.Labels...), append(l.Groups[:len(l.Groups):len(l.Groups)], other.Groups...)}
}
