package main

import "fmt"

// The masks of dropout: Philox4x32-10 for as many blocks at a time as a
// register has lanes of 64 bits, compared with a bound. A lane holds a word of
// its block in its lower half; the upper half is whatever the last product left,
// which neither products nor xor carry down. The comparison gives a bit for each
// half, of which PEXT takes the lower ones', and PDEP moves those of word j to
// bits j, 4 + j, 8 + j, ….

// A philox is the generator for one kind of register.
type philox struct {
	name     string
	register string
	lanes    int  // of 32 bits
	wide     bool // AVX-512
}

var philoxes = []philox{
	{name: "masksAVX512", register: "Z", lanes: 16, wide: true},
	{name: "masksAVX2", register: "Y", lanes: 8},
}

func (p philox) reg(i int) string { return fmt.Sprintf("%s%d", p.register, i) }

// Registers: words and products 0–5, key 6, multipliers 9 and 10, bound 11,
// sign 12, the last word's next values 14, their step 15.
func (p philox) write(e *emitter) {
	blocks := p.lanes / 2
	fmt.Fprintf(e.w, "\n// func %s(counter *[4]uint32, keys *[20]uint32, lanes *[16]uint32, bound uint32, masks *uint64, n int)\n", p.name)
	fmt.Fprintf(e.w, "// Writes n masks of 64 elements: a bit is set where the element's word is at least bound.\n")
	fmt.Fprintf(e.w, "// The counter's last word counts up with each block of four elements.\n")
	fmt.Fprintf(e.w, "TEXT ·%s(SB), NOSPLIT, $0-48\n", p.name)
	e.emit("MOVQ counter+0(FP), SI")
	e.emit("MOVQ keys+8(FP), DI")
	e.emit("MOVQ lanes+16(FP), R8")
	e.emit("MOVQ masks+32(FP), DX")
	e.emit("MOVQ n+40(FP), CX")
	p.constant(e, 0xD2511F53, p.reg(9))
	p.constant(e, 0xCD9E8D57, p.reg(10))
	e.emit("MOVL bound+24(FP), AX")
	if !p.wide { // AVX2 compares with a sign: both sides are moved by 2³¹
		e.emit("XORL $0x80000000, AX")
	}
	e.emit("VMOVQ AX, X11")
	e.emit("VPBROADCASTD X11, %s", p.reg(11))
	if !p.wide {
		p.constant(e, 0x80000000, p.reg(12))
	}
	p.constant(e, blocks, p.reg(15))
	e.emit("VPBROADCASTD 12(SI), %s", p.reg(13))
	e.emit("VPMOVZXDQ (R8), %s", p.reg(14))
	e.emit("VPADDD %s, %s, %s", p.reg(13), p.reg(14), p.reg(14))
	e.emit("MOVQ $0x1111111111111111, R9")
	e.emit("MOVQ $0x5555555555555555, R8")
	e.emit("PCALIGN $32")
	e.label("mask")
	e.emit("XORQ R10, R10")
	for part := range 16 / blocks {
		for word, at := range p.blocks(e) {
			p.compare(e, at)
			if shift := 4*blocks*part + word; shift > 0 {
				e.emit("SHLQ $%d, R11", shift)
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
	e.emit("VMOVQ AX, X%s", register[1:])
	e.emit("VPBROADCASTD X%s, %s", register[1:], register)
}

// blocks computes the next blocks and returns the registers of their words.
func (p philox) blocks(e *emitter) [4]int {
	c, free := [4]int{0, 1, 2, 3}, [2]int{4, 5}
	for word := range 3 {
		e.emit("VPBROADCASTD %d(SI), %s", 4*word, p.reg(c[word]))
	}
	move := map[bool]string{true: "VMOVDQA32", false: "VMOVDQA"}[p.wide]
	e.emit("%s %s, %s", move, p.reg(14), p.reg(c[3]))
	e.emit("VPADDD %s, %s, %s", p.reg(15), p.reg(14), p.reg(14))
	for round := range 10 {
		e.emit("VPMULUDQ %s, %s, %s", p.reg(9), p.reg(c[0]), p.reg(c[0]))
		e.emit("VPMULUDQ %s, %s, %s", p.reg(10), p.reg(c[2]), p.reg(c[2]))
		// The upper halves by a shuffle: a shift would wait for the products' port.
		e.emit("VPSHUFD $0xF5, %s, %s", p.reg(c[2]), p.reg(free[0]))
		e.emit("VPSHUFD $0xF5, %s, %s", p.reg(c[0]), p.reg(free[1]))
		p.xor(e, 2*round, c[1], free[0])
		p.xor(e, 2*round+1, c[3], free[1])
		c, free = [4]int{free[0], c[2], free[1], c[0]}, [2]int{c[1], c[3]}
	}
	return c
}

// xor adds a key and a register to another.
func (p philox) xor(e *emitter, key, with, to int) {
	if p.wide {
		e.emit("VPTERNLOGD.BCST $0x96, %d(DI), %s, %s", 4*key, p.reg(with), p.reg(to))
		return
	}
	e.emit("VPBROADCASTD %d(DI), %s", 4*key, p.reg(6))
	e.emit("VPXOR %s, %s, %s", p.reg(with), p.reg(to), p.reg(to))
	e.emit("VPXOR %s, %s, %s", p.reg(6), p.reg(to), p.reg(to))
}

// compare leaves a bit for each element of a word in R11, four apart.
func (p philox) compare(e *emitter, word int) {
	if p.wide {
		e.emit("VPCMPUD $5, %s, %s, K2", p.reg(11), p.reg(word)) // not less than
		e.emit("KMOVW K2, R11")
	} else {
		e.emit("VPXOR %s, %s, %s", p.reg(12), p.reg(word), p.reg(word))
		e.emit("VPCMPGTD %s, %s, %s", p.reg(word), p.reg(11), p.reg(word)) // bound > word
		e.emit("VMOVMSKPS %s, R11", p.reg(word))
		e.emit("XORL $0xFF, R11")
	}
	e.emit("PEXTQ R8, R11, R11")
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
		e.emit("VMOVQ R9, X2")
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
