//go:build !openblas || windows

package benchmarks

// linked says whether this build can load OpenBLAS itself.
const linked = false

// openBLAS offers nothing: the build tag openblas is not set.
func openBLAS() []*local { return nil }
