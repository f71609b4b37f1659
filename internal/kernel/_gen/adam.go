package main

import "fmt"

// An adam is the update of Adam for one kind of register: the operations of
// adamGeneric in its order, so that it rounds the same.
type adam struct {
	name     string
	register string
	lanes    int
}

var adams = []adam{
	{name: "adamAVX512", register: "Z", lanes: 16},
	{name: "adamAVX2", register: "Y", lanes: 8},
}

// Registers: constants from 7 on, in the order of AdamStep.
func (a adam) write(e *emitter) {
	const pull, beta1, rest1, beta2, rest2, rate, scale, epsilon, keep = 7, 8, 9, 10, 11, 12, 13, 14, 15
	r := func(i int) string { return fmt.Sprintf("%s%d", a.register, i) }
	op := func(name string, x, y, to int) { e.emit("%s %s, %s, %s", name, r(y), r(x), r(to)) } // to = x op y
	fmt.Fprintf(e.w, "\n// func %s(step *AdamStep, n int, w, grad, m, v, start *float32)\n", a.name)
	fmt.Fprintf(e.w, "// Updates %d·n elements; start may be nil.\n", a.lanes)
	fmt.Fprintf(e.w, "TEXT ·%s(SB), NOSPLIT, $0-56\n", a.name)
	e.emit("MOVQ step+0(FP), AX")
	e.emit("MOVQ n+8(FP), CX")
	for _, argument := range []string{"w+16(FP), DI", "grad+24(FP), SI", "m+32(FP), R8", "v+40(FP), R9", "start+48(FP), R10"} {
		e.emit("MOVQ %s", argument)
	}
	for c := pull; c <= keep; c++ {
		e.emit("VBROADCASTSS %d(AX), %s", 4*(c-pull), r(c))
	}
	e.emit("XORQ DX, DX")
	e.label("elements")
	e.emit("VMOVUPS (DI)(DX*1), %s", r(0))
	e.emit("TESTQ R10, R10")
	e.emit("JZ moments")
	e.emit("VMOVUPS (R10)(DX*1), %s", r(1))
	op("VSUBPS", 0, 1, 1) // w − w₀
	op("VMULPS", pull, 1, 1)
	op("VSUBPS", 0, 1, 0)
	e.label("moments")
	e.emit("VMOVUPS (SI)(DX*1), %s", r(1))
	e.emit("VMOVUPS (R8)(DX*1), %s", r(2))
	op("VMULPS", beta1, 2, 2)
	op("VMULPS", rest1, 1, 3)
	op("VADDPS", 2, 3, 2)
	e.emit("VMOVUPS %s, (R8)(DX*1)", r(2))
	e.emit("VMOVUPS (R9)(DX*1), %s", r(3))
	op("VMULPS", beta2, 3, 3)
	op("VMULPS", rest2, 1, 4)
	op("VMULPS", 4, 1, 4)
	op("VADDPS", 3, 4, 3)
	e.emit("VMOVUPS %s, (R9)(DX*1)", r(3))
	e.emit("VSQRTPS %s, %s", r(3), r(3))
	op("VMULPS", 3, scale, 3)
	op("VADDPS", 3, epsilon, 3)
	op("VMULPS", rate, 2, 2)
	op("VDIVPS", 2, 3, 2)
	op("VMULPS", keep, 0, 0)
	op("VSUBPS", 0, 2, 0)
	e.emit("VMOVUPS %s, (DI)(DX*1)", r(0))
	e.emit("ADDQ $%d, DX", 4*a.lanes)
	e.emit("DECQ CX")
	e.emit("JNZ elements")
	e.emit("VZEROUPPER")
	e.emit("RET")
}
