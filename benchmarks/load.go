package benchmarks

import (
	"context"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/loader"
)

// A fileRow is a row of a wide file with the usual names.
type fileRow struct {
	Left  []float32 `parquet:"question_text_EMB,list"`
	Right []float32 `parquet:"candidate_answers_EMB,list"`
	Label int32     `parquet:"label"`
	Split string    `parquet:"split"`
}

// writePairs writes a wide Parquet file of made-up pairs.
func writePairs(path string, pairs, d int) error {
	random := generator()
	return atomicfile.Write(path, func(w io.Writer) error {
		file := parquet.NewGenericWriter[fileRow](w, parquet.Compression(&parquet.Uncompressed), parquet.MaxRowsPerRowGroup(5000))
		for i := range pairs {
			row := fileRow{normal(random, d), normal(random, d), int32(i % 2), loader.Train.String()}
			if _, err := file.Write([]fileRow{row}); err != nil {
				return err
			}
		}
		return file.Close()
	})
}

// ourLoad opens a file, or streams an epoch of it from a scratch file, into the
// table where there is one.
func ourLoad(ctx context.Context, r request, table graph.Table) (job, error) {
	open := func(memory int64) (*loader.Dataset, error) {
		return loader.Open(ctx, r.File, loader.Options{Memory: memory})
	}
	if r.Task.What == opening {
		return job{do: func() error {
			data, err := open(0)
			if err != nil {
				return err
			}
			return data.Close()
		}}, nil
	}
	// Half of the vectors, so that they do not count as fitting.
	data, err := open(int64(r.Task.Pairs) * int64(r.Task.D) * 4)
	if err != nil {
		return job{}, err
	}
	epoch := 0
	do := func() error {
		epoch++
		order := data.Shuffled(loader.Train, loader.Order{Epoch: epoch, Window: 1 << 16})
		seen := 0
		for chunk, err := range data.Chunks(ctx, order, seedBatch) {
			if err != nil {
				return err
			}
			if table != nil {
				if err := table.Set(chunk.Vectors); err != nil {
					return err
				}
			}
			for batch := range chunk.Batches(seedBatch) {
				seen += batch.Len()
			}
		}
		if seen != len(order) {
			return fmt.Errorf("the loader delivered %d of %d pairs", seen, len(order))
		}
		return nil
	}
	return job{do: do, close: func() { data.Close() }}, nil
}
