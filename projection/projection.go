package projection

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"runtime"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/npy"
)

// Projection is the map y = (x − Offset)·Matrix from embeddings of In numbers
// to embeddings of Out numbers. Its methods only read it, so one Projection
// serves any number of goroutines.
type Projection struct {
	Matrix      []float32 // row-major [In, Out]
	MatrixRight []float32 // row-major [In, Out]; nil unless the two sides were learned apart
	Offset      []float32 // [In], subtracted on both sides; nil: none
	In, Out     int
	Metadata    Metadata
}

// Load reads a projection from a safetensors or npy file, whichever its
// content says it is. What it returns has passed Validate; an error names the
// file.
func Load(path string) (*Projection, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p, err := read(f)
	var named *fs.PathError
	if errors.As(err, &named) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

// read dispatches on the first bytes: npy has a magic string, and a
// safetensors header opens with a brace after its length.
func read(f *os.File) (*Projection, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	start := make([]byte, 9)
	n, err := f.ReadAt(start, 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte(npy.Magic)):
		return ReadNPY(f)
	case n == len(start) && start[8] == '{':
		return ReadSafetensors(f, info.Size())
	}
	return nil, errors.New("is neither a safetensors nor an npy file")
}

// Validate reports the first thing that is wrong with p: a shape that does not
// fit, metadata that contradict it, or a number that is NaN or infinite, named
// by its row and column, counted from 0.
func (p *Projection) Validate() error {
	if p.In < 1 || p.Out < 1 {
		return fmt.Errorf("matrix is [%d, %d], want at least [1, 1]", p.In, p.Out)
	}
	if err := checkTable("matrix", p.Matrix, p.In, p.Out); err != nil {
		return err
	}
	if p.MatrixRight != nil {
		if err := checkTable("matrix_right", p.MatrixRight, p.In, p.Out); err != nil {
			return err
		}
	}
	if p.Offset != nil {
		if err := checkOffset(p.Offset, p.In); err != nil {
			return err
		}
	}
	return p.Metadata.validate(p.MatrixRight != nil)
}

func checkTable(name string, table []float32, rows, columns int) error {
	if len(table)%columns != 0 || len(table)/columns != rows {
		return fmt.Errorf("%s has %d values, want [%d, %d]", name, len(table), rows, columns)
	}
	if i := firstNotFinite(table); i >= 0 {
		return fmt.Errorf("%s: row %d, column %d is %v, want a finite float32", name, i/columns, i%columns, table[i])
	}
	return nil
}

func checkOffset(offset []float32, in int) error {
	if len(offset) != in {
		return fmt.Errorf("offset has %d values, want %d", len(offset), in)
	}
	if i := firstNotFinite(offset); i >= 0 {
		return fmt.Errorf("offset: value %d is %v, want a finite float32", i, offset[i])
	}
	return nil
}

func firstNotFinite(values []float32) int {
	const exponent = 0x7f800000
	for i, v := range values {
		if math.Float32bits(v)&exponent == exponent {
			return i
		}
	}
	return -1
}

// Left returns the projection for left-side texts (queries) as one of its own,
// without the matrix of the right side; it is p itself when there is none. The
// two share memory.
func (p *Projection) Left() *Projection {
	if p.MatrixRight == nil {
		return p
	}
	return p.half(p.Matrix, SideLeft)
}

// Right returns the projection for right-side texts (passages): the second
// matrix of a "dual" run as a projection of its own, which shares memory with
// p; p itself when one matrix serves both sides; nil when the side is "query"
// and right-side texts keep their embeddings as they are. A half that Left or
// Right returned is itself on both sides.
func (p *Projection) Right() *Projection {
	if p.MatrixRight != nil {
		return p.half(p.MatrixRight, SideRight)
	}
	if p.Metadata.Side == SideQuery {
		return nil
	}
	return p
}

func (p *Projection) half(matrix []float32, side string) *Projection {
	h := &Projection{Matrix: matrix, Offset: p.Offset, In: p.In, Out: p.Out, Metadata: p.Metadata}
	h.Metadata.Side = side
	return h
}

