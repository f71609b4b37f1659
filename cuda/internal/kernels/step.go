//go:build gpu && linux

package kernels

import (
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// A Step is the kernels that are the same for every training. Each method
// queues one launch on a stream; it must be called by the thread that owns the
// context, one at a time. A launch of no rows, pairs or numbers is none.
type Step struct {
	module    *nvidia.Module
	arguments nvidia.Arguments

	gather, asIs, cosine, pull, convert  *nvidia.Function
	diagonal, diagonalGradient, scale    *nvidia.Function
	normalize, pairCosines, similarities *nvidia.Function
}

// Step compiles the kernels of a training step and of evaluation. The
// precision is that of X and dP in Gather and Pull, and of Convert's result.
func (c *Compiler) Step(context *nvidia.Context, p Precision) (*Step, error) {
	return c.step(context, p, stepSource())
}

func (c *Compiler) step(context *nvidia.Context, p Precision, source string) (*Step, error) {
	module, err := c.load(context, "step", source, options(p))
	if err != nil {
		return nil, err
	}
	k := &Step{module: module}
	return k, functions(module, map[string]**nvidia.Function{
		"gather":            &k.gather,
		"as_is":             &k.asIs,
		"cosine":            &k.cosine,
		"pull":              &k.pull,
		"convert":           &k.convert,
		"diagonal":          &k.diagonal,
		"diagonal_gradient": &k.diagonalGradient,
		"scale":             &k.scale,
		"normalize":         &k.normalize,
		"pair_cosines":      &k.pairCosines,
		"similarities":      &k.similarities,
	})
}

// Close unloads the kernels. Nothing queued may still need them.
func (k *Step) Close() error { return k.module.Unload() }

// Gather writes X [rows, d] of the precision: of the rows of the job's table that
// its Left names, and then its Right, count from number first on, with dropout;
// zeros from row count on. A row of the table may be longer than d.
//
// The mask of element (row, column) is word column%4 of Philox4x32-10, as in
// graph.Dropout, so that it is the same on every backend.
func (k *Step) Gather(s *nvidia.Stream, job, x nvidia.Pointer, first, count, rows, d int) error {
	quads := rows * ((d + 3) / 4)
	if quads > maxWork {
		return fmt.Errorf("a batch of %d rows of %d numbers is too large for a GPU: use a smaller one", rows, d)
	}
	k.arguments.Reset().Pointer(job).Pointer(x).Int32(int32(first)).Int32(int32(count)).Int32(int32(rows)).Int32(int32(d))
	return launch(s, k.gather, blocks(quads), elementThreads, &k.arguments)
}

// AsIs writes out [n, k], float32: the first k numbers of the rows of the job's table
// that the first n of its Right name.
func (k *Step) AsIs(s *nvidia.Stream, job, out nvidia.Pointer, n, width int) error {
	quads := n * ((width + 3) / 4)
	if quads > maxWork {
		return fmt.Errorf("a batch of %d rows of %d numbers is too large for a GPU: use a smaller one", n, width)
	}
	k.arguments.Reset().Pointer(job).Pointer(out).Int32(int32(n)).Int32(int32(width))
	return launch(s, k.asIs, blocks(quads), elementThreads, &k.arguments)
}

// Cosine writes the cosines s [n] of the two sides of P [2n, k], and 1/|p| of
// each of its rows to inverses [2n]: what the gradient needs. The cosine with a
// vector of zeros is 0, and both its inverses are 0.
func (k *Step) Cosine(s *nvidia.Stream, p, cosines, inverses nvidia.Pointer, n, width int) error {
	k.arguments.Reset().Pointer(p).Pointer(cosines).Pointer(inverses).Int32(int32(n)).Int32(int32(width))
	return launch(s, k.cosine, n, rowThreads(width), &k.arguments)
}

// Pull writes dP [2n, k] of the precision, the gradient by P [2n, k], from ds
// [n], that by the cosines, and from what Cosine wrote:
//
//	∂s/∂l = (r/|r| − s·l/|l|)/|l|   and likewise for r.
//
// It is 0 where a vector of a pair is zero.
func (k *Step) Pull(s *nvidia.Stream, p, cosines, inverses, ds, dp nvidia.Pointer, n, width int) error {
	quads := n * ((width + 3) / 4)
	if quads > maxWork {
		return fmt.Errorf("a batch of %d pairs of %d numbers is too large for a GPU: use a smaller one", n, width)
	}
	k.arguments.Reset().Pointer(p).Pointer(cosines).Pointer(inverses).Pointer(ds).Pointer(dp).Int32(int32(n)).Int32(int32(width))
	return launch(s, k.pull, blocks(quads), elementThreads, &k.arguments)
}

// Convert writes n float32 numbers as operands of the precision: M after an
// upload. Under FP32 and TF32 it copies them; the products take M as it is.
func (k *Step) Convert(s *nvidia.Stream, from, to nvidia.Pointer, n int) error {
	k.arguments.Reset().Pointer(from).Pointer(to).Int64(int64(n))
	return launch(s, k.convert, blocks((n+3)/4), elementThreads, &k.arguments)
}

// Scale writes n floats times a factor.
func (k *Step) Scale(s *nvidia.Stream, from, to nvidia.Pointer, by float32, n int) error {
	k.arguments.Reset().Pointer(from).Pointer(to).Float32(by).Int32(int32(n))
	return launch(s, k.scale, blocks(n), elementThreads, &k.arguments)
}

// Diagonal writes M [d, k] from a start S [d, k] and weights w [k]:
//
//	M = S·diag(1 + unit·w)
func (k *Step) Diagonal(s *nvidia.Stream, start, w, m nvidia.Pointer, unit float32, d, width int) error {
	quads := d * ((width + 3) / 4)
	if quads > maxWork {
		return fmt.Errorf("a matrix of %d rows of %d numbers is too large for a GPU", d, width)
	}
	k.arguments.Reset().Pointer(start).Pointer(w).Pointer(m).Float32(unit).Int32(int32(d)).Int32(int32(width))
	return launch(s, k.diagonal, blocks(quads), elementThreads, &k.arguments)
}

// DiagonalGradient writes dw [k], the gradient by Diagonal's weights, from dM [d, k],
// that by its result: dw_j = unit·Σ_i S_ij·dM_ij.
func (k *Step) DiagonalGradient(s *nvidia.Stream, start, dm, dw nvidia.Pointer, unit float32, d, width int) error {
	k.arguments.Reset().Pointer(start).Pointer(dm).Pointer(dw).Float32(unit).Int32(int32(d)).Int32(int32(width))
	return launch(s, k.diagonalGradient, (width+diagonalColumns-1)/diagonalColumns, diagonalThreads, &k.arguments)
}

// Normalize writes rows of P [_, k], which the int32 numbers rows [n] name,
// divided by their lengths to out [n, k]. A row of zeros stays one.
func (k *Step) Normalize(s *nvidia.Stream, p, rows, out nvidia.Pointer, n, width int) error {
	k.arguments.Reset().Pointer(p).Pointer(rows).Pointer(out).Int32(int32(width))
	return launch(s, k.normalize, n, rowThreads(width), &k.arguments)
}

// PairCosines writes s[i] = cos(P[left[i]], P[right[i]]) for rows of P [_, k]
// and int32 numbers left and right [n].
func (k *Step) PairCosines(s *nvidia.Stream, p, left, right, cosines nvidia.Pointer, n, width int) error {
	k.arguments.Reset().Pointer(p).Pointer(left).Pointer(right).Pointer(cosines).Int32(int32(width))
	return launch(s, k.pairCosines, n, rowThreads(width), &k.arguments)
}

// Similarities writes out [m, n] = A·Bᵀ for A [m, k] and B [n, k]. Each number is
// one sum in the order of the columns, so it is the same bits wherever its two
// vectors stand.
func (k *Step) Similarities(s *nvidia.Stream, a, b, out nvidia.Pointer, m, n, width int) error {
	tiles := [2]int{(n + similarityTile - 1) / similarityTile, (m + similarityTile - 1) / similarityTile}
	if tiles[1] > maxGridY {
		return fmt.Errorf("%d queries at a time are too many for a GPU: ask at most %d", m, maxGridY*similarityTile)
	}
	k.arguments.Reset().Pointer(a).Pointer(b).Pointer(out).Int32(int32(m)).Int32(int32(n)).Int32(int32(width))
	if m == 0 || n == 0 {
		return nil
	}
	return s.Launch(k.similarities, nvidia.Dim{X: tiles[0], Y: tiles[1]}, nvidia.Dim{X: similarityThreads}, 0, &k.arguments)
}

// functions finds kernels in a module, which it unloads if one is missing.
func functions(module *nvidia.Module, wanted map[string]**nvidia.Function) (err error) {
	for name, f := range wanted {
		if *f, err = module.Function(name); err != nil {
			module.Unload()
			return err
		}
	}
	return nil
}

// launch queues a kernel whose work lies in one direction.
func launch(s *nvidia.Stream, f *nvidia.Function, blocks, threads int, a *nvidia.Arguments) error {
	if blocks == 0 {
		return nil
	}
	return s.Launch(f, nvidia.Dim{X: blocks}, nvidia.Dim{X: threads}, 0, a)
}
