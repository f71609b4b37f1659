package negatives

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/prepare"
	"github.com/cosfit/cosfit/loader/sample"
)

// newDraft makes a draft of questions about two documents, and pools of the
// documents' passages.
func newDraft(t *testing.T) (*prepare.Draft, []Pool) {
	t.Helper()
	d := prepare.NewDraft(t.TempDir())
	t.Cleanup(func() { d.Close() })
	var pools []Pool
	for doc, split := range []string{"train", "test"} {
		var candidates []int32
		source := fmt.Sprint("document ", doc)
		for i := range 6 {
			n, err := d.AddPassage(fmt.Sprintf("Passage %d of %s", i, source), source)
			if err != nil {
				t.Fatal(err)
			}
			candidates = append(candidates, n)
		}
		again, err := d.AddPassage(fmt.Sprintf("passage  0 OF %s\n", source), source) // says the same as the first
		if err != nil {
			t.Fatal(err)
		}
		candidates = append(candidates, again)
		for i := range 2 {
			answer, err := d.Text(candidates[i])
			if err != nil {
				t.Fatal(err)
			}
			p := prepare.Pair{Left: fmt.Sprintf("question %d about %s", i, source), Right: answer, Label: 1, Kind: loader.Positive, Source: source, Split: split}
			if err := d.Add(prepare.Line("f", 1), p); err != nil {
				t.Fatal(err)
			}
			last := d.Pairs.Len() - 1
			pools = append(pools, Pool{d.Pairs.Left[last], d.Pairs.Right[last], candidates})
		}
	}
	return d, pools
}

// fakeVectors makes a passage the more similar to all questions the larger its
// number.
func fakeVectors(d *prepare.Draft) *Vectors {
	return &Vectors{
		Dim: 2,
		Queries: func(texts []int32, dst []float32) error {
			for i := range texts {
				dst[2*i], dst[2*i+1] = 1, 0
			}
			return nil
		},
		Passages: func(texts []int32, dst []float32) error {
			for i, n := range texts {
				dst[2*i], dst[2*i+1] = float32(n+1), 10
			}
			return nil
		},
	}
}

// added lists the negatives of a draft, of each pair that it had before.
func added(t *testing.T, d *prepare.Draft, before int) []string {
	t.Helper()
	var out []string
	for i := before; i < d.Pairs.Len(); i++ {
		left, err := d.Text(d.Pairs.Left[i])
		if err != nil {
			t.Fatal(err)
		}
		right, err := d.Text(d.Pairs.Right[i])
		if err != nil {
			t.Fatal(err)
		}
		if d.Pairs.Label[i] != 0 || d.Pairs.Groups[d.Pairs.Group[i]] != loader.TextID(left) {
			t.Errorf("pair %d: label %g, group %s", i, d.Pairs.Label[i], d.Pairs.Groups[d.Pairs.Group[i]])
		}
		out = append(out, fmt.Sprintf("%v %v: %s, %s", d.Pairs.Split[i], d.Pairs.Kind[i], left, right))
	}
	return out
}

