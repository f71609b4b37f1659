package prepare

import (
	"context"

	"github.com/cosfit/cosfit/loader"
)

// Parquet reads Parquet files with a row for each pair, triplet or labelled
// text.
type Parquet struct{ Table }

// Read implements Source.
func (s *Parquet) Read(ctx context.Context, d *Draft) error { return s.Table.read(ctx, d, s) }

func (s *Parquet) names(_ context.Context, path string) ([]string, error) {
	t, err := loader.OpenTextColumns(path)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	return t.Names(), nil
}

func (s *Parquet) each(ctx context.Context, path string, columns []string, visit visitRow) error {
	t, err := loader.OpenTextColumns(path)
	if err != nil {
		return err
	}
	defer t.Close()
	row := newTableRow(len(columns))
	return t.Each(ctx, columns, func(n int, cells []loader.Cell) error {
		for i, cell := range cells {
			row.set(i, cell.Text)
		}
		return visit(Place{File: path, Row: int64(n), Unit: "row"}, row, nil)
	})
}
