package benchmarks

import (
	"context"
	"runtime"

	"gonum.org/v1/gonum/blas/gonum"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// plainGorgonia is the same model from Gorgonia's stock operations, as its
// users write it. blas is what multiplies; with describes it.
//
// Its step has no dropout: Gorgonia draws a mask afresh from a global
// generator, which would be the larger part of the step.
func plainGorgonia(who, with string, blas tensor.BLAS) *local {
	if with != "" {
		with += ", "
	}
	return &local{
		is: Peer{Who: who, With: with + "no dropout", Tasks: []string{Core, Step}},
		prepare: func(_ context.Context, r request) (job, error) {
			create := gorgoniaStep
			if r.Task.Benchmark == Core {
				create = gorgoniaProduct
			}
			j, err := create(r.Task)
			return job{do: func() error {
				tensor.Use(blas)
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(r.Task.Threads))
				return j.do()
			}, close: j.close}, err
		},
	}
}

// stock is the BLAS that Gorgonia uses unless it is told otherwise.
func stock() tensor.BLAS { return gonum.Implementation{} }

func dense(rows, columns int, data []float32) *tensor.Dense {
	return tensor.New(tensor.WithShape(rows, columns), tensor.WithBacking(data))
}

func gorgoniaProduct(t Task) (job, error) {
	a, b, c := operands(t)
	var left, right, out *tensor.Dense
	switch t.What {
	case gradient:
		left, right, out = dense(t.Batch, t.D, a), dense(t.Batch, t.K, b), dense(t.D, t.K, c)
		if err := left.T(); err != nil {
			return job{}, err
		}
	case comparing:
		left, right, out = dense(t.Batch, t.K, a), dense(t.D, t.K, b), dense(t.Batch, t.D, c)
		if err := right.T(); err != nil {
			return job{}, err
		}
	default:
		left, right, out = dense(t.Batch, t.D, a), dense(t.D, t.K, b), dense(t.Batch, t.K, c)
	}
	return job{do: func() error {
		_, err := left.MatMul(right, tensor.WithReuse(out))
		return err
	}}, nil
}

func gorgoniaStep(t Task) (job, error) {
	p := newProblem(t)
	g := gorgonia.NewGraph()
	matrix := func(name string, data []float32, rows, columns int) *gorgonia.Node {
		return gorgonia.NewMatrix(g, tensor.Float32, gorgonia.WithName(name), gorgonia.WithShape(rows, columns),
			gorgonia.WithValue(dense(rows, columns, data)))
	}
	m := matrix("m", p.matrix, t.D, t.K)
	half := t.Batch * t.D
	l := gorgonia.Must(gorgonia.Mul(matrix("left", p.table[:half], t.Batch, t.D), m))
	r := gorgonia.Must(gorgonia.Mul(matrix("right", p.table[half:], t.Batch, t.D), m))
	labels := gorgonia.NewVector(g, tensor.Float32, gorgonia.WithName("labels"), gorgonia.WithShape(t.Batch),
		gorgonia.WithValue(tensor.New(tensor.WithShape(t.Batch), tensor.WithBacking(p.labels))))
	rows := func(x *gorgonia.Node) *gorgonia.Node { return gorgonia.Must(gorgonia.Sum(x, 1)) }
	norm := func(x *gorgonia.Node) *gorgonia.Node {
		return gorgonia.Must(gorgonia.Sqrt(rows(gorgonia.Must(gorgonia.Square(x)))))
	}
	cosine := gorgonia.Must(gorgonia.HadamardDiv(rows(gorgonia.Must(gorgonia.HadamardProd(l, r))),
		gorgonia.Must(gorgonia.HadamardProd(norm(l), norm(r)))))
	loss := gorgonia.Must(gorgonia.Mean(gorgonia.Must(gorgonia.Square(gorgonia.Must(gorgonia.Sub(cosine, labels))))))
	if _, err := gorgonia.Grad(loss, m); err != nil {
		return job{}, err
	}
	machine := gorgonia.NewTapeMachine(g, gorgonia.BindDualValues(m))
	solver := gorgonia.NewVanillaSolver(gorgonia.WithLearnRate(rate))
	do := func() error {
		defer machine.Reset()
		if err := machine.RunAll(); err != nil {
			return err
		}
		return solver.Step(gorgonia.NodesToValueGrads(gorgonia.Nodes{m}))
	}
	return job{do: do, close: func() { machine.Close() }}, nil
}