func TestAddToPools(t *testing.T) {
	d, pools := newDraft(t)
	report, err := addTo(d, fakeVectors(d), Options{Hard: 2, Weak: 1, Pools: pools, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	// A split has one document, so there is nothing elsewhere for weak ones.
	if report.Queries != 4 || report.Hard.Complete != 4 || report.Hard.Added != 8 || report.Weak.Added != 0 || report.Weak.Fewer.Passages != 4 {
		t.Errorf("%+v, hard %+v, weak %+v", report, report.Hard, report.Weak)
	}
	want := []string{ // not the last passage, which says what the first says
		"train hard: question 0 about document 0, Passage 5 of document 0",
		"train hard: question 0 about document 0, Passage 4 of document 0",
		"train hard: question 1 about document 0, Passage 5 of document 0",
		"train hard: question 1 about document 0, Passage 4 of document 0",
		"test hard: question 0 about document 1, Passage 5 of document 1",
		"test hard: question 0 about document 1, Passage 4 of document 1",
		"test hard: question 1 about document 1, Passage 5 of document 1",
		"test hard: question 1 about document 1, Passage 4 of document 1",
	}
	if got := added(t, d, 4); !slices.Equal(got, want) {
		t.Errorf("added\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// Once more: the next best.
	if _, err := addTo(d, fakeVectors(d), Options{Hard: 1, Pools: pools[:1]}); err != nil {
		t.Fatal(err)
	}
	if got, want := added(t, d, 12), []string{"train hard: question 0 about document 0, Passage 3 of document 0"}; !slices.Equal(got, want) {
		t.Errorf("then added %q, want %q", got, want)
	}
}

// Without vectors, hard negatives are drawn from the pools, and weak ones from
// the other documents.
func TestAddToAtRandom(t *testing.T) {
	d, pools := newDraft(t)
	d.Pairs.Split = slices.Repeat([]loader.Split{loader.Train}, d.Pairs.Len())
	o := Options{Hard: 3, Weak: 3, Pools: pools, Seed: 5}
	if _, err := addTo(d, nil, o); err != nil {
		t.Fatal(err)
	}
	got := added(t, d, 4)
	if len(got) != 24 {
		t.Fatalf("%d negatives, want 24", len(got))
	}
	seen := map[string]bool{}
	for _, line := range got {
		ours := line[len(line)-1] == line[strings.Index(line, ",")-1]
		if hard := strings.HasPrefix(line, "train hard"); hard != ours || seen[line] {
			t.Errorf("%s", line)
		}
		seen[line] = true
	}
	again, pools := newDraft(t)
	again.Pairs.Split = slices.Repeat([]loader.Split{loader.Train}, again.Pairs.Len())
	o.Pools, o.Threads = pools, 4
	if _, err := addTo(again, nil, o); err != nil {
		t.Fatal(err)
	}
	if second := added(t, again, 4); !slices.Equal(second, got) {
		t.Error("the same seed draws others")
	}
}

func TestAddToGrades(t *testing.T) {
	d := prepare.NewDraft(t.TempDir())
	defer d.Close()
	d.LabelRange = "0..5"
	for i, label := range []float64{0, 5, 2.5} {
		if err := d.Add(prepare.Line("f", 1), prepare.Pair{Left: "a", Right: fmt.Sprint(i), Label: label}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := addTo(d, nil, Options{Weak: 1})
	if err == nil || !strings.HasPrefix(err.Error(), "a label is 2.5, between") || d.Pairs.Len() != 3 {
		t.Errorf("%v", err)
	}
}

// The sample gets hard negatives from its own vectors, and again the next ones
// once it has these.
func TestFromFolder(t *testing.T) {
	d, err := loader.OpenFS(context.Background(), sample.FS(), sample.Name, loader.Options{Passages: true})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c, err := FromFolder(sample.FS(), d, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	found, report := find(t, c, Options{Hard: 2, Ranks: Ranks{To: 10}, Splits: []loader.Split{loader.Train}, Threads: 2})
	if report.Queries != 300 || report.Hard.Complete != 300 || len(found) != 600 {
		t.Fatalf("%+v, %+v", report, report.Hard)
	}
	split := map[int32]loader.Split{}
	for i, right := range d.Pairs.Right {
		split[right] = d.Pairs.Split[i]
	}
	for _, n := range found {
		if s, ok := split[n.Passage]; d.Pairs.Split[n.Like] != loader.Train || ok && s != loader.Train {
			t.Fatalf("a passage of %v for a query of %v", s, d.Pairs.Split[n.Like])
		}
	}
	if report.Similarity.Positive < 0.4 || report.Similarity.Hard < 0.3 || report.Similarity.Hard > report.Similarity.Positive {
		t.Errorf("%+v", report.Similarity)
	}
}

// Passages of the folder that are in no pair have their vectors too, and a text
// that is missing is named.
func TestFromFolderTexts(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, sample.FS()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "texts.parquet")
	draft := prepare.NewDraft(t.TempDir())
	defer draft.Close()
	if err := draft.Add(prepare.Line("f", 1), prepare.Pair{Left: "a", Right: "b"}); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other")
	if err := draft.Write(other, prepare.WriteOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(other, "texts.parquet"), path); err != nil {
		t.Fatal(err)
	}
	d, err := loader.Open(context.Background(), dir, loader.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	_, err = FromFolder(os.DirFS(dir), d, t.TempDir())
	want := dir + ": texts.parquet has no text " + d.Vectors.IDs[0] + ", which pairs.parquet names: write the data set again"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// What says almost the same as an answer or the query is no negative, though it
// is the most similar.
func TestAlmostTheSame(t *testing.T) {
	const answer = "the quick brown fox jumps over the lazy dog and then sleeps for a very long time in the warm sun"
	d := prepare.NewDraft(t.TempDir())
	defer d.Close()
	p := prepare.Pair{Left: "what does the quick brown fox do after it has jumped over the lazy dog", Right: answer, Label: 1}
	if err := d.Add(prepare.Line("f", 1), p); err != nil {
		t.Fatal(err)
	}
	var pool []int32
	for _, text := range []string{"something else", answer + "!", strings.Replace(answer, "sun", "SHADE", 1), strings.ToUpper(p.Left) + "?"} {
		n, err := d.AddPassage(text, "")
		if err != nil {
			t.Fatal(err)
		}
		pool = append(pool, n)
	}
	for _, pools := range [][]Pool{nil, {{0, 1, pool}, {1, 0, pool}}} {
		c, err := FromDraft(d)
		if err != nil {
			t.Fatal(err)
		}
		c.Vectors = fakeVectors(d)
		found, report := find(t, c, Options{Hard: 2, Weak: 2, Pools: pools})
		if len(found) != 1 || found[0].Passage != pool[0] || report.Hard.Fewer != (Fewer{Alike: 1}) {
			t.Errorf("%+v, %+v, want passage %d alone", found, report.Hard, pool[0])
		}
		c, err = FromDraft(d)
		if err != nil {
			t.Fatal(err)
		}
		if found, report = find(t, c, Options{Weak: 2}); len(found) != 1 || found[0].Passage != pool[0] || report.Weak.Added != 1 {
			t.Errorf("%+v, %+v, want passage %d alone", found, report.Weak, pool[0])
		}
	}
}

// What was taken out of a draft does not come back.
func TestTakenOut(t *testing.T) {
	d, _ := newDraft(t)
	p := &d.Pairs
	p.Split = nil
	gone := p.Right[3]
	p.Left, p.Right, p.Label, p.Kind, p.Group = p.Left[:3], p.Right[:3], p.Label[:3], p.Kind[:3], p.Group[:3]
	report, err := addTo(d, nil, Options{Weak: 20})
	if err != nil {
		t.Fatal(err)
	}
	// Five others of the other document for two questions, six for the third.
	if report.Weak.Added != 5+5+6 || slices.Contains(p.Right, gone) {
		t.Errorf("%+v, passages %v, without %d", report.Weak, p.Right[3:], gone)
	}
}

// A pool whose pair is not there, or not similar, means nothing.
func TestForeignPool(t *testing.T) {
	d, pools := newDraft(t)
	pools[0].Answer = pools[1].Answer
	report, err := addTo(d, nil, Options{Hard: 1, Pools: pools[:1]})
	if err != nil || report.Hard.Added != 0 || report.Hard.Fewer.Passages != 4 {
		t.Errorf("%+v, %v", report.Hard, err)
	}
}

// Where nobody knows the documents, weak negatives come from other pools.
func TestWeakOutsideThePool(t *testing.T) {
	d, pools := newDraft(t)
	d.Pairs.Split = nil
	c, err := FromDraft(d)
	if err != nil {
		t.Fatal(err)
	}
	c.Sources = nil
	found, report := find(t, c, Options{Weak: 20, Hard: 1, Pools: pools})
	if report.Weak.Added != 4*6 {
		t.Errorf("%+v, want the six passages of the other pool for each question", report.Weak)
	}
	for _, n := range found {
		if inPool := slices.Contains(pools[n.Like].Candidates, n.Passage); inPool != (n.Kind == loader.Hard) {
			t.Errorf("%+v, in the pool: %v", n, inPool)
		}
	}
}

// addTo adds negatives to a draft whose texts have the given vectors.
func addTo(d *prepare.Draft, vectors *Vectors, o Options) (Report, error) {
	c, err := FromDraft(d)
	if err != nil {
		return Report{}, err
	}
	c.Vectors = vectors
	return AddTo(context.Background(), d, c, o)
}
