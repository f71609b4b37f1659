//go:build gpu && linux

package cuda

import (
	"errors"
	"fmt"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
	"github.com/cosfit/cosfit/graph"
)

// A table is an array that is filled beside the steps that read what it held
// before: it has two memories in turn, of which the array is the one in use.
type table struct {
	array
	other  memory        // filled next; empty until the second Set
	read   *nvidia.Event // behind the last step that reads other
	filled *nvidia.Event // behind the last copy
}

// NewTable makes an empty table.
func (b *Backend) NewTable(d int) (graph.Table, error) {
	if err := b.enter(); err != nil {
		return nil, err
	}
	defer b.leave()
	t := &table{array: array{Header: graph.NewHeader(0, d), backend: b}}
	for _, e := range []**nvidia.Event{&t.read, &t.filled} {
		var err error
		if *e, err = b.context.NewEvent(false); err != nil {
			return nil, err
		}
		b.closing((*e).Destroy)
	}
	return t, nil
}

// Set copies vectors. It waits for no step, unless the memory in turn is too
// small or there is no room for a second one.
func (t *table) Set(vectors []float32) error {
	b, d := t.backend, t.Shape()[1]
	if len(vectors)%d != 0 {
		return fmt.Errorf("cuda: a table of %d numbers, want a multiple of %d", len(vectors), d)
	}
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	if err := b.notRecording(); err != nil {
		return err
	}
	if len(vectors) > 0 {
		if err := t.turn(4 * len(vectors)); err != nil {
			t.Resize(min(t.Shape()[0], t.bytes/(4*d)))
			return err
		}
	}
	t.Resize(len(vectors) / d)
	if err := b.send(b.copies, t.at, raw(vectors)); err != nil {
		return err
	}
	if err := b.copies.Record(t.filled); err != nil {
		return err
	}
	return b.stream.Wait(t.filled)
}

// turn puts a memory of that many bytes in use which no step reads any more by
// the time that b.copies comes to it.
func (t *table) turn(bytes int) error {
	b := t.backend
	if t.bytes == 0 { // nothing reads it
		return tableFull(b.replace(&t.memory, bytes))
	}
	if t.other.bytes >= bytes {
		if err := b.copies.Wait(t.read); err != nil {
			return err
		}
	} else {
		if err := b.copies.Synchronize(); err != nil {
			return err
		}
		err := b.replace(&t.other, bytes)
		if nvidia.IsOutOfMemory(err) {
			return t.again(bytes)
		}
		if err != nil {
			return err
		}
	}
	t.at, t.other.at = t.other.at, t.at
	t.bytes, t.other.bytes = t.other.bytes, t.bytes
	return b.stream.Record(t.read)
}

// again takes the memory in use, once nothing reads it, where there is no room
// for two.
func (t *table) again(bytes int) error {
	if t.bytes >= bytes {
		return t.backend.stream.Synchronize()
	}
	return tableFull(t.backend.replace(&t.memory, bytes))
}

// tableFull says that it is a table that has no room.
func tableFull(err error) error {
	var full *OutOfMemoryError
	if errors.As(err, &full) {
		full.table = true
	}
	return err
}
