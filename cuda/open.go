//go:build gpu && linux

package cuda

import (
	"errors"

	"github.com/cosfit/cosfit/graph"
)

// Open makes a GPU ready.
func Open(o Options) (graph.Backend, error) { return nil, errors.New("not yet") }

// Devices lists the GPUs.
func Devices() ([]Device, error) { return nil, errors.New("not yet") }

// Libraries lists what would be loaded.
func Libraries() []Library { return nil }
