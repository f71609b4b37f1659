package cache

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/internal/npy"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
)

// Imported says what Import did.
type Imported struct {
	Rows   int64  `json:"rows"`     // that were read
	Added  int64  `json:"imported"` // of them, that the cache lacked
	Folder string `json:"folder"`   // of the vectors
}

// importBytes is how much is read before a segment is written.
const importBytes = 64 << 20

// An importer collects rows until they make a large segment.
type importer struct {
	store   *Store
	done    Imported
	ids     []string
	vectors [][]float32
	bytes   int
}

// Import adds the vectors that read visits and the cache lacks. The space's
// dimensions are those of the vectors. What was added before an error stays.
func (c *Cache) Import(space embed.Space, read func(visit func(loader.ID, []float32) error) error) (Imported, error) {
	var in importer
	err := read(func(id loader.ID, v []float32) (err error) {
		if in.store == nil {
			if in.store, err = c.storeFor(space, len(v)); err != nil {
				return err
			}
		}
		return in.add(id, v)
	})
	if err == nil && in.store != nil {
		err = in.flush()
	}
	if err == nil && in.store != nil {
		err = in.store.Close()
	}
	return in.done, err
}

// storeFor opens the vectors of a space that have some dimensions. The first
// ones of a model count as those that it makes by itself.
func (c *Cache) storeFor(space embed.Space, dimensions int) (*Store, error) {
	native := space
	native.Dimensions, space.Dimensions = 0, dimensions
	for _, s := range []embed.Space{space, native} {
		dir, err := c.folder(s)
		if err != nil {
			return nil, err
		}
		if dir != "" {
			return c.Store(space)
		}
	}
	return c.Store(native)
}

func (in *importer) add(id loader.ID, v []float32) error {
	in.done.Rows++
	in.ids = append(in.ids, id.String())
	in.vectors = append(in.vectors, slices.Clone(v))
	if in.bytes += 4*len(v) + 100; in.bytes < importBytes {
		return nil
	}
	return in.flush()
}

// flush appends the rows that the store lacks.
func (in *importer) flush() error {
	missing, err := in.store.Missing(in.ids)
	if err != nil {
		return err
	}
	n := 0
	for i, id := range in.ids { // the missing ones are in the same order
		if n < len(missing) && missing[n] == id {
			in.vectors[n] = in.vectors[i]
			n++
		}
	}
	if err := in.store.Append(missing, in.vectors[:n]); err != nil {
		return err
	}
	in.done.Added += int64(n)
	in.done.Folder = in.store.Dir()
	in.ids, in.vectors, in.bytes = in.ids[:0], in.vectors[:0], 0
	return nil
}

// Exported says what an export wrote.
type Exported struct {
	Rows  int64    `json:"vectors"`
	Files []string `json:"files"`
}

// ExportParquet writes all vectors as one Parquet file of id and embedding,
// which can be a data set's embeddings/NAME/0000.parquet.
func (s *Store) ExportParquet(path string) (e Exported, err error) {
	space, err := s.manifest()
	if err != nil {
		return e, err
	}
	e.Files = []string{path}
	err = write(path, func(w *bufio.Writer) error {
		p := loader.NewSegmentWriter(w, space)
		if err := s.Each(func(id loader.ID, v []float32) error {
			e.Rows++
			return p.Add(id, v)
		}); err != nil {
			return err
		}
		return p.Close()
	})
	return e, err
}

// ExportJSONLines writes an object of id and embedding on each line.
func (s *Store) ExportJSONLines(path string) (e Exported, err error) {
	e.Files = []string{path}
	err = write(path, func(w *bufio.Writer) error {
		lines := json.NewEncoder(w)
		return s.Each(func(id loader.ID, v []float32) error {
			e.Rows++
			return lines.Encode(struct {
				ID        string    `json:"id"`
				Embedding []float32 `json:"embedding"`
			}{id.String(), v})
		})
	})
	return e, err
}

// IDsFile is the file beside an exported array that has the id of each row on a
// line.
func IDsFile(npy string) string { return npy + ".ids.txt" }

// ExportNPY writes the vectors as an array [n, d] of float32, and beside it
// their ids: see IDsFile.
func (s *Store) ExportNPY(path string) (e Exported, err error) {
	space, err := s.manifest()
	if err != nil {
		return e, err
	}
	// The header says how many rows follow, and only going through them tells.
	merges, err := s.merges(2)
	if err != nil {
		return e, err
	}
	for _, m := range merges {
		defer m.close()
	}
	rows := 0
	ids := IDsFile(path)
	err = write(ids, func(w *bufio.Writer) error {
		return merges[0].each(func(id loader.ID, _ []float32) error {
			rows++
			_, err := fmt.Fprintln(w, id)
			return err
		})
	})
	if err != nil {
		return e, err
	}
	e = Exported{Rows: int64(rows), Files: []string{path, ids}}
	err = write(path, func(w *bufio.Writer) error {
		buffer := npy.AppendHeader(nil, rows, space.Dimensions)
		return merges[1].each(func(_ loader.ID, v []float32) error {
			for _, x := range v {
				buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(x))
			}
			_, err := w.Write(buffer)
			buffer = buffer[:0]
			return err
		})
	})
	if err != nil {
		os.Remove(ids) // of no use by itself
	}
	return e, err
}

// write is atomicfile.Write through a buffer.
func write(path string, content func(*bufio.Writer) error) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		b := bufio.NewWriterSize(w, 1<<20)
		if err := content(b); err != nil {
			return err
		}
		return b.Flush()
	})
}
