package nq

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A passage is the text of a part of a page.
type passage struct {
	text  string
	chars int  // characters, before it was cut
	cut   bool // it had too many tokens
	hard  bool // it may be a hard negative of the question
}

// A question is what a row with an answer gives.
type question struct {
	text   string
	source string // the page
	answer passage
	// passages are the page's candidates that are long enough, in its order, each
	// text once.
	passages []passage
	hard     []int // numbers of passages: those that hard negatives are chosen from, the longest first

	lengths []int // in characters, of all candidates that have text
	kept    int   // candidates that are long enough, equal ones and the answer among them
}

// A maker makes questions of rows. It belongs to one goroutine.
type maker struct {
	o       Options
	cleaner cleaner
	row     row
	starts  []int // of the page's tokens, and one past the blank that would follow the last
	seen    map[string]int
}

func newMaker(o Options) *maker {
	m := &maker{o: o, cleaner: newLines(!o.FlatTables), seen: map[string]int{}}
	if o.Notebook {
		m.cleaner = &notebook{}
	}
	return m
}

// An outcome is what became of a row.
type outcome struct {
	question *question // nil where there is none
	blank    bool      // an answer is marked, but it has no text
	err      error     // the line is no good
}

func (m *maker) make(line []byte) outcome {
	r := &m.row
	if err := r.read(line); err != nil {
		return outcome{err: err}
	}
	span := r.answer(m.o.Annotations)
	if span == none {
		return outcome{}
	}
	m.findTokens()
	q := &question{text: string(r.question), source: page(r.url), answer: m.passage(span)}
	if q.answer.text == "" {
		return outcome{blank: true}
	}
	m.addPassages(q, span)
	q.hard = q.pool(m.o.Pool)
	return outcome{question: q}
}

// page names the page of a URL: its revision is left out, so that two revisions
// count as one page.
func page(url []byte) string {
	for _, mark := range []string{"&amp;oldid=", "&oldid="} {
		url, _, _ = bytes.Cut(url, []byte(mark))
	}
	return string(url)
}

func (m *maker) findTokens() {
	m.starts = append(m.starts[:0], 0)
	for i, c := range m.row.text {
		if c == ' ' {
			m.starts = append(m.starts, i+1)
		}
	}
	m.starts = append(m.starts, len(m.row.text)+1)
}

// clean returns the text of a span, which is valid until the next call, and nil
// where it is blank.
func (m *maker) clean(s span) []byte {
	text := m.cleaner.clean(m.row.text[m.starts[s.start] : m.starts[s.end]-1])
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	return text
}

func (m *maker) passage(s span) passage {
	text := m.clean(s)
	return m.finish(text, utf8.RuneCount(text))
}

// finish cuts a text of so many characters where it has too many tokens.
func (m *maker) finish(text []byte, chars int) passage {
	p := passage{text: string(text), chars: chars}
	if m.o.Cut != nil {
		p.text, p.cut = m.o.Cut(p.text)
	}
	return p
}

// addPassages adds the candidates that are long enough. What is marked as an
// answer by anyone, is a part of one, has one as a part, or says the same can't be
// a negative.
func (m *maker) addPassages(q *question, answer span) {
	clear(m.seen)
	answers := []string{q.answer.text}
	for _, a := range m.row.answers {
		if a != none && a != answer {
			if p := m.passage(a); !slices.Contains(answers, p.text) {
				answers = append(answers, p.text)
			}
		}
	}
	for _, c := range m.row.candidates {
		text := m.clean(c)
		if text == nil {
			continue
		}
		chars := utf8.RuneCount(text)
		q.lengths = append(q.lengths, chars)
		if chars < m.o.MinChars {
			continue
		}
		q.kept++
		p := m.finish(text, chars)
		n, again := m.seen[p.text]
		if !again {
			n = len(q.passages)
			m.seen[p.text] = n
			p.hard = !slices.ContainsFunc(answers, func(a string) bool { return equalFolded(a, p.text) })
			q.passages = append(q.passages, p)
		}
		if m.row.answered(c) {
			q.passages[n].hard = false
		}
	}
}

const (
	smallPool   = 20 // pools up to this are left whole
	poolDropped = 3  // of larger ones the shortest are left out, a third of the candidates
)

// pool chooses the passages that a hard negative is taken from: the longest of
// those that may be one. Where more than 20 are left, the shortest are left out,
// as many as a third of the page's long candidates, but no more than leaves 20.
func (q *question) pool(most int) (pool []int) {
	for i, p := range q.passages {
		if p.hard {
			pool = append(pool, i)
		}
	}
	slices.SortStableFunc(pool, func(a, b int) int { return cmp.Compare(q.passages[b].chars, q.passages[a].chars) })
	pool = pool[:min(most, len(pool))]
	if len(pool) > smallPool {
		third := (q.kept + poolDropped - 1) / poolDropped
		pool = pool[:max(smallPool, len(pool)-third)]
	}
	return pool
}

// equalFolded reports whether two texts are the same but for case and the kind and
// amount of white space.
func equalFolded(a, b string) bool {
	a, b = strings.TrimSpace(a), strings.TrimSpace(b)
	for {
		var spaceA, spaceB bool
		a, spaceA = skipSpace(a)
		b, spaceB = skipSpace(b)
		if a == "" || b == "" {
			return a == b
		}
		if spaceA != spaceB {
			return false
		}
		for a != "" && b != "" {
			ra, na := utf8.DecodeRuneInString(a)
			rb, nb := utf8.DecodeRuneInString(b)
			if unicode.IsSpace(ra) || unicode.IsSpace(rb) {
				break
			}
			if ra != rb && fold(ra) != fold(rb) {
				return false
			}
			a, b = a[na:], b[nb:]
		}
	}
}

// skipSpace takes off the white space at the front.
func skipSpace(s string) (rest string, any bool) {
	for i, r := range s {
		if !unicode.IsSpace(r) {
			return s[i:], i > 0
		}
	}
	return "", s != ""
}

// fold returns one of the letters that differ only in case.
func fold(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }
