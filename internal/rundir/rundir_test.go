package rundir

import (
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/projection"
)

func TestCreate(t *testing.T) {
	dir := t.TempDir()
	if d, err := Create(filepath.Join(dir, "a", "b"), false); err != nil {
		t.Fatalf("a new folder: %v", err)
	} else if err := d.Unlock(); err != nil {
		t.Fatal(err)
	}
	run := filepath.Join(dir, "run")
	d, err := Create(run, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteConfig(Config{SchemaVersion: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := Create(run, true); err == nil || !strings.Contains(err.Error(), "is in use") {
		t.Errorf("a folder in use: error is %v", err)
	}
	d.Unlock()
	if _, err := Create(run, false); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("a folder with a run: error is %v", err)
	}
	if d, err = Create(run, true); err != nil {
		t.Fatalf("replacing a run: %v", err)
	}
	if entries, _ := os.ReadDir(run); len(entries) != 1 {
		t.Errorf("the replaced run left %v, want the lock alone", entries)
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	if entries, err := os.ReadDir(run); err != nil || len(entries) > 0 { // the folder was there before
		t.Errorf("the removed run left %v, %v", entries, err)
	}
	run = filepath.Join(dir, "new")
	if d, err = Create(run, false); err != nil {
		t.Fatal(err)
	}
	if err := d.Remove(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(run); err == nil {
		t.Error("the folder that was made for the run is still there")
	}
	file := filepath.Join(dir, "file")
	os.WriteFile(file, nil, 0o644)
	if _, err := Create(file, true); err == nil || !strings.Contains(err.Error(), "is a file") {
		t.Errorf("a file: error is %v", err)
	}
}

// TestCreateSparesOtherFiles replaces a folder that holds something else.
func TestCreateSparesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"config.json", "thesis.tex"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Create(dir, true); err == nil || !strings.Contains(err.Error(), "thesis.tex") {
		t.Errorf("error is %v, want one that names thesis.tex", err)
	}
	for _, name := range []string{"config.json", "thesis.tex"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	if _, err := Open(filepath.Join(dir, "none")); err == nil || !strings.HasSuffix(err.Error(), "no such run") {
		t.Errorf("a missing folder: error is %v", err)
	}
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "is not a run") {
		t.Errorf("another folder: error is %v", err)
	}
}

// TestKilledWhileWriting leaves what a killed process leaves: the next run in
// the folder clears that away, and nothing else.
func TestKilledWhileWriting(t *testing.T) {
	leave := func(t *testing.T, paths ...string) {
		t.Helper()
		for _, path := range paths {
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte("ha"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	// left is where internal/atomicfile writes a file that is not whole yet.
	left := func(path string) string {
		return filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+"-0123456789abcdef")
	}
	for _, replace := range []bool{false, true} {
		dir := t.TempDir()
		for _, name := range runFiles() {
			leave(t, left(filepath.Join(dir, name)))
		}
		d, err := Create(dir, replace)
		if err != nil {
			t.Fatalf("replace %v: %v", replace, err)
		}
		if entries, _ := os.ReadDir(dir); len(entries) != 1 {
			t.Errorf("replace %v: %v stands in the folder, want the lock alone", replace, entries)
		}
		d.Unlock()
	}

	dir := t.TempDir()
	config, checkpoint := filepath.Join(dir, configFile), filepath.Join(dir, checkpointDir, checkpointFile)
	leave(t, config, checkpoint, left(filepath.Join(dir, scoresFile)), left(checkpoint))
	if d, err := Resume(dir); err != nil {
		t.Fatal(err)
	} else {
		d.Unlock()
	}
	standing, _ := filepath.Glob(filepath.Join(dir, "*"))
	inside, _ := filepath.Glob(filepath.Join(dir, checkpointDir, "*"))
	want := []string{filepath.Join(dir, lockFile), filepath.Dir(checkpoint), config}
	if !slices.Equal(standing, want) || !slices.Equal(inside, []string{checkpoint}) {
		t.Errorf("%v and %v stand in the resumed folder", standing, inside)
	}

	dir = t.TempDir()
	foreign := []string{".thesis.tex-0123456789abcdef", ".config.json-backup", ".config.json-0123456789abcdef0", "config.json-0123456789abcdef"}
	for _, name := range foreign {
		path := filepath.Join(dir, name)
		leave(t, path)
		if _, err := Create(dir, true); err == nil || !strings.Contains(err.Error(), "not part of a run") {
			t.Errorf("a folder with %s: error is %v", name, err)
		}
		if err := os.Remove(path); err != nil {
			t.Errorf("%s is gone", name)
		}
	}
}

func TestSummaryRoundTrip(t *testing.T) {
	d, err := Create(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{SchemaVersion: 1, Selection: "roc_auc", BestEpoch: 3,
		After: map[string]Metrics{"test": {Pairs: 7, Accuracy: 0.5}}}
	if err := d.WriteSummary(want); err != nil {
		t.Fatal(err)
	}
	got, err := d.ReadSummary()
	if err != nil || got.After["test"].Accuracy != 0.5 || got.BestEpoch != 3 {
		t.Errorf("read %+v, %v", got, err)
	}
	m := Metrics{Loss: None}
	if err := d.WriteSummary(Summary{SchemaVersion: 1, After: map[string]Metrics{"test": m}}); err != nil {
		t.Fatal(err)
	}
	if raw, _ := os.ReadFile(filepath.Join(d.Path(), "summary.json")); !strings.Contains(string(raw), `"loss": null`) {
		t.Errorf("an unknown figure is not null:\n%s", raw)
	}
	if got, err = d.ReadSummary(); err != nil || got.After["test"].Loss.Known() {
		t.Errorf("null came back as %v, %v", got.After["test"].Loss, err)
	}
}

func TestNewerSchema(t *testing.T) {
	d, err := Create(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteConfig(Config{SchemaVersion: SchemaVersion + 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadConfig(); err == nil || !strings.Contains(err.Error(), "use a newer cosfit") {
		t.Errorf("error is %v", err)
	}
}

func TestHistory(t *testing.T) {
	d, err := Create(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteHistory([]Epoch{{Epoch: 2, Split: "train", Loss: 0.25, Selection: None}}); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(d.Path(), "history.csv"))
	want := "epoch,split,loss,accuracy,accuracy_se,threshold,accuracy_best_threshold,roc_auc,selection,learning_rate,seconds,pairs_per_second\n" +
		"2,train,0.25,0,0,0,0,0,,0,0,0\n"
	if err != nil || string(raw) != want {
		t.Errorf("history.csv is\n%s\nwant\n%s", raw, want)
	}
}

func TestScores(t *testing.T) {
	d, err := Create(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Score{{"a", "b", "test", "hard", 0, 0.25, -0.5}, {"a", "c", "train", "positive", 1, 0.75, 1}}
	if err := d.WriteScores(want); err != nil {
		t.Fatal(err)
	}
	if got, err := d.ReadScores(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read %v, %v, want %v", got, err, want)
	}
}

func TestMatrix(t *testing.T) {
	d, err := Create(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.ReadMatrix(); err == nil || !strings.Contains(err.Error(), "is not finished") {
		t.Errorf("an unfinished run: error is %v", err)
	}
	if err := d.WriteSummary(Summary{SchemaVersion: 1}); err != nil {
		t.Fatal(err)
	}
	if err := d.WriteMatrix(&projection.Projection{Matrix: []float32{1, 2, 3, 4, 5, 6}, In: 3, Out: 2}); err != nil {
		t.Fatal(err)
	}
	if p, err := d.ReadMatrix(); err != nil || p.In != 3 || p.Matrix[5] != 6 {
		t.Errorf("read %v, %v", p, err)
	}
}

type counters struct{ Step, Epoch int }

func TestCheckpoint(t *testing.T) {
	d, err := Create(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteConfig(Config{SchemaVersion: 1}); err != nil {
		t.Fatal(err)
	}
	d.Unlock()
	if _, err := Resume(d.Path()); err == nil || !strings.Contains(err.Error(), "ended before its first") {
		t.Errorf("a run without a checkpoint: error is %v", err)
	}
	a, b := []float32{1, float32(math.Inf(1)), float32(math.Copysign(0, -1))}, []float32{4}
	if err := d.WriteCheckpoint(counters{7, 2}, a, b); err != nil {
		t.Fatal(err)
	}
	if d, err = Resume(d.Path()); err != nil {
		t.Fatal(err)
	}
	var state counters
	a2, b2 := make([]float32, 3), make([]float32, 1)
	if err := d.ReadCheckpoint(&state, func() ([][]float32, error) { return [][]float32{a2, b2}, nil }); err != nil {
		t.Fatal(err)
	}
	if state != (counters{7, 2}) || !slices.Equal(a, a2) || !math.Signbit(float64(a2[2])) || !slices.Equal(b, b2) {
		t.Errorf("read %v %v %v", state, a2, b2)
	}
	refusal := errors.New("another run")
	if err := d.ReadCheckpoint(&state, func() ([][]float32, error) { return nil, refusal }); !errors.Is(err, refusal) {
		t.Errorf("error is %v, want the caller's", err)
	}
	d.Unlock()
	if err := d.RemoveCheckpoint(); err != nil {
		t.Error(err)
	}
	if err := d.WriteSummary(Summary{SchemaVersion: 1}); err != nil {
		t.Fatal(err)
	}
	// A kill between the removal of the checkpoint and of its folder.
	if err := os.Mkdir(d.file(checkpointDir), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(d.Path()); err == nil || !strings.HasSuffix(err.Error(), "the run is finished") {
		t.Errorf("a finished run: error is %v", err)
	}
	if _, err := os.Stat(d.file(checkpointDir)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the emptied folder of the checkpoint is left: %v", err)
	}
}

// TestDamagedCheckpoint changes or cuts the file at every byte.
func TestDamagedCheckpoint(t *testing.T) {
	d, err := Create(t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.WriteCheckpoint(counters{7, 2}, []float32{1, 2}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(d.checkpoint())
	if err != nil {
		t.Fatal(err)
	}
	read := func(size int) error {
		return d.ReadCheckpoint(new(counters), func() ([][]float32, error) { return [][]float32{make([]float32, size)}, nil })
	}
	for i := range whole {
		changed := slices.Clone(whole)
		changed[i] ^= 0x40
		for _, bad := range [][]byte{changed, whole[:i]} {
			if err := os.WriteFile(d.checkpoint(), bad, 0o644); err != nil {
				t.Fatal(err)
			}
			if err := read(2); err == nil || !strings.Contains(err.Error(), "without --resume") {
				t.Fatalf("byte %d: error is %v", i, err)
			}
		}
	}
	if err := os.WriteFile(d.checkpoint(), whole, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 3} {
		if err := read(size); err == nil || !strings.Contains(err.Error(), "for this model") {
			t.Errorf("a model of another size: error is %v", err)
		}
	}
}
