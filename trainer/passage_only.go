package trainer

import (
	"slices"
	"strings"

	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
)

// passageNumbers bounds the numbers of the right texts that passageOnly learns
// from, and so its time: about forty passes over them, a second on two cores.
const passageNumbers = 1 << 24

// passageScores predicts the labels of pairs from their right texts alone, by a
// linear model of their vectors that is fitted on the training split: logistic
// regression, or ridge regression where labels are graded. What it gets right
// needs no left text, and so no similarity. The scores are a number for each of
// pairs, in those of split only. They are nil where the training split is empty
// or has one kind of pair only.
func passageScores(data *loader.Dataset, pairs []int32, split loader.Split) (scores []float32, fit rundir.PassageOnly, err error) {
	rows, counts, labels := rightTexts(data)
	if len(rows) == 0 || slices.Max(labels) == 0 || slices.Min(labels) == 1 {
		return nil, fit, nil
	}
	fit.Method, fit.Texts = "logistic regression", len(rows)
	var l link = logit{}
	if data.Labels.Graded {
		fit.Method, l = "ridge regression", squared{}
	}
	u, err := newUnitVectors(data.Vectors, rows)
	if err != nil {
		return nil, fit, err
	}
	model, err := fitLinear(u, counts, labels, l)
	if err != nil {
		return nil, fit, err
	}
	scores, err = scoreRights(data, pairs, split, u.mean, model)
	return scores, fit, err
}

// rightTexts lists the rows of the right texts of the training pairs in the order
// of their ids, how many pairs each has, and the mean of their labels, on a scale
// of 0..1. Of too many it takes those with the lowest ids, which are hashes.
func rightTexts(data *loader.Dataset) (rows []int32, counts, labels []float64) {
	p, count, sum := &data.Pairs, map[int32]float64{}, map[int32]float64{}
	low, width := data.Labels.Min, data.Labels.Max-data.Labels.Min
	for _, i := range data.Indices(loader.Train) {
		r := p.Right[i]
		if count[r] == 0 {
			rows = append(rows, r)
		}
		count[r]++
		if data.Labels.Graded {
			sum[r] += (float64(p.Label[i]) - low) / width
		} else if data.Labels.Positive(p.Label[i]) {
			sum[r]++
		}
	}
	ids := data.Vectors.IDs
	slices.SortFunc(rows, func(a, b int32) int { return strings.Compare(ids[a], ids[b]) })
	rows = rows[:min(len(rows), max(1, passageNumbers/data.Vectors.Dim))]
	for _, r := range rows {
		counts, labels = append(counts, count[r]), append(labels, sum[r]/count[r])
	}
	return rows, counts, labels
}

// scoreRights gives each pair of a split what a model says of its right text.
func scoreRights(data *loader.Dataset, pairs []int32, split loader.Split, mean, model []float64) ([]float32, error) {
	p, place := &data.Pairs, map[int32]int{}
	var rows []int32
	for _, i := range pairs {
		if r := p.Right[i]; p.Split[i] == split {
			if _, ok := place[r]; !ok {
				place[r] = len(rows)
				rows = append(rows, r)
			}
		}
	}
	u, err := newUnitVectors(data.Vectors, rows)
	if err != nil {
		return nil, err
	}
	u.mean = mean
	z := make([]float64, len(rows))
	_, err = u.sum(model, func(i int, zi float64) float64 { z[i] = zi; return 0 })
	scores := make([]float32, len(pairs))
	for n, i := range pairs {
		if p.Split[i] == split {
			scores[n] = float32(z[place[p.Right[i]]])
		}
	}
	return scores, err
}
