package loader

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cosfit/cosfit/internal/kernel"
	"github.com/cosfit/cosfit/internal/scratch"
)

// A scratchFile holds decoded vectors that exceed the memory: row i at byte
// 4·dim·i, little-endian float32. It is written once, row by row, and then
// read at random.
type scratchFile struct {
	file    *os.File
	dim     int
	pending []float32 // rows that follow each other, not yet written
	first   int       // the row that pending begins with
}

// newScratchFile creates a file in dir, or, where that is empty, in the user's
// cache folder.
func newScratchFile(dir string, dim int) (*scratchFile, error) {
	if dir == "" {
		dir = scratch.Dir()
	}
	file, err := scratch.Create(dir, "vectors")
	if err != nil {
		return nil, scratchError(dir, err)
	}
	return &scratchFile{file: file, dim: dim}, nil
}

func scratchError(dir string, err error) error {
	return fmt.Errorf("vectors that exceed half of --memory go to a scratch file in %s: %w; make room there, or choose another folder with --scratch", dir, withoutPath(err))
}

// put sets a row. Rows are best put in order.
func (s *scratchFile) put(row int, v []float32) error {
	const most = 1 << 18 // numbers to write at a time
	if row != s.first+len(s.pending)/s.dim || len(s.pending) >= most {
		if err := s.flush(); err != nil {
			return err
		}
		s.first = row
	}
	s.pending = append(s.pending, v...)
	return nil
}

// flush writes what is pending.
func (s *scratchFile) flush() error {
	if len(s.pending) == 0 {
		return nil
	}
	_, err := s.file.WriteAt(bytesOf(s.pending), s.offset(s.first))
	s.pending = s.pending[:0]
	if err != nil {
		return scratchError(filepath.Dir(s.file.Name()), err)
	}
	return nil
}

func (s *scratchFile) offset(row int) int64 { return 4 * int64(s.dim) * int64(row) }

// read copies rows into dst [len(rows), dim]: several pieces at a time, since
// a disk answers many questions as fast as one.
func (s *scratchFile) read(rows []int32, dst []float32) error {
	const readers, most = 4, 256 // rows in a piece
	var pieces []int             // where each begins in rows
	for i := range rows {
		if i == 0 || rows[i] != rows[i-1]+1 || i-pieces[len(pieces)-1] == most {
			pieces = append(pieces, i)
		}
	}
	const block = 64 // pieces that a reader takes at a time
	errs := make([]error, (len(pieces)+block-1)/block)
	kernel.NewPool(readers).Run(len(errs), func(b int) {
		for p := b * block; p < min((b+1)*block, len(pieces)); p++ {
			lo, hi := pieces[p], len(rows)
			if p+1 < len(pieces) {
				hi = pieces[p+1]
			}
			if _, err := s.file.ReadAt(bytesOf(dst[lo*s.dim:hi*s.dim]), s.offset(int(rows[lo]))); err != nil {
				errs[b] = s.readError(err)
				return
			}
		}
	})
	return firstError(errs)
}

func (s *scratchFile) readError(err error) error {
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading the scratch file in %s: %w", filepath.Dir(s.file.Name()), withoutPath(err))
}

func (s *scratchFile) close() error { return scratch.Close(s.file) }
