package rundir

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// A Score is one row of scores.parquet: a pair with its cosine under the
// embeddings as they were and under the learned matrix.
type Score struct {
	Left   string  `parquet:"left"`
	Right  string  `parquet:"right"`
	Split  string  `parquet:"split,dict"`
	Kind   string  `parquet:"kind,dict"`
	Label  float32 `parquet:"label"`
	Before float32 `parquet:"before"`
	After  float32 `parquet:"after"`
}

// WriteScores writes scores.parquet.
func (d Dir) WriteScores(scores []Score) error {
	return atomicfile.Write(d.file(scoresFile), func(w io.Writer) error {
		p := parquet.NewGenericWriter[Score](w, parquet.Compression(&parquet.Zstd),
			parquet.KeyValueMetadata("schema_version", strconv.Itoa(SchemaVersion)))
		if _, err := p.Write(scores); err != nil {
			return err
		}
		return p.Close()
	})
}

// ReadScores reads scores.parquet.
func (d Dir) ReadScores() ([]Score, error) {
	path := d.file(scoresFile)
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := parquet.NewGenericReader[Score](f)
	defer p.Close()
	scores := make([]Score, p.NumRows())
	if _, err := p.Read(scores); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return scores, nil
}
