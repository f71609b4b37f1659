package loader

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/internal/npy"
)

// A source of three texts, of which one has two lines, in each format.
func embeddingFiles(t *testing.T) (dir string, texts []string, vectors [][]float32) {
	t.Helper()
	dir = t.TempDir()
	texts = []string{"one", "two\nlines", "\"three\" é"}
	vectors = [][]float32{{1, 0.5}, {-2, 0}, {0, 3}}
	type row struct {
		Text  string    `parquet:"text"`
		Body  string    `parquet:"body"`
		ID    string    `parquet:"id"`
		Hash  string    `parquet:"hash"`
		Value []float32 `parquet:"embedding,list"`
		Other []float64 `parquet:"vector,list"`
	}
	var rows []row
	var lines, plain, ids, numbers bytes.Buffer
	numbers.Write(npy.AppendHeader(nil, 3, 2))
	for i, text := range texts {
		rows = append(rows, row{text, text, fmt.Sprint("q", i), TextID(text), vectors[i], []float64{float64(vectors[i][0]), float64(vectors[i][1])}})
		fmt.Fprintf(&lines, "{\"id\": \"q%d\", \"text\": %q, \"hash\": %q, \"embedding\": [%g, %g]}\n", i, text, TextID(text), vectors[i][0], vectors[i][1])
		fmt.Fprintf(&ids, "%s\r\n", TextID(text))
		numbers.Write(appendLittle(nil, vectors[i]))
	}
	plain.WriteString("one\n\"two\\nlines\"\n\"\\\"three\\\" é\"") // without a newline at the end
	if err := parquet.WriteFile(filepath.Join(dir, "all.parquet"), rows); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*bytes.Buffer{"all.jsonl": &lines, "texts.txt": &plain, "ids.txt": &ids, "all.npy": &numbers} {
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir, texts, vectors
}

func TestReadEmbeddings(t *testing.T) {
	dir, texts, vectors := embeddingFiles(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	for _, source := range []EmbeddingSource{
		{File: in("all.parquet")}, // text before id, which need not be ours
		{File: in("all.parquet"), Text: "body", Vector: "vector"},
		{File: in("all.parquet"), ID: "hash"},
		{File: in("all.jsonl")},
		{File: in("all.jsonl"), ID: "hash"},
		{File: in("all.npy"), Texts: in("texts.txt")},
		{File: in("all.npy"), IDs: in("ids.txt")},
	} {
		n := 0
		err := source.Read(func(id ID, v []float32) error {
			if id != NewID(texts[n]) || !slices.Equal(v, vectors[n]) {
				t.Errorf("%+v: row %d is %v, %v", source, n, id, v)
			}
			n++
			return nil
		})
		if err != nil || n != len(texts) {
			t.Errorf("%+v: %d rows, %v", source, n, err)
		}
	}
}

// What Windows' programs put before a text is not part of it.
func TestByteOrderMark(t *testing.T) {
	t.Chdir(t.TempDir())
	const mark = "\ufeff"
	for name, text := range map[string]string{
		"a.jsonl": mark + `{"text":"a","embedding":[1]}`, "a.txt": mark + "a\r\n", "a.npy": string(appendLittle(npy.AppendHeader(nil, 1, 1), []float32{1})),
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, source := range []EmbeddingSource{{File: "a.jsonl"}, {File: "a.npy", Texts: "a.txt"}} {
		if err := source.Read(func(id ID, v []float32) error {
			if id != NewID("a") {
				t.Errorf("%s: another text", source.File)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
}

func TestReadEmbeddingsErrors(t *testing.T) {
	dir, _, _ := embeddingFiles(t)
	t.Chdir(dir)
	for name, text := range map[string]string{
		"short.txt": "a\nb\n", "quote.txt": "\"a\nb\nc\n", "noids.txt": "a\nb\nc\n", "x.csv": "a,b\n",
		"null.jsonl": `{"text":"a","embedding":[1,null]}`, "notext.jsonl": `{"text":null,"embedding":[1]}`, "neither.jsonl": `{"body":"a","embedding":[1]}`,
		"novector.jsonl": "{\"text\":\"a\",\"embedding\":[1]}\n{\"text\":\"b\"}\n", "long.jsonl": "{\"text\":\"a\",\"embedding\":[1]}\n\n{\"text\":\"b\",\"embedding\":[1,2]}\n",
		"cut.jsonl": "{\"text\":\"a\",\"embedding\":[1]}\n{\"text\":\"b\",\"emb", "zero.jsonl": `{"text":"a","embedding":[0,0]}`,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		source EmbeddingSource
		want   string
	}{
		{EmbeddingSource{File: "all.npy"}, "all.npy: npy does not say which texts its rows belong to: name a file with a text, or an id, on each line"},
		{EmbeddingSource{File: "all.npy", Texts: "a", IDs: "b"}, "all.npy: want a file of texts or one of ids, not both"},
		{EmbeddingSource{File: "all.npy", Texts: "short.txt"}, "all.npy has 3 rows, short.txt has 2 lines: want one for each"},
		{EmbeddingSource{File: "all.npy", Texts: "quote.txt"}, "quote.txt: line 1: a text that begins with a quotation mark must be a JSON string: unexpected end of JSON input"},
		{EmbeddingSource{File: "all.npy", IDs: "noids.txt"}, `noids.txt: line 1: "a" is not the id of a text, which is the first 32 hexadecimal digits of its SHA-256, in small letters`},
		{EmbeddingSource{File: "all.parquet", ID: "id"}, `all.parquet: row 0: id: "q0" is not the id of a text, which is the first 32 hexadecimal digits of its SHA-256, in small letters`},
		{EmbeddingSource{File: "all.parquet", Vector: "value"}, `all.parquet: no column "value"; the file has: text, body, id, hash, embedding, vector`},
		{EmbeddingSource{File: "x.csv"}, "open x.csv: neither Parquet nor npy nor JSON lines, by its first bytes: save the vectors as one of these"},
		{EmbeddingSource{File: "gone"}, "open gone: file does not exist"},
		{EmbeddingSource{File: "null.jsonl"}, `null.jsonl: line 1: "embedding" is no list of numbers`},
		{EmbeddingSource{File: "notext.jsonl"}, `notext.jsonl: line 1: "text" is no text`},
		{EmbeddingSource{File: "neither.jsonl"}, `neither.jsonl: line 1: neither "text" nor "id": name the one that has the texts`},
		{EmbeddingSource{File: "neither.jsonl", Text: "words"}, `neither.jsonl: line 1: "words" is no text`},
		{EmbeddingSource{File: "novector.jsonl"}, `novector.jsonl: line 2: "embedding" is no list of numbers`},
		{EmbeddingSource{File: "long.jsonl"}, "long.jsonl: line 3: embedding has 2 values, the first has 1: all vectors need the same length"},
		{EmbeddingSource{File: "cut.jsonl"}, "cut.jsonl: line 2: not a JSON object: unexpected end of JSON input"},
		{EmbeddingSource{File: "zero.jsonl"}, "zero.jsonl: line 1: embedding is all zeros, which has no direction: embed the text again or drop the row"},
	} {
		wantError(t, c.source.Read(func(ID, []float32) error { return nil }), c.want)
	}
}
