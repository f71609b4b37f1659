package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/loader/embed"
)

// TestPrepareNQNegatives looks at every pair of the fixture: each answer is there,
// hard negatives are the two of the pool that the provider finds most similar, and
// weak ones come from another page of the same split.
func TestPrepareNQNegatives(t *testing.T) {
	simplified, _ := nqFixture(t)
	dir := t.TempDir()
	must(t, dir, "prepare", "nq", "--in", simplified, "--out", "data", "--min-chars", "30", "--cache", "cache")
	texts, pages := map[string]string{}, map[string]string{}
	rows, err := parquet.ReadFile[struct {
		ID     string `parquet:"id"`
		Text   string `parquet:"text"`
		Source string `parquet:"source"`
	}](filepath.Join(dir, "data", "texts.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range rows {
		texts[r.ID], pages[r.ID] = r.Text, r.Source
	}
	type pair struct {
		Left  string  `parquet:"left"`
		Right string  `parquet:"right"`
		Label float32 `parquet:"label"`
		Split string  `parquet:"split"`
		Kind  string  `parquet:"kind"`
	}
	pairs, err := parquet.ReadFile[pair](filepath.Join(dir, "data", "pairs.parquet"))
	if err != nil {
		t.Fatal(err)
	}
	type expected struct {
		Question string
		First    *struct {
			Answer string
			Min30  struct {
				Passages []string
				Hard     []int
			} `json:"30"`
		}
	}
	want := map[string]expected{}
	f, err := os.Open(filepath.Join(filepath.Dir(simplified), "expected.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e expected
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		if e.First != nil {
			want[e.Question] = e
		}
	}

	splits, page := map[string]string{}, map[string]string{} // of questions
	homes := map[string]string{}                             // splits of pages
	for _, p := range pairs {
		if p.Kind == "positive" {
			splits[p.Left], page[p.Left] = p.Split, pages[p.Right]
			homes[pages[p.Right]] = p.Split
		}
	}
	hard := map[string][]string{}
	weak := map[string]int{}
	for _, p := range pairs {
		e, ok := want[texts[p.Left]]
		if !ok || p.Split != splits[p.Left] || (p.Label == 1) != (p.Kind == "positive") {
			t.Errorf("%q: a pair of an unknown question, or in another split: %+v", texts[p.Left], p)
		}
		switch p.Kind {
		case "positive":
			if texts[p.Right] != e.First.Answer {
				t.Errorf("%q has the answer %q, want %q", e.Question, texts[p.Right], e.First.Answer)
			}
		case "hard":
			hard[e.Question] = append(hard[e.Question], texts[p.Right])
		case "weak":
			weak[e.Question]++
			if pages[p.Right] == page[p.Left] || homes[pages[p.Right]] != p.Split {
				t.Errorf("%q of page %s, %s, has the weak negative %q of page %s", e.Question, page[p.Left], p.Split, texts[p.Right], pages[p.Right])
			}
		}
	}
	if len(splits) != len(want) || len(want) != 37 {
		t.Errorf("%d questions, want %d", len(splits), len(want))
	}
	for question, e := range want {
		if weak[question] != 2 {
			t.Errorf("%q has %d weak negatives", question, weak[question])
		}
		var pool []string
		for _, n := range e.First.Min30.Hard {
			if p := e.First.Min30.Passages[n]; p != "The tower was painted by the crew of the mail steamer !" { // almost an answer is none
				pool = append(pool, p)
			}
		}
		if got, most := hard[question], mostSimilar(t, question, pool, 2); !slices.Equal(got, most) {
			t.Errorf("%q has the hard negatives\n%q, want\n%q", question, got, most)
		}
	}
}

// mostSimilar returns the n texts that are most similar to a question for the
// provider hashing.
func mostSimilar(t *testing.T, question string, pool []string, n int) []string {
	t.Helper()
	if len(pool) == 0 {
		return nil
	}
	answer, err := embed.NewHashing(embed.HashingDimensions).Embed(context.Background(), append([]string{question}, pool...))
	if err != nil {
		t.Fatal(err)
	}
	cosine := func(i int) (sum float64) { // of vectors of length 1
		for k, x := range answer.Vectors[i+1] {
			sum += float64(x) * float64(answer.Vectors[0][k])
		}
		return sum
	}
	order := make([]int, len(pool))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(cosine(b), cosine(a)) })
	var best []string
	for _, i := range order[:min(n, len(order))] {
		best = append(best, pool[i])
	}
	return best
}
