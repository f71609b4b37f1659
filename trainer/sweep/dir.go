package sweep

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gofrs/flock"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// The files of a sweep's folder.
const (
	settingsFile = "sweep.yaml"
	storageFile  = "study.db"
	trialsFile   = "trials.csv"
	resultFile   = "sweep.json"
	bestDir      = "best"
	lockFile     = ".lock"
)

// A Dir is the folder of a sweep:
//
//	sweep.yaml   its settings, as --config takes them
//	study.db     its trials, unless they are kept elsewhere
//	trials.csv   the same as a table, once the sweep has ended
//	sweep.json   the result
//	best/        the run directory of the best trial
//	.lock        held by the process that leads the sweep
type Dir struct {
	path string
	lock *flock.Flock
}

// OpenDir takes the folder of a new or an old sweep, and nothing else, and
// locks it. The caller closes it.
func OpenDir(path string) (*Dir, error) {
	entries, err := os.ReadDir(path)
	if info, stat := os.Stat(path); stat == nil && !info.IsDir() {
		return nil, fmt.Errorf("%s is a file: choose another folder with --out", path)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := onlyOurs(path, entries); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, err
	}
	d := &Dir{path, flock.New(filepath.Join(path, lockFile))}
	ok, err := d.lock.TryLock()
	switch {
	case err != nil:
		return nil, fmt.Errorf("lock %s: %w", path, err)
	case !ok:
		return nil, fmt.Errorf("%s is in use: another cosfit sweep leads it; cosfit sweep worker joins it", path)
	}
	ours := func(name string) bool { return slices.Contains([]string{settingsFile, trialsFile, resultFile}, name) }
	if err := atomicfile.Tidy(path, ours, 0); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// onlyOurs refuses a folder with anything else in it.
func onlyOurs(path string, entries []fs.DirEntry) error {
	has := func(name string) bool {
		return slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == name })
	}
	ours := []string{settingsFile, storageFile, storageFile + "-wal", storageFile + "-shm", storageFile + "-journal", trialsFile, resultFile, bestDir, lockFile}
	for _, e := range entries {
		unfinished := slices.ContainsFunc(ours, func(name string) bool { return strings.HasPrefix(e.Name(), "."+name+"-") }) // by atomicfile
		if !slices.Contains(ours, e.Name()) && !unfinished {
			return fmt.Errorf("%s holds %s, which is not part of a sweep: choose another folder", path, e.Name())
		}
	}
	if has(bestDir) && !has(settingsFile) {
		return fmt.Errorf("%s holds %s, but no sweep: choose another folder", path, bestDir)
	}
	return nil
}

// Begun reports whether a sweep has left its settings there.
func (d *Dir) Begun() bool {
	_, err := os.Stat(d.Settings())
	return err == nil
}

// Path is the folder's, as it was given.
func (d *Dir) Path() string { return d.path }

// Settings, Storage, Trials, Result and Best are where these stand.
func (d *Dir) Settings() string { return SettingsPath(d.path) }

// SettingsPath is where the sweep of a folder has its settings.
func SettingsPath(dir string) string { return filepath.Join(dir, settingsFile) }

// Storage is the file of the study, where it is in the folder.
func (d *Dir) Storage() string { return filepath.Join(d.path, storageFile) }

// Best is the run directory of the best trial.
func (d *Dir) Best() string { return filepath.Join(d.path, bestDir) }

// TrialsPath is the table of trials.
func (d *Dir) TrialsPath() string { return filepath.Join(d.path, trialsFile) }

// WriteSettings writes sweep.yaml.
func (d *Dir) WriteSettings(text []byte) error { return d.write(d.Settings(), text) }

// WriteTrials writes trials.csv.
func (d *Dir) WriteTrials(text []byte) error { return d.write(d.TrialsPath(), text) }

// WriteResult writes sweep.json.
func (d *Dir) WriteResult(text []byte) error { return d.write(filepath.Join(d.path, resultFile), text) }

func (d *Dir) write(path string, text []byte) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// Close lets another process lead the sweep.
func (d *Dir) Close() error { return d.lock.Unlock() }

// Remove removes the folder of a sweep that came to nothing.
func (d *Dir) Remove() error {
	if err := d.Close(); err != nil {
		return err
	}
	os.Remove(filepath.Join(d.path, lockFile))
	return os.Remove(d.path)
}
