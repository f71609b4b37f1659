// Package nqtest makes files in the form of Natural Questions, of invented pages,
// for tests and benchmarks.
package nqtest

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf16"
)

// Options say what the pages are like. The zero value is NQ's simplified training
// file: pages of some ten thousand tokens, every second row with an answer.
type Options struct {
	Seed     uint64
	Tokens   int  // of a page on average; 0 means 9,000
	Original bool // the form with document_tokens and document_html
}

// Write writes rows until a condition on the number of rows and bytes holds, and
// returns both. The same options give the same rows.
func Write(w io.Writer, o Options, enough func(rows, bytes int64) bool) (rows, bytes int64, err error) {
	if o.Tokens == 0 {
		o.Tokens = 9000
	}
	out := bufio.NewWriterSize(w, 1<<20)
	for !enough(rows, bytes) {
		line := Row(o, rows)
		if _, err := out.Write(line); err != nil {
			return rows, bytes, err
		}
		rows++
		bytes += int64(len(line))
	}
	return rows, bytes, out.Flush()
}

// Row returns row n, with the end of its line.
func Row(o Options, n int64) []byte {
	r := rand.New(rand.NewPCG(o.Seed, uint64(n)))
	p := &page{r: r, topic: r.IntN(len(words))}
	for size := o.Tokens/4 + r.IntN(o.Tokens*3/2); len(p.tokens) < size; {
		p.section()
	}
	return p.line(o, n)
}

// A page is being written. Candidates are its paragraphs, lists, tables, items and
// rows, as in NQ.
type page struct {
	r          *rand.Rand
	topic      int
	tokens     []string
	candidates []candidate
	depth      int // of candidates around the next
}

type candidate struct {
	start, end int
	top        bool
}

func (p *page) section() {
	p.element("H2", false, func() { p.words(3) })
	for range 1 + p.r.IntN(6) {
		p.element("P", true, func() { p.words(40 + p.r.IntN(200)) })
	}
	switch p.r.IntN(4) {
	case 0:
		p.element("Ul", true, func() {
			for range 3 + p.r.IntN(12) {
				p.element("Li", true, func() { p.words(4 + p.r.IntN(20)) })
			}
		})
	case 1:
		rows := 3 + p.r.IntN(40)
		if p.r.IntN(40) == 0 {
			rows *= 20 // longer than models take
		}
		p.table(2+p.r.IntN(6), rows, p.r.IntN(5) == 0)
	}
}

func (p *page) table(columns, rows int, nested bool) {
	p.element("Table", true, func() {
		p.element("Tr", true, func() {
			p.element(fmt.Sprintf("Th_colspan=\"%d\"", columns), false, func() { p.words(2) })
		})
		for range rows {
			p.element("Tr", true, func() {
				p.element("Th", false, func() { p.words(2) })
				for range columns - 1 {
					p.element("Td", false, func() { p.words(p.r.IntN(5)) })
				}
				if nested && p.r.IntN(6) == 0 {
					p.element("Td", false, func() { p.table(2, 2, false) })
				}
			})
		}
	})
}

// element writes an element, which may be a candidate.
func (p *page) element(name string, isCandidate bool, contents func()) {
	at := len(p.candidates)
	if isCandidate {
		p.candidates = append(p.candidates, candidate{start: len(p.tokens), top: p.depth == 0})
		p.depth++
	}
	p.tokens = append(p.tokens, "<"+name+">")
	contents()
	name, _, _ = strings.Cut(name, "_")
	p.tokens = append(p.tokens, "</"+name+">")
	if isCandidate {
		p.depth--
		p.candidates[at].end = len(p.tokens)
	}
}

// words writes words of the page's topic and common ones.
func (p *page) words(n int) {
	own := words[p.topic]
	for i := range n {
		switch k := p.r.IntN(20); {
		case i == n-1 && n > 8:
			p.tokens = append(p.tokens, ".")
		case k < 6:
			p.tokens = append(p.tokens, own[p.r.IntN(len(own))])
		case k == 6:
			p.tokens = append(p.tokens, strconv.Itoa(p.r.IntN(2100)))
		case k == 7:
			p.tokens = append(p.tokens, rare[p.r.IntN(len(rare))])
		default:
			p.tokens = append(p.tokens, common[p.r.IntN(len(common))])
		}
	}
}

// line writes the page as a line of JSON, in ASCII as Python writes it.
func (p *page) line(o Options, n int64) []byte {
	b := []byte(`{"annotations":[`)
	answers := 1
	if o.Original {
		answers = 5
	}
	chosen := p.r.IntN(len(p.candidates))
	for i := range answers {
		if i > 0 {
			b = append(b, ',')
		}
		start, end, index := -1, -1, -1
		if (n+int64(i/3))%2 == 0 {
			c := p.candidates[chosen]
			start, end, index = c.start, c.end, chosen
		}
		b = fmt.Appendf(b, `{"yes_no_answer":"NONE","long_answer":{"start_token":%d,"candidate_index":%d,"end_token":%d},"short_answers":[],"annotation_id":%d}`, start, index, end, p.r.Uint64())
	}
	b = append(b, `],"long_answer_candidates":[`...)
	for i, c := range p.candidates {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"start_token":%d,"top_level":%t,"end_token":%d}`, c.start, c.top, c.end)
	}
	b = append(b, `],`...)
	if o.Original {
		b = p.original(b)
	} else {
		b = append(b, `"document_text":`...)
		b = appendJSON(b, strings.Join(p.tokens, " "))
	}
	url := fmt.Sprintf("https://example.org/w/index.php?title=Page_%d&amp;oldid=%d", n, 800_000_000+n)
	b = appendJSON(append(b, `,"document_url":`...), url)
	own := words[p.topic]
	question := fmt.Sprintf("who made the %s of the %s %d", own[p.r.IntN(len(own))], own[p.r.IntN(len(own))], n)
	b = appendJSON(append(b, `,"question_text":`...), question)
	return fmt.Appendf(b, `,"example_id":%d}`+"\n", p.r.Int64()-p.r.Int64())
}

// original writes the tokens one by one and the page as it was.
func (p *page) original(b []byte) []byte {
	b = append(b, `"document_tokens":[`...)
	at := 0
	for i, t := range p.tokens {
		if i > 0 {
			b = append(b, ',')
		}
		tag := strings.HasPrefix(t, "<")
		if tag {
			t = strings.ReplaceAll(t, "_", " ")
		}
		b = appendJSON(append(b, `{"token":`...), t)
		b = fmt.Appendf(b, `,"start_byte":%d,"end_byte":%d,"html_token":%t}`, at, at+len(t), tag)
		at += len(t) + 1
	}
	b = append(b, `],"document_html":`...)
	return appendJSON(b, strings.Join(p.tokens, " "))
}

// appendJSON writes a string as Python's json.dumps does, in ASCII.
func appendJSON(b []byte, s string) []byte {
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < 0x20 || 0x7f <= r && r <= 0xffff:
			b = fmt.Appendf(b, `\u%04x`, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = append(b, byte(r))
		}
	}
	return append(b, '"')
}
