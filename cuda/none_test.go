//go:build !gpu || !linux

package cuda

import (
	"errors"
	"testing"
)

func TestNoSupport(t *testing.T) {
	b, err := Open(Options{})
	_, listed := Devices()
	for _, err := range []error{err, listed} {
		if !errors.Is(err, ErrNoGPU) || err.Error() != "this build of cosfit has no GPU support: build it on Linux with go build -tags gpu" {
			t.Error(err)
		}
	}
	if b != nil || Libraries() != nil || Supported {
		t.Errorf("backend %v, libraries %v, supported %v", b, Libraries(), Supported)
	}
}
