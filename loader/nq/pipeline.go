package nq

import (
	"bytes"
	"context"
	"io"
	"sync"
)

const (
	// inFlight is how many bytes of text are read ahead, unless one piece is larger
	// than that or each thread needs more.
	inFlight          = 64 << 20
	inFlightPerThread = 4 << 20
	// reusable is the size of buffers that are used again; those of a giant line are
	// not.
	reusable = 4 * pieceSize
)

// A job is a piece of a file on its way through the pipeline.
type job struct {
	piece
	offset   int64 // of the file, up to which it was read
	outcomes []numbered
	done     chan struct{}
}

// A numbered outcome knows its line.
type numbered struct {
	line int64
	outcome
}

// A pipeline reads pieces of a file ahead, has them parsed by several goroutines
// and returns them in the file's order.
type pipeline struct {
	ctx      context.Context
	cancel   context.CancelFunc
	wait     sync.WaitGroup
	work     chan *job
	order    chan *job
	released chan []byte // buffers of pieces that are dealt with
	failed   error       // of reading; valid when order is closed
}

// startPipeline begins to read. stop ends it.
func startPipeline(ctx context.Context, in *input, o Options, threads int) *pipeline {
	ahead := 2 * threads
	p := &pipeline{work: make(chan *job), order: make(chan *job, ahead), released: make(chan []byte, ahead+2)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.wait.Go(func() {
		defer close(p.order)
		defer close(p.work)
		p.failed = p.read(in, max(inFlight, int64(threads)*inFlightPerThread))
	})
	for range threads {
		p.wait.Go(func() {
			m := newMaker(o)
			for j := range p.work {
				j.parse(m)
				close(j.done)
			}
		})
	}
	return p
}

// stop ends the pipeline, whether it is at its end or not.
func (p *pipeline) stop() {
	p.cancel()
	p.wait.Wait()
}

// read cuts the file into pieces and hands them on, no more than most bytes of
// text ahead.
func (p *pipeline) read(in *input, most int64) error {
	lines := newPieces(in)
	var ahead int64
	var buf []byte
	free := func(b []byte) {
		ahead -= int64(cap(b))
		if cap(b) <= reusable {
			buf = b
		}
	}
	for {
		piece, err := lines.next(buf)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return in.failed(err, lines.line)
		}
		buf = nil
		for waiting := true; waiting; {
			select {
			case b := <-p.released:
				free(b)
			default:
				waiting = false
			}
		}
		size := int64(cap(piece.text))
		for ahead > 0 && ahead+size > most {
			select {
			case b := <-p.released:
				free(b)
			case <-p.ctx.Done():
				return p.ctx.Err()
			}
		}
		ahead += size
		j := &job{piece: piece, offset: in.read, done: make(chan struct{})}
		for _, to := range []chan *job{p.order, p.work} {
			select {
			case to <- j:
			case <-p.ctx.Done():
				return p.ctx.Err()
			}
		}
	}
}

// next returns the next piece, parsed, or io.EOF. It is given back with release.
func (p *pipeline) next() (*job, error) {
	j, ok := <-p.order
	if !ok {
		if p.failed != nil {
			return nil, p.failed
		}
		return nil, io.EOF
	}
	select {
	case <-j.done:
		return j, nil
	case <-p.ctx.Done():
		return nil, p.ctx.Err()
	}
}

func (p *pipeline) release(j *job) { p.released <- j.text }

// parse makes the outcomes of a piece's lines. Empty lines are none.
func (j *job) parse(m *maker) {
	if j.err != nil {
		j.outcomes = []numbered{{j.first, outcome{err: j.err}}}
		return
	}
	line := j.first
	for text := range bytes.Lines(j.text) {
		switch {
		case len(text) > longestLine:
			j.outcomes = append(j.outcomes, numbered{line, outcome{err: errTooLong}})
		case len(bytes.TrimSpace(text)) > 0:
			j.outcomes = append(j.outcomes, numbered{line, m.make(text)})
			if len(text) > reusable { // its memory is not kept
				*m = *newMaker(m.o)
			}
		}
		line++
	}
}
