//go:build gpu && linux

package kernels

import "github.com/cosfit/cosfit/cuda/internal/nvidia"

// A Loss is a compiled graph.DeviceLoss. Its methods are as Step's.
type Loss struct {
	module    *nvidia.Module
	arguments nvidia.Arguments
	run       *nvidia.Function
}

// Loss compiles what DeviceLoss.CUDA returned, for a loss that learns that many
// parameters.
func (c *Compiler) Loss(context *nvidia.Context, formula string, parameters int) (*Loss, error) {
	return c.loss(context, lossSource(formula, parameters))
}

func (c *Compiler) loss(context *nvidia.Context, source string) (*Loss, error) {
	module, err := c.load(context, "loss", source, options(FP32))
	if err != nil {
		return nil, err
	}
	l := &Loss{module: module}
	return l, functions(module, map[string]**nvidia.Function{"run_loss": &l.run})
}

// Close unloads the kernel.
func (l *Loss) Close() error { return l.module.Unload() }

// Run computes the loss of cosines s [n] and the job's labels: ds [n], and the
// mean as one float. A loss that learns takes its parameters from theta, and the
// derivative by them goes to dtheta; else both may be 0.
func (l *Loss) Run(s *nvidia.Stream, job, cosines, theta, ds, dtheta, mean nvidia.Pointer, n int) error {
	l.arguments.Reset().Pointer(job).Pointer(cosines).Pointer(theta).Pointer(ds).Pointer(dtheta).Pointer(mean).Int32(int32(n))
	return launch(s, l.run, min(n, 1), lossThreads, &l.arguments)
}
