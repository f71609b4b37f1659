//go:build !amd64 && !arm64

package kernel

func simd(bool) []micro { return nil }
