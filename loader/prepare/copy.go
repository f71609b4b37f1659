package prepare

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// copyEmbeddings copies folders of vectors, which may be links to elsewhere.
func copyEmbeddings(from fs.FS, to string) error {
	folders, err := fs.ReadDir(from, ".")
	if err != nil {
		return err
	}
	for _, folder := range folders {
		name := folder.Name()
		if info, err := fs.Stat(from, name); err != nil || !info.IsDir() {
			continue
		}
		files, err := fs.ReadDir(from, name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(to, name), 0o777); err != nil {
			return err
		}
		for _, file := range files {
			if info, err := fs.Stat(from, path.Join(name, file.Name())); err != nil || !info.Mode().IsRegular() {
				continue
			}
			if err := copyFile(from, path.Join(name, file.Name()), to); err != nil {
				return err
			}
		}
	}
	return nil
}

// copyFile copies a file to the same place in a folder.
func copyFile(from fs.FS, name, to string) (err error) {
	in, err := from.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(to, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer func() {
		if closed := out.Close(); err == nil {
			err = closed
		}
	}()
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return out.Sync()
}
