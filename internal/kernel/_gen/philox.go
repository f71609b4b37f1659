package main

import "fmt"

// The masks of dropout: Philox4x32-10 for as many blocks at a time as a
// register has lanes, compared with a bound. A register holds one word of each
// block, and the words lie side by side in memory order only as bits: the
// comparison of word j gives a bit for each block, which PDEP moves to bits j,
// 4 + j, 8 + j, ….

// A philox is the generator for one kind of register.
type philox struct {
	name     string
	register string
	lanes    int
	wide     bool // AVX-512
}

var philoxes = []philox{
	{name: "masksAVX512", register: "Z", lanes: 16, wide: true},
	{name: "masksAVX2", register: "Y", lanes: 8},
}

// Registers: counters 0–3, products 4–8, multipliers 9 and 10, bound 11, sign
// 12, keys 13 and 14, the first counter's step 15.
func (p philox) write(e *emitter) {
	r := func(i int) string { return fmt.Sprintf("%s%d", p.register, i) }
	fmt.Fprintf(e.w, "\n// func %s(counter *[4]uint32, keys *[20]uint32, lanes *[16]uint32, bound uint32, masks *uint64, n int)\n", p.name)
	fmt.Fprintf(e.w, "// Writes n masks of 64 elements: a bit is set where the element's word is at least bound.\n")
	fmt.Fprintf(e.w, "// The counter's last word counts up with each block of four elements.\n")
	fmt.Fprintf(e.w, "TEXT ·%s(SB), NOSPLIT, $0-48\n", p.name)
	e.emit("MOVQ counter+0(FP), SI")
	e.emit("MOVQ keys+8(FP), DI")
	e.emit("MOVQ lanes+16(FP), R8")
	e.emit("MOVQ masks+32(FP), DX")
	e.emit("MOVQ n+40(FP), CX")
	p.constant(e, 0xD2511F53, r(9))
	p.constant(e, 0xCD9E8D57, r(10))
	e.emit("MOVL bound+24(FP), AX")
	if !p.wide { // AVX2 compares with a sign: both sides are moved by 2³¹
		e.emit("XORL $0x80000000, AX")
	}
	e.emit("MOVQ AX, X11")
	e.emit("VPBROADCASTD X11, %s", r(11))
	p.constant(e, 0x80000000, r(12))
	p.constant(e, p.lanes, r(15))
	e.emit("VPBROADCASTD 12(SI), %s", r(14)) // the last word's next values
	if p.wide {
		e.emit("VPADDD (R8), %s, %s", r(14), r(14))
		e.emit("MOVL $0xAAAA, AX")
		e.emit("KMOVW AX, K1")
	} else {
		e.emit("VPADDD (R8), %s, %s", r(14), r(14))
	}
	e.emit("MOVQ $0x1111111111111111, R9")
	e.emit("PCALIGN $32")
	e.label("mask")
	e.emit("XORQ R10, R10")
	for part := range 16 / p.lanes {
		p.block(e, r)
		for word := range 4 {
			p.compare(e, r, word)
			if part > 0 {
				e.emit("SHLQ $%d, R11", 4*p.lanes*part)
			}
			if word > 0 {
				e.emit("SHLQ $%d, R11", word)
			}
			e.emit("ORQ R11, R10")
		}
	}
	e.emit("MOVQ R10, (DX)")
	e.emit("ADDQ $8, DX")
	e.emit("DECQ CX")
	e.emit("JNZ mask")
	e.emit("VZEROUPPER")
	e.emit("RET")
}

func (p philox) constant(e *emitter, value int, register string) {
	e.emit("MOVL $0x%X, AX", value)
	e.emit("MOVQ AX, X%s", register[1:])
	e.emit("VPBROADCASTD X%s, %s", register[1:], register)
}

