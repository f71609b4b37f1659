package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"syscall"
)

// An output is where the program prints. It remembers the first error, so that
// commands need not look at each line that they print. Safe for concurrent use.
type output struct {
	to  io.Writer
	mu  sync.Mutex
	err error // says that it is of the output
}

// errUnread says that whoever read the output has ended, as head does once it has
// enough. Nobody is to be told.
var errUnread = errors.New("write the output: nobody reads it")

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		o.err = errUnread
	} else if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err // /dev/stdout is no name that the user gave
		}
		o.err = fmt.Errorf("write the output: %w", err)
	}
	return n, o.err
}

// failed returns the first error of writing.
func (o *output) failed() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}

// fileOf returns the file that a writer writes to, where it is one.
func fileOf(w io.Writer) (*os.File, bool) {
	if o, ok := w.(*output); ok {
		w = o.to
	}
	f, ok := w.(*os.File)
	return f, ok
}
