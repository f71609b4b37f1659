package main

import (
	"fmt"
	"slices"
)

// The matrix engine of newer processors (Intel's AMX) multiplies tiles of
// bfloat16. Go's assembler does not know its instructions, so they are written
// in bytes.

// A number of single precision is the sum of three of bfloat16, so a step of K
// has three planes: the leading parts, what these leave, and what that leaves. Where
// less will do there are the first two of them, or one.
const (
	tileBytes = 16 * 16 * 4   // a tile has 16 rows of 16 pairs
	plane     = 2 * tileBytes // a panel is two tiles wide
	tileSide  = 32            // rows and columns of C that are computed at a time, and entries of K in a step
	line      = 64            // bytes of a row of a tile, and of a line of the caches
	tilesOfC  = 4             // in registers 0 to 3
	tileA     = 4             // the first of two registers
	tileB     = 6

	aheadOfPanel = 16             // lines of the next panel that are fetched in a step
	config       = "tileConfig<>" // eight tiles of 16 rows of 64 bytes
)

func amx(e *emitter) {
	tileConfig(e)
	for planes := 3; planes > 0; planes-- {
		split(e, planes)
		tileProducts(e, planes)
	}
	transpose(e)
	busy(e)
}

// named is the name of a function for so many planes.
func named(function string, planes int) string { return fmt.Sprintf("%sAMX%d", function, planes) }

// registers in the order of their numbers.
var registers = []string{"AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI", "R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}

func number(register string) int { return slices.Index(registers, register) }

// vex writes an instruction of the map 0F38 with a VEX prefix of 128 bits; x and
// b say whether the index and the base are beyond the first eight registers.
func vex(e *emitter, prefix, opcode, source int, x, b bool, comment string, rest ...int) {
	second, third := 0xe2, prefix|(^source&15)<<3
	if x {
		second &^= 0x40
	}
	if b {
		second &^= 0x20
	}
	text := ""
	for _, v := range append([]int{0xc4, second, third, opcode}, rest...) {
		text += fmt.Sprintf("BYTE $0x%02x; ", v)
	}
	e.emit("%s// %s", text, comment)
}

const prefixNone, prefixF3, prefixF2 = 0, 2, 3

// memory is the operand (base)(index*1) + offset of tile, for vex.
func memory(tile int, base, index string, offset int) []int {
	return []int{0x84 | tile<<3, (number(index)&7)<<3 | number(base)&7, offset & 255, offset >> 8 & 255, offset >> 16 & 255, offset >> 24 & 255}
}

func loadTile(e *emitter, tile int, base, index string, offset int) {
	vex(e, prefixF2, 0x4b, 0, number(index) > 7, number(base) > 7,
		fmt.Sprintf("TILELOADD %d(%s)(%s*1), TMM%d", offset, base, index, tile), memory(tile, base, index, offset)...)
}

func storeTile(e *emitter, tile int, base, index string, offset int) {
	vex(e, prefixF3, 0x4b, 0, number(index) > 7, number(base) > 7,
		fmt.Sprintf("TILESTORED TMM%d, %d(%s)(%s*1)", tile, offset, base, index), memory(tile, base, index, offset)...)
}

func clearTile(e *emitter, tile int) {
	vex(e, prefixF2, 0x49, 0, false, false, fmt.Sprintf("TILEZERO TMM%d", tile), 0xc0|tile<<3)
}

// multiplyTiles adds a·b to c.
func multiplyTiles(e *emitter, a, b, c int) {
	vex(e, prefixF3, 0x5c, b, false, false, fmt.Sprintf("TDPBF16PS TMM%d, TMM%d, TMM%d", b, a, c), 0xc0|c<<3|a)
}

func tileConfig(e *emitter) {
	fmt.Fprintf(e.w, "\nDATA %s+0(SB)/8, $1\n", config)
	for at := 8; at < 64; at += 8 {
		bytes := "0"
		switch {
		case at >= 16 && at < 32:
			bytes = "0x0040004000400040" // bytes of a row
		case at == 48:
			bytes = "0x1010101010101010" // rows
		}
		fmt.Fprintf(e.w, "DATA %s+%d(SB)/8, $%s\n", config, at, bytes)
	}
	fmt.Fprintf(e.w, "GLOBL %s(SB), RODATA|NOPTR, $64\n", config)
}

// paths are the orders of the products of planes, for one, two and three of them. Of
// nine, the three smallest are left out: they are below what single precision rounds
// to; of four the smallest, which is below what three parts would add. From one to the
// next the planes of one operand change, so that the other's stay in registers.
var paths = [][][2]int{1: {{0, 0}}, 2: {{1, 0}, {0, 0}, {0, 1}}, 3: {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}, {0, 2}}}

