//go:build !unix

package atomicfile

// SyncDir does nothing where directories cannot be synchronised.
func SyncDir(string) error { return nil }
