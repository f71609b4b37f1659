package main

import "fmt"

// The passes over vectors that stand between the products of a step. A shape
// says which registers they use; half a register's floats fill one of doubles.

func (s shape) suffix() string { return s.name[len("micro"):] }

func (s shape) reg(i int) string { return fmt.Sprintf("%s%d", s.register, i) }

// half names the register that holds as many floats as a whole one has doubles.
func (s shape) half(i int) string {
	return fmt.Sprintf("%s%d", map[string]string{"Z": "Y", "Y": "X"}[s.register], i)
}

// momentum writes a step of gradient descent with momentum.
func (s shape) momentum(e *emitter) {
	fmt.Fprintf(e.w, "\n// func momentum%s(n int, w, grad, v *float32, momentum, rate float32)\n", s.suffix())
	fmt.Fprintf(e.w, "// Updates %d·n elements.\n", s.width)
	fmt.Fprintf(e.w, "TEXT ·momentum%s(SB), NOSPLIT, $0-40\n", s.suffix())
	e.emit("MOVQ n+0(FP), CX")
	e.emit("MOVQ w+8(FP), DI")
	e.emit("MOVQ grad+16(FP), SI")
	e.emit("MOVQ v+24(FP), R8")
	e.emit("VBROADCASTSS momentum+32(FP), %s", s.reg(2))
	e.emit("VBROADCASTSS rate+36(FP), %s", s.reg(3))
	e.emit("XORQ DX, DX")
	e.label("elements")
	e.emit("VMULPS (R8)(DX*1), %s, %s", s.reg(2), s.reg(0))
	e.emit("VADDPS (SI)(DX*1), %s, %s", s.reg(0), s.reg(0))
	e.emit("VMOVUPS %s, (R8)(DX*1)", s.reg(0))
	e.emit("VMULPS %s, %s, %s", s.reg(0), s.reg(3), s.reg(0))
	e.emit("VMOVUPS (DI)(DX*1), %s", s.reg(1))
	e.emit("VSUBPS %s, %s, %s", s.reg(0), s.reg(1), s.reg(1))
	e.emit("VMOVUPS %s, (DI)(DX*1)", s.reg(1))
	e.emit("ADDQ $%d, DX", 4*s.width)
	e.emit("DECQ CX")
	e.emit("JNZ elements")
	e.emit("VZEROUPPER")
	e.emit("RET")
}

// products writes the sums that a cosine is made of, in two halves that do not
// wait for each other.
func (s shape) products(e *emitter) {
	fmt.Fprintf(e.w, "\n// func products%s(a, b *float32, n int) (ab, aa, bb float64)\n", s.suffix())
	fmt.Fprintf(e.w, "// Sums a·b, a·a and b·b over %d·n numbers.\n", s.width)
	fmt.Fprintf(e.w, "TEXT ·products%s(SB), NOSPLIT, $0-48\n", s.suffix())
	e.emit("MOVQ a+0(FP), SI")
	e.emit("MOVQ b+8(FP), DI")
	e.emit("MOVQ n+16(FP), CX")
	for i := range 6 {
		e.emit("%s %s, %s, %s", s.zero, s.reg(i), s.reg(i), s.reg(i))
	}
	e.label("numbers")
	for half := range 2 {
		x, y, at := s.reg(6+2*half), s.reg(7+2*half), 2*half*s.width
		e.emit("VCVTPS2PD %d(SI), %s", at, x)
		e.emit("VCVTPS2PD %d(DI), %s", at, y)
		for i, pair := range [][2]string{{x, y}, {x, x}, {y, y}} {
			e.emit("VFMADD231PD %s, %s, %s", pair[0], pair[1], s.reg(3*half+i))
		}
	}
	e.emit("ADDQ $%d, SI", 4*s.width)
	e.emit("ADDQ $%d, DI", 4*s.width)
	e.emit("DECQ CX")
	e.emit("JNZ numbers")
	for i, sum := range []string{"ab+24", "aa+32", "bb+40"} {
		e.emit("VADDPD %s, %s, %s", s.reg(3+i), s.reg(i), s.reg(i))
		s.sumOf(e, i)
		e.emit("VMOVSD X%d, %s(FP)", i, sum)
	}
	e.emit("VZEROUPPER")
	e.emit("RET")
}