// tileProducts writes the products of tiles. What the next product needs is
// loaded as soon as nothing reads its register any more.
func tileProducts(e *emitter, planes int) {
	path, stepBytes := paths[planes], planes*plane
	fmt.Fprintf(e.w, "\n// func %s(tiles, steps int, a, b, c *float32, stride, add int, next *float32)\n", named("tiles", planes))
	fmt.Fprintf(e.w, "// C (%d·tiles × %[1]d) = A·B, or C += A·B, for k = %[1]d·steps. Tiles: C's from 0, A's\n// from %d, B's from %d. Reads a step behind A and B.\n", tileSide, tileA, tileB)
	fmt.Fprintf(e.w, "TEXT ·%s(SB), $%d-64\n", named("tiles", planes), tilesOfC*tileBytes+line)
	e.emit("MOVQ tiles+0(FP), BX")
	e.emit("MOVQ steps+8(FP), R13")
	e.emit("MOVQ a+16(FP), SI")
	e.emit("MOVQ c+32(FP), DX")
	e.emit("MOVQ stride+40(FP), R8")
	e.emit("MOVQ next+56(FP), R12")
	e.emit("SHLQ $2, R8")
	e.emit("MOVQ R8, R15")
	e.emit("SHLQ $4, R15") // bytes from a tile of C to the one below
	e.emit("MOVQ $%d, R10", line)
	e.emit("MOVQ $%d, R9", 2*line)
	e.emit("LEAQ %d(SP), R11", line-1)
	e.emit("ANDQ $~%d, R11", line-1)
	e.emit("LEAQ %s(SB), AX", config)
	vex(e, prefixNone, 0x49, 0, false, false, "LDTILECFG (AX)", 0x00)
	e.label("tile")
	e.emit("MOVQ b+24(FP), DI")
	e.emit("MOVQ R13, CX")
	for i := range tilesOfC {
		clearTile(e, i)
	}
	for i := range 2 {
		loadTile(e, tileA+i, "SI", "R10", path[0][0]*plane+i*tileBytes)
		loadTile(e, tileB+i, "DI", "R10", path[0][1]*plane+i*tileBytes)
	}
	e.label("step")
	for i := range aheadOfPanel {
		e.emit("PREFETCHT1 %d(R12)", i*line)
	}
	e.emit("ADDQ $%d, R12", aheadOfPanel*line)
	lines, done, fetched := 2*stepBytes/line, 0, 0 // of the next step, into the nearest cache
	for i, now := range path {
		next, offset := path[(i+1)%len(path)], (i+1)/len(path)*stepBytes
		a := func(i int) { loadTile(e, tileA+i, "SI", "R10", next[0]*plane+i*tileBytes+offset) }
		b := func(i int) { loadTile(e, tileB+i, "DI", "R10", next[1]*plane+i*tileBytes+offset) }
		multiply := func(row, column int) {
			multiplyTiles(e, tileA+row, tileB+column, 2*row+column)
			for done++; fetched < lines*done/(len(path)*tilesOfC); fetched++ {
				at := fetched * line
				e.emit("PREFETCHT0 %d(%s)", stepBytes+at%stepBytes, []string{"SI", "DI"}[at/stepBytes])
			}
		}
		switch {
		case next[0] == now[0] && len(path) > 1:
			multiply(0, 0)
			multiply(1, 0)
			b(0)
			multiply(0, 1)
			multiply(1, 1)
			b(1)
		case next[1] == now[1] && len(path) > 1:
			multiply(0, 0)
			multiply(0, 1)
			a(0)
			multiply(1, 0)
			multiply(1, 1)
			a(1)
		default:
			multiply(0, 0)
			multiply(0, 1)
			a(0)
			multiply(1, 0)
			b(0)
			multiply(1, 1)
			a(1)
			b(1)
		}
	}
	e.emit("ADDQ $%d, SI", stepBytes)
	e.emit("ADDQ $%d, DI", stepBytes)
	e.emit("DECQ CX")
	e.emit("JNZ step")
	e.emit("CMPQ add+48(FP), $0")
	e.emit("JNE add")
	e.emit("LEAQ (DX)(R15*1), AX")
	for i, base := range []string{"DX", "DX", "AX", "AX"} {
		storeTile(e, i, base, "R8", i%2*line)
	}
	e.emit("JMP next")
	e.label("add") // by way of the stack, since the next tile of C need not wait for that
	for i := range tilesOfC {
		storeTile(e, i, "R11", "R9", i/2*2*tileBytes+i%2*line)
	}
	e.emit("MOVQ DX, AX")
	for row := range tileSide {
		for i := range 2 {
			z := (2*row + i) % 16
			e.emit("VMOVUPS %d(R11), Z%d", (2*row+i)*line, z)
			e.emit("VADDPS %d(AX), Z%d, Z%[2]d", i*line, z)
			e.emit("VMOVUPS Z%d, %d(AX)", z, i*line)
		}
		e.emit("ADDQ R8, AX")
	}
	e.label("next")
	e.emit("LEAQ (DX)(R15*2), DX")
	e.emit("DECQ BX")
	e.emit("JNZ tile")
	e.emit("VZEROUPPER")
	vex(e, prefixNone, 0x49, 0, false, false, "TILERELEASE", 0xc0)
	e.emit("RET")
}

