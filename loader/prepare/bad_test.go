package prepare

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
)

// readAuto reads a file as Detect takes it.
func readAuto(t testing.TB, d *Draft, path string, change func(*Table)) error {
	form, err := Detect(context.Background(), path)
	if err != nil {
		return err
	}
	table := Table{Files: []File{{Path: path}}}
	if change != nil {
		change(&table)
	}
	var s Source
	switch form {
	case FormSQuAD:
		s = &SQuAD{Files: table.Files}
	case FormLlamaIndex:
		s = &LlamaIndex{Files: table.Files}
	case FormBEIR:
		s = &BEIR{Folder: path}
	default:
		s = tableSource(form, table, CSV{})
	}
	return Read(context.Background(), s, d)
}

// TestBadRows: rows that are no good are passed over, each with its place.
func TestBadRows(t *testing.T) {
	const sound = "query,passage,label\nq,p,1\n"
	for _, c := range []struct {
		name, file, text string
		change           func(*Table)
		want             []string // what is wrong, after the name of the file
		rows             int64
		pairs            int
	}{
		{"fields", "a.csv", sound + "q,r\nq,r,0,1\nx,y,0\n", nil, []string{"line 3: 2 fields, the header has 3", "line 4: 4 fields, the header has 3"}, 4, 2},
		{"empty text", "a.csv", sound + ",r,0\n\" \",r,0\nq,,0\n", nil,
			[]string{"line 3: the left text is empty", "line 4: the left text is empty", "line 5: the right text is empty"}, 4, 1},
		{"labels", "a.csv", sound + "q,r,\nq,s,maybe\nq,t,2\nq,u,nan\nq,v,0x1p-2\n", nil, []string{
			"line 3: the label is empty", "line 4: the label \"maybe\" is neither a number nor true or false",
			"line 5: the label is 2, want 0 to 1 or -1 to 1: give another scale with --score-range, such as 0:5"}, 6, 1},
		{"scores", "a.csv", sound + "q,r,6\nq,s,-1\n", func(t *Table) { t.Scale = Scale{0, 5} },
			[]string{"line 3: the label is 6, outside the scale of 0 to 5", "line 4: the label is -1, outside the scale of 0 to 5"}, 3, 1},
		{"UTF-8", "a.csv", sound + "q,caf\xe9,0\nx,y,0\n", nil, []string{"line 3: not UTF-8: if the file is Latin-1, convert it with iconv -f LATIN1 -t UTF-8"}, 3, 2},
		{"a quotation mark", "a.csv", sound + "\"q\" r,p,0\nx,y,0\n", nil,
			[]string{"line 3: text follows the quotation mark that ends a field: write one within a field twice, or take quotation marks as text with --quotes none"}, 3, 2},
		{"a text of lines", "a.csv", "query,passage\n\"a\nb\",p\nq,\n", nil, []string{"line 4: the right text is empty"}, 2, 1},
		{"split", "a.csv", "query,passage,split\na,b,train\na,c,fold1\na,d,\n", nil,
			[]string{"line 3: the split is \"fold1\", want one of train, validation, test", "line 4: some rows have a split and some have none"}, 3, 1},
		{"kind", "a.csv", "query,passage,kind\na,b,hard\na,c,soft\n", nil,
			[]string{"line 3: the kind is \"soft\", want one of given, positive, weak, hard, or leave the column out with --kind-column -"}, 2, 1},
		{"the file has a split", "a.csv", "query,passage,split\na,b,train\na,c,dev\n", func(t *Table) { t.Files[0].Split = "validation" },
			[]string{"line 2: split is \"train\" in the file of the split validation: leave the column out with --split-column -"}, 2, 1},
		{"jsonl", "a.jsonl", `{"query": "q", "passage": "p"}` + "\n{\n[1]\n" + `{"query": {"text": 1}, "passage": "p"}` + "\n" + `{"query": ["a", "b"], "passage": "p"}` + "\n", nil,
			[]string{"line 2: not a JSON object: unexpected end of JSON input", "line 3: not a JSON object", "line 4: query is an object, want a text, a number or a list of them"}, 5, 1},
		{"jsonl missing", "a.jsonl", `{"query": "q", "passage": "p"}` + "\n" + `{"query": "q", "passage": null}` + "\n" + `{"query": "\ud800", "passage": "\xff"}` + "\n", nil,
			[]string{"line 2: the right text is empty", "line 3: not a JSON object: invalid character 'x' in string escape code"}, 3, 1},
		{"json", "a.json", `[{"query": "q", "passage": "p"}, 7, {"query": "q"}]`, nil, []string{"element 2: not a JSON object", "element 3: the right text is empty"}, 3, 1},
		{"squad", "a.json", `{"data": [{"title": 1, "paragraphs": [{"context": "c", "qas": [{"question": "q", "answers": [{"text": "c", "answer_start": 0}]}, {"question": 7, "answers": []}, {"question": "r", "answers": []}]}]}, {"paragraphs": 3}]}`, nil,
			[]string{"question 2: not a text", "question 3: it has no answer", "article 2: json: cannot unmarshal number into Go struct field squadArticle.paragraphs of type []prepare.squadParagraph"}, 4, 1},
		{"llamaindex", "a.json", `{"queries": {"a": "q", "b": 7}, "corpus": {"x": "p", "y": ""}, "relevant_docs": {"a": ["x"], "b": ["x"], "c": ["x"], "a2": 3}}`, nil,
			[]string{"entry of corpus 2: the corpus' text is empty", "entry of relevant_docs 2: the query \"b\" is not a text", "entry of relevant_docs 3: the query \"c\" is not in queries"}, 6, 1},
		{"classes", "a.csv", "text,class\na,x\nb,\n,x\nb,x\nc,y\nd,y\ne,y\nf,x\n", nil,
			[]string{"line 3: the class is empty", "line 4: the row's text is empty"}, 8, -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDraft(t)
			d.Tally.Most = 1
			path := writeFile(t, t.TempDir(), c.file, c.text)
			if err := readAuto(t, d, path, c.change); err != nil {
				t.Fatal(err)
			}
			for i, first := range d.Tally.First {
				if i >= len(c.want) || first != path+": "+c.want[i] {
					t.Errorf("bad: %s", first)
				}
			}
			if len(d.Tally.First) < len(c.want) {
				t.Errorf("%d bad rows, want %q", d.Tally.Bad, c.want)
			}
			if d.Tally.Rows != c.rows || c.pairs >= 0 && d.Pairs.Len() != c.pairs {
				t.Errorf("%d rows, %d pairs, want %d and %d", d.Tally.Rows, d.Pairs.Len(), c.rows, c.pairs)
			}
		})
	}
}

