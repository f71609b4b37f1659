package prepare

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/loader"
)

const embeddingsDir = "embeddings"

// Extend writes the data set folder dir: the texts and the vectors of another
// one, which is the root of from, and other pairs of these texts. id names a
// text; labels are 0 and 1, or −1 and 1. The folder appears whole or not at all,
// and replaces what Draft.Write would.
func Extend(dir string, replace bool, from fs.FS, pairs *loader.Pairs, id func(text int32) string) error {
	if err := CheckOut(dir, replace); err != nil {
		return err
	}
	return atomicfile.WriteDir(dir, func(temporary string) error {
		if err := copyFile(from, textsFile, temporary); err != nil {
			return err
		}
		if err := copyEmbeddings(from, temporary); err != nil {
			return err
		}
		return writePairs(filepath.Join(temporary, pairsFile), pairs, id, "")
	})
}

// copyEmbeddings copies the folders of vectors. They may be links to elsewhere.
func copyEmbeddings(from fs.FS, to string) error {
	folders, err := fs.ReadDir(from, embeddingsDir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, folder := range folders {
		name := path.Join(embeddingsDir, folder.Name())
		if info, err := fs.Stat(from, name); err != nil || !info.IsDir() {
			continue
		}
		files, err := fs.ReadDir(from, name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(to, filepath.FromSlash(name)), 0o777); err != nil {
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
