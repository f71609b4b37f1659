package prepare

import (
	"slices"
	"strings"
	"testing"
)

func TestSentences(t *testing.T) {
	for _, want := range [][]string{
		{"One is here.", "Two is there!", "Is three?", "Yes…", "Four."},
		{"No end"},
		{"Mr. Smith met Dr. J. K. Jones in the U.S. Navy, e.g. at 5 p.m. on Jan. 3.", "They spoke."},
		{"It costs 3.5 and not .", "4 is more."},
		{"“Stop!” he cried.", "“Why?” she asked.", "“Because.”", "(He left.)", "Then what?"},
		{"a small letter follows. so this goes on", "A line ends it"},
		{"Vol. 3, No. 4 says no.", "He agreed.", "So do I.", "You?"},
		{"これは一つ。", "「二つ！」", "三つ？", "はい"},
		{"Wait...", "What?!", "“Yes.”", "1999 was a year."},
		{"Été fini.", "Étrange."},
	} {
		text := strings.Join(want, " ")
		if want[0] == "これは一つ。" {
			text = strings.Join(want, "")
		}
		if strings.HasPrefix(want[0], "a small") {
			text = strings.Join(want, "\n\n")
		}
		if got := sentences(text); !slices.Equal(got, want) {
			t.Errorf("%q:\n%q\nwant\n%q", text, got, want)
		}
	}
	// Neither a sentence that never ends nor one after a long word takes long.
	if got := sentences(strings.Repeat("Mr. ", 1<<20)); len(got) != 1 {
		t.Errorf("%d sentences", len(got))
	}
	if got := sentences(strings.Repeat("é", 100) + ". End."); len(got) != 2 {
		t.Errorf("%q", got)
	}
	if got := sentences(" \n\t"); got != nil {
		t.Errorf("of nothing: %q", got)
	}
}

// FuzzSentences: every character that is not white space is in one sentence, in
// order.
func FuzzSentences(f *testing.F) {
	f.Add("One. Two! “Three?” (Four.) e.g. 5 p.m. Mr. X… 六。七")
	f.Add("\xff. A\r\n. .\"")
	f.Fuzz(func(t *testing.T, text string) {
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		list := sentences(text)
		if squeeze(strings.Join(list, " ")) != squeeze(text) {
			t.Errorf("%q became %q", text, list)
		}
		for _, s := range list {
			if strings.TrimSpace(s) == "" {
				t.Errorf("%q has an empty sentence", text)
			}
		}
	})
}
