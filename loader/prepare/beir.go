package prepare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cosfit/cosfit/loader"
)

// BEIR reads a folder in the form of the BEIR benchmark (Thakur et al. 2021):
// corpus.jsonl with _id, title and text, queries.jsonl with _id and text, and
// qrels/*.tsv with a query's id, a document's and their relevance. The files may
// be packed. A split is called by its file's name. Relevance of 0 or less makes
// a dissimilar pair; all documents are passages.
type BEIR struct {
	Folder string
	Scale  Scale // of relevance; its zero value means from 0 to the highest
}

const (
	beirCorpus  = "corpus.jsonl"
	beirQueries = "queries.jsonl"
	beirQrels   = "qrels"
)

// packedFile finds a file of a folder, or a packed one of that name; "" means
// there is none.
func packedFile(folder, name string) string {
	names := []string{name}
	for _, p := range packings() {
		names = append(names, name+p.extension)
	}
	for _, n := range names {
		path := filepath.Join(folder, n)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// Read implements Source.
func (s *BEIR) Read(ctx context.Context, d *Draft) error {
	r := beirReader{draft: d, scale: s.Scale, documents: map[string]int32{}, queries: map[string]string{}}
	d.LabelRange = s.Scale.String()
	judgements, err := qrelsFiles(s.Folder)
	if err != nil {
		return err
	}
	for _, part := range []struct {
		name string
		add  func(object) error
	}{{beirQueries, r.query}, {beirCorpus, r.document}} {
		path := packedFile(s.Folder, part.name)
		if path == "" {
			return fmt.Errorf("%s: no %s in it", s.Folder, part.name)
		}
		if err := r.objects(ctx, path, part.add); err != nil {
			return err
		}
	}
	for _, file := range judgements {
		if err := r.judgements(ctx, file); err != nil {
			return err
		}
	}
	if !s.Scale.given() && r.highest > 1 {
		d.LabelRange = fmt.Sprintf("0..%g", r.highest)
	}
	return nil
}

// AllFiles lists the files that Read reads.
func (s *BEIR) AllFiles() ([]File, error) {
	files, err := qrelsFiles(s.Folder)
	for _, name := range []string{beirCorpus, beirQueries} {
		files = append(files, File{Path: packedFile(s.Folder, name)})
	}
	return files, err
}

// qrelsFiles lists the files of a folder that say what is relevant, in the order
// of the splits.
func qrelsFiles(folder string) (files []File, err error) {
	entries, err := os.ReadDir(filepath.Join(folder, beirQrels))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", filepath.Join(folder, beirQrels), withoutPath(err))
	}
	var names []string
	for _, e := range entries {
		name := withoutPacking(e.Name())
		if filepath.Ext(name) != ".tsv" {
			continue
		}
		names = append(names, name)
		split := parseSplit(strings.TrimSuffix(name, ".tsv"))
		if _, ok := loader.ParseSplit(split); ok {
			files = append(files, File{Path: filepath.Join(folder, beirQrels, e.Name()), Split: split})
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no train.tsv, dev.tsv or test.tsv in it, but: %s", filepath.Join(folder, beirQrels), strings.Join(append(names, "nothing else")[:max(1, len(names))], ", "))
	}
	order := loader.SplitNames()
	slices.SortStableFunc(files, func(a, b File) int { return slices.Index(order, a.Split) - slices.Index(order, b.Split) })
	return files, nil
}

// A beirReader knows queries and documents by their ids.
type beirReader struct {
	draft     *Draft
	scale     Scale
	documents map[string]int32 // numbers of texts
	queries   map[string]string
	highest   float64 // relevance
}

// objects visits the objects of a file and rejects those that are no good.
func (r *beirReader) objects(ctx context.Context, path string, add func(object) error) error {
	return eachLineObject(ctx, path, func(at Place, fields object, bad error) error {
		r.draft.Tally.Rows++
		if bad == nil {
			bad = add(fields)
		}
		if why := (*badRow)(nil); bad != nil && errors.As(bad, &why) || bad != nil && fields == nil {
			return r.draft.Reject(at, bad)
		}
		return bad
	})
}

// field reads a key that has a text; an optional one may be missing.
func field(fields object, key string, optional bool) (string, error) {
	values, err := appendValues(nil, fields[key])
	switch {
	case err != nil:
		return "", &badRow{fmt.Errorf("%s %w", key, err)}
	case len(values) == 0 && !optional:
		return "", &badRow{fmt.Errorf("%s is missing or empty", key)}
	case len(values) > 1:
		return "", &badRow{fmt.Errorf("%s is a list, want a text", key)}
	case len(values) == 0:
		return "", nil
	}
	return values[0], nil
}

func (r *beirReader) query(fields object) error {
	id, err := field(fields, "_id", false)
	if err != nil {
		return err
	}
	text, err := field(fields, "text", false)
	if err != nil {
		return err
	}
	if _, ok := r.queries[id]; ok {
		return &badRow{fmt.Errorf("a second query has the _id %q", id)}
	}
	r.queries[id] = text
	return nil
}

func (r *beirReader) document(fields object) error {
	id, err := field(fields, "_id", false)
	if err != nil {
		return err
	}
	title, err := field(fields, "title", true)
	if err != nil {
		return err
	}
	text, err := field(fields, "text", true)
	if err != nil {
		return err
	}
	if text = strings.TrimSpace(title + " " + text); text == "" {
		return &badRow{errors.New("title and text are empty")}
	}
	if _, ok := r.documents[id]; ok {
		return &badRow{fmt.Errorf("a second document has the _id %q", id)}
	}
	r.documents[id], err = r.draft.AddPassage(text, "")
	return err
}

// judgements reads a file of qrels, whose header may be missing.
func (r *beirReader) judgements(ctx context.Context, file File) error {
	l, err := openLines(ctx, file.Path)
	if err != nil {
		return err
	}
	defer l.close()
	t := records{lines: l, comma: []byte{'\t'}}
	for first := true; ; first = false {
		fields, err := t.next()
		var bad *badRow
		switch {
		case isEnd(err):
			return nil
		case err != nil && !errors.As(err, &bad):
			return err
		case bad == nil && first && isHeader(fields):
			continue
		}
		r.draft.Tally.Rows++
		if err == nil {
			err = r.judgement(t.place(), fields, file.Split)
		}
		if errors.As(err, &bad) {
			err = r.draft.Reject(t.place(), bad)
		}
		if err != nil {
			return err
		}
	}
}

// isHeader reports whether the first line names the columns.
func isHeader(fields []string) bool {
	_, err := strconv.ParseFloat(strings.TrimSpace(fields[len(fields)-1]), 64)
	return err != nil
}

func (r *beirReader) judgement(at Place, fields []string, split string) error {
	if len(fields) == 4 { // TREC's own: query, iteration, document, relevance
		fields = []string{fields[0], fields[2], fields[3]}
	}
	if len(fields) != 3 {
		return &badRow{fmt.Errorf("%d fields, want the ids of a query and a document, and a number", len(fields))}
	}
	query, ok := r.queries[fields[0]]
	if !ok {
		return &badRow{fmt.Errorf("the query %q is not in %s", fields[0], beirQueries)}
	}
	document, ok := r.documents[fields[1]]
	if !ok {
		return &badRow{fmt.Errorf("the document %q is not in %s", fields[1], beirCorpus)}
	}
	relevance, err := strconv.ParseFloat(strings.TrimSpace(fields[2]), 64)
	if err != nil || !(relevance <= 1e6) {
		return &badRow{fmt.Errorf("the relevance %.40q is not a number", fields[2])}
	}
	relevance = max(relevance, 0)
	if r.scale.given() && (relevance < r.scale.Low || relevance > r.scale.High) {
		return &badRow{fmt.Errorf("the relevance is %g, outside the scale of %g to %g", relevance, r.scale.Low, r.scale.High)}
	}
	r.highest = max(r.highest, relevance)
	text, err := r.draft.Text(document)
	if err != nil {
		return err
	}
	return r.draft.Add(at, Pair{Left: query, Right: text, Label: relevance, Split: split, Kind: loader.Given})
}