// block computes the words of the next blocks into registers 0–3.
func (p philox) block(e *emitter, r func(int) string) {
	move := "VMOVDQA"
	xor := "VPXOR"
	if p.wide {
		move, xor = "VMOVDQA32", "VPXORD"
	}
	for word := range 3 {
		e.emit("VPBROADCASTD %d(SI), %s", 4*word, r(word))
	}
	e.emit("%s %s, %s", move, r(14), r(3))
	e.emit("VPADDD %s, %s, %s", r(15), r(14), r(14))
	for round := range 10 {
		// Products of word 0 and word 2, even lanes and odd ones.
		for _, m := range []struct{ word, by, even, odd int }{{0, 9, 4, 5}, {2, 10, 6, 7}} {
			e.emit("VPSRLQ $32, %s, %s", r(m.word), r(m.odd))
			e.emit("VPMULUDQ %s, %s, %s", r(m.by), r(m.word), r(m.even))
			e.emit("VPMULUDQ %s, %s, %s", r(m.by), r(m.odd), r(m.odd))
		}
		for key, m := range []struct{ even, odd, with, high, low int }{{6, 7, 1, 0, 1}, {4, 5, 3, 2, 3}} {
			// high: the upper halves, with the other word and the key.
			e.emit("VPSRLQ $32, %s, %s", r(m.even), r(8))
			p.blend(e, r(8), r(m.odd), r(8))
			e.emit("VPBROADCASTD %d(DI), %s", 4*(2*round+key), r(13))
			e.emit("%s %s, %s, %s", xor, r(m.with), r(8), r(8))
			e.emit("%s %s, %s, %s", xor, r(13), r(8), r(m.high))
			// low: the lower halves.
			e.emit("VPSLLQ $32, %s, %s", r(m.odd), r(m.odd))
			p.blend(e, r(m.even), r(m.odd), r(m.low))
		}
	}
}

// blend takes even lanes of a and odd lanes of b.
func (p philox) blend(e *emitter, a, b, to string) {
	if p.wide {
		e.emit("VPBLENDMD %s, %s, K1, %s", b, a, to)
	} else {
		e.emit("VPBLENDD $0xAA, %s, %s, %s", b, a, to)
	}
}

// compare leaves a bit for each element of a word in R11, four apart.
func (p philox) compare(e *emitter, r func(int) string, word int) {
	if p.wide {
		e.emit("VPCMPUD $5, %s, %s, K2", r(11), r(word)) // not less than
		e.emit("KMOVW K2, R11")
	} else {
		e.emit("VPXOR %s, %s, %s", r(12), r(word), r(word))
		e.emit("VPCMPGTD %s, %s, %s", r(word), r(11), r(word)) // bound > word
		e.emit("VMOVMSKPS %s, R11", r(word))
		e.emit("XORL $0xFF, R11")
	}
	e.emit("PDEPQ R9, R11, R11")
}

// A drop multiplies elements by a scale or by zero, as the bits of their masks
// say. Its registers: the scale 0, the bits of a byte 1.
func (p philox) drop(e *emitter) {
	name := "drop" + p.name[len("masks"):]
	fmt.Fprintf(e.w, "\n// func %s(dst, src *float32, masks *uint64, n int, scale float32, bits *[8]uint32)\n", name)
	fmt.Fprintf(e.w, "// Copies 64·n numbers, each times scale where its bit is set, else times 0.\n")
	fmt.Fprintf(e.w, "TEXT ·%s(SB), NOSPLIT, $0-48\n", name)
	e.emit("MOVQ dst+0(FP), DI")
	e.emit("MOVQ src+8(FP), SI")
	e.emit("MOVQ masks+16(FP), DX")
	e.emit("MOVQ n+24(FP), CX")
	e.emit("VBROADCASTSS scale+32(FP), %s0", p.register)
	if !p.wide {
		e.emit("MOVQ bits+40(FP), R8")
		e.emit("VMOVDQU (R8), Y1")
	}
	e.label("numbers")
	e.emit("MOVQ (DX), AX")
	for line := range 4 {
		e.emit("PREFETCHT0 %d(SI)", 256+64*line) // asked for after the other rows' turn
	}
	for at := 0; at < 64; at += p.lanes {
		if p.wide {
			e.emit("KMOVW AX, K1")
			e.emit("VMOVAPS.Z Z0, K1, Z2")
			e.emit("VMULPS %d(SI), Z2, Z2", 4*at)
			e.emit("VMOVUPS Z2, %d(DI)", 4*at)
			e.emit("SHRQ $16, AX")
			continue
		}
		e.emit("MOVBLZX AL, R9")
		e.emit("MOVQ R9, X2")
		e.emit("VPBROADCASTD X2, Y2")
		e.emit("VPAND Y1, Y2, Y2")
		e.emit("VPCMPEQD Y1, Y2, Y2")
		e.emit("VANDPS Y0, Y2, Y2")
		e.emit("VMULPS %d(SI), Y2, Y2", 4*at)
		e.emit("VMOVUPS Y2, %d(DI)", 4*at)
		e.emit("SHRQ $8, AX")
	}
	e.emit("ADDQ $256, SI")
	e.emit("ADDQ $256, DI")
	e.emit("ADDQ $8, DX")
	e.emit("DECQ CX")
	e.emit("JNZ numbers")
	e.emit("VZEROUPPER")
	e.emit("RET")
}
