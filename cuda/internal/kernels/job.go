//go:build gpu && linux

package kernels

import (
	"unsafe"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// A Job is what varies between the steps of a training, in the layout of struct
// job in prelude.cu. It is staged in device memory, where kernels read it, so
// that a recorded graph of a step serves every batch of its size.
type Job struct {
	Table       nvidia.Pointer // float [_, Width], the embeddings
	Offset      nvidia.Pointer // float [_], which is taken off them, or 0
	Left, Right nvidia.Pointer // int32 [Lefts] and [_], rows of Table
	Labels      nvidia.Pointer // float [Lefts]
	Groups      nvidia.Pointer // int32 [Lefts], or 0

	// Dropout, set by Drop.
	Seed  uint64
	Step  uint32
	Row   uint32  // of the first pair in the global batch
	Bound uint32  // an element is zeroed where its random word is smaller
	Scale float32 // of the others

	Lefts int32
	Low   float32 // the lower end of the label range
	Width int32   // numbers of a row of Table
}

// JobSize is the bytes of a Job; the arrays that follow it in a staged block
// are aligned if the block is.
const JobSize = int(unsafe.Sizeof(Job{}))

// Drop sets the dropout of the batch.
func (j *Job) Drop(d graph.Dropout) {
	j.Seed, j.Step, j.Row = d.Seed, d.Step, d.Row
	j.Bound, j.Scale = d.Bound(), d.Scale()
}

// Put writes the job to the first JobSize bytes of a block.
func (j *Job) Put(block []byte) {
	copy(block[:JobSize], unsafe.Slice((*byte)(unsafe.Pointer(j)), JobSize))
}
