package trainer

import (
	"testing"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
)

// counted is a table that counts how often it is filled.
type counted struct {
	graph.Table
	sets int
}

func (c *counted) Set([]float32) error {
	c.sets++
	return nil
}

// A data set in memory goes to the device once; a streamed one, chunk by
// chunk, whose memory is used again.
func TestHold(t *testing.T) {
	vectors := make([]float32, 12)
	for data, want := range map[*loader.Table]int{{Dim: 3, Data: vectors}: 1, {Dim: 3}: 4} {
		table := &counted{}
		e := &evaluator{data: &loader.Dataset{Vectors: data}, table: table}
		for range 4 {
			if err := e.hold(vectors); err != nil {
				t.Fatal(err)
			}
		}
		if table.sets != want {
			t.Errorf("in memory: %v: the table was filled %d times, want %d", data.Data != nil, table.sets, want)
		}
	}
}
