package nq

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
)

const (
	simplified = "testdata/simplified.jsonl"
	original   = "testdata/original.jsonl.gz"
)

// readLines reads a file of JSON lines.
func readLines[T any](t *testing.T, path string) (all []T) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	if s.Err() != nil || len(all) == 0 {
		t.Fatal(path, s.Err())
	}
	return all
}

// read reads files of NQ.
func read(t *testing.T, o Options, paths ...string) (*Source, *prepare.Draft, error) {
	t.Helper()
	d := prepare.NewDraft(t.TempDir())
	t.Cleanup(func() { d.Close() })
	s := &Source{Paths: paths, Options: o}
	return s, d, s.Read(context.Background(), d)
}

func mustRead(t *testing.T, o Options, paths ...string) (*Source, *prepare.Draft) {
	t.Helper()
	s, d, err := read(t, o, paths...)
	if err != nil {
		t.Fatal(err)
	}
	return s, d
}

// What testdata/make.py says has to come of a row.
type (
	expectedRow struct {
		Question string
		First    *expectedAnswer
		Differs  bool            // Majority from First
		Majority *expectedAnswer // set only where it does
	}
	expectedAnswer struct {
		Answer string
		Min30  expectedPassages `json:"30"`
		Min1k  expectedPassages `json:"1000"`
	}
	expectedPassages struct {
		Passages    []string
		Hard, Never []int
	}
)

func (r expectedRow) by(a Annotations) *expectedAnswer {
	if a == Majority && r.Differs {
		return r.Majority
	}
	return r.First
}

// got is a question with its texts.
type got struct {
	question, answer, source string
	passages, hard           []string
}