// TestRefused: what ends the reading, in one sentence that names the file.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, file, text, want string }{
		{"nothing", "a.csv", "", "open FILE: the file is empty"},
		{"no rows", "a.csv", "query,passage\n", "there are no pairs in it"},
		{"too many bad", "a.csv", "query,passage\nq,p\n,p\n,r\n,s\n,t\n", "4 of the first 5 rows are bad, more than 1 %: FILE: line 3: the left text is empty; FILE: line 4: the left text is empty; FILE: line 5: the left text is empty"},
		{"columns", "a.csv", "one,two\nq,p\n", "FILE: no column for the left texts among one, two: name one with --left-column, or say --no-header where the first line is a pair"},
		{"one column", "a.csv", "query,two\nq,p\n", "FILE: no column for the right texts among query, two: name one with --right-column, or say --no-header where the first line is a pair"},
		{"twice", "a.csv", "query,query,passage\nq,q,p\n", `FILE: two columns are called "query": rename one`},
		{"no comma", "a.csv", "query\nq\n", "FILE: its first line has no comma, tab, semicolon or |: say what stands between the fields with --delimiter"},
		{"open quote", "a.csv", "query,passage\nq,p\n\"q,p\nq,p\n", "FILE: line 3: the quotation mark before a field has no partner: mend it, or take quotation marks as text with --quotes none"},
		{"UTF-16", "a.csv", "\xff\xfeq\x00,\x00", "open FILE: it is UTF-16, want UTF-8: convert it with iconv -f UTF-16 -t UTF-8 a.csv > utf8-a.csv"},
		{"UTF-16 without a mark", "a.csv", "q\x00,\x00p\x00", "open FILE: it is UTF-16LE, want UTF-8: convert it with iconv -f UTF-16LE -t UTF-8 a.csv > utf8-a.csv"},
		{"UTF-16 of big ends", "a.csv", "\x00q\x00,\x00p\xd8\x3d\xde\x00\x20\x0d\x00\n\xd8\x3d", "open FILE: it is UTF-16BE, want UTF-8: convert it with iconv -f UTF-16BE -t UTF-8 a.csv > utf8-a.csv"},
		{"binary", "a.csv", "\x00\x01\x02\x03abc\x00\x00\x00\xff,\n", "open FILE: it has bytes of 0 and is no text: name a file of pairs in text, packed or not, or Parquet"},
		{"binary that begins as text", "a.csv", "a\x00b\x00c\x00\x00\x00\x01\x00", "open FILE: it has bytes of 0 and is no text: name a file of pairs in text, packed or not, or Parquet"},
		{"Latin-1", "a.csv", "query,passage\nq,caf\xe9\n", "1 of the first 1 rows are bad, more than 1 %: FILE: line 2: not UTF-8: if the file is Latin-1, convert it with iconv -f LATIN1 -t UTF-8"},
		{"cut gzip", "a.csv.gz", packGzip("query,passage\n" + strings.Repeat("q,p\n", 1000))[:40], "open FILE: the file ends in the middle of its packed data: copy it again"},
		{"damaged gzip", "a.csv.gz", strings.TrimSuffix(packGzip("query,passage\nq,p\n"), "\x12\x00\x00\x00") + "\x13\x00\x00\x00", "open FILE: its packed data are damaged: gzip: invalid checksum: copy it again"},
		{"no gzip", "a.csv.gz", "query,passage\nq,p\n", "open FILE: it is called .gz and is not gzip by its first bytes: it is damaged, or has the wrong name"},
		{"xz", "a.csv.xz", "\xfd7zXZ\x00\x00\x04", "open FILE: it is xz, which is not read here: unpack it, or pack it with gzip, zstd or bzip2"},
		{"zip", "a.zip", "PK\x03\x04", "open FILE: it is ZIP, which is not read here: unpack it, or pack it with gzip, zstd or bzip2"},
		{"packed Parquet", "a.parquet.gz", packGzip("PAR1 and so on"), "FILE: a packed Parquet file, which packs its pages itself: unpack it"},
		{"no Parquet", "a.parquet", "PAR1", "open FILE: the end of the file is missing: copy or write it again"},
		{"no form", "a.txt", "hello world\n", "FILE: cannot tell what this is: it is no JSON, and its first line has no comma, tab, semicolon or |; name its form with --format"},
		{"binary", "a.bin", "\x01\x02\x00,", "FILE: cannot tell what this is: it is not a text; name its form with --format"},
		{"another object", "a.json", "{\n\"rows\": [1],\n\"columns\": 2\n}", "FILE: cannot tell what this is: it is one JSON object with the keys rows, columns, neither a list of objects nor an object on each line; name its form with --format"},
		{"blank", "a.json", " \n", "FILE: cannot tell what this is: it begins with nothing but white space; name its form with --format"},
		{"JSON that ends", "a.json", `[{"query": "q", "passage": "p"}, {"qu`, "FILE: the JSON ends too early: copy the file again"},
		{"no JSON", "a.json", `[{"query": "q", "passage": "p"}, }]`, "FILE: after byte 32: not JSON: invalid character '}' looking for beginning of value"},
		{"no objects", "a.jsonl", "{]\n", "FILE: cannot tell what this is: it begins with { but is no JSON; name its form with --format"},
		{"squad ends", "a.json", `{"data": [{"paragraphs": [`, "FILE: the JSON ends too early: copy the file again"},
		{"llamaindex", "a.json", `{"queries": {"a": "b"}, "corpus": {}}`, `FILE: no key "relevant_docs", which LlamaIndex' form has`},
		{"llamaindex is no object", "a.json", `{"queries": {"a": "b"}, "corpus": [1]}`, "FILE: byte 35: found [, want {"},
		{"one class", "a.csv", "text,class\na,x\nb,x\n", `FILE: all texts are of the class "x", want two or more`},
		{"classes of one", "a.csv", "text,class,split\na,x,train\nb,y,train\n", "FILE: no class has two texts in a split, so there are no similar pairs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDraft(t)
			d.Tally.Most = 0.01
			path := writeFile(t, t.TempDir(), c.file, c.text)
			err := readAuto(t, d, path, nil)
			if want := strings.ReplaceAll(c.want, "FILE", path); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// TestRefusedFolders: what is wrong with a folder in BEIR's form.
func TestRefusedFolders(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   string
	}{
		{"no queries", func(_ *testing.T, dir string) { os.Remove(filepath.Join(dir, "queries.jsonl")) },
			"DIR: a folder without corpus.jsonl and queries.jsonl, which BEIR's form has: name a file"},
		{"no qrels", func(_ *testing.T, dir string) { os.RemoveAll(filepath.Join(dir, "qrels")) },
			"open DIR/qrels: file does not exist"},
		{"no split", func(t *testing.T, dir string) {
			os.RemoveAll(filepath.Join(dir, "qrels"))
			writeFile(t, dir, "qrels/all.tsv", "")
		}, "DIR/qrels: no train.tsv, dev.tsv or test.tsv in it, but: all.tsv"},
		{"bad rows", func(t *testing.T, dir string) {
			writeFile(t, dir, "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1\td9\t1\nq9\td1\t1\nq1\td1\thigh\nq1\td1\n")
		}, "4 of the first 12 rows are bad, more than 1 %: DIR/qrels/test.tsv: line 2: the document \"d9\" is not in corpus.jsonl; " +
			"DIR/qrels/test.tsv: line 3: the query \"q9\" is not in queries.jsonl; DIR/qrels/test.tsv: line 4: the relevance \"high\" is not a number"},
		{"bad objects", func(t *testing.T, dir string) {
			writeFile(t, dir, "queries.jsonl", "{\"_id\": \"q1\", \"text\": \"a\"}\n{\"_id\": \"q1\", \"text\": \"b\"}\n{\"text\": \"b\"}\n{\"_id\": \"q2\", \"text\": [\"a\", \"b\"]}\n{\n")
		}, "5 of the first 12 rows are bad, more than 1 %: DIR/queries.jsonl: line 2: a second query has the _id \"q1\"; " +
			"DIR/queries.jsonl: line 3: _id is missing or empty; DIR/queries.jsonl: line 4: text is a list, want a text"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := writeBEIR(t)
			c.change(t, dir)
			d := newDraft(t)
			d.Tally.Most = 0.01
			err := readAuto(t, d, dir, nil)
			if want := strings.ReplaceAll(c.want, "DIR", dir); err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}

// TestPipe: what can be read only once is refused, where the form is known too.
func TestPipe(t *testing.T) {
	if _, err := os.Stat("/dev/null"); err != nil {
		t.Skip("no file here that is no file")
	}
	const want = "open /dev/null: it is read more than once, which a pipe cannot be: write it to a file"
	if err := readAuto(t, newDraft(t), "/dev/null", nil); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := (&JSONLines{Table{Files: []File{{Path: "/dev/null"}}}}).Read(context.Background(), newDraft(t)); err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestParquetRefused: columns that hold no texts, and a file of another kind.
func TestParquetRefused(t *testing.T) {
	type row struct {
		Query   string  `parquet:"query"`
		Passage []int32 `parquet:"passage"`
	}
	path := filepath.Join(t.TempDir(), "a.parquet")
	if err := parquet.WriteFile(path, []row{{"q", []int32{1, 2}}}); err != nil {
		t.Fatal(err)
	}
	if err := readAuto(t, newDraft(t), path, nil); err == nil || err.Error() != path+`: column "passage" holds lists, want one value in each row` {
		t.Error(err)
	}
	type empty struct {
		Query   string `parquet:"query"`
		Passage string `parquet:"passage"`
	}
	if err := parquet.WriteFile(path, []empty{}); err != nil {
		t.Fatal(err)
	}
	if err := readAuto(t, newDraft(t), path, nil); err == nil || err.Error() != path+": no rows, want one for each pair" {
		t.Error(err)
	}
}

// TestHugeLines: a line of a gigabyte takes neither as much memory nor the rows
// beside it.
func TestHugeLines(t *testing.T) {
	if testing.Short() {
		t.Skip("reads gigabytes")
	}
	const huge = 1 << 30
	dir := t.TempDir()
	for _, c := range []struct {
		name, before, after string
		filler              byte // NUL takes no room on the disk
		length              int64
		bad, want           string
	}{
		{"a.csv", "query,passage\nq,p\nr,", "\ns,t\n", 0, huge, "line 3: longer than 16 MB", ""},
		{"quoted.csv", "query,passage\nq,p\nr,\"", "\"\ns,t\n", 0, huge / 16, "line 3: longer than 16 MB", ""},
		{"lines.csv", "query,passage\nq,p\nr,\"", "\"\ns,t\n", '\n', 20 << 20, "", "FILE: line 3: the quotation mark before a field has no partner: mend it, or take quotation marks as text with --quotes none"},
		{"a.jsonl", "{\"query\": \"q\", \"passage\": \"p\"}\n{\"query\": \"", "\"}\n{\"query\": \"s\", \"passage\": \"t\"}\n", 0, huge / 16, "line 2: longer than 16 MB", ""},
		{"a.json", `[{"query": "q", "passage": "p"}, {"query": "`, `"}]`, 'x', huge / 8, "", "FILE: after byte 32: a value is longer than 64 MB"},
		{"squad.json", `{"data": [{"paragraphs": [{"context": "`, `"}]}]}`, 'x', huge / 8, "", "FILE: after byte 10: a value is longer than 64 MB"},
	} {
		path := writeFile(t, dir, c.name, c.before)
		fill(t, path, c.filler, c.length, c.after)
		d := newDraft(t)
		d.Tally.Most = 1
		var err error
		most := peakMemory(func() { err = readAuto(t, d, path, nil) })
		t.Logf("%s: %d MB", c.name, most>>20)
		if most > 400<<20 {
			t.Errorf("%s takes %d MB", c.name, most>>20)
		}
		want := strings.ReplaceAll(c.want, "FILE", path)
		switch {
		case want != "" && (err == nil || err.Error() != want):
			t.Errorf("%s: %v, want %s", c.name, err, want)
		case want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case want == "" && (d.Tally.Bad != 1 || !strings.HasSuffix(d.Tally.First[0], c.bad) || d.Pairs.Len() != 2):
			t.Errorf("%s: %q, %d pairs", c.name, d.Tally.First, d.Pairs.Len())
		}
		os.Remove(path)
	}
}

// fill appends many of a byte to a file, and then a text.
func fill(t *testing.T, path string, filler byte, n int64, after string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		t.Fatal(err)
	}
	if filler != 0 {
		block := bytes.Repeat([]byte{filler}, 1<<20)
		for range n >> 20 {
			if _, err := f.Write(block); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := f.WriteAt([]byte(after), end+n); err != nil {
		t.Fatal(err)
	}
}

// peakMemory returns how much the heap grew while f ran.
func peakMemory(f func()) (most int64) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapInuse)
	}
	runtime.GC()
	before := heap()
	done := make(chan bool)
	go func() {
		f()
		close(done)
	}()
	for {
		most = max(most, heap()-before)
		select {
		case <-done:
			return most
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// TestBomb: a small file that unpacks to gigabytes.
func TestBomb(t *testing.T) {
	path := writeFile(t, t.TempDir(), "a.csv.gz", packGzip("query,passage\nq,p\n"+strings.Repeat("\x00", 96<<20)))
	err := readAuto(t, newDraft(t), path, nil)
	want := fmt.Sprintf("read %s: it unpacks to more than 500 times its size, which no text does: it is damaged, or made to do harm", path)
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// TestCancelled ends the reading.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	path := writeFile(t, t.TempDir(), "a.csv", "query,passage\nq,p\n")
	err := Read(ctx, &CSV{Table: Table{Files: []File{{Path: path}}}}, newDraft(t))
	if err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Error(err)
	}
}

// TestSpans: an answer that does not stand where it should, and one that goes
// over two sentences.
func TestSpans(t *testing.T) {
	const article = `{"data": [{"paragraphs": [{"context": "Ö is old. It is here. Go.", "qas": [{"question": "q", "answers": [{"text": %q, "answer_start": %d}]}]}]}]}`
	for _, c := range []struct {
		text  string
		start int
		want  string // the pairs, or what is wrong
	}{
		{"old", 5, "q | Ö is old. | 1 positive source=article 1, paragraph 1"},
		{"old. It", 5, "q | Ö is old. | 1 positive source=article 1, paragraph 1\nq | It is here. | 1 positive source=article 1, paragraph 1"},
		{"old. ", 5, "q | Ö is old. | 1 positive source=article 1, paragraph 1"},
		{"old", 6, `question 1: its answer "old" does not stand at character 6 of the paragraph`},
		{"old", -1, `question 1: its answer "old" does not stand at character -1 of the paragraph`},
		{"old", 1 << 40, `question 1: its answer "old" does not stand at character 1099511627776 of the paragraph`},
		{"", 0, `question 1: its answer "" does not stand at character 0 of the paragraph`},
	} {
		path := writeFile(t, t.TempDir(), "a.json", fmt.Sprintf(article, c.text, c.start))
		d := newDraft(t)
		d.Tally.Most = 1
		if err := (&SQuAD{Files: []File{{Path: path}}, Sentences: true}).Read(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		got := strings.TrimSpace(dump(t, d))
		if d.Tally.Bad > 0 {
			got = strings.TrimPrefix(d.Tally.First[0], path+": ")
		}
		if got != c.want {
			t.Errorf("%q at %d: %s, want %s", c.text, c.start, got, c.want)
		}
	}
}
