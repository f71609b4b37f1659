package nq

import (
	"html"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

func TestLines(t *testing.T) {
	for _, c := range []struct{ name, tokens, want string }{
		{"prose", "<P> Hello , world . </P>", "Hello , world ."},
		{"two paragraphs", "<H2> A title </H2> <P> One . </P> <P> Two . </P>", "A title\nOne .\nTwo ."},
		{"lists", "<Ul> <Li> one </Li> <Li> two <Ol> <Li> a </Li> <Li> b </Li> </Ol> more </Li> </Ul>", "one\ntwo\na\nb\nmore"},
		{"definitions", "<Dl> <Dt> term </Dt> <Dd> what it is </Dd> </Dl>", "term\nwhat it is"},
		{"a break", "<P> one <Br> two </P>", "one\ntwo"},
		{"nothing", "<P> </P> <Ul> </Ul>", ""},
		{"table", `<Table> Title <Tr> <Th_colspan="2"> Head </Th> </Tr> <Tr> <Th> Name </Th> <Td> Value </Td> </Tr> </Table>`, "Title\nHead\nName\tValue"},
		{"empty cells", "<Table> <Tr> <Td> </Td> <Td> b </Td> <Td> </Td> </Tr> <Tr> <Td> </Td> </Tr> <Tr> <Td> a </Td> <Td> </Td> <Td> c </Td> </Tr> </Table>", "\tb\na\t\tc"},
		{"a row alone", "<Tr> <Td> a </Td> <Td_class=\"x_y\"> b </Td> </Tr>", "a\tb"},
		{"blocks in a cell", "<Table> <Tr> <Td> <P> one </P> <P> two </P> <Ul> <Li> three </Li> </Ul> </Td> <Td> four </Td> </Tr> </Table>", "one two three\tfour"},
		{"a table in a cell", "<Table> <Tr> <Td> x <Table> <Tr> <Td> a </Td> <Td> b </Td> </Tr> </Table> y </Td> <Td> z </Td> </Tr> <Tr> <Td> w </Td> </Tr> </Table>", "x\na\tb\ny\tz\nw"},
		{"words beside cells", "<Table> <Tr> stray <Td> a </Td> more <Td> b </Td> </Tr> </Table>", "stray\ta more\tb"},
		{"tags that nobody closed", "<Table> <Tr> <Td> a <Td> b <Tr> <Td> c </Table> d", "a\tb\nc\nd"},
		{"tags that nobody opened", "a </Td> b </Tr> c </Table> d </P> e", "a b\nc\nd\ne"},
		{"inline tags", "<P> <B> bold </B> <Span_id=\"x\"> text </Span> <!--_no_--> </P>", "bold text"},
		{"entities", "<P> &lt;P&gt; R&amp;D &eacute; &#x41; &nbsp; &bogus; </P>", "<P> R&D é A &bogus;"},
		{"white space in tokens", "<P> a\u00a0b c\td\ne \u3000 f </P>", "a b c d e f"},
		{"what is no white space", "<P> a\u180eb a\u200bb </P>", "a\u180eb a\u200bb"},
		{"empty tokens", "<P>  a   b  </P>", "a b"},
		{"signs that are no tags", "x<y <3 <> < > </3> <stdio.h> <b>x</b> a<P> <P>b", "x<y <3 <> < > </3> <stdio.h> <b>x</b> a<P> <P>b"},
		{"upper case", "<TABLE> <TR> <TD> a </TD> <td> b </td> </TR> </TABLE>", "a\tb"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string(newLines(true).clean([]byte(c.tokens))); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

func TestFlatTables(t *testing.T) {
	tokens := "<P> before </P> <Table> Title <Tr> <Th> a </Th> <Td> <P> b </P> <Table> <Tr> <Td> c </Td> </Tr> </Table> </Td> </Tr> <Tr> <Td> d </Td> </Tr> </Table> <P> after </P>"
	if got, want := string(newLines(false).clean([]byte(tokens))), "before\nTitle a b c d\nafter"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNotebook is the notebook's rule on ten passages, worked out by hand.
func TestNotebook(t *testing.T) {
	for _, c := range []struct{ name, tokens, want string }{
		{"prose keeps the blanks around it", "<P> Hello , world . </P>", " Hello , world . "},
		{"an item's tag leaves two blanks", "<Ul> <Li> one </Li> <Li> two </Li> </Ul>", "  one   two  "},
		{"entities of prose are decoded", "<P> R&amp;D &lt; 3 &eacute;t&eacute; </P>", " R&D < 3 été "},
		{"a row alone is prose", `<Tr> <Th_colspan="2"> Head </Th> <Td> Value </Td> </Tr>`, "  Head   Value  "},
		{"a table: title, rows, a tab behind each cell", "<Table> The tower <Tr> <Th> Height </Th> <Td> 31 m </Td> </Tr> <Tr> <Th> Built </Th> <Td> 1843 </Td> </Tr> </Table>", "The tower\nHeight\t31 m\t\nBuilt\t1843"},
		{"a cell with attributes is lost", `<Table> <Tr> <Th_colspan="2"> Head </Th> </Tr> <Tr> <Td> a </Td> <Td_rowspan="2"> b </Td> <Td> c </Td> </Tr> </Table>`, "\na\tc"},
		{"tags in a cell are taken out, entities stay", "<Table> <Tr> <Td> a <B> b </B> &amp; c </Td> </Tr> </Table>", "\na  b  &amp; c"},
		{"the first </Td> ends a cell with a table", "<Table> <Tr> <Td> x <Table> <Tr> <Td> a </Td> </Tr> </Table> </Td> <Td> z </Td> </Tr> </Table>", "\nx    a"},
		{"what stands outside of cells is lost", "<Table> t <Tr> lost <Td> a </Td> lost </Tr> lost <Tr> <Td> b </Td> </Tr> </Table> lost", "t\na\t\nb"},
		{"a table whose tag has attributes is prose", `<Table_class="x"> <Tr> <Td> a </Td> </Tr> </Table>`, "   a   "},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := string((&notebook{}).clean([]byte(c.tokens))); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// A passage takes time in proportion to its length, whatever is in it.
func TestHTMLTime(t *testing.T) {
	const n = 200_000
	start := time.Now()
	for _, part := range []string{"<Td> a ", "<Tr> ", "<Table> ", "<Td> a </Td> ", "<Table> <Tr> <Td> <Table> ", "< ", "<T ", "&amp; ", "&", "<a ", "<Tr> <Td> x </Td> </Tr> "} {
		text := []byte("<Table> <Tr> " + strings.Repeat(part, n))
		newLines(true).clean(text)
		newLines(false).clean(text)
		(&notebook{}).clean(text)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
}

// FuzzHTML: no word is lost or changed, and the text has the form that it should.
func FuzzHTML(f *testing.F) {
	for _, text := range []string{
		"<P> Hello , world . </P>", `<Table> Title <Tr> <Th_colspan="2"> Head </Th> </Tr> <Tr> <Td> a <Table> <Tr> <Td> b </Td> </Tr> </Table> </Td> <Td> c </Td> </Tr> </Table>`,
		"&amp; &#x0; a\u180eb x<y </3> <!--_c_--> <Br/>", "</Table> </Tr> <Td> <Td> <P> x", "<Ul> <Li> a\u00a0b </Li> </Ul>", "<Table_class=\"x\"> \t\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, tokens []byte) {
		(&notebook{}).clean(tokens)
		var words []string
		for token := range strings.SplitSeq(string(tokens), " ") {
			if newLines(true).tag([]byte(token)) == notTag {
				words = append(words, strings.Fields(html.UnescapeString(token))...)
			}
		}
		for _, tables := range []bool{true, false} {
			got := string(newLines(tables).clean(tokens))
			if a, b := strings.Join(strings.Fields(got), " "), strings.Join(words, " "); a != b {
				t.Fatalf("%q has the words %q, want %q", tokens, a, b)
			}
			if strings.Contains(got, "\n\n") || strings.Contains(got, "\t\n") || strings.Contains(got, "  ") || strings.HasPrefix(got, "\n") || strings.HasSuffix(got, "\n") || strings.HasSuffix(got, "\t") {
				t.Fatalf("%q becomes %q", tokens, got)
			}
			if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsSpace(r) && r != ' ' && r != '\n' && r != '\t' }) {
				t.Fatalf("%q has other white space", got)
			}
			if utf8.Valid(tokens) && !utf8.ValidString(got) {
				t.Fatalf("%q becomes %q, which is not UTF-8", tokens, got)
			}
		}
	})
}
