package prepare

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
)

// writeFile writes a file into a folder and returns its path.
func writeFile(t testing.TB, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// dump has a line for each pair: left | right | label kind, then what else it
// has.
func dump(t testing.TB, d *Draft) string {
	t.Helper()
	var out strings.Builder
	text := func(n int32) string {
		s, err := d.Text(n)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for i := range d.Pairs.Label {
		left, right := d.Pairs.Left[i], d.Pairs.Right[i]
		fmt.Fprintf(&out, "%s | %s | %g %s", text(left), text(right), d.Pairs.Label[i], d.Pairs.Kind[i])
		if len(d.Pairs.Split) > 0 {
			fmt.Fprintf(&out, " %s", d.Pairs.Split[i])
		}
		if group := d.Pairs.Groups[d.Pairs.Group[i]]; group != d.ID(left).String() {
			fmt.Fprintf(&out, " group=%s", strings.ReplaceAll(group, d.ID(left).String(), "left"))
		}
		if source := d.Source(right); source != "" {
			fmt.Fprintf(&out, " source=%s", source)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

// passages lists the passages of a draft, each with its source.
func passages(t testing.TB, d *Draft) string {
	t.Helper()
	var list []string
	for n := range int32(d.Texts()) {
		if d.IsPassage(n) {
			text, err := d.Text(n)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, strings.TrimSuffix(text+" ["+d.Source(n)+"]", " []"))
		}
	}
	return strings.Join(list, "\n") + "\n"
}

// wantLines compares texts line by line; want may be indented.
func wantLines(t *testing.T, what, got, want string) {
	t.Helper()
	var lines []string
	for line := range strings.Lines(want) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if want := strings.Join(lines, "\n"); strings.TrimSpace(got) != want {
		t.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

func packGzip(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write([]byte(text))
	w.Close()
	return out.String()
}

func packZstd(text string) string {
	w, _ := zstd.NewWriter(nil)
	return string(w.EncodeAll([]byte(text), nil))
}

// bzip2Pairs is "query,passage\nq,p\n", packed by bzip2.
const bzip2Pairs = "\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xf6\xfd\xfe\x56\x00\x00\x06\x51\x80\x00\x10\x00\x04\x22\x80\x7a\x20\x20\x00\x22\x26\x98\x1e\x90\x80\x69\xa6\x88\xab\x44\x6a\x06\x18\xc9\x17\x0b\xb9\x22\x9c\x28\x48\x7b\x7e\xff\x2b\x00"

// TestTables: rows in every form of table become the pairs that they say.
func TestTables(t *testing.T) {
	const labelled = "" +
		"q1 | p1 | 1 given\n" +
		"q1 | p2 | 0 given\n" +
		"q2 | p, \"2\" | 0.5 given\n"
	for _, c := range []struct {
		name, file, text string
		change           func(*Table)
		csv              CSV
		want             string
	}{
		{name: "csv", file: "a.csv", text: "Question,Answer,Label\nq1,p1,1\nq1,p2,0\n\nq2,\"p, \"\"2\"\"\",0.5\n", want: labelled},
		{name: "crlf and BOM", file: "a.csv", text: "\xef\xbb\xbfquery,passage,score\r\nq1,p1,1\r\nq1,p2,0\r\nq2,\"p, \"\"2\"\"\",.5\r\n", want: labelled},
		{name: "quoted BOM", file: "a.csv", text: "\xef\xbb\xbf\"query\",\"passage\"\n\"q\",\"p\"", want: "q | p | 1 positive"},
		{name: "a text of lines", file: "a.csv", text: "query,passage\n\"a\nb\",\"c\r\nd\"\n", want: "a\nb | c\r\nd | 1 positive"},
		{name: "semicolons", file: "a.csv", text: "text1;text2;similarity\na;b, c;0\n", want: "a | b, c | 0 given"},
		{name: "gzip", file: "a.csv.gz", text: packGzip("query,passage\nq,p\n"), want: "q | p | 1 positive"},
		{name: "gzip in two parts", file: "a.csv.gz", text: packGzip("query,passage\n") + packGzip("q,p\n"), want: "q | p | 1 positive"},
		{name: "packed under another name", file: "a.csv", text: packGzip("query,passage\nq,p\n"), want: "q | p | 1 positive"},
		{name: "zstd", file: "a.csv.zst", text: packZstd("query,passage\nq,p\n"), want: "q | p | 1 positive"},
		{name: "bzip2", file: "a.csv.bz2", text: bzip2Pairs, want: "q | p | 1 positive"},
		{name: "tsv without a header", file: "a.tsv", text: "x\t1\t\"a\" b\t\"c\textra\ny\t-1\td\te\n",
			change: func(t *Table) { t.Columns = Columns{Left: "3", Right: "4", Label: "2"} }, csv: CSV{NoHeader: true, NoQuotes: true},
			want: "\"a\" b | \"c | 1 given\nd | e | -1 given"},
		{name: "truth values", file: "a.csv", text: "sentence1,sentence2,is_duplicate\na,b,True\na,c,no\na,d,FALSE\na,e,yes\n",
			want: "a | b | 1 given\na | c | 0 given\na | d | 0 given\na | e | 1 given"},
		{name: "scores", file: "a.csv", text: "sentence1,sentence2,score\na,b,5.0\na,c,1.25\na,d,yes\n", change: func(t *Table) { t.Scale = Scale{0, 5} },
			want: "a | b | 5 given\na | c | 1.25 given\na | d | 5 given"},
		{name: "everything else", file: "a.csv",
			text: "query,passage,label,group,split,kind,source\nq,p,1,g1,dev,positive,doc\nq,r,0,g1,val,hard,\nq2,r,0,,Train,weak,doc\n",
			want: "q | p | 1 positive validation group=g1 source=doc\nq | r | 0 hard validation group=g1 source=doc\nq2 | r | 0 weak train source=doc"},
		{name: "columns by name", file: "a.csv", text: "query,passage,b,a,label\nx,x,p,q,1\n", change: func(t *Table) { t.Columns = Columns{Left: "a", Right: "b", Label: "-"} },
			want: "q | p | 1 positive"},
		{name: "a query and a text", file: "a.csv", text: "label,text,query\n1,p,q\n", want: "q | p | 1 given"},
		{name: "triplets", file: "a.csv", text: "anchor,positive,negative\na,p,n\nb,p,\n",
			want: "a | p | 1 positive\na | n | 0 given\nb | p | 1 positive"},
		{name: "several negatives", file: "a.jsonl", text: `{"anchor": "a", "positive": "p", "hard_negative_1": "n", "hard_negative_2": "m"}`,
			want: "a | p | 1 positive\na | n | 0 hard\na | m | 0 hard"},
		{name: "negatives by name", file: "a.csv", text: "anchor,positive,wrong,wrong_1,wronger\na,p,n,m,x\n", change: func(t *Table) { t.Columns.Negative = "wrong" },
			want: "a | p | 1 positive\na | n | 0 given\na | m | 0 given"},
		{name: "lists", file: "a.jsonl", text: "{\"query\": \"q\", \"pos\": [\"p\", \"r\"], \"neg\": [\"n\", \"m\"]}\n\n{\"query\": \"w\", \"pos\": [\"p\"], \"neg\": []}\n",
			want: "q | p | 1 positive\nq | r | 1 positive\nq | n | 0 given\nq | m | 0 given\nw | p | 1 positive"},
		{name: "jsonl", file: "a.jsonl", text: "{\"query\": \"q\\u00e9\\n\", \"passage\": \"p\", \"label\": true, \"group\": 7}\n{\"query\": \"r\", \"label\": \"0\", \"passage\": \"p\"}\r\n",
			want: "qé\n | p | 1 given group=7\nr | p | 0 given"},
		{name: "json", file: "a.json", text: "[\n  {\"query\": \"q\", \"passage\": \"p\", \"label\": 1},\n  {\"query\": \"q\", \"passage\": \"r\", \"label\": 0, \"other\": {\"a\": [1]}}\n]\n",
			want: "q | p | 1 given\nq | r | 0 given"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeFile(t, t.TempDir(), c.file, c.text)
			form, err := Detect(context.Background(), path)
			if err != nil {
				t.Fatal(err)
			}
			table := Table{Files: []File{{Path: path}}}
			if c.change != nil {
				c.change(&table)
			}
			d := newDraft(t)
			if err := Read(context.Background(), tableSource(form, table, c.csv), d); err != nil {
				t.Fatal(err)
			}
			if got := dump(t, d); strings.TrimSpace(got) != strings.TrimSpace(c.want) {
				t.Errorf("%s:\n%s\nwant\n%s", form, got, c.want)
			}
		})
	}
}

// tableSource is the source that a form stands for.
func tableSource(form string, t Table, options CSV) Source {
	switch form {
	case FormJSONLines:
		return &JSONLines{t}
	case FormJSON:
		return &JSONArray{t}
	case FormParquet:
		return &Parquet{t}
	case FormTSV:
		options.Comma = '\t'
	}
	options.Table = t
	return &options
}

// TestParquet reads columns of several types, and the split of a file.
func TestParquet(t *testing.T) {
	type row struct {
		ID       int64   `parquet:"query_id"`
		Query    string  `parquet:"query,dict"`
		Positive string  `parquet:"positive,zstd"`
		Negative *string `parquet:"negative_1,optional"`
		Unused   []int32 `parquet:"unused"`
	}
	n := "n"
	path := filepath.Join(t.TempDir(), "triplets.parquet")
	if err := parquet.WriteFile(path, []row{{7, "q", "p", &n, nil}, {8, "r", "s", nil, []int32{1, 2}}}); err != nil {
		t.Fatal(err)
	}
	if form, err := Detect(context.Background(), path); form != FormParquet {
		t.Fatal(form, err)
	}
	d := newDraft(t)
	if err := Read(context.Background(), &Parquet{Table{Files: []File{{path, "train"}}}}, d); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "pairs", dump(t, d), `
		q | p | 1 positive train group=7
		q | n | 0 given train group=7
		r | s | 1 positive train group=8`)
}

// TestFiles: a file for each split.
func TestFiles(t *testing.T) {
	dir := t.TempDir()
	files := []File{
		{writeFile(t, dir, "train.csv", "query,passage,label\nq,p,1\nq,r,0\n"), "train"},
		{writeFile(t, dir, "test.csv", "label,query,passage\n1,q,p\n0,q,p\n0,s,p\n1,s,p\n"), "test"},
	}
	d := newDraft(t)
	if err := Read(context.Background(), &CSV{Table: Table{Files: files}}, d); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "pairs", dump(t, d), `
		q | p | 1 given train
		q | r | 0 given train
		q | p | 1 given test group=left/test
		q | p | 0 given test group=left/test
		s | p | 0 given test
		s | p | 1 given test`)
	if d.Contradicted != 2 || d.Torn() != 1 || len(d.Notes) != 1 || d.Notes[0] != "1 queries are in several splits: each is a group of its own in each" {
		t.Errorf("%d contradicted, %d torn, %q", d.Contradicted, d.Torn(), d.Notes)
	}
}

const squad2 = `{"version": "v2.0", "data": [
	{"title": "Bridges", "paragraphs": [
		{"context": "Arch bridges are old. Dr. Stein built one in the U.S. in 1880. “Is it safe?” asked Zoë; yes.", "qas": [
			{"id": "1", "question": "When was it built?", "answers": [{"text": "1880", "answer_start": 57}, {"text": "in 1880", "answer_start": 54}], "is_impossible": false},
			{"id": "2", "question": "Who asked?", "answers": [{"text": "Zoë", "answer_start": 83}]},
			{"id": "3", "question": "Who paid?", "answers": [], "is_impossible": true, "plausible_answers": [{"text": "Dr. Stein", "answer_start": 22}]},
			{"id": "4", "question": "Where is it sold?", "answers": [], "is_impossible": true}
		]},
		{"context": "Ropes hold hanging bridges.", "qas": []}
	]},
	{"paragraphs": [{"context": "Tunnels are dug.", "qas": [{"question": "What is dug?", "answers": [{"text": "Tunnels", "answer_start": 0}], "id": 5}]}]}
]}`

func TestSQuAD(t *testing.T) {
	path := writeFile(t, t.TempDir(), "dev.json", squad2)
	if form, err := Detect(context.Background(), path); form != FormSQuAD {
		t.Fatal(form, err)
	}
	d := newDraft(t)
	if err := Read(context.Background(), &SQuAD{Files: []File{{path, "test"}}}, d); err != nil {
		t.Fatal(err)
	}
	const first = "Arch bridges are old. Dr. Stein built one in the U.S. in 1880. “Is it safe?” asked Zoë; yes."
	wantLines(t, "pairs", dump(t, d), strings.ReplaceAll(`
		When was it built? | FIRST | 1 positive test source=Bridges
		Who asked? | FIRST | 1 positive test source=Bridges
		Who paid? | FIRST | 0 hard test source=Bridges
		Where is it sold? | FIRST | 0 hard test source=Bridges
		What is dug? | Tunnels are dug. | 1 positive test source=article 2`, "FIRST", first))
	wantLines(t, "passages", passages(t, d), first+" [Bridges]\nRopes hold hanging bridges. [Bridges]\nTunnels are dug. [article 2]")
	if d.Tally.Rows != 5 {
		t.Errorf("%d rows, want a row for each question", d.Tally.Rows)
	}

	d = newDraft(t)
	if err := Read(context.Background(), &SQuAD{Files: []File{{Path: path}}, Sentences: true}, d); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "pairs of sentences", dump(t, d), `
		When was it built? | Dr. Stein built one in the U.S. in 1880. | 1 positive source=Bridges, paragraph 1
		Who asked? | “Is it safe?” asked Zoë; yes. | 1 positive source=Bridges, paragraph 1
		Who paid? | Dr. Stein built one in the U.S. in 1880. | 0 hard source=Bridges, paragraph 1
		What is dug? | Tunnels are dug. | 1 positive source=article 2, paragraph 1`)
	wantLines(t, "sentences", passages(t, d), `
		Arch bridges are old. [Bridges, paragraph 1]
		Dr. Stein built one in the U.S. in 1880. [Bridges, paragraph 1]
		“Is it safe?” asked Zoë; yes. [Bridges, paragraph 1]
		Ropes hold hanging bridges. [Bridges, paragraph 2]
		Tunnels are dug. [article 2, paragraph 1]`)
	if want := "1 questions have no answer and no plausible one, so no sentence goes with them"; len(d.Notes) != 1 || d.Notes[0] != want {
		t.Errorf("notes %q", d.Notes)
	}
}

// writeBEIR writes a folder in BEIR's form.
func writeBEIR(t testing.TB) string {
	dir := t.TempDir()
	writeFile(t, dir, "corpus.jsonl.gz", packGzip(`{"_id": "d1", "title": "Soup", "text": "Boil it.", "metadata": {}}
{"_id": "d2", "title": "", "text": "Fry it."}
{"_id": 3, "text": "Bake it."}
`))
	writeFile(t, dir, "queries.jsonl", "{\"_id\": \"q1\", \"text\": \"how to boil\"}\n{\"_id\": \"q2\", \"text\": \"how to fry\"}\n")
	writeFile(t, dir, "qrels/test.tsv", "query-id\tcorpus-id\tscore\nq2\td2\t1\n")
	writeFile(t, dir, "qrels/train.tsv", "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq1\t3\t-1\n")
	writeFile(t, dir, "qrels/README.md", "what this is")
	return dir
}

func TestBEIR(t *testing.T) {
	dir := writeBEIR(t)
	if form, err := Detect(context.Background(), dir); form != FormBEIR {
		t.Fatal(form, err)
	}
	d := newDraft(t)
	if err := Read(context.Background(), &BEIR{Folder: dir}, d); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "pairs", dump(t, d), `
		how to boil | Soup Boil it. | 2 given train
		how to boil | Fry it. | 0 given train
		how to boil | Bake it. | 0 given train
		how to fry | Fry it. | 1 given test`)
	wantLines(t, "passages", passages(t, d), "Soup Boil it.\nFry it.\nBake it.")
	if d.LabelRange != "0..2" {
		t.Errorf("the label range is %q", d.LabelRange)
	}
	// TREC's own four columns, without a header.
	writeFile(t, dir, "qrels/train.tsv", "q1\t0\td1\t1\nq1\t0\td2\t0\n")
	d = newDraft(t)
	if err := Read(context.Background(), &BEIR{Folder: dir}, d); err != nil {
		t.Fatal(err)
	}
	wantLines(t, "pairs", dump(t, d), `
		how to boil | Soup Boil it. | 1 given train
		how to boil | Fry it. | 0 given train
		how to fry | Fry it. | 1 given test`)
}

const llamaIndex = `{
  "queries": {"a": "what boils", "b": "what\u00e9 fries"},
  "corpus": {"n1": "Water boils.", "n2": "Fish fries.", "n3": "Snow melts."},
  "relevant_docs": {"b": ["n2"], "a": ["n1", "n3"]},
  "mode": "text"
}`

func TestLlamaIndex(t *testing.T) {
	dir := t.TempDir()
	// relevant_docs may stand first.
	turned := `{"mode": "text", "relevant_docs": {"b": ["n2"], "a": ["n1", "n3"]}, ` + llamaIndex[strings.Index(llamaIndex, `"queries"`):strings.Index(llamaIndex, `"relevant_docs"`)] + `"x": []}`
	for _, text := range []string{llamaIndex, turned} {
		path := writeFile(t, dir, "qa.json", text)
		if form, err := Detect(context.Background(), path); form != FormLlamaIndex {
			t.Fatal(form, err)
		}
		d := newDraft(t)
		if err := Read(context.Background(), &LlamaIndex{Files: []File{{Path: path}}}, d); err != nil {
			t.Fatal(err)
		}
		wantLines(t, "pairs", dump(t, d), `
			whaté fries | Fish fries. | 1 positive
			what boils | Water boils. | 1 positive
			what boils | Snow melts. | 1 positive`)
		wantLines(t, "passages", passages(t, d), "Water boils.\nFish fries.\nSnow melts.")
		if !d.OnlyPositives() {
			t.Error("it has dissimilar pairs")
		}
	}
}

// TestResolve: what columns are taken for, and by whom.
func TestResolve(t *testing.T) {
	for _, c := range []struct {
		names, want string
		columns     Columns
	}{
		{"anchor target rating score context", "left=anchor? right=target? label=score?", Columns{}},
		{"id title context question answers", "left=question? right=context?", Columns{}},
		{"Sentence-1 Sentence-2 Similarity-Score", "left=Sentence-1? right=Sentence-2? label=Similarity-Score?", Columns{}},
		{"text label", "text=text? class=label?", Columns{}},
		{"utterance intent label split", "text=utterance? class=intent? split=split?", Columns{}},
		{"query answer label", "text=answer class=label", Columns{Text: "answer", Class: "label"}},
		{"anchor positive negative_1 negative_2 negativity label", "left=anchor? right=positive? negative=negative_1? negative=negative_2?", Columns{}},
		{"anchor positive negative label", "left=anchor? right=positive? negative=negative? label=label", Columns{Label: "label"}},
		{"anchor positive negative label", "left=anchor? right=positive? label=label?", Columns{Negative: "-"}},
		{"query passage query_id doc_id kind", "left=query? right=passage? group=query_id?", Columns{Kind: "-", Source: "-"}},
	} {
		r, err := c.columns.resolve(strings.Fields(c.names))
		var got []string
		for _, use := range r.uses {
			mark := ""
			if use.Guessed {
				mark = "?"
			}
			got = append(got, use.Role+"="+use.Column+mark)
		}
		if s := strings.Join(got, " "); err != nil || s != c.want {
			t.Errorf("%s: %s, %v; want %s", c.names, s, err, c.want)
		}
	}
}
