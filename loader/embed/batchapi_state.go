package embed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// What is known about the batches of a space is kept in a folder, so that whoever
// asks next, in another process and on another day, finds them:
//
//	state.json      the batches under way, written before and after each step
//	TOKEN.jsonl     the requests of each, until its answers are in the store
//	.lock           held by the process that is at work
//
// Whoever removes TOKEN.jsonl gives the batch up, and its texts are bought again.
const (
	stateFile    = "state.json"
	stateLock    = ".lock"
	requestsFile = ".jsonl" // after the token
	stateVersion = 1
)

// A batchState is state.json.
type batchState struct {
	SchemaVersion int         `json:"schema_version"`
	Space         spaceRecord `json:"space"`
	Server        string      `json:"server"`
	// Spent is what was billed for batches that are done while others were under
	// way: it counts for the limit on the cost.
	Spent int64  `json:"spent_tokens"`
	Jobs  []*job `json:"batches"`
}

type spaceRecord struct {
	Provider   string `json:"provider"`
	Model      string `json:"model"`
	Dimensions int    `json:"dimensions"` // 0 where the model decides
	Prompt     string `json:"prompt"`
}

// A job is a batch of the batch API, to tell it from the batch of a request.
type job struct {
	Token   string `json:"token"` // what we call it, also in the batch's metadata
	Texts   int    `json:"texts"`
	Tokens  int64  `json:"tokens"` // as we count
	FileID  string `json:"file_id,omitempty"`
	BatchID string `json:"batch_id,omitempty"`
	// Asked is when the batch was asked for, set before. Without BatchID nobody
	// knows yet whether there is one.
	Asked time.Time `json:"asked,omitzero"`

	status   string // that the server said last
	answered int    // requests, as the server said last
	missed   int    // times in a row that the server did not know it
	wanted   bool   // has a text of this run
}

// A batchFolder is the folder of a space's batches.
type batchFolder struct {
	dir   string
	lock  *flock.Flock // nil where nothing is written
	state batchState
}

// A BusyError says that another process is at work on the batches of a space.
type BusyError struct {
	Space Space
	Lock  string // the file that it holds
}

func (e *BusyError) Error() string {
	return fmt.Sprintf("another process is at work on the batches of %s: let it end, or stop it (it holds %s)", e.Space, e.Lock)
}

// openBatches opens a folder for one process and reads what is there. Batches of
// another space or server are an error.
func openBatches(dir string, space Space, server string) (*batchFolder, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("make the folder of batches: %w", err)
	}
	path := filepath.Join(dir, stateLock)
	f := &batchFolder{dir: dir, lock: flock.New(path)}
	ok, err := f.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if !ok {
		return nil, &BusyError{space, path}
	}
	if err := f.read(space, server); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

func (f *batchFolder) close() error { return f.lock.Unlock() }

// read reads state.json and clears away what a killed process left.
func (f *batchFolder) read(space Space, server string) error {
	if err := f.load(space, server); err != nil {
		return err
	}
	if err := atomicfile.Tidy(f.dir, func(string) bool { return true }, 0); err != nil {
		return err
	}
	known := map[string]bool{}
	for _, j := range f.state.Jobs {
		known[f.requests(j)] = true
	}
	files, err := filepath.Glob(filepath.Join(f.dir, "*"+requestsFile))
	if err != nil {
		return err
	}
	for _, path := range files { // written, but not taken into the state
		if !known[path] {
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// load reads state.json, of which there may be none.
func (f *batchFolder) load(space Space, server string) error {
	fresh := batchState{SchemaVersion: stateVersion, Space: spaceRecord(space), Server: server}
	path := filepath.Join(f.dir, stateFile)
	state, found, err := readStateFile(f.dir)
	if err != nil {
		return err
	}
	if !found {
		f.state = fresh
		return nil
	}
	if state.Space != fresh.Space {
		return fmt.Errorf("%s is about the batches of %s, not of %s", path, Space(state.Space), space)
	}
	if state.Server != server && len(state.Jobs) > 0 {
		return fmt.Errorf("%s: batches are under way at %s, not at %s: ask there until they are done, or remove the file to give them up", path, state.Server, server)
	}
	state.Server = server
	f.state = state
	return nil
}

// readStateFile reads state.json of a folder, which need not be there.
func readStateFile(dir string) (s batchState, found bool, err error) {
	path := filepath.Join(dir, stateFile)
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	if err != nil {
		return s, false, err
	}
	if s, err = readState(raw); err != nil {
		return s, false, fmt.Errorf("%s: %w", path, err)
	}
	return s, true, nil
}

// readState reads what state.json holds.
func readState(raw []byte) (s batchState, err error) {
	var head struct {
		SchemaVersion int `json:"schema_version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return s, fmt.Errorf("is damaged: %w: see at the provider which batches there are, and remove the file to give them up", err)
	}
	if head.SchemaVersion > stateVersion {
		return s, fmt.Errorf("has schema_version %d, and this version of cosfit knows %d: use a newer one", head.SchemaVersion, stateVersion)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return s, fmt.Errorf("is damaged: %w", err)
	}
	for i, j := range s.Jobs {
		if j == nil || j.Token == "" || strings.ContainsAny(j.Token, `/\.`) || j.Texts < 0 || j.Tokens < 0 {
			return s, fmt.Errorf("is damaged: batch %d is not one", i)
		}
	}
	if s.Spent < 0 || head.SchemaVersion < 1 {
		return s, errors.New("is damaged: it has no schema_version, or a negative number")
	}
	s.SchemaVersion = stateVersion
	return s, nil
}

// save writes state.json, or removes it where there is nothing to know.
func (f *batchFolder) save() error {
	path := filepath.Join(f.dir, stateFile)
	if len(f.state.Jobs) == 0 && f.state.Spent == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return atomicfile.SyncDir(f.dir)
	}
	return atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(f.state)
	})
}

// requests is the file with the requests of a job.
func (f *batchFolder) requests(j *job) string { return filepath.Join(f.dir, j.Token+requestsFile) }

// eachRequest goes through the texts of a job.
func (f *batchFolder) eachRequest(p *OpenAI, j *job, visit func(Text) error) error {
	file, err := os.Open(f.requests(j))
	if err != nil {
		return err
	}
	defer file.Close()
	err, own := readLines(file, batchBytes, func(line []byte) error {
		t, err := p.readRequestLine(line)
		if err != nil {
			return fmt.Errorf("%s: %w", file.Name(), err)
		}
		return visit(t)
	})
	return errors.Join(err, own)
}

// remove forgets a job whose answers are in the store, or that has none.
func (f *batchFolder) remove(j *job) error {
	kept := f.state.Jobs[:0:0]
	for _, other := range f.state.Jobs {
		if other != j {
			kept = append(kept, other)
		}
	}
	f.state.Jobs = kept
	if err := f.save(); err != nil {
		return err
	}
	if err := os.Remove(f.requests(j)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
