package prepare

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf16"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// A File is one of the files that a source reads.
type File struct {
	Path  string
	Split string // of its pairs; "" where its rows say it, or nobody does
}

// An input is a file as UTF-8 text: unpacked where it is compressed, and
// without a byte order mark. Its errors name the file.
type input struct {
	*bufio.Reader
	path   string
	file   *os.File
	unpack io.Closer // nil where nothing is to be closed
}

// openInput opens a file of text.
func openInput(ctx context.Context, path string) (*input, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, withoutPath(err))
	}
	in := &input{path: path, file: file}
	if err := in.start(ctx); err != nil {
		in.close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return in, nil
}

func (in *input) close() {
	if in.unpack != nil {
		in.unpack.Close()
	}
	in.file.Close()
}

// A packing is a way to compress files, told by the first bytes.
type packing struct {
	name, extension, magic string
	unpack                 func(io.Reader) (io.Reader, error) // nil where we cannot
}

func packings() []packing {
	return []packing{
		{"gzip", ".gz", "\x1f\x8b", func(r io.Reader) (io.Reader, error) { return gzip.NewReader(r) }},
		{"Zstandard", ".zst", "\x28\xb5\x2f\xfd", unpackZstd},
		{"bzip2", ".bz2", "BZh", func(r io.Reader) (io.Reader, error) { return bzip2.NewReader(r), nil }},
		{"xz", ".xz", "\xfd7zXZ\x00", nil},
		{"LZ4", ".lz4", "\x04\x22\x4d\x18", nil},
		{"ZIP", ".zip", "PK\x03\x04", nil},
	}
}

// unpackZstd bounds the memory: a frame can ask for a window of gigabytes.
func unpackZstd(r io.Reader) (io.Reader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<20))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

// withoutPacking takes the extension of a packed file off its name.
func withoutPacking(path string) string {
	for _, p := range packings() {
		if extension := filepath.Ext(path); strings.EqualFold(extension, p.extension) {
			return strings.TrimSuffix(path, extension)
		}
	}
	return path
}

// start looks at the first bytes.
func (in *input) start(ctx context.Context) error {
	if info, err := in.file.Stat(); err != nil {
		return withoutPath(err)
	} else if info.IsDir() {
		return errors.New("it is a folder: name a file")
	} else if !info.Mode().IsRegular() {
		return errors.New("it is read more than once, which a pipe cannot be: write it to a file")
	}
	stored := &countingReader{ctx: ctx, r: in.file}
	in.Reader = bufio.NewReaderSize(stored, 1<<16)
	if err := in.startUnpacking(stored); err != nil {
		return err
	}
	head, err := in.Peek(512)
	if err != nil && !errors.Is(err, io.EOF) {
		return in.explain(err)
	}
	if len(head) == 0 {
		return errors.New("the file is empty")
	}
	if text, ok := bytes.CutPrefix(head, []byte("\xef\xbb\xbf")); ok {
		in.Discard(len(head) - len(text))
	}
	return checkEncoding(head, in.path)
}

func (in *input) startUnpacking(stored *countingReader) error {
	head, err := in.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return withoutPath(err)
	}
	all := packings()
	i := slices.IndexFunc(all, func(p packing) bool { return bytes.HasPrefix(head, []byte(p.magic)) })
	if i < 0 {
		for _, p := range all {
			if len(head) > 0 && strings.EqualFold(filepath.Ext(in.path), p.extension) {
				return fmt.Errorf("it is called %s and is not %s by its first bytes: it is damaged, or has the wrong name", p.extension, p.name)
			}
		}
		return nil
	}
	p := all[i]
	if p.unpack == nil {
		return fmt.Errorf("it is %s, which is not read here: unpack it, or pack it with gzip, zstd or bzip2", p.name)
	}
	r, err := p.unpack(in.Reader)
	if err != nil {
		return in.explain(err)
	}
	in.unpack, _ = r.(io.Closer)
	in.Reader = bufio.NewReaderSize(&bombGuard{r: r, stored: stored, name: p.name}, 1<<16)
	return nil
}

// checkEncoding refuses UTF-16, which spreadsheets write.
func checkEncoding(head []byte, path string) error {
	name := ""
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		name = "UTF-16"
	case len(head) >= 2 && head[0] == 0 && head[1] != 0:
		name = "UTF-16BE"
	case len(head) >= 2 && head[0] != 0 && head[1] == 0:
		name = "UTF-16LE"
	default:
		return nil
	}
	if !isUTF16(head, name) {
		return errors.New("it has bytes of 0 and is no text: name a file of pairs in text, packed or not, or Parquet")
	}
	return fmt.Errorf("it is %s, want UTF-8: convert it with iconv -f %s -t UTF-8 %s > utf8-%s", name, name, filepath.Base(path), filepath.Base(path))
}

// isUTF16 reports whether all of head can be such text, which in binary files would
// be chance.
func isUTF16(head []byte, name string) bool {
	var order binary.ByteOrder = binary.LittleEndian
	if name == "UTF-16BE" || bytes.HasPrefix(head, []byte("\xfe\xff")) {
		order = binary.BigEndian
	}
	var units []uint16
	for ; len(head) >= 2; head = head[2:] {
		units = append(units, order.Uint16(head))
	}
	if n := len(units); n > 0 && utf16.IsSurrogate(rune(units[n-1])) { // whose other half may follow
		units = units[:n-1]
	}
	for _, r := range utf16.Decode(units) {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) && !unicode.IsSpace(r) && !unicode.Is(unicode.Cf, r) {
			return false
		}
	}
	return true
}

// errEncoding is what is wrong with a row that is not UTF-8.
var errEncoding = errors.New("not UTF-8: if the file is Latin-1, convert it with iconv -f LATIN1 -t UTF-8")

// failed names the file that an error of reading is about.
func (in *input) failed(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return fmt.Errorf("read %s: %w", in.path, in.explain(err))
}

// explain puts the errors of packings into words.
func (in *input) explain(err error) error {
	var bomb *bombError
	switch {
	case errors.As(err, &bomb), errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the file ends in the middle of its packed data: copy it again")
	case in.file != nil && in.packed():
		return fmt.Errorf("its packed data are damaged: %w: copy it again", withoutPath(err))
	}
	return withoutPath(err)
}

func (in *input) packed() bool {
	var head [8]byte
	n, _ := in.file.ReadAt(head[:], 0)
	return slices.ContainsFunc(packings(), func(p packing) bool { return bytes.HasPrefix(head[:n], []byte(p.magic)) })
}

// A countingReader counts what was read, and ends with its context.
type countingReader struct {
	ctx context.Context
	r   io.Reader
	n   int64
}

func (c *countingReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// A bombGuard ends the unpacking of what cannot be text: text packs to a fifth
// of its size, the most repetitive logs to a hundredth.
type bombGuard struct {
	r      io.Reader
	stored *countingReader
	name   string
	n      int64
}

const (
	bombRatio = 500
	bombFree  = 64 << 20 // a small file may unpack to so much
)

type bombError struct{}

func (e *bombError) Error() string {
	return fmt.Sprintf("it unpacks to more than %d times its size, which no text does: it is damaged, or made to do harm", bombRatio)
}

func (g *bombGuard) Read(b []byte) (int, error) {
	n, err := g.r.Read(b)
	g.n += int64(n)
	if g.n > bombFree && g.n/bombRatio > g.stored.n {
		return 0, &bombError{}
	}
	return n, err
}
