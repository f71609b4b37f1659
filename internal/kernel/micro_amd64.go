package kernel

import "golang.org/x/sys/cpu"

//go:noescape
func microAVX512(k int, a, b, c *float32, stride int, add int)

//go:noescape
func microAVX512Turned(squares int, a *float32, step int, b, c *float32, stride int, add int)

//go:noescape
func microAVX2(k int, a, b, c *float32, stride int, add int)

//go:noescape
func microAVX2Turned(squares int, a *float32, step int, b, c *float32, stride int, add int)

func simd() (list []micro) {
	if cpu.X86.HasAVX512F {
		list = append(list, micro{"avx512", 12, 32, microAVX512, microAVX512Turned})
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA {
		list = append(list, micro{"avx2", 6, 16, microAVX2, microAVX2Turned})
	}
	return list
}
