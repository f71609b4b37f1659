//go:build gpu && linux

package limits

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// A Work is something that a GPU repeats, with its operands in the device's
// memory. Its methods must not be called concurrently.
type Work struct {
	driver  *nvidia.Driver
	context *nvidia.Context
	stream  *nvidia.Stream
	begin   *nvidia.Event
	end     *nvidia.Event
	queue   func() error // puts it into the stream once
	undo    []func() error
}

// with opens the number-th GPU and prepares work on it.
func with(number int, prepare func(*Work) error) (*Work, error) {
	defer onThread()()
	w := &Work{}
	err := w.open(number)
	if err == nil {
		err = prepare(w)
	}
	if err != nil {
		w.Close() // the first error is the one to tell
		return nil, err
	}
	return w, nil
}

// open makes a GPU ready and its context current.
func (w *Work) open(number int) (err error) {
	if w.driver, err = nvidia.OpenDriver(); err != nil {
		return err
	}
	device, err := w.driver.Device(number)
	if err != nil {
		return err
	}
	if w.context, err = device.Retain(); err != nil {
		return err
	}
	w.later(w.context.Release)
	if err := w.context.SetCurrent(); err != nil {
		return err
	}
	if w.stream, err = w.context.NewStream(); err != nil {
		return err
	}
	w.later(w.stream.Destroy)
	for _, e := range []**nvidia.Event{&w.begin, &w.end} {
		if *e, err = w.context.NewEvent(true); err != nil {
			return err
		}
		w.later((*e).Destroy)
	}
	return nil
}

// onThread keeps the goroutine on its thread, whose context is the current one,
// until the function that it returns is called.
func onThread() (end func()) {
	runtime.LockOSThread()
	return runtime.UnlockOSThread
}

func (w *Work) later(undo func() error) { w.undo = append(w.undo, undo) }

// Do does the work some times in a row and returns how long one took.
func (w *Work) Do(times int) (time.Duration, error) {
	defer onThread()()
	if err := w.context.SetCurrent(); err != nil {
		return 0, err
	}
	return w.do(times)
}

func (w *Work) do(times int) (time.Duration, error) {
	if times < 1 {
		return 0, fmt.Errorf("work is to be done %d times, want at least once", times)
	}
	if err := w.stream.Record(w.begin); err != nil {
		return 0, err
	}
	for range times {
		if err := w.queue(); err != nil {
			return 0, err
		}
	}
	if err := w.stream.Record(w.end); err != nil {
		return 0, err
	}
	if err := w.end.Synchronize(); err != nil {
		return 0, err
	}
	all, err := w.end.Since(w.begin)
	return all / time.Duration(times), err
}

// Close gives everything back.
func (w *Work) Close() error {
	defer onThread()()
	var errs []error
	if w.context != nil {
		errs = append(errs, w.context.SetCurrent())
	}
	for i := len(w.undo) - 1; i >= 0; i-- {
		errs = append(errs, w.undo[i]())
	}
	w.undo = nil
	return errors.Join(errs...)
}

// alloc takes device memory until the work is closed.
func (w *Work) alloc(bytes int64) (nvidia.Pointer, error) {
	p, err := w.context.Alloc(int(bytes))
	if err == nil {
		w.later(func() error { return w.context.Free(p) })
	}
	return p, err
}

// period is how many bytes of random numbers repeat in an operand. They lie far
// enough apart that no cache makes use of it.
const period = 1 << 24

// random takes device memory and fills it with normally distributed numbers of
// 4 bytes, or bfloat16 where size is 2: zeros would be multiplied faster.
func (w *Work) random(numbers int64, size int64) (nvidia.Pointer, error) {
	bytes := numbers * size
	p, err := w.alloc(bytes)
	if err != nil {
		return 0, err
	}
	pinned, err := w.context.AllocPinned(int(min(bytes, period)))
	if err != nil {
		return 0, err
	}
	random := rand.New(rand.NewPCG(uint64(p), 1))
	if size == 2 {
		for i, view := 0, nvidia.View[uint16](pinned); i < len(view); i++ {
			view[i] = bfloat16(float32(random.NormFloat64()))
		}
	} else {
		for i, view := 0, nvidia.View[float32](pinned); i < len(view); i++ {
			view[i] = float32(random.NormFloat64())
		}
	}
	for at := int64(0); at < bytes && err == nil; at += period {
		err = w.stream.ToDevice(p+nvidia.Pointer(at), pinned, 0, int(min(period, bytes-at)))
	}
	return p, errors.Join(err, w.stream.Synchronize(), pinned.Free())
}

// NewCopy prepares to copy bytes, a multiple of 4, from one place of the
// number-th GPU's memory to another.
func NewCopy(number int, bytes int64) (*Work, error) {
	return with(number, func(w *Work) error {
		from, err := w.random(bytes/4, 4)
		if err != nil {
			return err
		}
		to, err := w.alloc(bytes)
		w.queue = func() error { return w.stream.Copy(to, from, int(bytes)) }
		return err
	})
}
