package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// abandoned is how long nothing is written to an unfinished folder before its
// process counts as dead.
const abandoned = time.Hour

// WriteDir writes a folder under a temporary name beside dir first, which write
// is given, then renames it, in place of what dir was until then. What killed
// processes left of it is removed. Errors name dir, unless they name a file
// elsewhere.
func WriteDir(dir string, write func(temporary string) error) error {
	dir = filepath.Clean(dir)
	if err := writeDir(dir, write); err != nil {
		return fmt.Errorf("write %s: %w", dir, err)
	}
	return nil
}

func writeDir(dir string, write func(temporary string) error) error {
	parent := filepath.Dir(dir)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	if err := tidyDirs(parent, filepath.Base(dir)); err != nil {
		return err
	}
	temporary := temporaryPath(dir)
	if err := os.Mkdir(temporary, 0o777); err != nil {
		return withoutPath(err)
	}
	defer os.RemoveAll(temporary)
	if err := write(temporary); err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok && filepath.Dir(p.Path) == temporary {
			err = p.Err
		}
		return err
	}
	if err := SyncDir(temporary); err != nil {
		return err
	}
	return replaceDir(temporary, dir)
}

// replaceDir renames a folder. What stands in its place is moved aside first,
// and back if the renaming fails.
func replaceDir(temporary, dir string) error {
	old := temporaryPath(dir)
	err := os.Rename(dir, old)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return withoutPath(err)
	}
	moved := err == nil
	if err := os.Rename(temporary, dir); err != nil {
		if moved {
			err = errors.Join(err, os.Rename(old, dir))
		}
		return withoutPath(err)
	}
	if moved {
		if err := os.RemoveAll(old); err != nil {
			return err
		}
	}
	return SyncDir(filepath.Dir(dir))
}

// tidyDirs removes unfinished folders of that name whose process is dead.
func tidyDirs(parent, name string) error {
	entries, err := os.ReadDir(parent)
	if err != nil {
		return withoutPath(err)
	}
	for _, e := range entries {
		found := temporary.FindStringSubmatch(e.Name())
		if found == nil || found[1] != name || !e.IsDir() {
			continue
		}
		path := filepath.Join(parent, e.Name())
		if time.Since(lastWrite(path)) < abandoned {
			continue
		}
		if err := os.RemoveAll(path); err != nil {
			return err
		}
	}
	return nil
}

// lastWrite is when a folder or a file in it was last written to.
func lastWrite(dir string) (last time.Time) {
	filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil // it is being removed
		}
		if info, err := e.Info(); err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
		return nil
	})
	return last
}
