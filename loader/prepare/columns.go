package prepare

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cosfit/cosfit/loader"
)

// Columns say what the columns of a table are called. Those that are empty are
// guessed from the usual names; loader.NoColumn stands for none.
type Columns struct {
	Left, Right string
	Negative    string // of triplets; NAME also stands for NAME_1, NAME_2, …
	Label       string // without it all pairs are similar
	Text, Class string // of labelled texts, instead of Left and Right
	Group       string // what a split must not tear; without it the left text
	Split       string
	Kind        string
	Source      string // the document that the right text comes from
}

// A ColumnUse says what a column is taken for.
type ColumnUse struct {
	Role    string `json:"role"`
	Column  string `json:"column"`
	Guessed bool   `json:"guessed"` // by its name
}

// The usual names, those first that say more.
func usualNames(role string) []string {
	switch role {
	case "left":
		return []string{"query", "question", "anchor", "sentence1", "sentence_1", "sentence_a", "text1", "text_1", "text_a",
			"question1", "question_1", "q1", "left", "left_text", "premise"}
	case "right":
		return []string{"passage", "answer", "positive", "pos", "sentence2", "sentence_2", "sentence_b", "text2", "text_2", "text_b",
			"question2", "question_2", "q2", "right", "right_text", "hypothesis", "document", "doc", "response", "candidate", "target", "context", "text", "content"}
	case "label":
		return []string{"label", "score", "similarity", "similarity_score", "relevance", "relevance_score", "is_duplicate", "is_match", "similar"}
	case "text":
		return []string{"text", "sentence", "utterance", "content", "question", "query"}
	case "class":
		return []string{"class", "category", "intent", "topic", "label_text", "label"}
	case "group":
		return []string{"group", "group_id", "query_id", "question_id", "qid"}
	case "split":
		return []string{"split"}
	case "kind":
		return []string{"kind"}
	case "source":
		return []string{"source", "doc_id", "document_id"}
	}
	return nil
}

// usualNegative finds the columns of triplets.
var usualNegative = regexp.MustCompile(`^(hard_)?neg(ative)?s?(_?[0-9]+)?$`)

// isHard reports whether a column of negatives says that they were chosen for
// their similarity.
func isHard(column string) bool { return strings.HasPrefix(folded(column), "hard") }

// folded is a name without what writers differ in.
func folded(name string) string {
	return strings.NewReplacer(" ", "_", "-", "_", ".", "_").Replace(strings.ToLower(name))
}

// roles say where in a row everything is. A role is the position of its column
// among columns, or none.
type roles struct {
	columns                    []string // that are read
	uses                       []ColumnUse
	left, right, label         int
	text, class                int
	group, split, kind, source int
	negatives                  []int
}

// resolve finds the columns among those that a file has.
func (c Columns) resolve(names []string) (roles, error) {
	f := columnFinder{names: names}
	r := &f.roles
	r.left, r.right, r.label, r.text, r.class = none, none, none, none, none
	classes := c.Text != "" || c.Class != ""
	if !classes {
		f.find("left", c.Left, &r.left)
		f.find("right", c.Right, &r.right)
		classes = f.err == nil && c.Left == "" && c.Right == "" && (r.left == none || r.right == none) && f.hasClasses()
	}
	if classes {
		f.roles = roles{left: none, right: none, label: none, text: none, class: none}
		f.find("text", c.Text, &r.text)
		f.find("class", c.Class, &r.class)
		f.need("text", r.text)
		f.need("class", r.class)
	} else {
		f.need("left", r.left)
		f.need("right", r.right)
		f.findNegatives(c.Negative)
		if c.Label != "" || len(r.negatives) == 0 {
			f.find("label", c.Label, &r.label)
		}
	}
	f.find("group", c.Group, &r.group)
	f.find("split", c.Split, &r.split)
	f.find("kind", c.Kind, &r.kind)
	f.find("source", c.Source, &r.source)
	return f.roles, f.err
}

// A columnFinder keeps the first error.
type columnFinder struct {
	names []string
	roles roles
	err   error
}

// find finds the column of a role.
func (f *columnFinder) find(role, name string, to *int) {
	*to = none
	if f.err != nil || name == loader.NoColumn {
		return
	}
	if name == "" {
		for _, usual := range usualNames(role) {
			if i := slices.IndexFunc(f.names, func(n string) bool { return folded(n) == usual }); i >= 0 && !f.taken(f.names[i]) {
				*to = f.use(role, f.names[i], true)
				return
			}
		}
		return
	}
	if !slices.Contains(f.names, name) {
		f.err = fmt.Errorf("no column %q, which --%s-column names; the file has: %s", name, role, strings.Join(f.names, ", "))
		return
	}
	*to = f.use(role, name, false)
}

// use notes what a column is for, and returns its position among those that are
// read.
func (f *columnFinder) use(role, name string, guessed bool) int {
	f.roles.uses = append(f.roles.uses, ColumnUse{role, name, guessed})
	f.roles.columns = append(f.roles.columns, name)
	return len(f.roles.columns) - 1
}

func (f *columnFinder) taken(name string) bool { return slices.Contains(f.roles.columns, name) }

func (f *columnFinder) hasClasses() bool {
	trial := columnFinder{names: f.names}
	trial.find("text", "", &trial.roles.text)
	trial.find("class", "", &trial.roles.class)
	return trial.roles.text != none && trial.roles.class != none
}

func (f *columnFinder) need(role string, at int) {
	if f.err == nil && at == none {
		f.err = &lackingColumn{role, f.names}
	}
}

// A lackingColumn says that no column has one of the usual names of a role.
type lackingColumn struct {
	role  string
	names []string // that there are
}

func (e *lackingColumn) Error() string {
	return fmt.Sprintf("no column for the %s among %s: name one with --%s-column", roleInWords(e.role), strings.Join(e.names, ", "), e.role)
}

func roleInWords(role string) string {
	switch role {
	case "text":
		return "texts"
	case "class":
		return "classes"
	}
	return role + " texts"
}

// findNegatives finds the columns of negatives, of which there may be none.
func (f *columnFinder) findNegatives(name string) {
	if f.err != nil || name == loader.NoColumn {
		return
	}
	for _, n := range f.names {
		is := usualNegative.MatchString(folded(n))
		if name != "" {
			number, ok := strings.CutPrefix(n, name)
			is = ok && strings.Trim(strings.TrimLeft(number, "_-"), "0123456789") == ""
		}
		if is && !f.taken(n) {
			f.roles.negatives = append(f.roles.negatives, f.use("negative", n, name == ""))
		}
	}
	if name != "" && len(f.roles.negatives) == 0 {
		f.err = fmt.Errorf("no column %q, which --negative-column names; the file has: %s", name, strings.Join(f.names, ", "))
	}
}
