//go:build gpu && linux

package nvidia

import "unsafe"

// A Graph is recorded work.
type Graph struct {
	driver *Driver
	handle uintptr
}

// BeginCapture starts to record what is queued on the stream, by whichever
// thread, instead of running it. Until EndCapture, which is this thread's to
// call, the stream cannot be waited for, nor may this thread make calls that
// wait, such as Alloc and Free. Addresses and arguments are recorded as they
// are.
func (s *Stream) BeginCapture() error {
	const threadLocal = 1
	return s.driver.do(&s.driver.streamBeginCapture, s.handle, threadLocal)
}

// EndCapture ends the recording. It must be called after an error too, to make
// the stream usable again; the graph is then none and the error says why.
func (s *Stream) EndCapture() (*Graph, error) {
	g := &Graph{driver: s.driver}
	if err := s.driver.do(&s.driver.streamEndCapture, s.handle, uintptr(unsafe.Pointer(&g.handle))); err != nil {
		return nil, err
	}
	return g, nil
}

// Destroy gives the recording back; what was instantiated from it stays.
func (g *Graph) Destroy() error { return g.driver.do(&g.driver.graphDestroy, g.handle) }

// A GraphExec is recorded work that can be run, any number of times.
type GraphExec struct {
	driver *Driver
	handle uintptr
}

// Instantiate makes the recording ready to run.
func (g *Graph) Instantiate() (*GraphExec, error) {
	x := &GraphExec{driver: g.driver}
	if err := g.driver.do(&g.driver.graphInstantiate, uintptr(unsafe.Pointer(&x.handle)), g.handle, 0); err != nil {
		return nil, err
	}
	return x, nil
}

// LaunchGraph queues all of the recorded work.
func (s *Stream) LaunchGraph(x *GraphExec) error {
	return s.driver.do(&s.driver.graphLaunch, x.handle, s.handle)
}

// Destroy gives it back. Work that is running still ends.
func (x *GraphExec) Destroy() error { return x.driver.do(&x.driver.graphExecDestroy, x.handle) }
