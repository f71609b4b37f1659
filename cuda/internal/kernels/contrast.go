//go:build gpu && linux

package kernels

import "github.com/cosfit/cosfit/cuda/internal/nvidia"

// A Contrast is the kernels of graph.InfoNCE. Its methods are as Step's.
type Contrast struct {
	module    *nvidia.Module
	arguments nvidia.Arguments

	unit, through, contrast, loss *nvidia.Function
}

// Contrast compiles the kernels. The precision is that of vectors of length 1 and
// of the derivative by similarities.
func (c *Compiler) Contrast(context *nvidia.Context, p Precision) (*Contrast, error) {
	return c.contrast(context, p, contrastSource())
}

func (c *Compiler) contrast(context *nvidia.Context, p Precision, source string) (*Contrast, error) {
	module, err := c.load(context, "contrast", source, options(p))
	if err != nil {
		return nil, err
	}
	k := &Contrast{module: module}
	return k, functions(module, map[string]**nvidia.Function{
		"unit":          &k.unit,
		"through_unit":  &k.through,
		"contrast":      &k.contrast,
		"contrast_loss": &k.loss,
	})
}

// Close unloads the kernels.
func (k *Contrast) Close() error { return k.module.Unload() }

// Unit writes the rows of P [2n, k] at length 1 to left [n, k] and right [n, k] of
// the precision, and the inverses of their lengths to inverses [2n].
func (k *Contrast) Unit(s *nvidia.Stream, p, left, right, inverses nvidia.Pointer, n, width int) error {
	k.arguments.Reset().Pointer(p).Pointer(left).Pointer(right).Pointer(inverses).Int32(int32(n)).Int32(int32(width))
	return launch(s, k.unit, 2*n, rowThreads(width), &k.arguments)
}

// ThroughUnit writes dP [2n, k] from the derivative by what Unit wrote, float32.
func (k *Contrast) ThroughUnit(s *nvidia.Stream, p, inverses, dleft, dright, dp nvidia.Pointer, n, width int) error {
	k.arguments.Reset().Pointer(p).Pointer(inverses).Pointer(dleft).Pointer(dright).Pointer(dp).Int32(int32(n)).Int32(int32(width))
	return launch(s, k.through, 2*n, rowThreads(width), &k.arguments)
}

// Contrast computes one direction of the job's n pairs, for rows of them from
// number first on: from their similarities S [rows, n], of left texts with right
// ones or, toQueries, of right ones with left ones, the derivative by them, dS
// [rows, n] of the precision. S is changed. To sums [n, 2], float64, go the shares of
// the loss and of the derivative by theta [1], which is −log τ.
func (k *Contrast) Contrast(s *nvidia.Stream, job, theta, similarities, ds, sums nvidia.Pointer, first, rows, n int, toQueries bool, weight float32) error {
	direction := int32(0)
	if toQueries {
		direction = 1
	}
	k.arguments.Reset().Pointer(job).Pointer(theta).Pointer(similarities).Pointer(ds).Pointer(sums).Int32(int32(first)).Int32(int32(n)).Int32(direction).Float32(weight)
	return launch(s, k.contrast, rows, contrastThreads, &k.arguments)
}

// Loss adds sums [rows, 2] up: the loss and the derivative by theta, a float each.
func (k *Contrast) Loss(s *nvidia.Stream, sums, loss, dtheta nvidia.Pointer, rows int) error {
	k.arguments.Reset().Pointer(sums).Pointer(loss).Pointer(dtheta).Int32(int32(rows))
	return launch(s, k.loss, min(rows, 1), lossThreads, &k.arguments)
}
