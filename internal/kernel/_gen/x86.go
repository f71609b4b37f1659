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
		s.straight(&emitter{w})
		s.turned(&emitter{w})
		s.spread(&emitter{w}, "Columns", s.vectors*s.width)
		s.spread(&emitter{w}, "Rows", s.rows)
		s.momentum(&emitter{w})
		s.products(&emitter{w})
		s.pull(&emitter{w})
		s.reach(&emitter{w})
		s.dot(&emitter{w})
		s.addTimes(&emitter{w})
	}
	for _, p := range philoxes {
		p.write(&emitter{w})
		p.drop(&emitter{w})
	}
	weave(&emitter{w})
	for _, a := range adams {
		a.write(&emitter{w})
	}
	amx(&emitter{w})
}

// An emitter writes instructions and labels.
type emitter struct{ w *bufio.Writer }

func (e *emitter) emit(format string, args ...any) { fmt.Fprintf(e.w, "\t"+format+"\n", args...) }
func (e *emitter) label(name string)               { fmt.Fprintf(e.w, "\n%s:\n", name) }

// accumulator is the register of C's entries in a row.
func (s shape) accumulator(row, v int) string {
	return fmt.Sprintf("%s%d", s.register, row*s.vectors+v)
}

// straight writes the micro-kernel whose panel of A is [chunks][k][rows], with
// chunks step numbers apart.
func (s shape) straight(e *emitter) {
	fmt.Fprintf(e.w, "\n// func %s(chunks, k int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)\n", s.name)
	fmt.Fprintf(e.w, "// C (%d × %d) = A·B, or C += A·B. Registers: accumulators from %s0, a row of B from\n", s.rows, s.vectors*s.width, s.register)
	fmt.Fprintf(e.w, "// %s%d, broadcast entries of A from %s%d.\n", s.register, s.free, s.register, s.free+s.vectors)
	fmt.Fprintf(e.w, "TEXT ·%s(SB), NOSPLIT, $0-80\n", s.name)
	e.emit("MOVQ chunks+0(FP), BX")
	e.emit("MOVQ k+8(FP), R13")
	e.emit("MOVQ a+16(FP), SI")
	e.emit("MOVQ step+24(FP), R10")
	e.emit("MOVQ b+32(FP), DI")
	e.emit("MOVQ c+40(FP), DX")
	e.emit("MOVQ stride+48(FP), R8")
	e.emit("MOVQ add+56(FP), R9")
	e.emit("MOVQ nextA+64(FP), R11")
	e.emit("MOVQ nextB+72(FP), R12")
	e.emit("IMUL3Q $%d, R13, AX", s.rows)
	e.emit("SUBQ AX, R10") // from a chunk's end to the next one's start
	e.emit("SHLQ $2, R10")
	s.clear(e)
	s.fetch(e)
	entry := func(u, row int) int { return u*s.rows + row }
	e.label("chunk")
	e.emit("MOVQ R13, CX")
	e.emit("SUBQ $%d, CX", s.unroll)
	e.emit("JLT rest")
	e.emit("PCALIGN $64")
	e.label("loop")
	s.prefetch(e)
	for u := range s.unroll {
		s.step(e, u, entry)
	}
	s.advance(e, s.unroll)
	e.emit("SUBQ $%d, CX", s.unroll)
	e.emit("JGE loop")
	e.label("rest")
	e.emit("ADDQ $%d, CX", s.unroll)
	e.emit("JZ next")
	e.label("one")
	s.step(e, 0, entry)
	s.advance(e, 1)
	e.emit("DECQ CX")
	e.emit("JNZ one")
	e.label("next")
	e.emit("ADDQ R10, SI")
	e.emit("DECQ BX")
	e.emit("JNZ chunk")
	s.store(e)
}

// turned writes the micro-kernel whose A is packed for the other product: in
// squares of rows × rows, of which each has a row of C's entries together.
func (s shape) turned(e *emitter) {
	fmt.Fprintf(e.w, "\n// func %sTurned(squares int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)\n", s.name)
	fmt.Fprintf(e.w, "// C (%d × %d) = A·B, or C += A·B, for k = %d·squares.\n", s.rows, s.vectors*s.width, s.rows)
	fmt.Fprintf(e.w, "TEXT ·%sTurned(SB), NOSPLIT, $0-72\n", s.name)
	e.emit("MOVQ squares+0(FP), CX")
	e.emit("MOVQ a+8(FP), SI")
	e.emit("MOVQ step+16(FP), R10")
	e.emit("MOVQ b+24(FP), DI")
	e.emit("MOVQ c+32(FP), DX")
	e.emit("MOVQ stride+40(FP), R8")
	e.emit("MOVQ add+48(FP), R9")
	e.emit("MOVQ nextA+56(FP), R11")
	e.emit("MOVQ nextB+64(FP), R12")
	e.emit("SHLQ $2, R10")
	s.clear(e)
	s.fetch(e)
	e.emit("PCALIGN $64")
	e.label("square")
	for u := range s.rows {
		if u%s.unroll == 0 {
			s.prefetch(e)
		}
		s.step(e, u, func(u, row int) int { return row*s.rows + u })
	}
	e.emit("ADDQ R10, SI")
	e.emit("ADDQ $%d, DI", s.rows*s.vectors*s.width*4)
	e.emit("DECQ CX")
	e.emit("JNZ square")
	s.store(e)
}

