package loader

import (
	"math"

	"github.com/cosfit/cosfit/internal/kernel"
)

// A vectorStore fills a table: in memory, and, once the vectors take more than
// half of that, in a scratch file. The other half is left to those who compute
// with the vectors.
type vectorStore struct {
	table  *Table
	memory int64     // bytes; 0 means no bound
	row    []float32 // memory of put
	dir    string    // of the scratch file
}

func newVectorStore(t *Table, opts Options) *vectorStore {
	return &vectorStore{table: t, memory: opts.Memory, dir: opts.Scratch}
}

// reserve makes room for rows, where their number is known before.
func (s *vectorStore) reserve(rows int) error {
	t := s.table
	if s.exceeds(rows) {
		return s.spill()
	}
	t.Data = make([]float32, rows*t.Dim)
	return nil
}

// expect makes room for as many more rows at most as a file says to have, so that
// the table is not copied over and over as it grows. Room that is not filled
// costs addresses, not memory; a file that lies gets no more than it could hold.
func (s *vectorStore) expect(rows int, file *parquetFile) {
	t := s.table
	rows = len(t.IDs) + min(rows, int(2*file.Size())/(4*t.Dim))
	if t.scratch != nil || s.exceeds(rows) || cap(t.Data) >= rows*t.Dim {
		return
	}
	room := kernel.Allocate(rows * t.Dim)
	t.Data = room[:copy(room, t.Data)]
}

func (s *vectorStore) exceeds(rows int) bool {
	return s.memory > 0 && 2*4*int64(rows)*int64(s.table.Dim) > s.memory
}

// put sets a row: any that was reserved, or else the next. Behind a vector of the
// shorter side it is filled up with zeros.
func (s *vectorStore) put(row int, v []float32) error {
	t := s.table
	if len(v) < t.Dim {
		s.row = append(append(s.row[:0], v...), make([]float32, t.Dim-len(v))...)
		v = s.row
	}
	if t.scratch == nil && s.exceeds(row+1) {
		if err := s.spill(); err != nil {
			return err
		}
	}
	switch {
	case t.scratch != nil:
		return t.scratch.put(row, v)
	case row*t.Dim == len(t.Data):
		t.Data = append(t.Data, v...)
	default:
		copy(t.Data[row*t.Dim:], v)
	}
	return nil
}

// spill moves what there is to a scratch file.
func (s *vectorStore) spill() (err error) {
	t := s.table
	if t.scratch, err = newScratchFile(s.dir, t.Dim); err != nil {
		return err
	}
	for row := range len(t.Data) / t.Dim {
		if err := t.scratch.put(row, t.Data[row*t.Dim:(row+1)*t.Dim]); err != nil {
			return err
		}
	}
	t.Data = nil
	return nil
}

// finish writes what is pending.
func (s *vectorStore) finish() error {
	if s.table.scratch == nil {
		return nil
	}
	return s.table.scratch.flush()
}

// sameModel compares a vector, of a file's row and column, with one that came
// for the same text before. Models behind an API answer a little differently
// each time; a cosine below the bound is another model.
func (s *vectorStore) sameModel(earlier int, v []float32, f *parquetFile, row int, column string) error {
	const bound = 0.99
	if scratch := s.table.scratch; scratch != nil && earlier >= scratch.first {
		if err := scratch.flush(); err != nil {
			return err
		}
	}
	first := make([]float32, s.table.Dim)
	if err := s.table.Read([]int32{int32(earlier)}, first); err != nil {
		return err
	}
	if c := cosine(first[:len(v)], v); c < bound {
		return f.errorf("row %d: %s is another vector than an earlier row has for the same text (their cosine is %.2f): are vectors of two models mixed? Embed all texts with one", row, column, c)
	}
	return nil
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
}
