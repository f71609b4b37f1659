//go:build !unix

package rundir

// syncDir does nothing where directories cannot be synchronised.
func syncDir(string) error { return nil }
