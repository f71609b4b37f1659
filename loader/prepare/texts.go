package prepare

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"

	"github.com/cosfit/cosfit/internal/scratch"
	"github.com/cosfit/cosfit/loader"
)

// texts are numbered in order of first appearance, each once. They stand in a
// scratch file, so that a text costs under a hundred bytes of memory.
type texts struct {
	numbers map[loader.ID]int32
	all     []storedText
	file    *os.File
	writer  *bufio.Writer
	end     int64 // of the file
	dir     string
}

// A storedText is where a text stands.
type storedText struct {
	id     loader.ID
	offset int64
	length int32
	source int32 // number of the document, or none
	role   role
}

const none = -1

// A role is the sides that a text was seen on.
type role uint8

const (
	query role = 1 << iota
	passage
)

// add numbers a text.
func (t *texts) add(text string) (int32, error) {
	id := loader.NewID(text)
	if n, ok := t.numbers[id]; ok {
		return n, nil
	}
	if t.file == nil {
		if err := t.create(); err != nil {
			return 0, err
		}
	}
	if _, err := t.writer.WriteString(text); err != nil {
		return 0, t.failed(err)
	}
	n := int32(len(t.all))
	t.all = append(t.all, storedText{id: id, offset: t.end, length: int32(len(text)), source: none})
	t.numbers[id] = n
	t.end += int64(len(text))
	return n, nil
}

func (t *texts) create() (err error) {
	if t.dir == "" {
		t.dir = scratch.Dir()
	}
	if t.file, err = scratch.Create(t.dir, "texts"); err != nil {
		return t.failed(err)
	}
	t.writer = bufio.NewWriterSize(t.file, 1<<18)
	t.numbers = map[loader.ID]int32{}
	return nil
}

// read returns text n, through buf where that is large enough.
func (t *texts) read(n int32, buf []byte) ([]byte, error) {
	s := t.all[n]
	if s.offset+int64(s.length) > t.end-int64(t.writer.Buffered()) {
		if err := t.writer.Flush(); err != nil {
			return nil, t.failed(err)
		}
	}
	if cap(buf) < int(s.length) {
		buf = make([]byte, s.length)
	}
	buf = buf[:s.length]
	if _, err := t.file.ReadAt(buf, s.offset); err != nil {
		return nil, t.failed(err)
	}
	return buf, nil
}

func (t *texts) failed(err error) error {
	return fmt.Errorf("texts are kept in a scratch file in %s: %w; make room there, or choose another folder with --scratch", filepath.Clean(t.dir), err)
}

func (t *texts) close() error {
	if t.file == nil {
		return nil
	}
	return scratch.Close(t.file)
}
