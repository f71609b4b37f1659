package rundir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
)

// WriteFile writes a file so that it appears whole or not at all: under a
// temporary name first, then by rename after its bytes have reached the disk.
// It returns once the rename has reached the disk too, where the system can
// say so. Errors name path.
func WriteFile(path string, write func(io.Writer) error) error {
	if err := replaceFile(path, write); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

func replaceFile(path string, write func(io.Writer) error) (err error) {
	f, err := os.OpenFile(temporaryPath(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return withoutPath(err)
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
			err = about(f.Name(), err)
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return withoutPath(err)
	}
	return syncDir(filepath.Dir(path))
}

// about takes the name of the temporary file off an error, since it means
// nothing to anyone; an error about another file keeps its name.
func about(temporary string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && p.Path == temporary {
		return p.Err
	}
	return err
}

// withoutPath takes the names off an error of the system.
func withoutPath(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	if l, ok := errors.AsType[*os.LinkError](err); ok {
		return l.Err
	}
	return err
}

// temporaryPath is where the bytes of a file stand until it is whole.
func temporaryPath(path string) string {
	return filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s-%016x", filepath.Base(path), rand.Uint64()))
}

// tidy removes what a killed process left in a run directory: its temporary
// files, and a checkpoint's folder that it had emptied or not filled yet. The
// caller holds the lock, so no other process is writing them.
func (d Dir) tidy() error {
	if err := removeTemporary(d.path, runFiles()); err != nil {
		return err
	}
	if err := removeTemporary(d.file(checkpointDir), []string{checkpointFile}); err != nil {
		return err
	}
	os.Remove(d.file(checkpointDir)) // fails where something is in it
	return nil
}

// removeTemporary removes what WriteFile left unfinished of the named files.
func removeTemporary(dir string, names []string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pattern := regexp.MustCompile(`^\.(.+)-[0-9a-f]{16}$`) // as temporaryPath makes them
	for _, e := range entries {
		found := pattern.FindStringSubmatch(e.Name())
		if found == nil || !slices.Contains(names, found[1]) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}
