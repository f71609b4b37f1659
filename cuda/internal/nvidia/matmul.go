//go:build gpu && linux

package nvidia

import (
	"cmp"
	"fmt"
	"unsafe"
)

// A Type is what a matrix is made of (cudaDataType_t).
type Type int32

const (
	Float32  Type = 0
	Float16  Type = 2
	BFloat16 Type = 14
)

// Compute is how products are multiplied and summed (cublasComputeType_t).
type Compute int32

const (
	ComputeFloat32 Compute = 68 // and for inputs of 16 bits, which it multiplies exactly
	ComputeTF32    Compute = 77 // float32 inputs rounded to 10 bits of fraction, summed in float32
)

// A Matmul is a product of matrices that lie ROW by row, as all of ours do:
//
//	D [M, N] = alpha · op(A) [M, K] · op(B) [K, N] + beta · C [M, N]
//
// cuBLASLt takes a matrix to lie column by column. The same memory is then the
// transposed matrix, and Dᵀ = op(B)ᵀ · op(A)ᵀ: it is given B first and A
// second, N rows and M columns, each with the transposition that it has here.
// Nothing is moved.
type Matmul struct {
	M, N, K int

	// TransA says that A is stored as [K, M], TransB that B is stored as [N, K].
	TransA, TransB bool

	Input   Type    // of A and B; Float32 by default
	Output  Type    // of C and D; Float32 by default
	Compute Compute // ComputeFloat32 by default

	// Values from one stored row to the next; by default the rows are packed.
	StrideA, StrideB, StrideC, StrideD int

	// Align is what all matrices begin at a multiple of, in bytes: a power of two
	// up to 256, which is the default and what Context.Alloc's memory does.
	Align int
}

// A Plan is a described product, ready to be run.
type Plan struct {
	blas   *CublasLt
	handle uintptr // 0 in tests without a GPU
	what   Matmul

	operation, a, b, c, d uintptr
	scalars               [2]float32 // alpha and beta while they are read
}

// Plan describes the product to cuBLASLt.
func (h *Handle) Plan(m Matmul) (*Plan, error) {
	p, err := h.blas.plan(m)
	if err != nil {
		return nil, err
	}
	p.handle = h.handle
	return p, nil
}

