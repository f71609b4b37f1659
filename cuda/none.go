//go:build !gpu || !linux

package cuda

import "github.com/cosfit/cosfit/graph"

// noSupport is the error of everything in a build without this package's code.
type noSupport struct{}

func (noSupport) Error() string {
	return "this build of cosfit has no GPU support: build it on Linux with go build -tags gpu"
}

func (noSupport) Is(target error) bool { return target == ErrNoGPU }

// Open returns an error that says how to build a program that can.
func Open(Options) (graph.Backend, error) { return nil, noSupport{} }

// Devices returns an error that says how to build a program that can.
func Devices() ([]Device, error) { return nil, noSupport{} }

// Libraries are none.
func Libraries() []Library { return nil }
