package main

import (
	"bufio"
	"fmt"
)

// The NEON micro-kernel keeps 12 × 8 entries of C in 24 of the 32 registers,
// V0 to V23, two to a row; a step of k needs two more for a row of B and three
// for a column of A. The 24 sums keep four pipes of latency 4 busy, and 24
// multiplications to five loaded registers leave the loop bound by arithmetic,
// so it is not unrolled. 8 × 12 would do as well, but only 8 divides the
// blocks of columns.
const (
	neonRows    = 12
	neonVectors = 2  // registers in a row of C
	neonB       = 24 // first register of a row of B
	neonA       = 26 // first register of a column of A
)

func arm64(w *bufio.Writer) {
	emit := func(format string, args ...any) { fmt.Fprintf(w, "\t"+format+"\n", args...) }
	label := func(name string) { fmt.Fprintf(w, "\n%s:\n", name) }

	fmt.Fprintf(w, "\n// func microNEON(chunks, k int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)\n")
	fmt.Fprintf(w, "// C (%d × %d) = A·B, or C += A·B. Registers: accumulators from V0, a row of B from\n", neonRows, neonVectors*4)
	fmt.Fprintf(w, "// V%d, a column of A from V%d.\n", neonB, neonA)
	fmt.Fprintf(w, "TEXT ·microNEON(SB), NOSPLIT, $0-80\n")
	emit("MOVD chunks+0(FP), R6")
	emit("MOVD k+8(FP), R7")
	emit("MOVD a+16(FP), R1")
	emit("MOVD step+24(FP), R8")
	emit("MOVD b+32(FP), R2")
	emit("MOVD c+40(FP), R3")
	emit("MOVD stride+48(FP), R4")
	emit("MOVD add+56(FP), R5")
	emit("LSL $2, R4, R4")
	emit("MOVD $%d, R0", neonRows)
	emit("MSUB R0, R8, R7, R8") // step − rows·k, from a chunk's end to the next one's start
	emit("LSL $2, R8, R8")
	for i := range neonRows * neonVectors {
		emit("VEOR V%d.B16, V%d.B16, V%d.B16", i, i, i)
	}
	emit("CBZ R7, store")
	label("chunk")
	emit("MOVD R7, R0")
	emit("PCALIGN $16")
	label("loop")
	emit("VLD1.P 32(R2), [V%d.S4, V%d.S4]", neonB, neonB+1)
	emit("VLD1.P 48(R1), [V%d.S4, V%d.S4, V%d.S4]", neonA, neonA+1, neonA+2)
	for row := range neonRows {
		for v := range neonVectors {
			emit("%s", fmla(row*neonVectors+v, neonB+v, neonA+row/4, row%4))
		}
	}
	emit("SUBS $1, R0, R0")
	emit("BNE loop")
	emit("ADD R8, R1, R1")
	emit("SUBS $1, R6, R6")
	emit("BNE chunk")
	label("store")
	emit("CBZ R5, overwrite")
	for row := range neonRows {
		emit("VLD1 (R3), [V%d.S4, V%d.S4]", neonB, neonB+1)
		for v := range neonVectors {
			emit("%s", fadd(row*neonVectors+v, neonB+v))
		}
		storeRow(emit, row)
	}
	emit("RET")
	label("overwrite")
	for row := range neonRows {
		storeRow(emit, row)
	}
	emit("RET")
}

func storeRow(emit func(string, ...any), row int) {
	emit("VST1 [V%d.S4, V%d.S4], (R3)", row*neonVectors, row*neonVectors+1)
	emit("ADD R4, R3, R3")
}

// Go's assembler lacks the two instructions below. Their encodings are those
// of the Arm Architecture Reference Manual, C7.2, "FMLA (by element)" and
// "FADD (vector)".

// fmla adds the entries of n, each times entry lane of m, to those of d.
func fmla(d, n, m, lane int) string {
	word := 0x4F801000 | lane&1<<21 | m<<16 | lane>>1<<11 | n<<5 | d
	return fmt.Sprintf("WORD $0x%08X // FMLA V%d.4S, V%d.4S, V%d.S[%d]", word, d, n, m, lane)
}

// fadd adds the entries of m to those of d.
func fadd(d, m int) string {
	word := 0x4E20D400 | m<<16 | d<<5 | d
	return fmt.Sprintf("WORD $0x%08X // FADD V%d.4S, V%d.4S, V%d.4S", word, d, d, m)
}
