//go:build gpu && linux

package nvidia

import (
	"time"
	"unsafe"
)

// A Stream is a queue of work that a device does in order.
type Stream struct {
	driver *Driver
	handle uintptr
}

// NewStream makes a stream that does not wait for the default stream.
func (c *Context) NewStream() (*Stream, error) {
	const nonBlocking = 1
	s := &Stream{driver: c.driver}
	if err := c.driver.do(&c.driver.streamCreate, uintptr(unsafe.Pointer(&s.handle)), nonBlocking); err != nil {
		return nil, err
	}
	return s, nil
}

// Synchronize waits until all that was queued has run. Errors of that work
// come here; after one the context is of no more use.
func (s *Stream) Synchronize() error { return s.driver.do(&s.driver.streamSynchronize, s.handle) }

// Destroy gives the stream back. What is queued still runs.
func (s *Stream) Destroy() error { return s.driver.do(&s.driver.streamDestroy, s.handle) }

// An Event is a mark in a stream.
type Event struct {
	driver *Driver
	handle uintptr
}

// NewEvent makes an event. Only one made to be timed can be given to Since;
// the others cost less.
func (c *Context) NewEvent(timed bool) (*Event, error) {
	const disableTiming = 2
	flags := uintptr(disableTiming)
	if timed {
		flags = 0
	}
	e := &Event{driver: c.driver}
	if err := c.driver.do(&c.driver.eventCreate, uintptr(unsafe.Pointer(&e.handle)), flags); err != nil {
		return nil, err
	}
	return e, nil
}

// Record marks the end of what is queued now.
func (s *Stream) Record(e *Event) error {
	return s.driver.do(&s.driver.eventRecord, e.handle, s.handle)
}

// Wait keeps what is queued later back until the event's last mark has been
// passed, be it of another stream.
func (s *Stream) Wait(e *Event) error {
	return s.driver.do(&s.driver.streamWaitEvent, s.handle, e.handle, 0)
}

// Synchronize waits until the event's last mark has been passed.
func (e *Event) Synchronize() error { return e.driver.do(&e.driver.eventSynchronize, e.handle) }

// Since is the time between start's mark and this one, both passed already.
// The device's clock resolves about half a microsecond.
func (e *Event) Since(start *Event) (time.Duration, error) {
	var milliseconds float32
	err := e.driver.do(&e.driver.eventTime, uintptr(unsafe.Pointer(&milliseconds)), start.handle, e.handle)
	return time.Duration(float64(milliseconds) * float64(time.Millisecond)), err
}

// Destroy gives the event back.
func (e *Event) Destroy() error { return e.driver.do(&e.driver.eventDestroy, e.handle) }
