package loader

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cosfit/cosfit/internal/npy"
)

// A Transform takes vectors of In numbers to vectors of Out numbers.
type Transform struct {
	In, Out int
	// Apply computes dst [n, Out] from x [n, In], both row-major.
	Apply func(dst, x []float32)
}

// batchRows is how many vectors are transformed at a time: enough to keep a
// matrix product busy, few enough for some megabytes.
func (t Transform) batchRows() int {
	const values = 2 << 20
	return min(max(values/(t.In+t.Out), 1), 4096)
}

// A VectorFile is a file of vectors to be written again with each vector
// transformed and everything else as it is.
type VectorFile struct {
	Format string // parquet or npy
	Rows   int64
	// Column of a Parquet file that holds the vectors, and whether it was not
	// named but is the only one that fits.
	Column  string
	Guessed bool
	Model   string // whose vectors they are, "" where the file does not say

	write func(w *countingWriter, done func(rows int64)) error
	close func() error
}

// A vectorFormat is a kind of file of vectors. To add one, write its open
// function in a file of its own and a line in vectorFormats.
type vectorFormat struct {
	name  string
	magic string // how a file begins
	open  func(name, column string, t Transform) (*VectorFile, error)
}

func vectorFormats() []vectorFormat {
	return []vectorFormat{
		{"parquet", "PAR1", openVectorParquet},
		{"npy", npy.Magic, openVectorNPY},
	}
}

// OpenVectors opens a file of vectors of t.In numbers in one of the formats
// that VectorFormats lists, told by its content. The column of a Parquet file
// may be empty where only one fits. The caller closes the file.
func OpenVectors(name, column string, t Transform) (*VectorFile, error) {
	start, err := beginning(name)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, withoutPath(err))
	}
	for _, format := range vectorFormats() {
		if strings.HasPrefix(start, format.magic) {
			f, err := format.open(name, column, t)
			if err == nil {
				f.Format = format.name
			}
			return f, err
		}
	}
	return nil, fmt.Errorf("open %s: neither a Parquet nor an npy file, by its first bytes: save the vectors as one of these", name)
}

// VectorFormats lists the formats that OpenVectors knows, which are the usual
// ends of their files' names.
func VectorFormats() (names []string) {
	for _, format := range vectorFormats() {
		names = append(names, format.name)
	}
	return names
}

func beginning(name string) (string, error) {
	file, err := os.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", errors.New("not a file")
	}
	if info.Size() == 0 {
		return "", errors.New("the file is empty")
	}
	start := make([]byte, 8)
	n, err := file.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return string(start[:n]), nil
}

// Write writes the file with transformed vectors to w, a batch at a time, and
// calls done with the number of rows behind it now and then. It fails when ctx
// ends. An error that is neither w's nor the context's names the file, and the
// row where it is one.
func (f *VectorFile) Write(ctx context.Context, w io.Writer, done func(rows int64)) error {
	return f.write(&countingWriter{ctx: ctx, w: w}, done)
}

// Close closes the file that is read.
func (f *VectorFile) Close() error { return f.close() }

// A countingWriter knows how much was written, and stops when its context ends.
type countingWriter struct {
	ctx context.Context
	w   io.Writer
	n   int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