func (b *CublasLt) plan(m Matmul) (p *Plan, err error) {
	if m.M <= 0 || m.N <= 0 || m.K <= 0 {
		return nil, fmt.Errorf("matrix product [%d, %d]·[%d, %d]: a side is not positive", m.M, m.K, m.K, m.N)
	}
	if m.Compute == 0 {
		m.Compute = ComputeFloat32
	}
	p = &Plan{blas: b, what: m}
	defer func() {
		if err != nil {
			p.Destroy()
		}
	}()
	if err := b.do(&b.descCreate, uintptr(unsafe.Pointer(&p.operation)), uintptr(m.Compute), uintptr(Float32)); err != nil {
		return nil, err
	}
	const transA, transB = 3, 4 // CUBLASLT_MATMUL_DESC_TRANSA: of the first operand
	if err := p.transpose(transA, m.TransB); err != nil {
		return nil, err
	}
	if err := p.transpose(transB, m.TransA); err != nil {
		return nil, err
	}
	for _, matrix := range []struct {
		to                    *uintptr
		of                    Type
		rows, columns, stride int
	}{
		{&p.a, m.Input, pick(m.TransA, m.K, m.M), pick(m.TransA, m.M, m.K), m.StrideA},
		{&p.b, m.Input, pick(m.TransB, m.N, m.K), pick(m.TransB, m.K, m.N), m.StrideB},
		{&p.c, m.Output, m.M, m.N, m.StrideC},
		{&p.d, m.Output, m.M, m.N, m.StrideD},
	} {
		stride := matrix.stride
		if stride == 0 {
			stride = matrix.columns
		}
		// What we call a column, cuBLASLt calls a row.
		if err := b.do(&b.layoutCreate, uintptr(unsafe.Pointer(matrix.to)), uintptr(matrix.of),
			uintptr(matrix.columns), uintptr(matrix.rows), uintptr(stride)); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func pick(first bool, a, b int) int {
	if first {
		return a
	}
	return b
}

func (p *Plan) transpose(attribute uintptr, yes bool) error {
	if !yes {
		return nil
	}
	operation := int32(1) // CUBLAS_OP_T
	return p.blas.do(&p.blas.descSet, p.operation, attribute, uintptr(unsafe.Pointer(&operation)), unsafe.Sizeof(operation))
}

// Destroy gives the description back. Queued products still run.
func (p *Plan) Destroy() error {
	var first error
	for _, part := range []struct {
		destroy *symbol
		handle  *uintptr
	}{
		{&p.blas.layoutDestroy, &p.a}, {&p.blas.layoutDestroy, &p.b},
		{&p.blas.layoutDestroy, &p.c}, {&p.blas.layoutDestroy, &p.d},
		{&p.blas.descDestroy, &p.operation},
	} {
		if *part.handle == 0 {
			continue
		}
		if err := p.blas.do(part.destroy, *part.handle); first == nil {
			first = err
		}
		*part.handle = 0
	}
	return first
}

// An Algo is one way to do a product. It is plain bytes: it may be stored, and
// used again for the same Matmul with the same version of cuBLASLt on the same
// kind of device.
type Algo struct {
	Value     [64]byte // cublasLtMatmulAlgo_t
	Workspace int      // bytes of device memory that it needs while it runs
}

// A heuristic is cublasLtMatmulHeuristicResult_t.
type heuristic struct {
	algo      [64]byte
	workspace uint64
	state     int32
	waves     float32
	reserved  [4]int32
}

// Candidates are at most so many ways to do the product with at most workspace
// bytes, the one that cuBLASLt expects to be fastest first; which is, only
// timing tells. None of them divides K between blocks whose sums are then added
// (split-K).
func (p *Plan) Candidates(workspace, most int) ([]Algo, error) {
	if most <= 0 {
		return nil, fmt.Errorf("%d candidates were asked for, want at least 1", most)
	}
	b := p.blas
	preference, err := b.preference(workspace, cmp.Or(p.what.Align, 256))
	if err != nil {
		return nil, err
	}
	defer func() { b.do(&b.preferenceDestroy, preference) }()
	results := make([]heuristic, most)
	var n int32
	if err := b.do(&b.heuristic, p.handle, p.operation, p.b, p.a, p.c, p.d, preference,
		uintptr(most), uintptr(unsafe.Pointer(&results[0])), uintptr(unsafe.Pointer(&n))); err != nil {
		return nil, err
	}
	var all []Algo
	for _, r := range results[:n] {
		if r.state == 0 {
			all = append(all, Algo{r.algo, int(r.workspace)})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("cuBLASLt %s has no algorithm for the product %+v", b.Library.Version, p.what)
	}
	return all, nil
}

// preference is what the candidates may need and do.
func (b *CublasLt) preference(workspace, align int) (handle uintptr, err error) {
	const (
		maxWorkspace = 1          // CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES
		reductions   = 3          // CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK
		alignA       = uintptr(5) // CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES; B and C follow
		alignD       = uintptr(8)
	)
	created := new(uintptr)
	if err := b.do(&b.preferenceCreate, uintptr(unsafe.Pointer(created))); err != nil {
		return 0, err
	}
	bytes, none, multiple := uint64(workspace), uint32(0), uint32(align)
	err = b.do(&b.preferenceSet, *created, maxWorkspace, uintptr(unsafe.Pointer(&bytes)), unsafe.Sizeof(bytes))
	if err == nil {
		err = b.do(&b.preferenceSet, *created, reductions, uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	}
	for attribute := alignA; attribute <= alignD && err == nil; attribute++ {
		err = b.do(&b.preferenceSet, *created, attribute, uintptr(unsafe.Pointer(&multiple)), unsafe.Sizeof(multiple))
	}
	if err != nil {
		b.do(&b.preferenceDestroy, *created)
		return 0, err
	}
	return *created, nil
}

// Check asks whether an algorithm, one that was stored say, can do this
// product on this device, and returns the bytes of workspace that it needs.
func (p *Plan) Check(a *Algo) (workspace int, err error) {
	b := p.blas
	var result heuristic
	if err := b.do(&b.check, p.handle, p.operation, p.b, p.a, p.c, p.d,
		uintptr(unsafe.Pointer(&a.Value)), uintptr(unsafe.Pointer(&result))); err != nil {
		return 0, err
	}
	return int(result.workspace), nil
}

// Run queues the product. D may be C, where their strides are the same. With a
// beta of 0, C is not read. The workspace is bytes of device memory that
// nothing else uses until the product has run, aligned to 256.
func (p *Plan) Run(s *Stream, algo *Algo, alpha float32, a, b Pointer, beta float32, c, d, workspace Pointer, bytes int) error {
	if bytes < algo.Workspace {
		return fmt.Errorf("the product's algorithm needs a workspace of %d bytes, it was given %d", algo.Workspace, bytes)
	}
	p.scalars = [2]float32{alpha, beta} // read before the call returns
	return p.blas.do(&p.blas.matmul, p.handle, p.operation,
		uintptr(unsafe.Pointer(&p.scalars[0])), uintptr(b), p.b, uintptr(a), p.a,
		uintptr(unsafe.Pointer(&p.scalars[1])), uintptr(c), p.c, uintptr(d), p.d,
		uintptr(unsafe.Pointer(&algo.Value)), uintptr(workspace), uintptr(bytes), s.handle)
}