// clear zeroes the accumulators, and makes bytes of C's stride.
func (s shape) clear(e *emitter) {
	e.emit("SHLQ $2, R8")
	for i := range s.rows * s.vectors {
		e.emit("%s %s%d, %s%d, %s%d", s.zero, s.register, i, s.register, i, s.register, i)
	}
}

// fetch asks for the tile of C, which is far away by now, so that it is there when
// it is written.
func (s shape) fetch(e *emitter) {
	e.emit("MOVQ DX, AX")
	for row := range s.rows {
		if row > 0 {
			e.emit("ADDQ R8, AX")
		}
		for at := 0; at < s.vectors*s.width*4; at += 64 {
			e.emit("BYTE $0x0F; BYTE $0x0D; BYTE $0x48; BYTE $%d // PREFETCHW %[1]d(AX)", at)
		}
	}
}

// store writes the accumulators to C, or adds them, and returns.
func (s shape) store(e *emitter) {
	e.emit("TESTQ R9, R9")
	e.emit("JZ overwrite")
	for row := range s.rows {
		for v := range s.vectors {
			e.emit("VADDPS %d(DX), %s, %s", v*s.width*4, s.accumulator(row, v), s.accumulator(row, v))
			e.emit("VMOVUPS %s, %d(DX)", s.accumulator(row, v), v*s.width*4)
		}
		e.emit("ADDQ R8, DX")
	}
	e.emit("VZEROUPPER")
	e.emit("RET")
	e.label("overwrite")
	for row := range s.rows {
		for v := range s.vectors {
			e.emit("VMOVUPS %s, %d(DX)", s.accumulator(row, v), v*s.width*4)
		}
		e.emit("ADDQ R8, DX")
	}
	e.emit("VZEROUPPER")
	e.emit("RET")
}

// step multiplies column u of A's panel by row u of B's. entry says which
// number behind SI belongs to a row of C.
func (s shape) step(e *emitter, u int, entry func(u, row int) int) {
	for v := range s.vectors {
		e.emit("VMOVUPS %d(DI), %s%d", (u*s.vectors+v)*s.width*4, s.register, s.free+v)
	}
	for row := range s.rows {
		broadcast := fmt.Sprintf("%s%d", s.register, s.free+s.vectors+row%s.spare)
		e.emit("VBROADCASTSS %d(SI), %s", entry(u, row)*4, broadcast)
		for v := range s.vectors {
			e.emit("VFMADD231PS %s%d, %s, %s", s.register, s.free+v, broadcast, s.accumulator(row, v))
		}
	}
}

// prefetch asks for the next line of each of two stretches of memory that are
// needed later, to come into the second-level cache.
func (s shape) prefetch(e *emitter) {
	for _, at := range []string{"R11", "R12"} {
		e.emit("PREFETCHT1 (%s)", at)
		e.emit("ADDQ $64, %s", at)
	}
}

func (s shape) advance(e *emitter, steps int) {
	e.emit("ADDQ $%d, SI", steps*s.rows*4)
	e.emit("ADDQ $%d, DI", steps*s.vectors*s.width*4)
}

// spread writes the packing of a matrix that lies as it is needed, but for its
// rows being long: each row's numbers go to several panels, of A (Rows) or of
// B (Columns).
func (s shape) spread(e *emitter, what string, width int) {
	const panels = 4 // packedTogether
	fmt.Fprintf(e.w, "\n// func spread%s%s(dst, src *float32, k, stride, size int)\n", what, s.suffix())
	fmt.Fprintf(e.w, "// Copies k rows of %d × %d numbers, stride apart, to panels of size numbers.\n", panels, width)
	fmt.Fprintf(e.w, "TEXT ·spread%s%s(SB), NOSPLIT, $0-40\n", what, s.suffix())
	e.emit("MOVQ dst+0(FP), DI")
	e.emit("MOVQ src+8(FP), SI")
	e.emit("MOVQ k+16(FP), CX")
	e.emit("MOVQ stride+24(FP), R8")
	e.emit("MOVQ size+32(FP), R9")
	e.emit("SHLQ $2, R8")
	e.emit("SHLQ $2, R9")
	e.emit("LEAQ (R9)(R9*2), R10")
	e.label("row")
	for p, to := range []string{"(DI)", "(DI)(R9*1)", "(DI)(R9*2)", "(DI)(R10*1)"} {
		for done := 0; done < width; {
			n := s.width
			for n > width-done {
				n /= 2
			}
			move := map[int]string{2: "VMOVSD", 4: "VMOVUPS", 8: "VMOVUPS", 16: "VMOVUPS"}[n]
			register := fmt.Sprintf("%s%d", map[int]string{2: "X", 4: "X", 8: "Y", 16: "Z"}[n], p*4+done/s.width*2+min(done%s.width, 1))
			e.emit("%s %d(SI), %s", move, (p*width+done)*4, register)
			e.emit("%s %s, %d%s", move, register, done*4, to)
			done += n
		}
	}
	e.emit("ADDQ R8, SI")
	e.emit("ADDQ $%d, DI", width*4)
	e.emit("DECQ CX")
	e.emit("JNZ row")
	e.emit("VZEROUPPER")
	e.emit("RET")
}
