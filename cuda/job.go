//go:build gpu && linux

package cuda

import (
	"errors"
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/kernels"
	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// stage puts what kernels read of a batch on the device, unless the step under
// way has it there.
func (b *Backend) stage(batch *graph.Batch) error {
	if b.staged == batch {
		return nil
	}
	if err := b.notRecording(); err != nil {
		return err
	}
	b.staged = nil
	return b.put(batch)
}

// put stages a batch in one copy: a kernels.Job, and behind it the rows, the
// labels and the groups. It always goes to the same place, where recorded steps look for it.
func (b *Backend) put(batch *graph.Batch) error {
	job := kernels.Job{Lefts: int32(len(batch.Left))}
	left := kernels.JobSize
	right := left + 4*len(batch.Left)
	labels := right + 4*len(batch.Right)
	groups := labels + 4*len(batch.Labels)
	bytes := groups + 4*len(batch.Groups)
	if err := b.grow(&b.job, bytes); err != nil {
		return err
	}
	job.Left, job.Right = b.job.at+nvidia.Pointer(left), b.job.at+nvidia.Pointer(right)
	job.Labels, job.Low = b.job.at+nvidia.Pointer(labels), batch.Low
	if len(batch.Groups) > 0 {
		job.Groups = b.job.at + nvidia.Pointer(groups)
	}
	if batch.Table != nil {
		table, err := b.own(batch.Table)
		if err != nil {
			return err
		}
		if err := within(table, batch.Left, batch.Right); err != nil {
			return err
		}
		job.Table, job.Width = table.at, int32(table.Shape()[1])
		if batch.Offset != nil {
			offset, err := b.own(batch.Offset)
			if err != nil {
				return err
			}
			job.Offset = offset.at
		}
		job.Drop(batch.Dropout)
	}
	k, err := b.steps.take(b.context, stepBlocks, bytes)
	if err != nil {
		return err
	}
	block := nvidia.View[byte](k.memory)
	job.Put(block)
	copy(block[left:], raw(batch.Left))
	copy(block[right:], raw(batch.Right))
	copy(block[labels:], raw(batch.Labels))
	copy(block[groups:], raw(batch.Groups))
	if err := b.stream.ToDevice(b.job.at, k.memory, 0, bytes); err != nil {
		return err
	}
	return b.stream.Record(k.passed)
}

// within checks rows before the device reads what they name.
func within(a *array, lists ...[]int32) error {
	n := a.Shape()[0]
	for _, rows := range lists {
		for _, r := range rows {
			if uint(r) >= uint(n) {
				return fmt.Errorf("cuda: row %d of an array that has %d", r, n)
			}
		}
	}
	return nil
}

// batched checks a batch and its table, whose rows have that width, for a kernel of
// embeddings of d dimensions.
func (b *Backend) batched(batch *graph.Batch, d, width int) error {
	if batch.Table == nil {
		return errors.New("cuda: a batch without a table of embeddings")
	}
	if have := batch.Table.Shape()[1]; have != width {
		return fmt.Errorf("cuda: embeddings of %d dimensions, want %d for a matrix of %d rows", have, width, d)
	}
	if batch.Offset != nil && batch.Offset.Size() != d {
		return fmt.Errorf("cuda: an offset of %d numbers for embeddings of %d", batch.Offset.Size(), d)
	}
	return nil
}

// matrix checks a matrix [rows, k].
func (b *Backend) matrix(m graph.Array, rows, k int) (*array, error) {
	a, err := b.own(m)
	if err != nil {
		return nil, err
	}
	if s := a.Shape(); len(s) != 2 || s[0] != rows || s[1] != k {
		return nil, fmt.Errorf("cuda: a matrix of shape %v, want (%d, %d)", s, rows, k)
	}
	return a, nil
}
