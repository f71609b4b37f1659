package rundir

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// begun makes a run in a folder, or replaces the one there, and writes its
// config.json, whose version tells runs apart.
func begun(t *testing.T, path, version string) Dir {
	t.Helper()
	d, err := Create(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteConfig(Config{SchemaVersion: 1, Version: version}); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteHistory(nil); err != nil {
		t.Fatal(err)
	}
	return d
}

func finished(t *testing.T, d Dir) {
	t.Helper()
	if err := d.WriteSummary(Summary{SchemaVersion: 1}); err != nil {
		t.Fatal(err)
	}
	if err := d.RemoveCheckpoint(); err != nil {
		t.Fatal(err)
	}
	d.Unlock()
}

// TestReplace: a finished run is there again after whatever ends the one that is
// to replace it before that has a checkpoint, and gone once that is finished.
func TestReplace(t *testing.T) {
	aside := func(t *testing.T, d Dir, names ...string) { // as a process leaves it that is killed on the way
		if err := os.Mkdir(d.file(movingDir), 0o777); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if err := os.Rename(d.file(name), filepath.Join(d.file(movingDir), name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkpoint := func(t *testing.T, d Dir) {
		if err := d.WriteCheckpoint(1); err != nil {
			t.Fatal(err)
		}
	}
	for name, try := range map[string]struct {
		end  func(t *testing.T, path string)
		want string // version of the run that is there
	}{
		"removed": {func(t *testing.T, path string) {
			d := begun(t, path, "new")
			checkpoint(t, d)
			if err := d.Remove(); err != nil {
				t.Fatal(err)
			}
			d.Unlock()
		}, "old"},
		"killed":                 {func(t *testing.T, path string) { begun(t, path, "new").Unlock() }, "old"},
		"killed while set aside": {func(t *testing.T, path string) { aside(t, Dir{path: path}, configFile) }, "old"},
		"killed before that":     {func(t *testing.T, path string) { aside(t, Dir{path: path}) }, "old"},
		"killed, replaced again": {func(t *testing.T, path string) {
			begun(t, path, "new").Unlock()
			begun(t, path, "newer").Unlock()
		}, "old"},
		"with a checkpoint": {func(t *testing.T, path string) {
			d := begun(t, path, "new")
			checkpoint(t, d)
			d.Unlock()
		}, "new"},
		"with a checkpoint, replaced again": {func(t *testing.T, path string) {
			d := begun(t, path, "new")
			checkpoint(t, d)
			d.Unlock()
			begun(t, path, "newer").Unlock()
		}, "old"},
		"finished": {func(t *testing.T, path string) { finished(t, begun(t, path, "new")) }, "new"},
		"killed when finished": {func(t *testing.T, path string) {
			d := begun(t, path, "new")
			d.WriteSummary(Summary{SchemaVersion: 1})
			d.Unlock()
		}, "new"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "run")
			finished(t, begun(t, path, "old"))
			try.end(t, path)
			d, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			if c, err := d.ReadConfig(); err != nil || c.Version != try.want {
				t.Errorf("the %s run is there, %v, want the %s one", c.Version, err, try.want)
			}
			want := []string{lockFile, configFile, historyFile, summaryFile}
			if d.HasCheckpoint() {
				want = []string{lockFile, replacedDir, checkpointDir, configFile, historyFile}
			}
			entries, _ := os.ReadDir(path)
			var names []string
			for _, e := range entries {
				names = append(names, e.Name())
			}
			if !slices.Equal(names, want) {
				t.Errorf("%v stands in the folder, want %v", names, want)
			}
		})
	}
}

// A run that is being replaced by a living process is left to it.
func TestReplaceInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	finished(t, begun(t, path, "old"))
	d := begun(t, path, "new")
	if other, err := Open(path); err != nil || !other.Replaces() {
		t.Errorf("a reader put the old run back: %v", err)
	}
	finished(t, d)
	if d.Replaces() {
		t.Error("the finished run keeps the old one")
	}
}
