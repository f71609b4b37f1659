//go:build gpu && linux

package kernels

import "github.com/cosfit/cosfit/cuda/internal/nvidia"

// A Loss is a compiled graph.DeviceLoss. Its methods are as Step's.
type Loss struct {
	module     *nvidia.Module
	arguments  nvidia.Arguments
	run, scale *nvidia.Function
}

// Loss compiles what DeviceLoss.CUDA returned.
func (c *Compiler) Loss(context *nvidia.Context, formula string) (*Loss, error) {
	return c.loss(context, lossSource(formula))
}

func (c *Compiler) loss(context *nvidia.Context, source string) (*Loss, error) {
	module, err := c.load(context, "loss", source, options(FP32))
	if err != nil {
		return nil, err
	}
	l := &Loss{module: module}
	return l, functions(module, map[string]**nvidia.Function{"run_loss": &l.run, "scale": &l.scale})
}

// Close unloads the kernels.
func (l *Loss) Close() error { return l.module.Unload() }

// Run computes the loss of cosines s [n] and the job's labels: ds [n], and the
// mean as one float.
func (l *Loss) Run(s *nvidia.Stream, job, cosines, ds, mean nvidia.Pointer, n int) error {
	l.arguments.Reset().Pointer(job).Pointer(cosines).Pointer(ds).Pointer(mean).Int32(int32(n))
	return launch(s, l.run, min(n, 1), lossThreads, &l.arguments)
}

// Scale writes n floats times a factor.
func (l *Loss) Scale(s *nvidia.Stream, from, to nvidia.Pointer, by float32, n int) error {
	l.arguments.Reset().Pointer(from).Pointer(to).Float32(by).Int32(int32(n))
	return launch(s, l.scale, blocks(n), elementThreads, &l.arguments)
}
