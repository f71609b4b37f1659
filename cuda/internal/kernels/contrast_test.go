//go:build gpu && linux

package kernels

import (
	"fmt"
	"math"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

func TestUnitOnDevice(t *testing.T) {
	r := device(t)
	for _, precision := range precisions {
		kernels := r.contrast(precision)
		size := precision.OperandSize()
		r.shapes(func(n, k int) {
			p := r.vectors(n, k)
			on, left, right, inverses := upload(r, p), r.alloc(n*k*size), r.alloc(n*k*size), r.alloc(8*n)
			du := r.random(2 * n * k)
			dp := r.alloc(8 * n * k)
			r.do(kernels.Unit(r.stream, on, left, right, inverses, n, k),
				kernels.ThroughUnit(r.stream, on, inverses, upload(r, du[:n*k]), upload(r, du[n*k:]), dp, n, k))
			u := append(r.download(left, n*k, size), r.download(right, n*k, size)...)
			back := r.download(dp, 2*n*k, 4)
			for row := range 2 * n {
				x, d := widen(p[row*k:(row+1)*k]), widen(du[row*k:(row+1)*k])
				length, along := norm(x), 0.0
				for j := range x {
					along += x[j] * d[j]
				}
				wantU, wantD := make([]float64, k), make([]float64, k)
				got := make([]float32, k) // times the length, since a vector may be tiny or huge
				for j := range x {
					got[j] = float32(float64(back[row*k+j]) * max(length, 1e-37))
					if length != 0 {
						wantU[j], wantD[j] = x[j]/length, d[j]-along/length*x[j]/length
					}
				}
				if math.IsInf(length, 0) { // an infinity has no direction
					continue
				}
				what := fmt.Sprintf("%s, row %d of %d, %d wide", precision, row, 2*n, k)
				r.near("unit "+what, u[row*k:(row+1)*k], wantU, map[Precision]float64{FP32: 1e-6, TF32: 6e-4, BF16: 5e-3}[precision])
				r.near("derivative through unit "+what, got, wantD, 3e-6*(1+norm(d)))
			}
		})
	}
}

// compared are pairs whose texts and groups come again.
type compared struct {
	left, right, groups []int32
	labels              []float32
	low                 float32
}

func (r *rig) compared(n int) compared {
	c := compared{left: r.rows(n, n/2+1), right: r.rows(n, n), labels: make([]float32, n), low: float32(-r.rng.IntN(2))}
	if r.rng.IntN(3) > 0 {
		c.groups = r.rows(n, n/3+1)
	}
	for i := range c.labels {
		c.labels[i] = c.low + (1-c.low)*float32(r.rng.IntN(2))
	}
	c.labels[n-1] = 1
	return c
}

func (c *compared) similar(i int) bool { return c.labels[i] == 1 }

func (c *compared) group(i int) int32 {
	if c.groups == nil {
		return c.left[i]
	}
	return c.groups[i]
}

// counts says whether pair j is a candidate of pair i, by the words of graph.InfoNCE.
func (c *compared) counts(i, j int, toQueries bool) bool {
	switch {
	case i == j:
		return true
	case toQueries:
		return c.similar(j) && c.group(j) != c.group(i) && c.right[j] != c.right[i] && c.left[j] != c.left[i] && c.left[j] != c.right[i]
	case c.right[j] == c.left[i]:
		return false
	}
	for answer := range c.labels {
		if c.similar(answer) && c.group(answer) == c.group(i) && c.right[answer] == c.right[j] {
			return false
		}
	}
	return true
}

// softmax is a row of the derivative by similarities s, and its loss and derivative
// by −log τ, all but for the weight.
func (c *compared) softmax(i int, s []float32, temperature float64, toQueries bool) (ds []float64, loss, byTheta float64) {
	ds = make([]float64, len(s))
	if !c.similar(i) {
		return ds, 0, 0
	}
	sum, expected, mine := 0.0, 0.0, float64(s[i])
	for j, x := range s {
		if c.counts(i, j, toQueries) {
			ds[j] = math.Exp((float64(x) - mine) / temperature)
			sum += ds[j]
			expected += ds[j] * float64(x)
		}
	}
	for j := range ds {
		ds[j] /= sum * temperature
	}
	ds[i] -= 1 / temperature
	return ds, math.Log(sum), (expected/sum - mine) / temperature
}

func TestContrastOnDevice(t *testing.T) {
	r := device(t)
	const temperature = 0.2
	theta := upload(r, []float32{float32(-math.Log(temperature))})
	for _, precision := range precisions {
		kernels := r.contrast(precision)
		tolerance := map[Precision]float64{FP32: 4e-6, TF32: 6e-4, BF16: 5e-3}[precision]
		sizes := []int{1, 2, 31, 300, 1 + r.rng.IntN(70)} // 300 are more than a block has threads
		if r.small() {
			sizes = []int{1, 40}
		}
		for _, n := range sizes {
			r.contrasted(kernels, precision, theta, r.compared(n), temperature, false, tolerance)
			r.contrasted(kernels, precision, theta, r.compared(min(n, 9)), temperature, true, tolerance)
		}
	}
}

// contrasted checks a loss in both directions, each in two parts.
func (r *rig) contrasted(kernels *Contrast, p Precision, theta nvidia.Pointer, c compared, temperature float64, nans bool, tolerance float64) {
	r.Helper()
	n := len(c.labels)
	j := Job{Left: r.words(c.left), Right: r.words(c.right), Labels: upload(r, c.labels), Low: c.low, Lefts: int32(n)}
	if c.groups != nil {
		j.Groups = r.words(c.groups)
	}
	block := make([]byte, JobSize)
	j.Put(block)
	job, sums := r.words(block), r.alloc(32*n)
	positives := 0
	for i := range n {
		if c.similar(i) {
			positives++
		}
	}
	const weight = 0.5
	share := weight / float64(positives)
	loss, byTheta := 0.0, 0.0
	for direction, toQueries := range []bool{false, true} {
		s := r.random(n * n)
		scaleBy(s, 0.4)
		if nans {
			s[n*n-1] = nan()
		}
		on, ds := upload(r, s), r.alloc(n*n*p.OperandSize())
		for _, part := range [][2]int{{0, n / 2}, {n / 2, n}} {
			at, rows := part[0], part[1]-part[0]
			r.do(kernels.Contrast(r.stream, job, theta, on+nvidia.Pointer(4*at*n), ds+nvidia.Pointer(at*n*p.OperandSize()),
				sums+nvidia.Pointer(16*n*direction), at, rows, n, toQueries, weight))
		}
		got := r.download(ds, n*n, p.OperandSize())
		for i := range n {
			want, value, by := c.softmax(i, s[i*n:(i+1)*n], temperature, toQueries)
			for j := range want {
				want[j] *= share
			}
			loss, byTheta = loss+share*value, byTheta+share*by
			r.near(fmt.Sprintf("%s, to queries %t, derivative of pair %d of %d", p, toQueries, i, n), got[i*n:(i+1)*n], want, tolerance*share/temperature)
		}
	}
	mean, dtheta := r.alloc(4), r.alloc(4)
	r.do(kernels.Loss(r.stream, sums, mean, dtheta, 2*n))
	what := fmt.Sprintf("%s, %d pairs", p, n)
	r.near("InfoNCE of "+what, r.download(mean, 1, 4), []float64{loss}, 4e-6*(1+math.Abs(loss)))
	r.near("derivative by the temperature of "+what, r.download(dtheta, 1, 4), []float64{byTheta}, 4e-6*(1+math.Abs(byTheta)))
}