// busy writes the multiplications of a step without its memory.
func busy(e *emitter) {
	fmt.Fprintf(e.w, "\n// func busyAMX(n int)\n")
	fmt.Fprintf(e.w, "// Multiplies tiles of zeros as often as n steps do.\n")
	fmt.Fprintf(e.w, "TEXT ·busyAMX(SB), NOSPLIT, $0-8\n")
	e.emit("MOVQ n+0(FP), CX")
	e.emit("LEAQ %s(SB), AX", config)
	vex(e, prefixNone, 0x49, 0, false, false, "LDTILECFG (AX)", 0x00)
	for i := range tileB + 2 {
		clearTile(e, i)
	}
	e.label("step")
	for range paths[3] {
		for i := range tilesOfC {
			multiplyTiles(e, tileA+i/2, tileB+i%2, i)
		}
	}
	e.emit("DECQ CX")
	e.emit("JNZ step")
	vex(e, prefixNone, 0x49, 0, false, false, "TILERELEASE", 0xc0)
	e.emit("RET")
}

// split writes the division of numbers into one to three of bfloat16, two numbers in a
// pair.
func split(e *emitter, planes int) {
	fmt.Fprintf(e.w, "\n// func %s(dst, src *float32, rows, stride, half int)\n", named("split", planes))
	fmt.Fprintf(e.w, "// Pairs 16 numbers of each row with those half numbers behind them. Each is the\n// sum of what it has in %d planes, but for what more would hold.\n", planes)
	fmt.Fprintf(e.w, "TEXT ·%s(SB), NOSPLIT, $0-40\n", named("split", planes))
	e.emit("MOVQ dst+0(FP), DI")
	e.emit("MOVQ src+8(FP), SI")
	e.emit("MOVQ rows+16(FP), CX")
	e.emit("MOVQ stride+24(FP), R8")
	e.emit("MOVQ half+32(FP), R9")
	e.emit("SHLQ $2, R8")
	e.emit("SHLQ $2, R9")
	e.emit("MOVL $0x00008000, AX") // half of the last place that bfloat16 keeps
	e.emit("VPBROADCASTD AX, Z6")
	e.emit("MOVL $0xffff0000, AX") // what bfloat16 keeps
	e.emit("VPBROADCASTD AX, Z7")
	e.label("row")
	e.emit("VMOVUPS (SI), Z0")
	e.emit("VMOVUPS (SI)(R9*1), Z1")
	for level := range planes {
		for i, from := range []string{"Z0", "Z1"} {
			switch {
			case level == 2: // what is left then fits, but where it is below the smallest normal number
			case level == planes-1: // what is no number must not be rounded to one, as nothing is left to show it
				e.emit("VCMPPS $7, %s, %s, K1", from, from)
				e.emit("VMOVDQA32 %s, Z%d", from, 2+i)
				e.emit("VPADDD Z6, %s, K1, Z%d", from, 2+i)
				from = fmt.Sprintf("Z%d", 2+i)
			default:
				e.emit("VPADDD Z6, %s, Z%d", from, 2+i)
				from = fmt.Sprintf("Z%d", 2+i)
			}
			e.emit("VPANDD Z7, %s, Z%d", from, 2+i)
		}
		e.emit("VPSRLD $16, Z2, Z4")
		e.emit("VPORD Z3, Z4, Z4")
		e.emit("VMOVUPS Z4, %d(DI)", level*plane)
		if level < planes-1 {
			e.emit("VSUBPS Z2, Z0, Z0")
			e.emit("VSUBPS Z3, Z1, Z1")
		}
	}
	e.emit("ADDQ R8, SI")
	e.emit("ADDQ $%d, DI", line)
	e.emit("DECQ CX")
	e.emit("JNZ row")
	e.emit("VZEROUPPER")
	e.emit("RET")
}