// dot writes the product of vectors, one of them in double precision, in four sums
// that do not wait for each other.
func (s shape) dot(e *emitter) {
	fmt.Fprintf(e.w, "\n// func dot%s(a *float64, x *float32, n int) float64\n", s.suffix())
	fmt.Fprintf(e.w, "// Sums a·x over %d·n numbers.\n", 2*s.width)
	fmt.Fprintf(e.w, "TEXT ·dot%s(SB), NOSPLIT, $0-32\n", s.suffix())
	e.emit("MOVQ a+0(FP), SI")
	e.emit("MOVQ x+8(FP), DI")
	e.emit("MOVQ n+16(FP), CX")
	for i := range 4 {
		e.emit("%s %s, %s, %s", s.zero, s.reg(i), s.reg(i), s.reg(i))
	}
	e.label("numbers")
	for i := range 4 {
		at := 2 * i * s.width // half as many of these as floats fill a register
		e.emit("VCVTPS2PD %d(DI), %s", at, s.reg(4+i))
		e.emit("VFMADD231PD %d(SI), %s, %s", 2*at, s.reg(4+i), s.reg(i))
	}
	e.emit("ADDQ $%d, SI", 16*s.width)
	e.emit("ADDQ $%d, DI", 8*s.width)
	e.emit("DECQ CX")
	e.emit("JNZ numbers")
	for _, pair := range [][2]int{{1, 0}, {3, 2}, {2, 0}} {
		e.emit("VADDPD %s, %s, %s", s.reg(pair[0]), s.reg(pair[1]), s.reg(pair[1]))
	}
	s.sumOf(e, 0)
	e.emit("VMOVSD X0, ret+24(FP)")
	e.emit("VZEROUPPER")
	e.emit("RET")
}

// sumOf adds up the doubles in a register, into its first one.
func (s shape) sumOf(e *emitter, i int) {
	if s.register == "Z" {
		e.emit("VEXTRACTF64X4 $1, Z%d, Y6", i)
		e.emit("VADDPD Y6, Y%d, Y%d", i, i)
	}
	e.emit("VEXTRACTF128 $1, Y%d, X6", i)
	e.emit("VADDPD X6, X%d, X%d", i, i)
	e.emit("VHADDPD X%d, X%d, X%d", i, i, i)
}

// addTimes writes the addition of a multiple, in double precision.
func (s shape) addTimes(e *emitter) {
	fmt.Fprintf(e.w, "\n// func addTimes%s(y *float64, by float64, x *float32, n int)\n", s.suffix())
	fmt.Fprintf(e.w, "// Adds by·x to %d·n numbers.\n", 2*s.width)
	fmt.Fprintf(e.w, "TEXT ·addTimes%s(SB), NOSPLIT, $0-32\n", s.suffix())
	e.emit("MOVQ y+0(FP), SI")
	e.emit("VBROADCASTSD by+8(FP), %s", s.reg(0))
	e.emit("MOVQ x+16(FP), DI")
	e.emit("MOVQ n+24(FP), CX")
	e.label("numbers")
	for i := range 4 {
		at := 2 * i * s.width
		e.emit("VCVTPS2PD %d(DI), %s", at, s.reg(4+i))
		e.emit("VMOVUPD %d(SI), %s", 2*at, s.reg(8+i))
		e.emit("VFMADD231PD %s, %s, %s", s.reg(0), s.reg(4+i), s.reg(8+i))
		e.emit("VMOVUPD %s, %d(SI)", s.reg(8+i), 2*at)
	}
	e.emit("ADDQ $%d, SI", 16*s.width)
	e.emit("ADDQ $%d, DI", 8*s.width)
	e.emit("DECQ CX")
	e.emit("JNZ numbers")
	e.emit("VZEROUPPER")
	e.emit("RET")
}

