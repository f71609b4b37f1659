package loader

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"runtime"
	"unsafe"

	"github.com/cosfit/cosfit/internal/kernel"
)

// A Table holds unique vectors: in memory, or in a scratch file where they take
// more than half of Options.Memory.
type Table struct {
	Dim int // d, the numbers in a row
	// Sides are how many of a row's numbers are the vector of a left text and that
	// of a right one, where these come from models of different dimensions: the rest
	// of the shorter one's row is zeros. Both are 0 where all vectors have Dim.
	Sides [2]int
	IDs   []string  // text id of each row: hex of the first 16 bytes of SHA-256 of the text
	Data  []float32 // [len(IDs), Dim], row-major; nil where the vectors are in a scratch file

	scratch *scratchFile
}

// CachedTable reads the vectors of texts, which differ from each other, out of the
// cache that the options name: row i is that of ids[i]. name is what messages
// call the data. The caller closes the table.
func CachedTable(ctx context.Context, name string, ids []ID, opts Options) (*Table, error) {
	d := &Dataset{Name: name, Vectors: &Table{IDs: make([]string, len(ids))}}
	for i, id := range ids {
		d.Vectors.IDs[i] = id.String()
	}
	if err := d.readCached(ctx, nil, opts); err != nil {
		d.Close()
		return nil, err
	}
	return d.Vectors, nil
}

// Close releases the scratch file, where there is one.
func (t *Table) Close() error {
	if t.scratch == nil {
		return nil
	}
	return t.scratch.close()
}

// Dims returns the dimensions of the left texts' vectors and of the right texts'.
func (t *Table) Dims() (left, right int) {
	if t.Sides == [2]int{} {
		return t.Dim, t.Dim
	}
	return t.Sides[0], t.Sides[1]
}

// setDims makes rows that vectors of both sides fit.
func (t *Table) setDims(left, right int) {
	t.Dim = max(left, right)
	if left != right {
		t.Sides = [2]int{left, right}
	}
}

// Rows returns the number of vectors.
func (t *Table) Rows() int { return len(t.IDs) }

// Read copies the vectors of rows into dst [len(rows), Dim]. Rows that follow
// each other in the table are read in one piece.
func (t *Table) Read(rows []int32, dst []float32) error {
	if t.scratch != nil {
		return t.scratch.read(rows, dst)
	}
	for i, row := range rows {
		copy(dst[i*t.Dim:(i+1)*t.Dim], t.Data[int(row)*t.Dim:])
	}
	return nil
}

// digests returns digestOf each row's vector, and of what id says of the row.
func (t *Table) digests(id func(row int32) string) ([]digest, error) {
	block := max(1, (1<<18)/max(1, t.Dim)) // a megabyte of vectors
	out := make([]digest, t.Rows())
	blocks := (t.Rows() + block - 1) / block
	errs := make([]error, blocks)
	kernel.NewPool(runtime.GOMAXPROCS(0)).Run(blocks, func(b int) {
		rows := make([]int32, min(block, t.Rows()-b*block))
		for i := range rows {
			rows[i] = int32(b*block + i)
		}
		vectors := t.Data
		if vectors != nil {
			vectors = vectors[b*block*t.Dim:]
		} else {
			vectors = make([]float32, len(rows)*t.Dim)
			errs[b] = t.Read(rows, vectors)
		}
		if errs[b] != nil {
			return
		}
		for i, row := range rows {
			out[row] = digestOf(vectors[i*t.Dim:(i+1)*t.Dim], id(row))
		}
	})
	return out, firstError(errs)
}

func firstError(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A digest is the first half of a SHA-256.
type digest [16]byte

func (d digest) String() string { return hex.EncodeToString(d[:]) }

// digestOf hashes a vector, and the id of its text where one is known.
func digestOf(v []float32, id string) digest {
	h := sha256.New()
	h.Write(bytesOf(v))
	io.WriteString(h, id)
	return digest(h.Sum(nil))
}

// bytesOf is the memory of a slice. Every platform that we build for is
// little-endian.
func bytesOf[T any](s []T) []byte {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])))
}
