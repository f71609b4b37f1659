package prepare

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
)

// lineLimit bounds a line, and a record of CSV that goes over several: far more
// than a text that is embedded, and little enough for the memory.
const lineLimit = 16 << 20

// errTooLong is what is wrong with a line that is passed over.
var errTooLong = fmt.Errorf("longer than %d MB", lineLimit>>20)

// lines reads lines of bounded length.
type lines struct {
	in     *input
	number int64  // of the line that next returned last, counted from 1
	buffer []byte // of that line, where it is not within the reader's
}

// openLines opens a file of lines.
func openLines(ctx context.Context, path string) (*lines, error) {
	in, err := openInput(ctx, path)
	if err != nil {
		return nil, err
	}
	return &lines{in: in}, nil
}

func (l *lines) close() { l.in.close() }

// place is the line that next returned last.
func (l *lines) place() Place { return Line(l.in.path, l.number) }

// next returns the next line with its end, valid until the next call, io.EOF
// after the last, or errTooLong for one that it passed over.
func (l *lines) next() ([]byte, error) {
	l.number++
	l.buffer = l.buffer[:0]
	tooLong := false
	for {
		part, err := l.in.ReadSlice('\n')
		tooLong = tooLong || len(l.buffer)+len(part) > lineLimit
		switch {
		case err == nil && tooLong:
			return nil, errTooLong
		case err == nil && len(l.buffer) == 0:
			return part, nil
		}
		if !tooLong {
			l.buffer = append(l.buffer, part...)
		}
		switch {
		case err == nil:
			return l.buffer, nil
		case errors.Is(err, io.EOF) && tooLong:
			return nil, errTooLong
		case errors.Is(err, io.EOF) && len(l.buffer) > 0:
			return l.buffer, nil
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, l.in.failed(err)
		}
	}
}

// withoutEnd takes the end off a line.
func withoutEnd(line []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
}
