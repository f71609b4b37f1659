//go:build gpu && linux

package cuda

import "github.com/cosfit/cosfit/graph/cpu"

// processor is the CPU's backend, for what has no kernels here.
func (b *Backend) processor() *cpu.Backend {
	if b.host == nil {
		b.host = cpu.New(b.threads)
		b.closing(b.host.Close)
	}
	return b.host
}
