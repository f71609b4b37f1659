package embed

import "time"

// The errors of a provider that a run can do something about.

// A RetryError is a failure that may pass: the server is overloaded, the
// connection broke, the answer was cut. The same request is sent again.
type RetryError struct {
	After time.Duration // that the server asks to wait; 0 where it does not say
	// Billed says that the provider may have done the work, and bill it, though
	// no usable answer came.
	Billed bool
	Err    error
}

func (e *RetryError) Error() string { return e.Err.Error() }
func (e *RetryError) Unwrap() error { return e.Err }

// A LimitError says that requests come faster than the provider allows. The
// same request is sent again, and all of them slower.
type LimitError struct {
	Rate  Rate          // that is allowed, where the provider says so
	After time.Duration // that the server asks to wait; 0 where it does not say
	Err   error
}

func (e *LimitError) Error() string { return e.Err.Error() }
func (e *LimitError) Unwrap() error { return e.Err }

// A TooLargeError says that a request holds more than the provider takes. It
// is sent again in halves.
type TooLargeError struct{ Err error }

func (e *TooLargeError) Error() string { return e.Err.Error() }
func (e *TooLargeError) Unwrap() error { return e.Err }

// A RejectedError says that the provider cannot embed something in a request.
// The text at fault is found by halving.
type RejectedError struct{ Err error }

func (e *RejectedError) Error() string { return e.Err.Error() }
func (e *RejectedError) Unwrap() error { return e.Err }
