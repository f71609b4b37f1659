package main

import (
	"fmt"
	"io/fs"
	"os"
)

// checkOutFile refuses to write a file where something would be lost. Files are
// written beside and renamed, which would put a file in the place of a device, of
// a pipe, or of a link whose target stays as it is: --force does not mean these.
func checkOutFile(out string, force bool) error {
	there, err := os.Lstat(out)
	switch {
	case err != nil:
		return nil // not there, or writing says what is wrong
	case there.IsDir():
		return fmt.Errorf("%s is a folder: name a file with --out", out)
	case there.Mode()&fs.ModeSymlink != 0:
		return fmt.Errorf("%s is a link: name what it points to with --out", out)
	case !there.Mode().IsRegular():
		return fmt.Errorf("%s is a device or a pipe: name a file with --out", out)
	case !force:
		return fmt.Errorf("%s exists: choose another name, or replace it with --force", out)
	}
	return nil
}

func sameFile(a, b string) bool {
	first, err := os.Stat(a)
	if err != nil {
		return false
	}
	second, err := os.Stat(b)
	return err == nil && os.SameFile(first, second)
}
