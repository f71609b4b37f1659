package nq

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// An input is a file of lines, plain or gzip'ed, whatever its name says.
type input struct {
	path string
	file *os.File
	read int64 // of the file's own bytes
	r    io.Reader
	gzip bool
}

func openInput(path string) (*input, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	in := &input{path: path, file: f}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		f.Close()
		return nil, fmt.Errorf("%s is a folder: name a file of NQ, such as simplified-nq-train.jsonl.gz", path)
	}
	b := bufio.NewReaderSize(counted{in}, 1<<18)
	in.r = b
	head, err := b.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		f.Close()
		return nil, in.failed(err, 0)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		in.gzip = true
		if in.r, err = gzip.NewReader(b); err != nil {
			f.Close()
			return nil, in.failed(err, 0)
		}
	default:
		if what := packedAs(head); what != "" {
			f.Close()
			return nil, fmt.Errorf("%s is packed with %s: unpack it first, or pack it with gzip", path, what)
		}
	}
	return in, nil
}

// packedAs recognises what is neither text nor gzip.
func packedAs(head []byte) string {
	for magic, name := range map[string]string{
		"PK\x03\x04": "zip", "\x28\xb5\x2f\xfd": "zstd", "\xfd7zXZ\x00": "xz", "BZh": "bzip2",
	} {
		if strings.HasPrefix(string(head), magic) {
			return name
		}
	}
	return ""
}

func (in *input) Read(b []byte) (int, error) { return in.r.Read(b) }

func (in *input) Close() error { return in.file.Close() }

// size is the file's, or 0 where it has none.
func (in *input) size() int64 {
	if info, err := in.file.Stat(); err == nil && info.Mode().IsRegular() {
		return info.Size()
	}
	return 0
}

// failed says what is wrong with the file behind a line.
func (in *input) failed(err error, line int64) error {
	_, corrupt := errors.AsType[flate.CorruptInputError](err)
	if hopeless, ok := errors.AsType[*hopelessError](err); ok {
		return fmt.Errorf("%s: %w", in.path, hopeless)
	}
	switch {
	case in.gzip && errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s ends in the middle of its gzip data, after line %d: it was not copied whole, so get it again", in.path, line)
	case corrupt, errors.Is(err, gzip.ErrHeader), errors.Is(err, gzip.ErrChecksum):
		return fmt.Errorf("%s: its gzip data is damaged after line %d: get it again", in.path, line)
	}
	return fmt.Errorf("read %s after line %d: %w", in.path, line, err)
}

// counted counts what is read of the file.
type counted struct{ in *input }

func (c counted) Read(b []byte) (int, error) {
	n, err := c.in.file.Read(b)
	c.in.read += int64(n)
	return n, err
}
