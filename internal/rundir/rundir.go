// Package rundir is the run directory: the names of its files, what stands in
// them, and how they are written. Each file appears by atomic rename, so a
// reader never sees half of one.
//
//	config.json         everything that is needed to repeat the run
//	history.csv         one row for each epoch and split
//	matrix.safetensors  the learned matrix
//	matrix.npy          the same for numpy, where the demo wrote it
//	scores.parquet      each pair's cosine before and after
//	summary.json        figures before and after, the judgement, timing
//	checkpoint/         what a resumed run needs, while the run is unfinished
//	.lock               held by the process that trains
//	.replaced/          the run that this one replaces, until it is finished
package rundir

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"
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
	lockFile       = ".lock"
)

// runFiles are the files that may stand in a run directory, beside the lock.
func runFiles() []string {
	return []string{configFile, historyFile, matrixFile, npyFile, scoresFile, summaryFile}
}

// A Dir is a run directory.
type Dir struct {
	path string
	lock *flock.Flock // nil where the directory is only read
	made bool         // by Create
}

// Create makes a directory for a new run and locks it. It must be empty or
// new, unless replace is set: then a run that is there makes room, but nothing
// else. It is gone once RemoveCheckpoint ends the new run; Remove brings it back.
// The caller unlocks the directory.
func Create(path string, replace bool) (Dir, error) {
	if info, err := os.Stat(path); err == nil && !info.IsDir() {
		return Dir{}, fmt.Errorf("%s is a file: choose another folder with --out", path)
	}
	made := !exists(path)
	if err := os.MkdirAll(path, 0o777); err != nil {
		return Dir{}, err
	}
	d, err := locked(path)
	if err != nil {
		return Dir{}, err
	}
	d.made = made
	if err := d.empty(replace); err != nil {
		d.Unlock()
		return Dir{}, err
	}
	return d, nil
}

// empty makes room for a new run, or refuses to. It refuses a folder with
// anything else in it, so that a mistaken path costs nothing.
func (d Dir) empty(replace bool) error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return err
	}
	names, err := d.runNames()
	if err != nil {
		return err
	}
	for _, e := range entries {
		own := slices.Contains([]string{lockFile, replacedDir}, e.Name())
		if !own && !replace {
			return fmt.Errorf("%s is not empty: choose another folder, or replace the run in it with --force", d.path)
		}
		if !own && !slices.Contains(names, e.Name()) {
			return fmt.Errorf("%s holds %s, which is not part of a run: choose another folder", d.path, e.Name())
		}
	}
	if !d.Replaces() && (d.Finished() || d.HasCheckpoint()) {
		return d.setAside(names)
	}
	return d.remove(names) // it came to nothing, or was itself to replace a finished one
}

// locked takes the lock of a directory and removes what a killed process left
// half written. The system gives the lock back when the process ends, however
// it ends.
func locked(path string) (Dir, error) {
	d := Dir{path: path, lock: flock.New(filepath.Join(path, lockFile))}
	ok, err := d.lock.TryLock()
	if err != nil {
		return Dir{}, fmt.Errorf("lock %s: %w", path, err)
	}
	if !ok {
		return Dir{}, fmt.Errorf("%s is in use: another cosfit is training into it", path)
	}
	if err := d.tidy(); err != nil {
		d.Unlock()
		return Dir{}, err
	}
	return d, nil
}

// Unlock lets other processes train into the directory.
func (d Dir) Unlock() error { return d.lock.Unlock() }

// Remove removes the run. One that it was to replace comes back; without one the
// directory goes too, where Create made it and nothing else is in it.
func (d Dir) Remove() error {
	if d.Replaces() {
		return d.putBack()
	}
	names, err := d.runNames()
	if err != nil {
		return err
	}
	if err := d.remove(names); err != nil {
		return err
	}
	os.Remove(d.file(lockFile)) // where it cannot be removed, neither can the directory
	if !d.made {
		return nil
	}
	return os.Remove(d.path)
}

// Resume opens the directory of an unfinished run and locks it. The caller
// unlocks it.
func Resume(path string) (Dir, error) {
	if _, err := Open(path); err != nil {
		return Dir{}, err
	}
	d, err := locked(path)
	if err != nil {
		return Dir{}, err
	}
	if !d.HasCheckpoint() {
		d.Unlock()
		return Dir{}, d.noCheckpoint()
	}
	return d, nil
}

// Open opens the directory of a run that was begun, for reading. A run that a
// killed process was to replace, and left without another, is back first.
func Open(path string) (Dir, error) {
	d := Dir{path: path}
	if d.unsettled() {
		if l, err := locked(path); err == nil { // else another process is at it
			l.Unlock()
		}
	}
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
