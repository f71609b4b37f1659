package cpu_test

import (
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/graph/backendtest"
	"github.com/cosfit/cosfit/graph/cpu"
)

func TestBackend(t *testing.T) {
	for _, threads := range []int{1, 3} {
		backendtest.Run(t, func(*testing.T) graph.Backend { return cpu.New(threads) }, backendtest.FP32)
	}
}
