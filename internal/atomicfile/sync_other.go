//go:build !unix

package atomicfile

// syncDir does nothing where directories cannot be synchronised.
func syncDir(string) error { return nil }