// transpose writes the transposition of a tile of pairs in its place, in each
// plane: pairs of rows, then of pairs of rows, then quarters of registers.
func transpose(e *emitter) {
	fmt.Fprintf(e.w, "\n// func transposeAMX(tile *float32, planes Parts)\n")
	fmt.Fprintf(e.w, "// Transposes 16 × 16 pairs in each of some planes.\n")
	fmt.Fprintf(e.w, "TEXT ·transposeAMX(SB), NOSPLIT, $0-16\n")
	e.emit("MOVQ tile+0(FP), DI")
	e.emit("MOVQ planes+8(FP), CX")
	e.label("plane")
	// Registers 0–15 and 16–31 take turns.
	for i := range 16 {
		e.emit("VMOVUPS %d(DI), Z%d", i*line, i)
	}
	for i := 0; i < 16; i += 2 {
		e.emit("VPUNPCKLDQ Z%d, Z%d, Z%d", i+1, i, 16+i)
		e.emit("VPUNPCKHDQ Z%d, Z%d, Z%d", i+1, i, 16+i+1)
	}
	// Of rows 4g … 4g+3, register 4g+c has column c of each quarter.
	for g := 0; g < 16; g += 4 {
		for c := range 4 {
			op := []string{"VPUNPCKLQDQ", "VPUNPCKHQDQ"}[c%2]
			e.emit("%s Z%d, Z%d, Z%d", op, 16+g+2+c/2, 16+g+c/2, g+c)
		}
	}
	// Quarters: first 0 and 2, or 1 and 3, of two groups, then of all four.
	for c := range 4 {
		e.emit("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", 4+c, c, 16+c)
		e.emit("VSHUFI32X4 $0xdd, Z%d, Z%d, Z%d", 4+c, c, 20+c)
		e.emit("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", 12+c, 8+c, 24+c)
		e.emit("VSHUFI32X4 $0xdd, Z%d, Z%d, Z%d", 12+c, 8+c, 28+c)
	}
	for c := range 4 {
		for q, from := range []int{16, 20} { // columns c and 8+c, then 4+c and 12+c
			e.emit("VSHUFI32X4 $0x88, Z%d, Z%d, Z%d", from+8+c, from+c, 0)
			e.emit("VSHUFI32X4 $0xdd, Z%d, Z%d, Z%d", from+8+c, from+c, 1)
			e.emit("VMOVUPS Z0, %d(DI)", (4*q+c)*line)
			e.emit("VMOVUPS Z1, %d(DI)", (4*q+8+c)*line)
		}
	}
	e.emit("ADDQ $%d, DI", plane)
	e.emit("DECQ CX")
	e.emit("JNZ plane")
	e.emit("VZEROUPPER")
	e.emit("RET")
}
