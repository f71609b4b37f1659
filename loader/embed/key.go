package embed

import (
	"fmt"
	"os"
	"strings"
	"unicode"
)

// A Key is the secret of an API. It prints, and is written as JSON or YAML, as
// a placeholder, so that no log and no dump of settings holds it.
type Key struct{ secret string }

const hiddenKey = "(key)"

// NewKey takes a key as the environment has it.
func NewKey(secret string) Key { return Key{strings.TrimSpace(secret)} }

// ReadKey reads a key from a file that holds nothing else.
func ReadKey(path string) (Key, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return Key{}, err
	}
	key := NewKey(string(raw))
	if key.Empty() || key.Broken() {
		return Key{}, fmt.Errorf("%s holds no key: want one line with nothing else", path)
	}
	return key, nil
}

// Empty tells whether there is none.
func (k Key) Empty() bool { return k.secret == "" }

// Broken tells whether it holds white space, as no key does that was copied
// right.
func (k Key) Broken() bool { return strings.ContainsFunc(k.secret, unicode.IsSpace) }

// Format hides the key under every verb.
func (k Key) Format(s fmt.State, _ rune) { fmt.Fprint(s, hiddenKey) }

// MarshalText hides the key from encoders.
func (k Key) MarshalText() ([]byte, error) { return []byte(hiddenKey), nil }

// hide takes the key out of a text, such as an error that a server sends.
func (k Key) hide(text string) string {
	if k.Empty() {
		return text
	}
	return strings.ReplaceAll(text, k.secret, hiddenKey)
}
