//go:build !amd64 && !arm64

package kernel

func simd() []micro { return nil }
