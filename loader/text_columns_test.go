package loader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
)

// TestTextColumns reads values of several types side by side, over pages and
// row groups of different lengths.
func TestTextColumns(t *testing.T) {
	type row struct {
		Text   string   `parquet:"text,dict"`
		Whole  int64    `parquet:"whole"`
		Half   float32  `parquet:"half"`
		Double *float64 `parquet:"double,optional"`
		Truth  bool     `parquet:"truth"`
		Bytes  [16]byte `parquet:"uuid,uuid"`
	}
	const n = 5000
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{Text: strings.Repeat("t", i%7) + fmt.Sprint(i%100), Whole: int64(i) + 1<<60, Half: 0.1, Truth: i%2 == 0}
		if i%3 > 0 {
			x := float64(i) / 8
			rows[i].Double = &x
		}
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := parquet.NewGenericWriter[row](f, parquet.PageBufferSize(512), parquet.MaxRowsPerRowGroup(1300))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}

	c, err := OpenTextColumns(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := strings.Join(c.Names(), " "); got != "text whole half double truth uuid" {
		t.Errorf("columns %s", got)
	}
	seen := 0
	err = c.Each(context.Background(), []string{"truth", "text", "double", "whole", "half", "uuid"}, func(i int, cells []Cell) error {
		r := rows[i]
		double := Cell{Null: true}
		if r.Double != nil {
			double = Cell{Text: fmt.Sprint(*r.Double)}
		}
		want := []Cell{{Text: fmt.Sprint(r.Truth)}, {Text: r.Text}, double, {Text: fmt.Sprint(r.Whole)}, {Text: "0.1"}, {Text: "00000000000000000000000000000000"}}
		for j := range want {
			if cells[j] != want[j] {
				t.Fatalf("row %d: %v, want %v", i, cells, want)
			}
		}
		if i != seen {
			t.Fatalf("row %d comes after %d", i, seen)
		}
		seen++
		return nil
	})
	if err != nil || seen != n {
		t.Errorf("%d rows, %v", seen, err)
	}

	enough := errors.New("that will do")
	if err := c.Each(context.Background(), []string{"text", "half"}, func(i int, _ []Cell) error {
		if i == 2000 {
			return enough
		}
		return nil
	}); err != enough {
		t.Errorf("a visit that ends it: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := c.Each(ctx, []string{"text"}, func(int, []Cell) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if err := c.Each(context.Background(), []string{"text", "none"}, func(int, []Cell) error { return nil }); err == nil || !strings.HasPrefix(err.Error(), path+`: no column "none"`) {
		t.Errorf("a column that is not there: %v", err)
	}
}

// TestTextColumnsDamaged: a file of which a part is overwritten ends in an error
// or in as many rows as it says.
func TestTextColumnsDamaged(t *testing.T) {
	type row struct {
		A string `parquet:"a,zstd"`
		B string `parquet:"b,dict"`
	}
	var rows []row
	for i := range 400 {
		rows = append(rows, row{fmt.Sprint("text ", i), fmt.Sprint(i % 5)})
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := parquet.WriteFile(path, rows); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	failed := 0
	for at := 4; at < len(whole); at += 11 {
		bad := append([]byte{}, whole...)
		bad[at] ^= 0x55
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := OpenTextColumns(path)
		if err == nil {
			n := 0
			err = c.Each(context.Background(), []string{"a", "b"}, func(int, []Cell) error { n++; return nil })
			if err == nil && n != len(rows) {
				t.Errorf("byte %d: %d rows", at, n)
			}
			c.Close()
		}
		if err != nil {
			failed++
			if !strings.Contains(err.Error(), path) {
				t.Errorf("byte %d: %v does not name the file", at, err)
			}
		}
	}
	t.Logf("%d of %d damages were seen", failed, len(whole)/11)
	if failed == 0 {
		t.Error("no damage was seen")
	}
}
