package trainer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/cpu"
	"github.com/cosfit/cosfit/loader"
)

// TestNoneBeforeItself: answers that are far nearer than anything else come first,
// so their cosines are the same bits in products of any size, projected or not.
func TestNoneBeforeItself(t *testing.T) {
	const d, groups = 1024, 400
	rng := rand.New(rand.NewPCG(1, 2))
	data := &loader.Dataset{Vectors: &loader.Table{Dim: d}, Labels: loader.LabelRange{Max: 1}}
	v, p := data.Vectors, &data.Pairs
	for g := range int32(groups) {
		query, answer := make([]float32, d), make([]float32, d)
		for j := range query {
			query[j] = float32(rng.NormFloat64())
			answer[j] = query[j] + float32(rng.NormFloat64())
		}
		v.Data = append(append(v.Data, query...), answer...)
		v.IDs = append(v.IDs, fmt.Sprintf("%032d", 2*g), fmt.Sprintf("%032d", 2*g+1))
		p.Left, p.Right, p.Label = append(p.Left, 2*g), append(p.Right, 2*g+1), append(p.Label, 1)
		p.Group, p.Groups, p.Split = append(p.Group, g), append(p.Groups, fmt.Sprint(g)), append(p.Split, loader.Split(g%loader.NumSplits))
	}
	backend := cpu.New(0)
	table, err := backend.NewTable(d)
	if err != nil {
		t.Fatal(err)
	}
	const k = 1000
	m, err := backend.NewArray(d, k)
	if err != nil {
		t.Fatal(err)
	}
	if err := backend.Upload(m, normal(d*k, 1)); err != nil {
		t.Fatal(err)
	}
	kernel, err := backend.NewProject(d, k)
	if err != nil {
		t.Fatal(err)
	}
	project := func(_ []float32, left, right []int32) (graph.Array, error) {
		return kernel.Forward(m, &graph.Batch{Table: table, Left: left, Right: right})
	}
	for _, queries := range []int{1, 7, 57, 133} {
		e := &evaluator{data: data, backend: backend, table: table, dims: k, project: project, task: newRetrievalTask(data).of(loader.Validation, 1000, p.Groups)}
		e.task.queries = e.task.queries[:queries]
		for _, projected := range []bool{false, true} {
			m, err := e.measure(context.Background(), counting(groups), projected)
			if err != nil {
				t.Fatal(err)
			}
			if got := meanOf(m.ndcg); got != 1 || len(m.ndcg) != queries {
				t.Errorf("nDCG@10 of %d queries, projected %v, is %v, want 1", queries, projected, got)
			}
		}
	}
}