// Apply computes dst = (x − Offset)·Matrix for one vector: x [In], dst [Out],
// which must not overlap. With normalize dst is divided by its L2 norm, taken
// in float64; a zero vector stays zero. NaN in x becomes NaN in dst. Apply
// allocates nothing, and panics when a length is wrong. For a left-side text
// of a "dual" run; see Right for the other.
func (p *Projection) Apply(dst, x []float32, normalize bool) {
	if len(x) != p.In || len(dst) != p.Out {
		panic(fmt.Sprintf("projection: Apply to %d values into %d, want %d into %d", len(x), len(dst), p.In, p.Out))
	}
	clear(dst)
	// Four rows of M at a time: a quarter of the passes over dst.
	i := 0
	for ; i+4 <= p.In; i += 4 {
		m := p.Matrix[i*p.Out : (i+4)*p.Out]
		addRows4(dst, m, p.centred(x, i), p.centred(x, i+1), p.centred(x, i+2), p.centred(x, i+3))
	}
	for ; i < p.In; i++ {
		v := p.centred(x, i)
		for j, w := range p.Matrix[i*p.Out : (i+1)*p.Out] {
			dst[j] += v * w
		}
	}
	if normalize {
		normalizeVector(dst)
	}
}

func (p *Projection) centred(x []float32, i int) float32 {
	if p.Offset == nil {
		return x[i]
	}
	return x[i] - p.Offset[i]
}

// addRows4 adds a·m₀ + b·m₁ + c·m₂ + d·m₃ to dst, m [4, len(dst)].
func addRows4(dst, m []float32, a, b, c, d float32) {
	k := len(dst)
	m0, m1, m2, m3 := m[:k], m[k:2*k], m[2*k:3*k], m[3*k:4*k]
	for j := range dst {
		dst[j] += a*m0[j] + b*m1[j] + c*m2[j] + d*m3[j]
	}
}

// ApplyAll computes dst = (x − Offset)·Matrix for many vectors: x [n, In] and
// dst [n, Out], row-major, which must not overlap. It normalises as Apply does,
// runs on so many threads (below 1: all CPUs) and panics when a length is
// wrong. The result is the same bit for bit for every number of threads, and
// differs from Apply's in rounding only.
func (p *Projection) ApplyAll(dst, x []float32, normalize bool, threads int) {
	n := len(x) / p.In
	if n*p.In != len(x) || n*p.Out != len(dst) {
		panic(fmt.Sprintf("projection: ApplyAll to %d values into %d, want n × %d into n × %d", len(x), len(dst), p.In, p.Out))
	}
	if n == 0 {
		return
	}
	if threads < 1 {
		threads = runtime.GOMAXPROCS(0)
	}
	pool := kernel.NewPool(threads)
	if p.Offset == nil {
		pool.Gemm(n, p.Out, p.In, x, p.Matrix, dst)
	} else {
		p.applyCentred(pool, dst, x)
	}
	if !normalize {
		return
	}
	pool.Run(n, func(r int) { normalizeVector(dst[r*p.Out : (r+1)*p.Out]) })
}

// applyCentred goes block by block, so that the copy of x from which the
// offset is taken stays small, and in blocks large enough to hide what a
// multiplication costs to set up. Folding o·M into the result instead would
// need no copy, but lose digits where the mean outweighs what is left.
func (p *Projection) applyCentred(pool *kernel.Pool, dst, x []float32) {
	const block = 1024
	n := len(x) / p.In
	scratch := make([]float32, min(n, block)*p.In)
	for first := 0; first < n; first += block {
		rows := min(block, n-first)
		part := x[first*p.In:]
		pool.Run(rows, func(r int) {
			row := scratch[r*p.In : (r+1)*p.In]
			for i, v := range part[r*p.In : (r+1)*p.In] {
				row[i] = v - p.Offset[i]
			}
		})
		pool.Gemm(rows, p.Out, p.In, scratch[:rows*p.In], p.Matrix, dst[first*p.Out:(first+rows)*p.Out])
	}
}

func normalizeVector(v []float32) {
	var sum float64
	for _, e := range v {
		sum += float64(e) * float64(e)
	}
	if sum == 0 {
		return
	}
	norm := math.Sqrt(sum)
	for j, e := range v {
		v[j] = float32(float64(e) / norm)
	}
}
