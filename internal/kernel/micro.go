package kernel

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
)

// A micro-kernel computes a tile of rows × columns entries of C and keeps it
// in registers: C = A·B, or C += A·B where add is 1, for a panel of A
// [chunks][k][rows], its chunks step numbers apart, and one of B
// [chunks·k][columns]. Rows of C lie stride apart. Meanwhile a line behind nextA
// and one behind nextB is fetched into the cache for every four entries of K.
//
// turned does the same for an A that is packed as [rows][rows] squares, step
// numbers apart, of which each row has what belongs to a row of C: how a panel
// of Aᵀ looks from here. It is nil where there is no such micro-kernel.
//
// masks writes n masks of 64 elements each, which belong to consecutive blocks
// of Philox: bit i is set where word i is at least bound. counter is the first
// block's, keys are those of the ten rounds, and lanes counts from 0.
//
// drop copies 64·n numbers, times scale where their bit of masks is set, else
// times 0; bits are 1, 2, 4, ….
//
// weave writes dst[c·rows+lane] = src[stride·lane+c] for four lanes and 4·fours
// columns.
//
// reach writes n masks of 64 scores each: bit i is set where score i is no less
// than bound, and never for NaN.
//
// The others are nil where there is no such kernel. adam and momentum update
// lanes·n elements. spreadRows and spreadColumns copy k rows of
// packedTogether·rows or packedTogether·columns numbers, stride apart, to as
// many panels of size numbers. products sums a·b, a·a and
// b·b over lanes·n numbers. pull writes dst = x·own + y·other for columns
// numbers in each of some panels, which lie size numbers apart. dot sums a·x over
// 2·lanes·n numbers, and addTimes adds by·x to as many.
type micro struct {
	name          string
	rows, columns int
	lanes         int     // numbers in a register
	tiling        *tiling // of a matrix engine, in whose place run and turned are nil
	run           func(chunks, k int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)
	turned        func(squares int, a *float32, step int, b, c *float32, stride int, add int, nextA, nextB *float32)
	masks         func(counter *[4]uint32, keys *[20]uint32, lanes *[16]uint32, bound uint32, masks *uint64, n int)
	drop          func(dst, src *float32, masks *uint64, n int, scale float32, bits *[8]uint32)
	weave         func(dst, src *float32, stride, fours, rows int)
	reach         func(scores *float32, n int, bound float32, masks *uint64)
	adam          func(step *AdamStep, n int, w, g, m, v, start *float32)
	momentum      func(n int, w, g, v *float32, momentum, rate float32)
	spreadRows    func(dst, src *float32, k, stride, size int)
	spreadColumns func(dst, src *float32, k, stride, size int)
	products      func(a, b *float32, n int) (ab, aa, bb float64)
	pull          func(dst, own, other *float32, panels, size int, x, y float64)
	dot           func(a *float64, x *float32, n int) float64
	addTimes      func(y *float64, by float64, x *float32, n int)
}

// mostRows is the most rows of a micro-kernel in vector registers, maxTile the
// most rows·columns.
const (
	mostRows = 12
	maxTile  = mostRows * 32
)

// generic is the micro-kernel for every machine. Its name has the
// architecture, since Go fuses multiplication and addition on some.
func generic() micro {
	return micro{
		name: "generic/" + runtime.GOARCH, rows: genericRows, columns: genericColumns,
		run: microGeneric, masks: masksGeneric, drop: dropGeneric, weave: weaveGeneric, reach: reachGeneric,
	}
}

// micros lists what this processor can run, the fastest first.
func micros() []micro { return append(simd(true), generic()) }

// selected is the micro-kernel of this process: the fastest, or the one that
// the environment variable COSFIT_CPU names.
var selected = sync.OnceValues(func() (micro, error) {
	name := os.Getenv("COSFIT_CPU")
	for _, m := range simd(false) { // a process that has no use for the matrix engine does not ask for it
		if name == m.name {
			return m, nil
		}
	}
	if name == "generic" {
		return generic(), nil
	}
	return choose(name, micros())
})

func choose(name string, from []micro) (micro, error) {
	var names []string
	for _, m := range from {
		plain, _, _ := strings.Cut(m.name, "/")
		if name == "" || name == plain {
			return m, nil
		}
		names = append(names, plain)
	}
	return micro{}, fmt.Errorf("COSFIT_CPU is %q, this processor can run: %s", name, strings.Join(names, ", "))
}

// Name says which arithmetic this process uses, such as "avx512".
func Name() string { return current().name }

// Check returns an error where COSFIT_CPU asks for what this processor cannot
// run. The products then use the generic arithmetic.
func Check() error {
	_, err := selected()
	return err
}

func current() micro {
	m, err := selected()
	if err != nil {
		return generic()
	}
	return m
}
