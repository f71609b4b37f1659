//go:build gpu && linux

package cuda

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// A recording keeps a CUDA graph of a step for each shape of a batch. Such a
// graph is a list of launches with their addresses and sizes: everything else
// that varies, kernels read from the job that is staged before.
//
// The first step of a shape runs call by call, so that memories grow and
// algorithms are chosen; the second is recorded while it is told; all others
// are one launch.
type recording struct {
	backend *Backend
	steps   map[shape]*recorded
	never   bool // the step does something that cannot be recorded
}

// A shape is what a graph's sizes follow from.
type shape struct{ lefts, rights, labels, groups, d int }

// mostShapes bounds the graphs of one recording.
const mostShapes = 64

type recorded struct {
	graph   *nvidia.GraphExec // nil before the second step
	resized []resized
}

// resized is a result whose length a step set.
type resized struct {
	array *array
	rows  int
}

// A capture is a recording under way.
type capture struct {
	resized []resized
	spoiled bool
}

// errRecorded ends what cannot be part of a recorded step.
var errRecorded = errors.New("cuda: a call that has no place in a recorded step")

// notRecording refuses a call that waits, allocates or copies from the host.
func (b *Backend) notRecording() error {
	if b.capturing == nil {
		return nil
	}
	b.capturing.spoiled = true
	return errRecorded
}

// NewRecording returns a recording of nothing yet.
func (b *Backend) NewRecording() (graph.Recording, error) {
	r := &recording{backend: b, steps: map[shape]*recorded{}, never: b.recordsNothing}
	b.recordings = append(b.recordings, r)
	return r, nil
}

// forget drops all graphs.
func (b *Backend) forget() (first error) {
	for _, r := range b.recordings {
		if err := r.forget(); first == nil {
			first = err
		}
	}
	return first
}

func (r *recording) forget() (first error) {
	for _, s := range r.steps {
		if s.graph == nil {
			continue
		}
		if err := s.graph.Destroy(); first == nil {
			first = err
		}
	}
	clear(r.steps)
	return first
}

// Run stages the batch and does the step.
func (r *recording) Run(batch *graph.Batch, run func() error) error {
	b := r.backend
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	if err := b.notRecording(); err != nil {
		return err
	}
	if err := b.put(batch); err != nil {
		return err
	}
	b.staged = batch
	defer func() { b.staged = nil }()
	if r.never || batch.Table == nil {
		return run()
	}
	of := shape{len(batch.Left), len(batch.Right), len(batch.Labels), len(batch.Groups), batch.Table.Shape()[1]}
	s := r.steps[of]
	if s == nil {
		return r.first(of, run)
	}
	if s.graph == nil {
		if err := r.record(s, run); err != nil || r.never {
			return err
		}
	}
	if err := b.convertAll(); err != nil {
		return err
	}
	for _, z := range s.resized {
		z.array.Resize(z.rows)
	}
	return b.stream.LaunchGraph(s.graph)
}

// first runs a step of a new shape.
func (r *recording) first(of shape, run func() error) error {
	if len(r.steps) >= mostShapes {
		if err := r.forget(); err != nil {
			return err
		}
	}
	if err := run(); err != nil {
		return err
	}
	r.steps[of] = &recorded{}
	return nil
}

// record records a step, which does not run. One that cannot be recorded is
// run instead, and no other is tried.
func (r *recording) record(s *recorded, run func() error) error {
	b := r.backend
	if err := b.convertAll(); err != nil { // it is no part of the step
		return err
	}
	if err := b.stream.BeginCapture(); err != nil {
		return notRecorded(err)
	}
	c := &capture{}
	b.capturing = c
	err := run()
	b.capturing = nil
	g, ended := b.stream.EndCapture()
	if ended == nil {
		defer g.Destroy()
	}
	if c.spoiled {
		r.never = true
		return run()
	}
	if err = cmp.Or(err, ended); err != nil { // a step of this shape ran before, so it is the recording
		return notRecorded(err)
	}
	s.resized = c.resized
	s.graph, err = g.Instantiate()
	return notRecorded(err)
}

// notRecorded says how to do without.
func notRecorded(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the GPU cannot record a training step, %s=0 does without: %w", graphsVariable, err)
}
