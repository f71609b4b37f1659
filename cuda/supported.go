//go:build gpu && linux

package cuda

// Supported says whether this build has GPU support.
const Supported = true
