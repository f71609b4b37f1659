package prepare

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The forms of data that Detect tells apart.
const (
	FormCSV        = "csv"
	FormTSV        = "tsv"
	FormJSONLines  = "jsonl"
	FormJSON       = "json"
	FormParquet    = "parquet"
	FormSQuAD      = "squad"
	FormBEIR       = "beir"
	FormLlamaIndex = "llamaindex"
)

// detectBytes is how much of a file tells its form.
const detectBytes = 1 << 16

// Detect tells the form of a file or folder by its first bytes and keys, and by
// its name where they leave it open.
func Detect(ctx context.Context, path string) (form string, err error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", path, withoutPath(err))
	}
	if info.IsDir() {
		if packedFile(path, beirCorpus) != "" && packedFile(path, beirQueries) != "" {
			return FormBEIR, nil
		}
		return "", fmt.Errorf("%s: a folder without %s and %s, which BEIR's form has: name a file", path, beirCorpus, beirQueries)
	}
	in, err := openInput(ctx, path)
	if err != nil {
		return "", err
	}
	defer in.close()
	head, err := in.Peek(detectBytes)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", in.failed(err)
	}
	if bytes.HasPrefix(head, []byte("PAR1")) {
		if in.packed() {
			return "", fmt.Errorf("%s: a packed Parquet file, which packs its pages itself: unpack it", path)
		}
		return FormParquet, nil
	}
	form, why := detectText(head, filepath.Ext(withoutPacking(path)))
	if form == "" {
		return "", fmt.Errorf("%s: cannot tell what this is: %s; name its form with --format", path, why)
	}
	return form, nil
}

// detectText tells a form by the beginning of a text and the name's extension,
// or says why it cannot.
func detectText(head []byte, extension string) (form, why string) {
	extension = strings.ToLower(extension)
	text := bytes.TrimLeft(head, " \t\r\n")
	if len(text) == 0 {
		return "", "it begins with nothing but white space"
	}
	isTable := slices.Contains([]string{".csv", ".tsv", ".tab", ".txt"}, extension)
	switch {
	case text[0] == '{' && !isTable:
		return detectObject(text)
	case text[0] == '[' && !isTable:
		return FormJSON, ""
	case extension == ".tsv" || extension == ".tab":
		return FormTSV, ""
	case extension == ".csv":
		return FormCSV, ""
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return "", "it is not a text"
	}
	first, _, _ := strings.Cut(string(text), "\n")
	switch guessComma(first) {
	case 0:
		return "", "it is no JSON, and its first line has no comma, tab, semicolon or |"
	case '\t':
		return FormTSV, ""
	}
	return FormCSV, ""
}

// detectObject tells forms that begin with a JSON object by the keys and what
// their values begin with.
func detectObject(text []byte) (form, why string) {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	whole := json.Valid(first) // a line is an object
	var keys []string
	d := json.NewDecoder(bytes.NewReader(text))
	d.Token()
	for d.More() {
		t, err := d.Token()
		key, ok := t.(string)
		if err != nil || !ok {
			break
		}
		keys = append(keys, key)
		rest := bytes.TrimLeft(text[d.InputOffset():], " \t\r\n:")
		switch begins := firstOf(rest); {
		case begins == '{' && slices.Contains([]string{"queries", "corpus", "relevant_docs"}, key):
			return FormLlamaIndex, ""
		case begins == '[' && key == "data" && firstOf(bytes.TrimLeft(rest[1:], " \t\r\n")) == '{':
			return FormSQuAD, ""
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			break
		}
	}
	switch {
	case whole || !json.Valid(first) && len(first) == detectBytes: // or longer than we look
		return FormJSONLines, ""
	case len(keys) == 0:
		return "", "it begins with { but is no JSON"
	}
	return "", fmt.Sprintf("it is one JSON object with the keys %s, neither a list of objects nor an object on each line", strings.Join(keys, ", "))
}

// firstOf is the first byte, or 0.
func firstOf(text []byte) byte {
	if len(text) == 0 {
		return 0
	}
	return text[0]
}
