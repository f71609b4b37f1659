package study

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/search"
)

func TestPythonURL(t *testing.T) {
	for storage, want := range map[string]string{
		"sweep/study.db":            "sqlite:///sweep/study.db",
		"/data/study.db":            "sqlite:////data/study.db",
		"sqlite:///sweep/study.db":  "sqlite:///sweep/study.db",
		"sqlite:////data/study.db":  "sqlite:////data/study.db",
		"postgres://ada:s3cret@h/d": "postgresql://ada@h/d",
		"postgresql+psycopg2://ada:s3cret@h:5/d?sslmode=require": "postgresql://ada@h:5/d?sslmode=require",
		"postgres://ada@/d?host=%2Ftmp%2Fx&password=s3cret":      "postgresql://ada@/d?host=%2Ftmp%2Fx",
		"postgres://ada:s3%cret@h/d":                             "postgresql://…",
	} {
		if got := PythonURL(storage); got != want {
			t.Errorf("%s: got %s, want %s", storage, got, want)
		}
	}
}

func TestStorageErrors(t *testing.T) {
	folder := t.TempDir()
	text := filepath.Join(folder, "text")
	must(t, os.WriteFile(text, []byte(strings.Repeat("no database ", 100)), 0o600))
	for _, test := range []struct{ storage, want string }{
		{"", "storage : it has no name: give a file, or postgres://user@host/database"},
		{"mysql://ada:s3cret@h/d", "mysql:// is unknown: give a file, or postgres://user@host/database"},
		{folder, "storage " + folder + ": it is a folder, want a file"},
		{filepath.Join(folder, "a", "b.db"), "there is no folder " + filepath.Join(folder, "a")},
		{text, "storage " + text + ": file is not a database (26)"},
		{"postgres://ada:s3cret@127.0.0.1:1/d", "storage postgresql://ada@127.0.0.1:1/d: the server is not reached: dial tcp 127.0.0.1:1: connect: connection refused"},
		{"postgres://ada:s3cret@h/d?sslmode=maybe", "storage postgresql://ada@h/d?sslmode=maybe: "},
		{"postgres://ada:s3%cret@h/d", "storage postgresql://…: "},
	} {
		for _, open := range []func() (*Study, error){
			func() (*Study, error) { return Create(t.Context(), test.storage, example(), Options{}) },
			func() (*Study, error) { return Open(t.Context(), test.storage, "a", Options{}) },
		} {
			_, err := open()
			if err == nil {
				t.Fatalf("%s was opened", test.storage)
			}
			if strings.Contains(err.Error(), "cret") || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error tells a secret, or is long: %v", err)
			}
			if !strings.Contains(err.Error(), test.want) && !strings.Contains(err.Error(), "there is no such file") {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		}
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 1 {
		t.Errorf("something is left: %v, %v", entries, err)
	}
	d := example()
	d.Space = nil
	if _, err := Create(t.Context(), filepath.Join(folder, "x.db"), d, Options{}); err == nil {
		t.Error("a study without a space")
	}
	d = example()
	d.Name = strings.Repeat("é", 513)
	if _, err := Create(t.Context(), filepath.Join(folder, "x.db"), d, Options{}); err == nil {
		t.Error("a name that the tables do not hold")
	}
}

// A new database has a write-ahead log while it is open, and is one file when
// it is closed, whatever its name.
func TestSQLiteFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "50% ?mode=ro&x #1 ö.db")
	s := create(t, path, example(), Options{})
	must(t, s.Tell(t.Context(), ask(t, s, "w"), search.Complete, 1, nil))
	if names := entries(t, folder); len(names) != 3 {
		t.Errorf("while it is open there are %q, want the file, its log and its index", names)
	}
	must(t, s.Close())
	if names := entries(t, folder); len(names) != 1 || names[0] != filepath.Base(path) {
		t.Errorf("after it was closed there are %q", names)
	}
}

func entries(t *testing.T, folder string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(folder)
	must(t, err)
	for _, e := range all {
		names = append(names, e.Name())
	}
	return names
}

// A database that is there keeps its journal, and what else is in it.
func TestSQLiteOfOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "optuna.db")
	db, err := sql.Open("sqlite", path)
	must(t, err)
	defer db.Close()
	_, err = db.Exec("CREATE TABLE mine (x); INSERT INTO mine VALUES (7)")
	must(t, err)
	s := create(t, path, example(), Options{})
	must(t, s.Tell(t.Context(), ask(t, s, "w"), search.Complete, 1, nil))
	must(t, s.Close())
	var journal string
	var x int
	must(t, db.QueryRow("PRAGMA journal_mode").Scan(&journal))
	must(t, db.QueryRow("SELECT x FROM mine").Scan(&x))
	if journal != "delete" || x != 7 {
		t.Errorf("journal %s, x %d", journal, x)
	}
}
