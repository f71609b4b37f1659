// Package rundir is the run directory: the names of its files, what stands in
// them, and how they are written. Each file appears by atomic rename, so a
// reader never sees half of one.
//
//	config.json         everything that is needed to repeat the run
//	history.csv         one row for each epoch and split
//	matrix.safetensors  the learned matrix
//	scores.parquet      each pair's cosine before and after
//	summary.json        figures before and after, the judgement, timing
//	checkpoint/         what a resumed run needs, while the run is unfinished
package rundir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// SchemaVersion is the version of the files that this package writes and the
// newest that it reads.
const SchemaVersion = 1

const (
	configFile     = "config.json"
	historyFile    = "history.csv"
	matrixFile     = "matrix.safetensors"
	scoresFile     = "scores.parquet"
	summaryFile    = "summary.json"
	checkpointDir  = "checkpoint"
	checkpointFile = "state"
)

// A Dir is a run directory.
type Dir struct{ path string }

// Create makes a directory for a new run. It must be empty or new, unless
// replace is set: then a run that is there is removed, but nothing else.
func Create(path string, replace bool) (Dir, error) {
	entries, err := os.ReadDir(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Dir{}, err
	}
	d := Dir{path}
	if len(entries) > 0 {
		if !replace {
			return Dir{}, fmt.Errorf("%s is not empty: choose another folder, or replace the run in it with --force", path)
		}
		if err := d.clear(entries); err != nil {
			return Dir{}, err
		}
	}
	return d, os.MkdirAll(path, 0o777)
}

// clear removes the files of a run. It refuses a folder with anything else in
// it, so that a mistaken path costs nothing.
func (d Dir) clear(entries []fs.DirEntry) error {
	known := map[string]bool{configFile: true, historyFile: true, matrixFile: true, scoresFile: true,
		summaryFile: true, checkpointDir: true, npyFile: true}
	for _, e := range entries {
		if !known[e.Name()] {
			return fmt.Errorf("%s holds %s, which is not part of a run: choose another folder", d.path, e.Name())
		}
	}
	for _, e := range entries {
		if err := os.RemoveAll(filepath.Join(d.path, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// Remove removes the run, and the directory where nothing else is in it.
func (d Dir) Remove() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	if err := d.clear(entries); err != nil {
		return err
	}
	return os.Remove(d.path)
}

// Open opens the directory of a run that was begun.
func Open(path string) (Dir, error) {
	d := Dir{path}
	if _, err := os.Stat(d.file(configFile)); err != nil {
		if _, err := os.Stat(path); err != nil {
			return Dir{}, fmt.Errorf("open %s: no such run", path)
		}
		return Dir{}, fmt.Errorf("%s is not a run: it has no %s", path, configFile)
	}
	return d, nil
}

// Path returns the directory's path as it was given.
func (d Dir) Path() string { return d.path }

func (d Dir) file(name string) string { return filepath.Join(d.path, name) }

// MatrixPath is where the learned matrix stands.
func (d Dir) MatrixPath() string { return d.file(matrixFile) }

// WriteFile writes a file so that it appears whole or not at all: under a
// temporary name first, then by rename after its bytes have reached the disk.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		return fmt.Errorf("write %s: %w", path, p.Err) // the temporary name means nothing to anyone
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Chmod(f.Name(), 0o644); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