func questions(t *testing.T, s *Source, d *prepare.Draft) (all []got) {
	t.Helper()
	text := func(n int32) string {
		x, err := d.Text(n)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	if d.Pairs.Len() != len(s.Questions) {
		t.Fatalf("%d pairs of %d questions", d.Pairs.Len(), len(s.Questions))
	}
	for i, q := range s.Questions {
		p := &d.Pairs
		if p.Left[i] != q.Query || p.Right[i] != q.Answer || p.Label[i] != 1 || p.Kind[i] != loader.Positive {
			t.Errorf("pair %d is %d and %d with label %g and %s, want %d and %d", i, p.Left[i], p.Right[i], p.Label[i], p.Kind[i], q.Query, q.Answer)
		}
		g := got{question: text(q.Query), answer: text(q.Answer), source: d.Source(q.Answer)}
		for _, n := range q.Passages {
			g.passages = append(g.passages, text(n))
		}
		for _, n := range q.Hard {
			g.hard = append(g.hard, text(n))
		}
		all = append(all, g)
	}
	return all
}

// TestFixture compares every pair, passage and possible negative of the fixture, in
// both forms, with what has to come of it.
func TestFixture(t *testing.T) {
	rows := readLines[expectedRow](t, "testdata/expected.jsonl")
	if len(rows) < 40 {
		t.Fatalf("%d rows", len(rows))
	}
	for _, path := range []string{simplified, original} {
		for _, rule := range []Annotations{First, Majority} {
			for _, least := range []int{30, 1000} {
				t.Run(fmt.Sprint(path, rule, least), func(t *testing.T) {
					o := Defaults()
					o.MinChars, o.Annotations = least, rule
					s, d := mustRead(t, o, path)
					if d.Tally.Bad != 0 || d.Tally.Rows != int64(len(rows)) {
						t.Errorf("%d rows, %d bad: %q", d.Tally.Rows, d.Tally.Bad, d.Tally.First)
					}
					compare(t, questions(t, s, d), rows, rule, least)
				})
			}
		}
	}
}

func compare(t *testing.T, all []got, rows []expectedRow, rule Annotations, least int) {
	t.Helper()
	seen := map[string]bool{}
	for _, r := range rows {
		want := r.by(rule)
		if want == nil || seen[r.Question] { // the same row again counts once
			continue
		}
		seen[r.Question] = true
		if len(all) == 0 {
			t.Fatalf("%q is missing", r.Question)
		}
		g := all[0]
		all = all[1:]
		if g.question != r.Question || g.answer != want.Answer {
			t.Fatalf("question %q has the answer\n%q, want %q with\n%q", g.question, g.answer, r.Question, want.Answer)
		}
		p := want.Min30
		if least == 1000 {
			p = want.Min1k
		}
		var hard []string
		for _, n := range p.Hard {
			hard = append(hard, p.Passages[n])
		}
		if !slices.Equal(g.passages, p.Passages) {
			t.Errorf("%s: passages\n%q, want\n%q", r.Question, g.passages, p.Passages)
		}
		if !slices.Equal(g.hard, hard) {
			t.Errorf("%s: pool\n%q, want\n%q", r.Question, g.hard, hard)
		}
		for _, n := range p.Never {
			if slices.Contains(g.hard, p.Passages[n]) {
				t.Errorf("%s: %q is in the pool", r.Question, p.Passages[n])
			}
		}
	}
	if len(all) > 0 {
		t.Errorf("%d questions too many, the first is %q", len(all), all[0].question)
	}
}

// TestFixtureNotebook compares the text of each candidate with what the library
// that the notebook uses makes of it.
func TestFixtureNotebook(t *testing.T) {
	for i, want := range readLines[[]string](t, "testdata/seed.jsonl") {
		m := newMaker(Options{Notebook: true})
		line := readLines[json.RawMessage](t, simplified)[i]
		if err := m.row.read(line); err != nil {
			t.Fatal(err)
		}
		m.findTokens()
		for k, c := range m.row.candidates {
			span := m.row.text[m.starts[c.start] : m.starts[c.end]-1]
			if got := string(m.cleaner.clean(span)); got != want[k] {
				t.Errorf("line %d, candidate %d:\n%q, want\n%q, of\n%s", i+1, k, got, want[k], span)
			}
		}
	}
}

// TestSpecialRows looks at what single rows of the fixture are there for, by hand.
func TestSpecialRows(t *testing.T) {
	o := Defaults()
	o.MinChars = 1
	s, d := mustRead(t, o, simplified)
	all := map[string]got{}
	for _, g := range questions(t, s, d) {
		all[g.question] = g
	}
	for _, c := range []struct {
		question, answer string
		hard, never      []string
	}{
		{"how high is the north tower", "The tower\nNorth tower\nHeight\t31 m\nBuilt\t1843\n\tsince 1901 unmanned\nLight", []string{"Short ."}, []string{"Height\t31 m"}},
		{"when was the fog bell cast", "1841\tThe fog bell is cast in brass and tried", []string{"1840\tThe bell is ordered from the foundry"}, []string{"Year\tEvent\n1840\tThe bell is ordered from the foundry\n1841\tThe fog bell is cast in brass and tried\n1850\tThe bell cracks in a winter storm and is mended"}},
		{"what do the signs mean", "Fish & ships : 3 < 4 , café , 10 – 12 knots , non breaking and \" quoted \" signs .", []string{"An &amp; that was escaped twice , and &unknown; which is no entity , and AT&T without a semicolon ."}, nil},
		{"which letter has no width", "Between a\u180eb there is a Mongolian vowel separator , which is no white space ; a no-break space is .", []string{"Here stands a line separator , an ideographic space and a tab , all of which count as one blank ."}, nil},
		{"who painted the tower", "The tower was painted by the crew of the mail steamer .", []string{"The tower was painted by the crew of the mail steamer !"}, []string{"THE TOWER was painted by the crew OF the mail steamer ."}},
		{"which boats were sold", "", []string{"Boat\tCrews\nMarie\nsummer crew\tsix men and a boy\nwinter crew\tfour men\nAnna\tbefore :\nfirst year\ttwo men\nafter : none\tsold to the south"}, nil},
		{"what is less than what", "In code one writes x<y or <stdio.h> , and <3 is a heart ; a<b>c is text too , and so is </3> or <> and < alone .", []string{"A tag such as\nbreaks a line , bold is nothing , neither , too ."}, nil},
	} {
		g, ok := all[c.question]
		if !ok {
			t.Errorf("no question %q", c.question)
			continue
		}
		if c.answer != "" && g.answer != c.answer {
			t.Errorf("%s: answer\n%q, want\n%q", c.question, g.answer, c.answer)
		}
		for _, h := range c.hard {
			if !slices.Contains(g.hard, h) {
				t.Errorf("%s: %q is not in the pool %q", c.question, h, g.hard)
			}
		}
		for _, n := range c.never {
			if slices.Contains(g.hard, n) || !slices.Contains(g.passages, n) {
				t.Errorf("%s: %q is in the pool, or no passage", c.question, n)
			}
		}
	}
	for _, q := range []string{"is there an answer on this page", "what does the picture show", "who made the lens"} {
		if _, ok := all[q]; ok {
			t.Errorf("%q has no answer", q)
		}
	}
	one, two := all["what do both pages say"], all["what does the second page say"]
	if one.source != two.source || !strings.HasSuffix(one.source, "title=Shared_page") {
		t.Errorf("two revisions of a page are %q and %q", one.source, two.source)
	}
}
