//go:build !amd64 && !arm64

package kernel

import "runtime"

// pause lets another goroutine go first.
func pause() { runtime.Gosched() }
