package nq

import (
	"bytes"
	"html"
	"unicode"
	"unicode/utf8"

	nethtml "golang.org/x/net/html"
	"golang.org/x/net/html/atom"
)

// A cleaner turns the tokens of a passage into text. The result is valid until
// the next call.
type cleaner interface {
	clean(tokens []byte) []byte
}

// lines makes a line of each paragraph, heading, list item and row of a table.
// The cells of a row are separated by tabs, empty ones at its end left out; a
// table within a cell has lines of its own. Words are separated by single blanks.
// Without tables, cells are words like others.
//
// A token is a tag if all of it reads as one and HTML knows its name; so "x<y" and
// "<stdio.h>" are words.
type lines struct {
	tables bool

	tags  map[string]tag
	out   []byte
	start int  // of the line in out
	words bool // the line or the cell has words
	cells int  // that the row has so far
	// inCell: what is a line elsewhere is words in a cell.
	inCell bool
	outer  []bool // inCell of the tables around this one
	word   []byte
}

func newLines(tables bool) *lines { return &lines{tables: tables, tags: map[string]tag{}} }

// A tag is what a token of HTML does.
type tag uint8

const (
	unknownTag tag = iota // of the map: not yet looked at
	notTag
	inlineTag // means nothing
	blockTag  // begins a line, and ends one
	rowTag
	rowEndTag
	cellTag
	cellEndTag
	tableTag
	tableEndTag
)

func (l *lines) clean(tokens []byte) []byte {
	l.out, l.outer = l.out[:0], l.outer[:0]
	l.start, l.words, l.cells, l.inCell = 0, false, 0, false
	for len(tokens) > 0 {
		token := tokens
		if end := bytes.IndexByte(tokens, ' '); end >= 0 {
			token, tokens = tokens[:end], tokens[end+1:]
		} else {
			tokens = nil
		}
		if t := l.tag(token); t != notTag {
			l.apply(t)
		} else {
			l.add(token)
		}
	}
	l.newLine()
	return bytes.TrimSuffix(l.out, []byte{'\n'})
}

// tag says which tag a token is.
func (l *lines) tag(token []byte) tag {
	if len(token) < 3 || token[0] != '<' || token[len(token)-1] != '>' {
		return notTag
	}
	t := l.tags[string(token)]
	if t == unknownTag {
		t = parseTag(token)
		if len(l.tags) > 4096 { // a page of nothing but different tags
			clear(l.tags)
		}
		l.tags[string(token)] = t
	}
	return t
}

// parseTag reads a token as HTML. Its blanks have become underscores.
func parseTag(token []byte) tag {
	token = bytes.ReplaceAll(token, []byte{'_'}, []byte{' '})
	z := nethtml.NewTokenizer(bytes.NewReader(token))
	kind := z.Next()
	if len(z.Raw()) != len(token) {
		return notTag
	}
	switch kind {
	case nethtml.StartTagToken, nethtml.EndTagToken, nethtml.SelfClosingTagToken:
	case nethtml.CommentToken:
		if bytes.HasPrefix(token, []byte("<!--")) {
			return inlineTag
		}
		return notTag
	default:
		return notTag
	}
	name, _ := z.TagName()
	return meaningOf(atom.Lookup(name), kind == nethtml.EndTagToken)
}

func meaningOf(name atom.Atom, end bool) tag {
	choose := func(start, ending tag) tag {
		if end {
			return ending
		}
		return start
	}
	switch name {
	case 0:
		return notTag
	case atom.Table:
		return choose(tableTag, tableEndTag)
	case atom.Tr:
		return choose(rowTag, rowEndTag)
	case atom.Td, atom.Th:
		return choose(cellTag, cellEndTag)
	case atom.P, atom.Li, atom.Ul, atom.Ol, atom.Dl, atom.Dt, atom.Dd, atom.Div, atom.Br, atom.Hr, atom.Pre, atom.Blockquote, atom.Caption,
		atom.H1, atom.H2, atom.H3, atom.H4, atom.H5, atom.H6, atom.Thead, atom.Tbody, atom.Tfoot, atom.Center, atom.Section, atom.Article,
		atom.Figure, atom.Figcaption, atom.Header, atom.Footer, atom.Address:
		return blockTag
	}
	return inlineTag
}

func (l *lines) apply(t tag) {
	if !l.tables {
		l.applyPlain(t)
		return
	}
	switch t {
	case blockTag:
		if !l.inCell {
			l.newLine()
		}
	case rowTag, rowEndTag:
		l.inCell = false
		l.newLine()
	case cellTag:
		if l.cells > 0 || len(l.out) > l.start {
			l.out = append(l.out, '\t')
		}
		l.cells++
		l.words, l.inCell = false, true
	case cellEndTag:
		l.inCell = false
	case tableTag:
		l.newLine()
		l.enterTable()
	case tableEndTag:
		l.newLine()
		if l.leaveTable(); l.inCell {
			l.cells = 1 // the one that the table stood in goes on
		}
	}
}

// applyPlain makes one line of a table.
func (l *lines) applyPlain(t tag) {
	switch t {
	case blockTag:
		if len(l.outer) == 0 {
			l.newLine()
		}
	case tableTag:
		if len(l.outer) == 0 {
			l.newLine()
		}
		l.enterTable()
	case tableEndTag:
		if l.leaveTable(); len(l.outer) == 0 {
			l.newLine()
		}
	}
}

func (l *lines) enterTable() {
	l.outer = append(l.outer, l.inCell)
	l.inCell = false
}

func (l *lines) leaveTable() {
	if n := len(l.outer); n > 0 {
		l.inCell, l.outer = l.outer[n-1], l.outer[:n-1]
	}
}

// newLine ends the line, if it has words.
func (l *lines) newLine() {
	l.cells, l.words = 0, false
	l.out = l.out[:l.start+len(bytes.TrimRight(l.out[l.start:], "\t"))]
	if len(l.out) > l.start {
		l.out = append(l.out, '\n')
		l.start = len(l.out)
	}
}

// add adds a token that is no tag.
func (l *lines) add(token []byte) {
	for _, c := range token {
		if c == '&' || c <= ' ' || c >= utf8.RuneSelf {
			l.addUnusual(token)
			return
		}
	}
	l.addWord(token)
}

// addUnusual adds a token that may have entities, or white space other than the
// blanks between tokens.
func (l *lines) addUnusual(token []byte) {
	l.word = append(l.word[:0], token...)
	if bytes.IndexByte(token, '&') >= 0 {
		l.word = append(l.word[:0], html.UnescapeString(string(token))...)
	}
	for rest := l.word; len(rest) > 0; {
		end := bytes.IndexFunc(rest, unicode.IsSpace)
		if end < 0 {
			end = len(rest)
		}
		l.addWord(rest[:end])
		rest = bytes.TrimLeftFunc(rest[end:], unicode.IsSpace)
	}
}

func (l *lines) addWord(word []byte) {
	if len(word) == 0 {
		return
	}
	if l.words {
		l.out = append(l.out, ' ')
	}
	l.words = true
	l.out = append(l.out, word...)
}
