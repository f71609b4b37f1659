package main

import "fmt"

// weave transposes four rows of a batch into four lanes of a panel, four
// columns at a time.
func weave(e *emitter) {
	fmt.Fprintf(e.w, "\n// func weaveAVX(dst, src *float32, stride, fours, rows int)\n")
	fmt.Fprintf(e.w, "// Writes dst[c·rows+lane] = src[stride·lane+c] for four lanes and 4·fours columns.\n")
	fmt.Fprintf(e.w, "TEXT ·weaveAVX(SB), NOSPLIT, $0-40\n")
	e.emit("MOVQ dst+0(FP), DI")
	e.emit("MOVQ src+8(FP), SI")
	e.emit("MOVQ stride+16(FP), R9")
	e.emit("MOVQ fours+24(FP), CX")
	e.emit("MOVQ rows+32(FP), R8")
	e.emit("SHLQ $2, R8")
	e.emit("SHLQ $2, R9")
	e.emit("LEAQ (R9)(R9*2), R10")
	e.label("columns")
	for lane, at := range []string{"(SI)", "(SI)(R9*1)", "(SI)(R9*2)", "(SI)(R10*1)"} {
		e.emit("VMOVUPS %s, X%d", at, lane)
	}
	e.emit("VUNPCKLPS X1, X0, X4")
	e.emit("VUNPCKHPS X1, X0, X5")
	e.emit("VUNPCKLPS X3, X2, X6")
	e.emit("VUNPCKHPS X3, X2, X7")
	for column, from := range [][2]int{{6, 4}, {6, 4}, {7, 5}, {7, 5}} {
		half := "VUNPCKLPD"
		if column%2 == 1 {
			half = "VUNPCKHPD"
		}
		e.emit("%s X%d, X%d, X%d", half, from[0], from[1], 8+column)
		e.emit("VMOVUPS X%d, (DI)", 8+column)
		e.emit("ADDQ R8, DI")
	}
	e.emit("ADDQ $16, SI")
	e.emit("DECQ CX")
	e.emit("JNZ columns")
	e.emit("RET")
}
