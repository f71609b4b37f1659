package study

import (
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/internal/pgtest"
)

// TestOptunaTables compares our tables with those that optuna 5.0.0 made,
// recorded by testdata/schema.py.
func TestOptunaTables(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { compareTables(t, filepath.Join(t.TempDir(), "study.db"), "sqlite") })
	t.Run("postgres", func(t *testing.T) { compareTables(t, pgtest.Start(t).Database(t), "postgres") })
}

func compareTables(t *testing.T, storage, name string) {
	s := create(t, storage, example(), Options{})
	query, err := os.ReadFile("testdata/" + name + ".sql")
	must(t, err)
	var got []string
	must(t, session{s.db, s.dialect}.each(t.Context(), func(rows *sql.Rows) error {
		values, into := make([]sql.NullString, 7), make([]any, 7)
		for i := range values {
			into[i] = &values[i]
		}
		err := rows.Scan(into...)
		var row []string
		for _, v := range values {
			if !v.Valid {
				v.String = "None"
			}
			row = append(row, v.String)
		}
		got = append(got, strings.Join(row, " | "))
		return err
	}, string(query)))
	recorded, err := os.ReadFile("testdata/" + name + ".txt")
	must(t, err)
	want := strings.Split(strings.TrimSuffix(string(recorded), "\n"), "\n")
	for _, row := range want {
		if !slices.Contains(got, row) {
			t.Errorf("lacks %s", row)
		}
	}
	for _, row := range got {
		if !slices.Contains(want, row) {
			t.Errorf("has   %s", row)
		}
	}
}