// pull writes a row of the gradient of a cosine, into panels.
func (s shape) pull(e *emitter) {
	fmt.Fprintf(e.w, "\n// func pull%s(dst, own, other *float32, panels, size int, x, y float64)\n", s.suffix())
	fmt.Fprintf(e.w, "// Writes dst = x·own + y·other for %d numbers a panel; panels lie size numbers\n", s.vectors*s.width)
	fmt.Fprintf(e.w, "// apart.\n")
	fmt.Fprintf(e.w, "TEXT ·pull%s(SB), NOSPLIT, $0-56\n", s.suffix())
	e.emit("MOVQ dst+0(FP), R8")
	e.emit("MOVQ own+8(FP), SI")
	e.emit("MOVQ other+16(FP), DI")
	e.emit("MOVQ panels+24(FP), CX")
	e.emit("MOVQ size+32(FP), R10")
	e.emit("SHLQ $2, R10")
	e.emit("VBROADCASTSD x+40(FP), %s", s.reg(0))
	e.emit("VBROADCASTSD y+48(FP), %s", s.reg(1))
	e.label("panel")
	for half := range 2 * s.vectors {
		at, own, other := 2*half*s.width, 2+2*half, 3+2*half
		e.emit("VCVTPS2PD %d(SI), %s", at, s.reg(own))
		e.emit("VCVTPS2PD %d(DI), %s", at, s.reg(other))
		e.emit("VMULPD %s, %s, %s", s.reg(1), s.reg(other), s.reg(other))
		e.emit("VFMADD231PD %s, %s, %s", s.reg(0), s.reg(own), s.reg(other))
		e.emit("VCVTPD2PS%s %s, %s", map[string]string{"Z": "", "Y": "Y"}[s.register], s.reg(other), s.half(other))
		e.emit("VMOVUPS %s, %d(R8)", s.half(other), at)
	}
	e.emit("ADDQ $%d, SI", 4*s.vectors*s.width)
	e.emit("ADDQ $%d, DI", 4*s.vectors*s.width)
	e.emit("ADDQ R10, R8")
	e.emit("DECQ CX")
	e.emit("JNZ panel")
	e.emit("VZEROUPPER")
	e.emit("RET")
}

// reach writes the comparison of scores with a bound.
func (s shape) reach(e *emitter) {
	fmt.Fprintf(e.w, "\n// func reach%s(scores *float32, n int, bound float32, masks *uint64)\n", s.suffix())
	fmt.Fprintf(e.w, "// Writes n masks of 64 scores: which are no less than the bound.\n")
	fmt.Fprintf(e.w, "TEXT ·reach%s(SB), NOSPLIT, $0-32\n", s.suffix())
	e.emit("MOVQ scores+0(FP), SI")
	e.emit("MOVQ n+8(FP), CX")
	e.emit("VBROADCASTSS bound+16(FP), %s", s.reg(0))
	e.emit("MOVQ masks+24(FP), DI")
	e.label("mask")
	for i := range 64 / s.width {
		const lessOrEqual = 18 // and false for NaN
		to := "DX"
		if i == 0 {
			to = "AX"
		}
		if s.register == "Z" {
			e.emit("VCMPPS $%d, %d(SI), %s, K1", lessOrEqual, 4*i*s.width, s.reg(0))
			e.emit("KMOVW K1, %s", to)
		} else {
			e.emit("VCMPPS $%d, %d(SI), %s, %s", lessOrEqual, 4*i*s.width, s.reg(0), s.reg(1))
			e.emit("VMOVMSKPS %s, %s", s.reg(1), to)
		}
		if i > 0 {
			e.emit("SHLQ $%d, DX", i*s.width)
			e.emit("ORQ DX, AX")
		}
	}
	e.emit("MOVQ AX, (DI)")
	e.emit("ADDQ $256, SI")
	e.emit("ADDQ $8, DI")
	e.emit("DECQ CX")
	e.emit("JNZ mask")
	e.emit("VZEROUPPER")
	e.emit("RET")
}
