package prepare

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/cosfit/cosfit/loader"
)

// SQuAD reads the JSON of SQuAD 1.1 and 2.0 (Rajpurkar et al. 2016, 2018),
// which XQuAD, MLQA, GermanQuAD and others have as well. A question and its
// paragraph are similar; the article's other paragraphs are passages of the same
// source. A question that its paragraph does not answer (is_impossible) and
// that paragraph are a hard negative.
type SQuAD struct {
	Files []File
	// Sentences pairs a question with the sentences that hold an answer instead.
	// The paragraph's other sentences are passages of the same source then. Of a
	// question without an answer, the sentence of its plausible answer, where
	// there is one, is a hard negative.
	Sentences bool
}

type (
	squadArticle struct {
		Title      checkedText      `json:"title"`
		Paragraphs []squadParagraph `json:"paragraphs"`
	}
	squadParagraph struct {
		Context   checkedText     `json:"context"`
		Questions []squadQuestion `json:"qas"`
	}
	squadQuestion struct {
		Question   checkedText   `json:"question"`
		Answers    []squadAnswer `json:"answers"`
		Impossible bool          `json:"is_impossible"`
		Plausible  []squadAnswer `json:"plausible_answers"`
	}
	squadAnswer struct {
		Text  checkedText `json:"text"`
		Start int         `json:"answer_start"` // in characters
	}
)

// Read implements Source.
func (s *SQuAD) Read(ctx context.Context, d *Draft) error {
	r := squadReader{draft: d, sentences: s.Sentences}
	for _, r.file = range s.Files {
		r.question = 0
		if err := r.read(ctx); err != nil {
			return err
		}
	}
	if r.unanswered > 0 {
		d.Notes = append(d.Notes, fmt.Sprintf("%d questions have no answer and no plausible one, so no sentence goes with them", r.unanswered))
	}
	return nil
}

// A squadReader reads one file, an article at a time.
type squadReader struct {
	draft     *Draft
	file      File
	sentences bool

	articles   int   // of all files, for the names of those that have none
	question   int64 // number of the last one in the file
	unanswered int   // questions that came to nothing
}

func (r *squadReader) read(ctx context.Context) error {
	j, err := openJSON(ctx, r.file.Path)
	if err != nil {
		return err
	}
	defer j.close()
	if err := j.delim('{'); err != nil {
		return err
	}
	found := false
	for j.more() {
		key, err := j.key()
		if err != nil {
			return err
		}
		if key != "data" {
			err = j.skip()
		} else {
			found = true
			err = r.data(j)
		}
		if err != nil {
			return err
		}
	}
	if !found {
		return fmt.Errorf("%s: no key \"data\", which holds the articles in SQuAD's form", r.file.Path)
	}
	return j.delim('}')
}

func (r *squadReader) data(j *jsonStream) error {
	if err := j.delim('['); err != nil {
		return err
	}
	for n := int64(1); j.more(); n++ {
		var raw json.RawMessage
		if err := j.decode(&raw); err != nil {
			return err
		}
		r.articles++
		var article squadArticle
		if err := json.Unmarshal(raw, &article); err != nil {
			r.draft.Tally.Rows++
			if err := r.draft.Reject(Place{File: r.file.Path, Row: n, Unit: "article"}, err); err != nil {
				return err
			}
			continue
		}
		if err := r.article(article); err != nil {
			return err
		}
	}
	return j.delim(']')
}

func (r *squadReader) article(a squadArticle) error {
	source := a.Title.text
	if source == "" {
		source = fmt.Sprintf("article %d", r.articles)
	}
	for i, p := range a.Paragraphs {
		if err := r.paragraph(p, source, i+1); err != nil {
			return err
		}
	}
	return nil
}

func (r *squadReader) paragraph(p squadParagraph, source string, number int) error {
	passages := []string{p.Context.text}
	if r.sentences {
		passages = sentences(p.Context.text)
		source = fmt.Sprintf("%s, paragraph %d", source, number)
	}
	good := p.Context.bad == nil && strings.TrimSpace(p.Context.text) != ""
	for _, text := range passages {
		if !good {
			break
		}
		if _, err := r.draft.AddPassage(text, source); err != nil {
			return err
		}
	}
	for _, q := range p.Questions {
		r.question++
		r.draft.Tally.Rows++
		if err := r.ask(q, p.Context, passages, source); err != nil {
			return err
		}
	}
	return nil
}

// ask adds the pairs of a question.
func (r *squadReader) ask(q squadQuestion, context checkedText, passages []string, source string) error {
	at := Place{File: r.file.Path, Row: r.question, Unit: "question"}
	for _, bad := range []error{q.Question.bad, context.bad} {
		if bad != nil {
			return r.draft.Reject(at, bad)
		}
	}
	pair := Pair{Left: q.Question.text, Label: 1, Kind: loader.Positive, Split: r.file.Split, Source: source}
	answers := q.Answers
	if q.Impossible {
		pair.Label, pair.Kind, answers = 0, loader.Hard, q.Plausible
	}
	rights := passages
	if r.sentences {
		var err error
		if rights, err = holding(answers, context.text, passages); err != nil {
			return r.draft.Reject(at, err)
		}
		if len(rights) == 0 && q.Impossible {
			r.unanswered++
			return nil
		}
	}
	if len(answers) == 0 && !q.Impossible {
		return r.draft.Reject(at, errors.New("it has no answer"))
	}
	bad := r.draft.Tally.Bad
	for _, pair.Right = range rights {
		if err := r.draft.Add(at, pair); err != nil || r.draft.Tally.Bad > bad {
			return err
		}
	}
	return nil
}

// holding returns the sentences of a paragraph that hold an answer, or a part
// of it, in their order. All annotators' answers count, so that no sentence with
// one becomes a negative.
func holding(answers []squadAnswer, context string, sentences []string) ([]string, error) {
	holds := make([]bool, len(sentences))
	for _, a := range answers {
		if a.Text.bad != nil {
			return nil, a.Text.bad
		}
		start := byteOffset(context, a.Start)
		if a.Text.text == "" || start < 0 || !strings.HasPrefix(context[start:], a.Text.text) {
			return nil, fmt.Errorf("its answer %.40q does not stand at character %d of the paragraph", a.Text.text, a.Start)
		}
		end := start + len(strings.TrimRight(a.Text.text, " \t\n"))
		at := 0
		for i, s := range sentences { // which are in the context one after the other
			at += strings.Index(context[at:], s)
			holds[i] = holds[i] || start < at+len(s) && at < end
			at += len(s)
		}
	}
	var list []string
	for i, s := range sentences {
		if holds[i] {
			list = append(list, s)
		}
	}
	return list, nil
}

// byteOffset is where a character stands, or -1 where there are not so many.
func byteOffset(text string, character int) int {
	for at := range text {
		if character == 0 {
			return at
		}
		character--
	}
	return -1
}
