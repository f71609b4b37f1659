package rundir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// A run that is to be replaced stays in a hidden folder of its directory until
// the new one has finished, and comes back where that one leaves nothing. The
// folder has another name while files are moved into it or out of it, so that a
// killed process leaves no doubt about whose the files outside are.
const (
	replacedDir = ".replaced"  // has the old run whole
	movingDir   = ".replacing" // has some of its files, the directory has the others and no new run
)

// Replaces reports whether an older run comes back if this one is removed.
func (d Dir) Replaces() bool { return exists(d.file(replacedDir)) }

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// setAside hides the files of a run.
func (d Dir) setAside(names []string) error {
	if err := os.Mkdir(d.file(movingDir), 0o777); err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Rename(d.file(name), filepath.Join(d.file(movingDir), name)); err != nil {
			return errors.Join(err, d.moveBack())
		}
	}
	if err := os.Rename(d.file(movingDir), d.file(replacedDir)); err != nil {
		return errors.Join(err, d.moveBack())
	}
	return atomicfile.SyncDir(d.path)
}

// putBack removes the new run and brings back the one that it was to replace.
func (d Dir) putBack() error {
	names, err := d.runNames()
	if err != nil {
		return err
	}
	if err := d.remove(names); err != nil {
		return err
	}
	if err := os.Rename(d.file(replacedDir), d.file(movingDir)); err != nil {
		return err
	}
	return d.moveBack()
}

// moveBack brings back what setAside or putBack has under way.
func (d Dir) moveBack() error {
	entries, err := os.ReadDir(d.file(movingDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(d.file(movingDir), e.Name()), d.file(e.Name())); err != nil {
			return err
		}
	}
	if err := os.Remove(d.file(movingDir)); err != nil {
		return err
	}
	return atomicfile.SyncDir(d.path)
}

// settle decides between two runs that a killed process left.
func (d Dir) settle() error {
	if err := d.moveBack(); err != nil {
		return err
	}
	switch {
	case !d.Replaces():
		return nil
	case d.Finished():
		return d.removeReplaced()
	case d.HasCheckpoint():
		return nil // it can go on
	}
	return d.putBack()
}

// unsettled reports whether settle has something to do, as far as is seen without
// the lock.
func (d Dir) unsettled() bool {
	return exists(d.file(movingDir)) || d.Replaces() && !d.HasCheckpoint()
}

func (d Dir) removeReplaced() error { return os.RemoveAll(d.file(replacedDir)) }

// runNames lists what stands in the directory of a run's files.
func (d Dir) runNames() (names []string, err error) {
	entries, err := os.ReadDir(d.path)
	for _, e := range entries {
		if e.Name() == checkpointDir || slices.Contains(runFiles(), e.Name()) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (d Dir) remove(names []string) error {
	for _, name := range names {
		if err := os.RemoveAll(d.file(name)); err != nil {
			return err
		}
	}
	return nil
}
