package loader

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"
)

type lz4Row struct {
	Left  []float32 `parquet:"question_text_EMB,list"`
	Right []float32 `parquet:"candidate_answers_EMB,list"`
	Text  string    `parquet:"question_text"`
	Label int32     `parquet:"label"`
}

// TestLZ4 reads pages that compress well, hardly and not at all, of both
// versions; what parquet-go decodes must be kept whichever it is.
func TestLZ4(t *testing.T) {
	for name, noise := range map[string]float32{"zeros": 0, "half": 0.5, "noise": 1} {
		for version := 1; version <= 2; version++ {
			t.Run(fmt.Sprint(name, " pages v", version), func(t *testing.T) {
				rows := lz4Rows(300, noise)
				data := lz4File(t, rows, parquet.DataPageVersion(version), parquet.PageBufferSize(4000), parquet.MaxRowsPerRowGroup(120))
				d, err := openBytes(data)
				if err != nil {
					t.Fatal(err)
				}
				for i, want := range rows {
					left, right := vector(t, d.Vectors, d.Pairs.Left[i]), vector(t, d.Vectors, d.Pairs.Right[i])
					if !slices.Equal(left, want.Left) || !slices.Equal(right, want.Right) {
						t.Fatalf("row %d: vectors %v and %v, want %v and %v", i, left, right, want.Left, want.Right)
					}
					if id := d.Vectors.IDs[d.Pairs.Left[i]]; id != TextID(want.Text) || d.Pairs.Label[i] != float32(want.Label) {
						t.Fatalf("row %d: %q and %v, want %q and %d", i, id, d.Pairs.Label[i], want.Text, want.Label)
					}
				}
			})
		}
	}
}

// lz4Rows are pairs of vectors of which a share is random and the rest zeros.
func lz4Rows(n int, noise float32) []lz4Row {
	rng := rand.New(rand.NewPCG(7, 7))
	vector := func() []float32 {
		v := make([]float32, 32)
		v[0] = 1
		for i := range v {
			if rng.Float32() < noise {
				v[i] = rng.Float32()
			}
		}
		return v
	}
	rows := make([]lz4Row, n)
	for i := range rows {
		rows[i] = lz4Row{vector(), vector(), fmt.Sprint("question ", i), int32(i % 2)}
	}
	return rows
}

func lz4File(t *testing.T, rows []lz4Row, options ...parquet.WriterOption) []byte {
	t.Helper()
	var b bytes.Buffer
	w := parquet.NewGenericWriter[lz4Row](&b, append(options, parquet.Compression(&parquet.Lz4Raw))...)
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
