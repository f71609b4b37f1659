package prepare

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cosfit/cosfit/loader"
)

// LlamaIndex reads the JSON of LlamaIndex' EmbeddingQAFinetuneDataset: queries
// and corpus, objects of texts by their ids, and relevant_docs, an object of
// lists of the corpus' ids by the queries'. What is not relevant is not said, so
// all pairs are similar; all texts of the corpus are passages.
type LlamaIndex struct{ Files []File }

// Read implements Source.
func (s *LlamaIndex) Read(ctx context.Context, d *Draft) error {
	for _, file := range s.Files {
		r := llamaReader{draft: d, file: file, queries: map[string]checkedText{}, corpus: map[string]int32{}}
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	return nil
}

// A llamaReader reads one file, whose keys may come in any order.
type llamaReader struct {
	draft    *Draft
	file     File
	queries  map[string]checkedText
	corpus   map[string]int32 // numbers of texts
	relevant []llamaRelevant
	entries  int64 // of the corpus
}

type llamaRelevant struct {
	query     string
	documents json.RawMessage
}

func (r *llamaReader) read(ctx context.Context) error {
	j, err := openJSON(ctx, r.file.Path)
	if err != nil {
		return err
	}
	defer j.close()
	if err := j.delim('{'); err != nil {
		return err
	}
	parts := map[string]func(j *jsonStream, id string) error{"queries": r.query, "corpus": r.document, "relevant_docs": r.documents}
	found := map[string]bool{}
	for j.more() {
		key, err := j.key()
		if err != nil {
			return err
		}
		if part := parts[key]; part != nil {
			found[key] = true
			err = eachMember(j, part)
		} else {
			err = j.skip()
		}
		if err != nil {
			return err
		}
	}
	if err := j.delim('}'); err != nil {
		return err
	}
	for _, key := range []string{"queries", "corpus", "relevant_docs"} {
		if !found[key] {
			return fmt.Errorf("%s: no key %q, which LlamaIndex' form has", r.file.Path, key)
		}
	}
	return r.pairs()
}

// eachMember visits the members of an object; visit reads their values.
func eachMember(j *jsonStream, visit func(j *jsonStream, key string) error) error {
	if err := j.delim('{'); err != nil {
		return err
	}
	for j.more() {
		key, err := j.key()
		if err != nil {
			return err
		}
		if err := visit(j, key); err != nil {
			return err
		}
	}
	return j.delim('}')
}

func (r *llamaReader) query(j *jsonStream, id string) error {
	var t checkedText
	err := j.decode(&t)
	r.queries[id] = t
	return err
}

func (r *llamaReader) document(j *jsonStream, id string) error {
	var t checkedText
	if err := j.decode(&t); err != nil {
		return err
	}
	r.entries++
	r.draft.Tally.Rows++
	if t.bad == nil {
		t.bad = checkText("corpus'", t.text)
	}
	if t.bad != nil {
		return r.draft.Reject(Place{File: r.file.Path, Row: r.entries, Unit: "entry of corpus"}, t.bad)
	}
	var err error
	r.corpus[id], err = r.draft.AddPassage(t.text, "")
	return err
}

func (r *llamaReader) documents(j *jsonStream, id string) error {
	var raw json.RawMessage
	err := j.decode(&raw)
	r.relevant = append(r.relevant, llamaRelevant{id, raw})
	return err
}

// pairs adds the pairs, once all texts are known.
func (r *llamaReader) pairs() error {
	for i, relevant := range r.relevant {
		at := Place{File: r.file.Path, Row: int64(i + 1), Unit: "entry of relevant_docs"}
		r.draft.Tally.Rows++
		if err := r.add(at, relevant); err != nil {
			return err
		}
	}
	return nil
}

func (r *llamaReader) add(at Place, relevant llamaRelevant) error {
	query, ok := r.queries[relevant.query]
	if !ok {
		return r.draft.Reject(at, fmt.Errorf("the query %.40q is not in queries", relevant.query))
	}
	if query.bad != nil {
		return r.draft.Reject(at, fmt.Errorf("the query %.40q is %w", relevant.query, query.bad))
	}
	var documents []string
	if err := json.Unmarshal(relevant.documents, &documents); err != nil || len(documents) == 0 {
		return r.draft.Reject(at, fmt.Errorf("want a list of ids of the corpus, got %.40s", relevant.documents))
	}
	bad := r.draft.Tally.Bad
	for _, id := range documents {
		n, ok := r.corpus[id]
		if !ok {
			return r.draft.Reject(at, fmt.Errorf("the document %.40q is not in corpus, or no good there", id))
		}
		text, err := r.draft.Text(n)
		if err != nil {
			return err
		}
		if err := r.draft.Add(at, Pair{Left: query.text, Right: text, Label: 1, Kind: loader.Positive, Split: r.file.Split}); err != nil || r.draft.Tally.Bad > bad {
			return err
		}
	}
	return nil
}
