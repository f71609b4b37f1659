package prepare

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"
)

// sound reads a source twice, with scratch files in dir, and wants pairs that
// can be written, counts that add up, and the same both times, whatever the file
// holds.
func sound(t *testing.T, dir string, source func() Source) {
	t.Helper()
	read := func() (pairs string, err error) {
		d := NewDraft(dir)
		defer d.Close()
		d.Tally.Most = 1
		if err = Read(context.Background(), source(), d); err != nil {
			if strings.TrimSpace(err.Error()) == "" || strings.Contains(err.Error(), "\n") && len(err.Error()) > 4000 {
				t.Errorf("the error is %q", err)
			}
			return "", err
		}
		if d.Tally.Bad > d.Tally.Rows {
			t.Errorf("%d of %d rows are bad", d.Tally.Bad, d.Tally.Rows)
		}
		n := d.Pairs.Len()
		if len(d.Pairs.Split) != 0 && len(d.Pairs.Split) != n || len(d.Pairs.Group) != n || len(d.Pairs.Kind) != n {
			t.Errorf("columns of %d, %d, %d and %d", n, len(d.Pairs.Split), len(d.Pairs.Group), len(d.Pairs.Kind))
		}
		for i := range int32(d.Texts()) {
			if text, err := d.Text(i); err != nil || strings.TrimSpace(text) == "" || !utf8.ValidString(text) {
				t.Errorf("text %q, %v", text, err)
			}
		}
		return dump(t, d), nil
	}
	first, err := read()
	second, again := read()
	if first != second || (err == nil) != (again == nil) {
		t.Errorf("first %q, %v, then %q, %v", first, err, second, again)
	}
}

// fuzzFiles are the files of one try, in the folder of all tries of a process.
func fuzzFiles(t *testing.T, dir, name string, text []byte) []File {
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return []File{{Path: path}}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("query,passage,label\nq,\"p \"\"1\"\"\",1\n\nr,s,0\n"), false, false)
	f.Add([]byte("text\tclass\na\tx\nb\tx\nc\ty\nd\ty\n"), false, true)
	f.Add([]byte("\xef\xbb\xbf\"a\nb\";c\r\n\"d"), true, false)
	f.Add([]byte("anchor,positive,negative_1,split\na,b,c,dev\n"), false, false)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, noHeader, noQuotes bool) {
		files := fuzzFiles(t, dir, "a.csv", text)
		sound(t, dir, func() Source {
			s := &CSV{Table: Table{Files: files}, NoHeader: noHeader, NoQuotes: noQuotes}
			if noHeader {
				s.Columns = Columns{Left: "1", Right: "2"}
			}
			return s
		})
	})
}

func FuzzJSONLines(f *testing.F) {
	f.Add([]byte("{\"query\": \"q\\u00e9\", \"passage\": [\"a\", null, 3], \"label\": true}\n{\n[]\n"))
	f.Add([]byte("{\"text\": \"a\", \"class\": 1}\n{\"text\": \"b\", \"class\": 1}\n{\"text\": \"c\", \"class\": \"x\"}\r\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		files := fuzzFiles(t, dir, "a.jsonl", text)
		sound(t, dir, func() Source { return &JSONLines{Table{Files: files}} })
	})
}

func FuzzJSONArray(f *testing.F) {
	f.Add([]byte("[{\"query\": \"q\", \"passage\": \"p\", \"score\": -1}, {}, 7, [{}]]"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		files := fuzzFiles(t, dir, "a.json", text)
		sound(t, dir, func() Source { return &JSONArray{Table{Files: files}} })
	})
}

func FuzzSQuAD(f *testing.F) {
	f.Add([]byte(squad2), false)
	f.Add([]byte(squad2), true)
	f.Add([]byte(`{"version": [{}], "data": [{"title": "t", "paragraphs": [{"context": "A b. C d.", "qas": [{"question": "q", "answers": [{"text": "b. C", "answer_start": 2}]}]}]}]}`), true)
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, byParts bool) {
		files := fuzzFiles(t, dir, "a.json", text)
		sound(t, dir, func() Source { return &SQuAD{Files: files, Sentences: byParts} })
	})
}

func FuzzBEIR(f *testing.F) {
	f.Add([]byte("{\"_id\": \"d1\", \"title\": \"Soup\", \"text\": \"Boil it.\"}\n{\"_id\": 2, \"text\": \"b\"}\n"),
		[]byte("{\"_id\": \"q1\", \"text\": \"how\"}\n"), []byte("query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\t2\t0\n"))
	f.Add([]byte("{}\n"), []byte("{\n"), []byte("q1\t0\td1\t1\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, corpus, queries, qrels []byte) {
		writeFile(t, dir, "corpus.jsonl", string(corpus))
		writeFile(t, dir, "queries.jsonl", string(queries))
		writeFile(t, dir, "qrels/test.tsv", string(qrels))
		sound(t, dir, func() Source { return &BEIR{Folder: dir} })
	})
}

func FuzzLlamaIndex(f *testing.F) {
	f.Add([]byte(llamaIndex))
	f.Add([]byte(`{"relevant_docs": {"a": ["x", "x"], "b": 1}, "queries": {"a": "\ud800", "b": []}, "corpus": {"x": "p", "x": "q"}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		files := fuzzFiles(t, dir, "a.json", text)
		sound(t, dir, func() Source { return &LlamaIndex{Files: files} })
	})
}

// FuzzDetect: every file is of a form, or there is a reason why not.
func FuzzDetect(f *testing.F) {
	for _, text := range []string{"query,passage\n", squad2, llamaIndex, "[{\"a\": 1}]", "{\"a\": 1}\n{\"a\": 2}\n", "PAR1", bzip2Pairs, packGzip("a\tb\n"), packZstd("a|b")} {
		f.Add([]byte(text), "a.csv")
		f.Add([]byte(text), "a")
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte, name string) {
		if name == "" || name != filepath.Base(name) || strings.ContainsAny(name, "\x00/\\") || len(name) > 100 {
			return
		}
		path := filepath.Join(dir, name)
		if os.WriteFile(path, text, 0o600) != nil {
			return // no name for a file here
		}
		defer os.Remove(path)
		if form, err := Detect(context.Background(), path); (form == "") != (err != nil) {
			t.Errorf("form %q, %v", form, err)
		}
	})
}
