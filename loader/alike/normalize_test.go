package alike

import (
	"strings"
	"testing"
	"unicode"
)

func TestNormalize(t *testing.T) {
	for text, want := range map[string]string{
		"":                                   "",
		" \t\n ":                             "",
		"  Hello,\r\n\tWORLD ":               "hello, world",
		"no\u00a0break\u2003em\u3000wide":    "no break em wide",
		"ΟΔΥΣΣΕΥΣ Οδυσσευς":                  "οδυσσευσ οδυσσευσ",
		"\u017fet \u212aelvin \u212bngstrom": "set kelvin ångstrom",
		"bad \xff byte":                      "bad \ufffd byte",
		"ÄÖÜ 日本":                             "äöü 日本",
	} {
		if got := Normalize(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
}

// What is normal stays as it is, and upper case changes nothing.
func FuzzNormalize(f *testing.F) {
	f.Add(" A b\tC ")
	f.Add("ﬃ ŉ ǅ ΐ")
	f.Fuzz(func(t *testing.T, text string) {
		once := Normalize(text)
		if twice := Normalize(once); twice != once {
			t.Errorf("%q became %q and then %q", text, once, twice)
		}
		if strings.Contains(once, "  ") || once != strings.TrimSpace(once) {
			t.Errorf("%q has white space left: %q", text, once)
		}
	})
}

// Letters that Unicode folds together are one, and folding twice is no more.
func TestFold(t *testing.T) {
	for r := range unicode.MaxRune {
		if a, b := fold(r), fold(unicode.SimpleFold(r)); a != b || fold(a) != a {
			t.Errorf("%q became %q, %q became %q, which becomes %q", r, a, unicode.SimpleFold(r), b, fold(a))
		}
	}
}
