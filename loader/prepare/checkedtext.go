package prepare

import (
	"encoding/json"
	"errors"
	"unicode/utf8"
)

// A checkedText is a JSON string that knows whether it was one, in UTF-8:
// encoding/json puts U+FFFD for what is not, and gives up on a document for one
// wrong type.
type checkedText struct {
	text string
	bad  error
}

// UnmarshalJSON implements json.Unmarshaler.
func (t *checkedText) UnmarshalJSON(raw []byte) error {
	*t = checkedText{}
	if !utf8.Valid(raw) {
		t.bad = errEncoding
	} else if raw[0] != '"' {
		t.bad = errors.New("not a text")
	} else {
		t.bad = json.Unmarshal(raw, &t.text)
	}
	return nil
}
