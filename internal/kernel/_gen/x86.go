package main

import (
	"bufio"
	"fmt"
)

// A shape is a micro-kernel that keeps rows × (vectors·width) entries of C in
// registers.
type shape struct {
	name     string
	register string // X, Y or Z
	width    int    // floats in a register
	rows     int
	vectors  int // registers in a row of C
	free     int // first register behind the accumulators
	spare    int // registers for broadcast entries of A
	unroll   int // steps of k in one turn of the loop
	zero     string
}

var shapes = []shape{
	{name: "microAVX512", register: "Z", width: 16, rows: 12, vectors: 2, free: 24, spare: 6, unroll: 4, zero: "VPXORD"},
	{name: "microAVX2", register: "Y", width: 8, rows: 6, vectors: 2, free: 12, spare: 2, unroll: 4, zero: "VXORPS"},
}

func amd64(w *bufio.Writer) {
	for _, s := range shapes {
		s.write(w)
	}
}

func (s shape) write(w *bufio.Writer) {
	emit := func(format string, args ...any) { fmt.Fprintf(w, "\t"+format+"\n", args...) }
	label := func(name string) { fmt.Fprintf(w, "\n%s:\n", name) }
	acc := func(row, v int) string { return fmt.Sprintf("%s%d", s.register, row*s.vectors+v) }

	fmt.Fprintf(w, "\n// func %s(k int, a, b, c *float32, stride int, add int)\n", s.name)
	fmt.Fprintf(w, "// C (%d × %d) = A·B, or C += A·B. Registers: accumulators from %s0, a row of B from\n", s.rows, s.vectors*s.width, s.register)
	fmt.Fprintf(w, "// %s%d, broadcast entries of A from %s%d.\n", s.register, s.free, s.register, s.free+s.vectors)
	fmt.Fprintf(w, "TEXT ·%s(SB), NOSPLIT, $0-48\n", s.name)
	emit("MOVQ k+0(FP), CX")
	emit("MOVQ a+8(FP), SI")
	emit("MOVQ b+16(FP), DI")
	emit("MOVQ c+24(FP), DX")
	emit("MOVQ stride+32(FP), R8")
	emit("MOVQ add+40(FP), R9")
	emit("SHLQ $2, R8")
	for i := range s.rows * s.vectors {
		emit("%s %s%d, %s%d, %s%d", s.zero, s.register, i, s.register, i, s.register, i)
	}
	emit("SUBQ $%d, CX", s.unroll)
	emit("JLT rest")
	emit("PCALIGN $64")
	label("loop")
	for u := range s.unroll {
		s.step(emit, acc, u)
	}
	s.advance(emit, s.unroll)
	emit("SUBQ $%d, CX", s.unroll)
	emit("JGE loop")
	label("rest")
	emit("ADDQ $%d, CX", s.unroll)
	emit("JZ store")
	label("one")
	s.step(emit, acc, 0)
	s.advance(emit, 1)
	emit("DECQ CX")
	emit("JNZ one")
	label("store")
	emit("TESTQ R9, R9")
	emit("JZ overwrite")
	for row := range s.rows {
		for v := range s.vectors {
			emit("VADDPS %d(DX), %s, %s", v*s.width*4, acc(row, v), acc(row, v))
			emit("VMOVUPS %s, %d(DX)", acc(row, v), v*s.width*4)
		}
		emit("ADDQ R8, DX")
	}
	emit("VZEROUPPER")
	emit("RET")
	label("overwrite")
	for row := range s.rows {
		for v := range s.vectors {
			emit("VMOVUPS %s, %d(DX)", acc(row, v), v*s.width*4)
		}
		emit("ADDQ R8, DX")
	}
	emit("VZEROUPPER")
	emit("RET")
}

// step multiplies column u of A's panel by row u of B's.
func (s shape) step(emit func(string, ...any), acc func(int, int) string, u int) {
	for v := range s.vectors {
		emit("VMOVUPS %d(DI), %s%d", (u*s.vectors+v)*s.width*4, s.register, s.free+v)
	}
	for row := range s.rows {
		entry := fmt.Sprintf("%s%d", s.register, s.free+s.vectors+row%s.spare)
		emit("VBROADCASTSS %d(SI), %s", (u*s.rows+row)*4, entry)
		for v := range s.vectors {
			emit("VFMADD231PS %s%d, %s, %s", s.register, s.free+v, entry, acc(row, v))
		}
	}
}

func (s shape) advance(emit func(string, ...any), steps int) {
	emit("ADDQ $%d, SI", steps*s.rows*4)
	emit("ADDQ $%d, DI", steps*s.vectors*s.width*4)
}
