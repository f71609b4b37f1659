//go:build amd64 || arm64

package kernel

// pause lets the other thread of a core go first.
//
//go:noescape
func pause()
