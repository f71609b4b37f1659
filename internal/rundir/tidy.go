package rundir

import (
	"os"
	"slices"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// tidy removes what a killed process left in a run directory: its temporary
// files, a checkpoint's folder that it had emptied or not filled yet, and one of
// two runs. The caller holds the lock, so no other process is writing them.
func (d Dir) tidy() error {
	own := func(name string) bool { return slices.Contains(runFiles(), name) }
	if err := atomicfile.Tidy(d.path, own, 0); err != nil {
		return err
	}
	checkpoint := func(name string) bool { return name == checkpointFile }
	if err := atomicfile.Tidy(d.file(checkpointDir), checkpoint, 0); err != nil {
		return err
	}
	os.Remove(d.file(checkpointDir)) // fails where something is in it
	return d.settle()
}
