package embed

import (
	"math"
	"slices"

	"github.com/cosfit/cosfit/loader/embed/tokenizer"
)

// A staticModel turns a text into a vector as the package model2vec does, down
// to how numpy rounds: where it keeps vectors as float16, another order of
// additions would show in the third digit.
type staticModel struct {
	tokenizer *tokenizer.Tokenizer
	rows      []float32 // [vectors, dimensions]
	weights   []float32 // [tokens] that vectors are multiplied by; nil for none
	mapping   []int64   // [tokens] row of each token; nil where they are the same

	dimensions int
	used       int // of them, the first
	normalize  bool
	most       int // tokens of a text; -1 means all
	chars      int // of a text; -1 means all

	vectorType numberType // of rows, in the file
	weightType numberType
	digest     string // of the files
}

// A numberType is a type of numpy's. Of two, the larger is the one that holds
// both.
type numberType int

const (
	int8Numbers numberType = iota
	float16Numbers
	float32Numbers
	float64Numbers
)

// vector is the mean of the vectors of a text's tokens, without the unknown
// ones; zeros where there are none.
func (m *staticModel) vector(text string) []float32 {
	ids := m.tokenizer.Encode(nil, m.cut(text), m.most)
	ids = slices.DeleteFunc(ids, func(id int32) bool { return id == m.tokenizer.Unknown() })
	v := make([]float32, m.used)
	if len(ids) == 0 {
		return v
	}
	if m.products() == float64Numbers {
		mean[float64](m, ids, v)
	} else {
		mean[float32](m, ids, v)
	}
	m.round(v)
	if m.normalize {
		scale(v)
		m.round(v)
	}
	return v
}

// cut takes the characters off that the reference takes off before it looks for
// tokens.
func (m *staticModel) cut(text string) string {
	if m.chars < 0 || len(text) <= m.chars {
		return text
	}
	n := 0
	for i := range text {
		if n == m.chars {
			return text[:i]
		}
		n++
	}
	return text
}

// products is the type in which numpy multiplies and adds the vectors. It adds
// numbers of float16 as float32.
func (m *staticModel) products() numberType {
	switch {
	case m.weights != nil:
		return max(m.vectorType, m.weightType)
	case m.vectorType == int8Numbers: // the mean of whole numbers
		return float64Numbers
	}
	return m.vectorType
}

// mean adds the vectors of tokens one after the other and divides.
func mean[T float32 | float64](m *staticModel, ids []int32, v []float32) {
	half := m.products() == float16Numbers
	sum := make([]T, len(v))
	for _, id := range ids {
		row := m.row(id)
		if m.weights == nil {
			for j, x := range row {
				sum[j] += T(x)
			}
			continue
		}
		weight := T(m.weights[id])
		for j, x := range row {
			product := T(T(x) * weight) // the conversion keeps it from being fused with the sum
			if half {
				product = T(toHalf(float32(product)))
			}
			sum[j] += product
		}
	}
	n := T(len(ids))
	for j, x := range sum {
		v[j] = float32(x / n)
		if half {
			v[j] = toHalf(v[j])
		}
	}
}

func (m *staticModel) row(id int32) []float32 {
	at := int64(id)
	if m.mapping != nil {
		at = m.mapping[id]
	}
	row := m.rows[at*int64(m.dimensions):]
	return row[:m.used]
}

// round makes the numbers what the reference keeps a vector in.
func (m *staticModel) round(v []float32) {
	if m.vectorType != float16Numbers {
		return
	}
	for i, x := range v {
		v[i] = toHalf(x)
	}
}

// scale makes a vector's length 1.
func scale(v []float32) {
	squares := make([]float32, len(v))
	for i, x := range v {
		squares[i] = x * x
	}
	length := float32(math.Sqrt(float64(pairwise(squares)))) + 1e-32
	for i := range v {
		v[i] /= length
	}
}

// pairwise adds numbers in numpy's order: blocks of up to 128 in eight partial
// sums, and blocks by halves.
func pairwise(x []float32) (sum float32) {
	const block, lanes = 128, 8
	switch n := len(x); {
	case n < lanes:
		for _, v := range x {
			sum += v
		}
		return sum
	case n <= block:
		r := [lanes]float32(x)
		i := lanes
		for ; i+lanes <= n; i += lanes {
			for j := range r {
				r[j] += x[i+j]
			}
		}
		sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]))
		for _, v := range x[i:] {
			sum += v
		}
		return sum
	default:
		half := n / 2
		half -= half % lanes
		return pairwise(x[:half]) + pairwise(x[half:])
	}
}

// toHalf rounds to the nearest number of float16, of two equally near ones to
// the even one.
func toHalf(x float32) float32 {
	const least = 1.0 / (1 << 14) // below it the steps are all 2⁻²⁴
	if float32(math.Abs(float64(x))) < least {
		return float32(math.RoundToEven(float64(x)*(1<<24)) / (1 << 24))
	}
	bits := math.Float32bits(x)
	bits += 0xfff + bits>>13&1
	x = math.Float32frombits(bits &^ 0x1fff)
	const beyond = 65536
	if x >= beyond {
		return float32(math.Inf(1))
	}
	if x <= -beyond {
		return float32(math.Inf(-1))
	}
	return x
}
