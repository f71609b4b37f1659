package nq

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
)

// Options say what is made of the rows. Start from Defaults.
type Options struct {
	Rows        int64 // the first so many of all files; 0 means all
	MinChars    int   // a passage that is to become a negative has at least so many characters
	Pool        int   // passages of a page that its hard negatives are chosen from, at most
	Annotations Annotations
	Notebook    bool // text by the notebook's rule; see docs/prepare.md
	FlatTables  bool // tables become one line each
	Threads     int  // 0 means all

	// Cut shortens a text that has too many tokens, and says whether it did. It is
	// called by several goroutines. nil cuts nothing.
	Cut func(text string) (string, bool)

	// Progress is told now and then how many bytes of the files were read.
	Progress func(bytes int64)
}

// Defaults are the notebook's values.
func Defaults() Options { return Options{MinChars: 1000, Pool: 128} }

// A Question is what a row with an answer has added to the draft: a pair, and
// passages. All are numbers of texts, which stay what they are when pairs are
// taken out.
type Question struct {
	Query, Answer int32
	// Passages are the page's candidates that are long enough, in its order, the
	// answer among them. Other questions' weak negatives are drawn from them.
	Passages []int32
	// Hard are those that the question's hard negatives are chosen from, the longest
	// first: at most Options.Pool, and none that is the answer, says the same, is a
	// part of it or has it as a part.
	Hard []int32
}

// A Source reads files of NQ. It is a prepare.Source.
type Source struct {
	Paths []string
	Options

	// What Read found.
	Questions []Question
	Stats     Stats
}

var _ prepare.Source = (*Source)(nil)

// Read adds the rows of all files to a draft, in their order, whatever the number
// of threads.
func (s *Source) Read(ctx context.Context, d *prepare.Draft) error {
	var before int64
	for _, path := range s.Paths {
		in, err := openInput(path)
		if err != nil {
			return err
		}
		err = s.readFile(ctx, d, in, before)
		before += in.size()
		in.Close()
		if err != nil || s.full(d) {
			return err
		}
	}
	return nil
}

// full reports whether there are as many rows as were asked for.
func (s *Source) full(d *prepare.Draft) bool { return s.Rows > 0 && d.Tally.Rows >= s.Rows }

// readFile adds the rows of a file, before which there were so many bytes.
func (s *Source) readFile(ctx context.Context, d *prepare.Draft, in *input, before int64) error {
	threads := s.Threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	p := startPipeline(ctx, in, s.Options, threads)
	defer p.stop()
	for {
		j, err := p.next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		for _, o := range j.outcomes {
			if s.full(d) {
				return nil
			}
			d.Tally.Rows++
			if err := s.add(d, prepare.Line(in.path, o.line), o.outcome); err != nil {
				return err
			}
		}
		if s.Progress != nil {
			s.Progress(before + j.offset)
		}
		p.release(j)
	}
}

// add adds what became of a row.
func (s *Source) add(d *prepare.Draft, at prepare.Place, o outcome) error {
	switch {
	case o.err != nil:
		return d.Reject(at, o.err)
	case o.blank:
		s.Stats.Blank++
		return nil
	case o.question == nil:
		s.Stats.Unanswered++
		return nil
	}
	q := o.question
	s.Stats.count(q)
	before := d.Texts()
	pair := d.Pairs.Len()
	if err := d.Add(at, prepare.Pair{Left: q.text, Right: q.answer.text, Label: 1, Kind: loader.Positive, Source: q.source}); err != nil {
		return err
	}
	if d.Pairs.Len() == pair {
		return nil // the same question with the same answer, again
	}
	if q.answer.cut && d.Texts() > before {
		s.Stats.Cut++
	}
	numbers := make([]int32, len(q.passages))
	for i, p := range q.passages {
		before := d.Texts()
		n, err := d.AddPassage(p.text, q.source)
		if err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		if p.cut && d.Texts() > before {
			s.Stats.Cut++
		}
		numbers[i] = n
	}
	hard := make([]int32, len(q.hard))
	for i, n := range q.hard {
		hard[i] = numbers[n]
	}
	s.Questions = append(s.Questions, Question{d.Pairs.Left[pair], d.Pairs.Right[pair], numbers, hard})
	return nil
}
