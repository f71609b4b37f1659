package nq

import (
	"bytes"
	"unicode"

	nethtml "golang.org/x/net/html"
)

// notebook is the rule of the notebook that cosfit began with. A passage with a
// table is the text before the first row, and a line for each row, each of its
// cells followed by a tab; cells whose tag has attributes are lost, and so is what
// stands outside of cells. Of other passages all tags are taken out and nothing
// else is changed.
type notebook struct{ out []byte }

func (n *notebook) clean(tokens []byte) []byte {
	n.out = n.out[:0]
	if bytes.Contains(tokens, []byte("<Table")) {
		tokens = bytes.Map(func(r rune) rune {
			if r == '\n' || r == '\t' {
				return -1
			}
			return r
		}, tokens)
		if _, table, ok := bytes.Cut(tokens, []byte("<Table>")); ok {
			if title, _, ok := bytes.Cut(table, []byte("<Tr>")); ok {
				n.table(tokens, title)
				return n.out
			}
		}
	}
	n.plain(tokens)
	return n.out
}

// table writes the rows, wherever they stand.
func (n *notebook) table(tokens, title []byte) {
	n.out = append(append(n.out, trim(title)...), '\n')
	start := len(n.out)
	for {
		row, rest, ok := between(tokens, "<Tr>", "</Tr>")
		if !ok {
			break
		}
		for {
			cell, more, ok := nextCell(row)
			if !ok {
				break
			}
			n.out = append(append(n.out, trim(dropTags(cell))...), '\t')
			row = more
		}
		n.out = append(n.out, '\n')
		tokens = rest
	}
	rows := trim(n.out[start:])
	n.out = append(n.out[:start], rows...)
}

// nextCell finds the next <Td> or <Th>, and what stands before the next </Td> or
// </Th>.
func nextCell(row []byte) (contents, rest []byte, ok bool) {
	start := cellTagAt(row, "<T")
	if start < 0 {
		return nil, nil, false
	}
	row = row[start+len("<Td>"):]
	end := cellTagAt(row, "</T")
	if end < 0 {
		return nil, nil, false
	}
	return row[:end], row[end+len("</Td>"):], true
}

// cellTagAt returns where prefix stands followed by "d>" or "h>", or -1.
func cellTagAt(text []byte, prefix string) int {
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(prefix))
		if i < 0 {
			return -1
		}
		at += i
		rest := text[at+len(prefix):]
		if len(rest) >= 2 && (rest[0] == 'd' || rest[0] == 'h') && rest[1] == '>' {
			return at
		}
		at += len(prefix)
	}
}

// between returns what stands between the first open and the next close.
func between(text []byte, open, close string) (contents, rest []byte, ok bool) {
	_, text, ok = bytes.Cut(text, []byte(open))
	if !ok {
		return nil, nil, false
	}
	return bytes.Cut(text, []byte(close))
}

// dropTags leaves out what stands from each < to the next >.
func dropTags(text []byte) []byte {
	if bytes.IndexByte(text, '<') < 0 {
		return text
	}
	var out []byte
	for {
		before, rest, ok := bytes.Cut(text, []byte{'<'})
		_, after, closed := bytes.Cut(rest, []byte{'>'})
		if !ok || !closed {
			return append(out, text...)
		}
		out = append(out, before...)
		text = after
	}
}

// trim takes off what Python's strip does.
func trim(text []byte) []byte { return bytes.TrimFunc(text, isPythonSpace) }

func isPythonSpace(r rune) bool { return unicode.IsSpace(r) || 0x1c <= r && r <= 0x1f }

// plain takes out the tags.
func (n *notebook) plain(tokens []byte) {
	z := nethtml.NewTokenizer(bytes.NewReader(tokens))
	for {
		switch z.Next() {
		case nethtml.ErrorToken:
			return
		case nethtml.TextToken:
			n.out = append(n.out, z.Text()...)
		}
	}
}
