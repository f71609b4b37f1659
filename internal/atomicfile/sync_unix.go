//go:build unix

package atomicfile

import (
	"errors"
	"os"
	"syscall"
)

// SyncDir waits until the names in a directory have reached the disk: a
// rename can be lost with the power although the file's bytes are not. Some
// network file systems cannot do it, and a directory may be for writing only;
// they are taken as they are.
func SyncDir(path string) error {
	d, err := os.Open(path)
	if errors.Is(err, os.ErrPermission) {
		return nil
	}
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
