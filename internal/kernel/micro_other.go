//go:build !amd64

package kernel

func simd() []micro { return nil }
