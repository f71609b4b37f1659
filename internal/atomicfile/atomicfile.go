// Package atomicfile writes files that appear whole or not at all, whatever
// happens to the process or the machine.
package atomicfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// Write writes a file under a temporary name first, then renames it after its
// bytes have reached the disk. It returns once the rename has reached the disk
// too, where the system can say so. Errors name path.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	if err := write(f.file); err != nil {
		f.Abort()
		return f.named(err)
	}
	return f.Commit(path)
}

// A File is being written under a temporary name. It ends with Commit or
// Abort.
type File struct {
	file *os.File
	path string // as it was asked for
}

// Create begins a file that may be called path. What it is called in the end
// must be in the same folder.
func Create(path string) (*File, error) {
	f, err := os.OpenFile(temporaryPath(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", path, withoutPath(err))
	}
	return &File{file: f, path: path}, nil
}

func (f *File) Write(b []byte) (int, error) {
	n, err := f.file.Write(b)
	if err != nil {
		err = f.named(err)
	}
	return n, err
}

// Commit gives the file its name, once it is whole.
func (f *File) Commit(path string) error {
	f.path = path
	if err := f.commit(); err != nil {
		f.Abort()
		return f.named(err)
	}
	return nil
}

// CommitSoon gives the file its name at once, so that no end of the process loses
// it. Only when settle has returned does no end of the machine lose it either;
// settle must be called.
func (f *File) CommitSoon(path string) (settle func() error, err error) {
	f.path = path
	if err := os.Rename(f.file.Name(), path); err != nil {
		f.Abort()
		return nil, f.named(withoutPath(err))
	}
	return func() error {
		err := f.file.Sync()
		if closed := f.file.Close(); err == nil {
			err = closed
		}
		if err == nil {
			err = SyncDir(filepath.Dir(path))
		}
		if err != nil {
			return f.named(err)
		}
		return nil
	}, nil
}

func (f *File) commit() error {
	if err := f.file.Sync(); err != nil {
		return err
	}
	if err := f.file.Close(); err != nil {
		return err
	}
	if err := os.Rename(f.file.Name(), f.path); err != nil {
		return withoutPath(err)
	}
	return SyncDir(filepath.Dir(f.path))
}

// Abort removes what was written.
func (f *File) Abort() {
	f.file.Close()
	os.Remove(f.file.Name())
}

// named says which file an error is about, under the name that it was to have:
// the temporary one means nothing to anyone. An error about another file keeps
// that one's name.
func (f *File) named(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && p.Path == f.file.Name() {
		err = p.Err
	}
	return fmt.Errorf("write %s: %w", f.path, err)
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

var temporary = regexp.MustCompile(`^\.(.+)-[0-9a-f]{16}$`) // as temporaryPath makes them

// Tidy removes from a folder what killed processes left unfinished of the files
// that ours says yes to, unless it was written to within the last while: a
// process that lives may still be at it.
func Tidy(dir string, ours func(name string) bool, while time.Duration) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		found := temporary.FindStringSubmatch(e.Name())
		if found == nil || !ours(found[1]) {
			continue
		}
		if info, err := e.Info(); while > 0 && (err != nil || time.Since(info.ModTime()) < while) {
			continue
		}
		if err := os.Remove(filepath.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
