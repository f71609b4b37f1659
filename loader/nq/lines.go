package nq

import (
	"bytes"
	"fmt"
	"io"
)

const (
	pieceSize   = 1 << 20 // of the pieces that lines are read in
	longestLine = 64 << 20
	// hopeless is a line so long that the file is not what it should be: a bomb, or
	// not text.
	hopeless = 4 << 30
)

// A piece is some lines of a file.
type piece struct {
	text  []byte // ends with a line
	first int64  // number of its first line
	err   error  // instead of text: what is wrong with the one line
}

// pieces cuts a file into pieces, which are whole lines.
type pieces struct {
	in   io.Reader
	rest []byte // read, but not yet returned
	line int64  // lines that were returned
	done bool
	// Lines that are longer are no good; those that go on beyond give up are an
	// error of the file.
	longest, giveUp int64
}

func newPieces(in io.Reader) *pieces {
	return &pieces{in: in, longest: longestLine, giveUp: hopeless}
}

// next returns the next piece, whose text is the caller's, or io.EOF.
func (p *pieces) next(buf []byte) (piece, error) {
	buf = append(buf[:0], p.rest...)
	p.rest = p.rest[:0]
	end := bytes.LastIndexByte(buf, '\n') + 1
	for !p.done && (len(buf) < pieceSize || end == 0) {
		if int64(len(buf)) > p.longest {
			break
		}
		from := len(buf)
		var err error
		if buf, err = p.more(buf); err != nil {
			return piece{}, err
		}
		if i := bytes.LastIndexByte(buf[from:], '\n'); i >= 0 {
			end = from + i + 1
		}
	}
	switch {
	case len(buf) == 0:
		return piece{}, io.EOF
	case end == 0 && int64(len(buf)) > p.longest:
		return p.skip(buf)
	case p.done:
		end = len(buf)
	}
	p.rest = append(p.rest, buf[end:]...)
	out := piece{text: buf[:end], first: p.line + 1}
	if p.line == 0 {
		out.text = bytes.TrimPrefix(out.text, []byte("\xef\xbb\xbf"))
	}
	p.line += int64(bytes.Count(out.text, []byte{'\n'}))
	if buf[end-1] != '\n' {
		p.line++
	}
	return out, nil
}

// more reads more of the file behind what is in buf.
func (p *pieces) more(buf []byte) ([]byte, error) {
	const least = 1 << 16
	if cap(buf)-len(buf) < least {
		size := min(2*cap(buf), int(p.longest)+2*least)
		larger := make([]byte, len(buf), max(pieceSize+2*least, size, len(buf)+least))
		copy(larger, buf)
		buf = larger
	}
	n, err := p.in.Read(buf[len(buf):cap(buf)])
	if err == io.EOF {
		p.done, err = true, nil
	}
	buf = buf[:len(buf)+n]
	if err != nil {
		p.line += int64(bytes.Count(buf, []byte{'\n'})) // for the message
	}
	return buf, err
}

// skip moves to the end of a line that is too long, of which buf was read.
func (p *pieces) skip(buf []byte) (piece, error) {
	length := int64(len(buf))
	for !p.done {
		var err error
		if buf, err = p.more(buf[:0]); err != nil {
			return piece{}, err
		}
		if i := bytes.IndexByte(buf, '\n'); i >= 0 {
			p.rest = append(p.rest, buf[i+1:]...)
			break
		}
		if length += int64(len(buf)); length > p.giveUp {
			return piece{}, &hopelessError{p.line + 1, p.giveUp}
		}
	}
	p.line++
	return piece{first: p.line, err: errTooLong}, nil
}

var errTooLong = fmt.Errorf("is longer than %d MB", longestLine>>20)

// A hopelessError is about a file that has a line without an end.
type hopelessError struct{ line, length int64 }

func (e *hopelessError) Error() string {
	return fmt.Sprintf("line %d is longer than %d MB, so this is no file of NQ", e.line, e.length>>20)
}
