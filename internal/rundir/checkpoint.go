package rundir

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/cosfit/cosfit/internal/atomicfile"
)

// checkpointMagic begins a checkpoint; the digit is its version.
const checkpointMagic = "cosfit checkpoint 2\n"

// WriteCheckpoint saves a state, as JSON, and arrays of numbers in one file:
// the magic, the length of the JSON, the JSON, the numbers, and the CRC-32 (IEEE)
// of all that. The reader must know the sizes of the arrays.
func (d Dir) WriteCheckpoint(state any, arrays ...[]float32) error {
	if err := os.MkdirAll(d.file(checkpointDir), 0o777); err != nil {
		return err
	}
	if err := atomicfile.SyncDir(d.path); err != nil {
		return err
	}
	text, err := json.Marshal(state)
	if err != nil {
		return err
	}
	return atomicfile.Write(d.checkpoint(), func(w io.Writer) error {
		sum := crc32.NewIEEE()
		out := io.MultiWriter(w, sum)
		io.WriteString(out, checkpointMagic)
		binary.Write(out, binary.LittleEndian, uint64(len(text)))
		out.Write(text)
		for _, a := range arrays {
			if _, err := out.Write(asBytes(a)); err != nil {
				return err
			}
		}
		return binary.Write(w, binary.LittleEndian, sum.Sum32())
	})
}

func (d Dir) checkpoint() string { return filepath.Join(d.path, checkpointDir, checkpointFile) }

// noCheckpoint says why there is none.
func (d Dir) noCheckpoint() error {
	if d.Finished() {
		return fmt.Errorf("%s has no checkpoint: the run is finished", d.path)
	}
	return fmt.Errorf("%s has no checkpoint: the run ended before its first, start it again with --force instead of --resume", d.path)
}

// HasCheckpoint reports whether the run can go on.
func (d Dir) HasCheckpoint() bool {
	_, err := os.Stat(d.checkpoint())
	return err == nil
}

// Finished reports whether the run has its results.
func (d Dir) Finished() bool {
	_, err := os.Stat(d.file(summaryFile))
	return err == nil
}

// ReadCheckpoint reads what WriteCheckpoint saved. It fills state, then asks
// for the arrays to fill; their error ends the reading.
func (d Dir) ReadCheckpoint(state any, arrays func() ([][]float32, error)) error {
	raw, err := os.ReadFile(d.checkpoint())
	if errors.Is(err, fs.ErrNotExist) {
		return d.noCheckpoint()
	}
	if err != nil {
		return err
	}
	bad := func(what string) error {
		return fmt.Errorf("%s: %s: start the run again without --resume", d.checkpoint(), what)
	}
	body, found := bytes.CutPrefix(raw, []byte(checkpointMagic))
	if !found {
		return bad("not a checkpoint of this version of cosfit")
	}
	if end := len(raw) - crc32.Size; len(body) < 8+crc32.Size || crc32.ChecksumIEEE(raw[:end]) != binary.LittleEndian.Uint32(raw[end:]) {
		return bad("the checkpoint is damaged")
	}
	n := binary.LittleEndian.Uint64(body)
	body = body[8 : len(body)-crc32.Size]
	if n > uint64(len(body)) {
		return bad("the checkpoint is damaged")
	}
	if err := json.Unmarshal(body[:n], state); err != nil {
		return bad(err.Error())
	}
	body = body[n:]
	into, err := arrays()
	if err != nil {
		return err
	}
	for _, a := range into {
		b := asBytes(a)
		if len(body) < len(b) {
			return bad("the checkpoint is too short for this model")
		}
		body = body[copy(b, body):]
	}
	if len(body) > 0 {
		return bad("the checkpoint is too long for this model")
	}
	return nil
}

// RemoveCheckpoint forgets how to resume, and the run that this one replaces,
// once it is finished.
func (d Dir) RemoveCheckpoint() error {
	if err := d.removeReplaced(); err != nil {
		return err
	}
	return os.RemoveAll(d.file(checkpointDir))
}

// asBytes is the memory of numbers; every platform that we build for is
// little-endian.
func asBytes(x []float32) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}
