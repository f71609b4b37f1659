//go:build amd64 && !linux

package kernel

// permitTiles knows how to ask only Linux.
func permitTiles() bool { return false }
