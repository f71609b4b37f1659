package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// A file is a tokenizer.json. What is not here does not change the tokens of a
// text that stands alone.
type file struct {
	Version      *string         `json:"version"`
	AddedTokens  []addedToken    `json:"added_tokens"`
	Normalizer   json.RawMessage `json:"normalizer"`
	PreTokenizer json.RawMessage `json:"pre_tokenizer"`
	Model        json.RawMessage `json:"model"`
}

// Read makes a tokenizer of the contents of a tokenizer.json. Its errors say
// which part of it is wrong or of a kind that is not supported.
func Read(text []byte) (*Tokenizer, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("it is not what a tokenizer.json holds: %w", explain(err))
	}
	if f.Version != nil && *f.Version != "1.0" {
		return nil, fmt.Errorf("version is %q, want \"1.0\"", *f.Version)
	}
	var t Tokenizer
	var err error
	if t.model, err = readModel(f.Model); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	if t.normalize, err = readPart(f.Normalizer, normalizers()); err != nil {
		return nil, fmt.Errorf("normalizer: %w", err)
	}
	if t.split, err = readPart(f.PreTokenizer, splitters()); err != nil {
		return nil, fmt.Errorf("pre_tokenizer: %w", err)
	}
	t.add(f.AddedTokens)
	name, id := t.model.unknown()
	if t.unknown = id; name != "" {
		t.unknown = none
		if id, ok := t.vocabulary[name]; ok {
			t.unknown = id
		}
	}
	return &t, nil
}

// readPart makes a part of the kind that its "type" names; without a part it
// returns the zero value.
func readPart[T any](text json.RawMessage, kinds map[string]func(json.RawMessage) (T, error)) (part T, err error) {
	if len(text) == 0 || bytes.Equal(text, []byte("null")) {
		return part, nil
	}
	kind, err := kindOf(text)
	if err != nil {
		return part, err
	}
	create, ok := kinds[kind]
	if !ok {
		return part, unsupported(kind, slices.Sorted(maps.Keys(kinds)))
	}
	if part, err = create(text); err != nil {
		return part, fmt.Errorf("%s: %w", kind, err)
	}
	return part, nil
}

// readParts makes the parts of a sequence.
func readParts[T any](list []json.RawMessage, kinds map[string]func(json.RawMessage) (T, error)) ([]T, error) {
	parts := make([]T, len(list))
	for i, text := range list {
		if string(text) == "null" {
			return nil, fmt.Errorf("part %d is null", i)
		}
		var err error
		if parts[i], err = readPart(text, kinds); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

func kindOf(text json.RawMessage) (string, error) {
	var head struct{ Type *string }
	if err := json.Unmarshal(text, &head); err != nil {
		return "", explain(err)
	}
	if head.Type == nil {
		return "", nil
	}
	return *head.Type, nil
}

func unsupported(kind string, known []string) error {
	return fmt.Errorf("the kind %q is not supported; there are: %s", kind, strings.Join(known, ", "))
}

// readModel makes the model. Old files do not name its kind.
func readModel(text json.RawMessage) (model, error) {
	if len(text) == 0 || string(text) == "null" {
		return nil, errors.New("it is missing")
	}
	kind, err := kindOf(text)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		kind = guessModel(text)
	}
	kinds := map[string]func(json.RawMessage) (model, error){
		"WordPiece": readWordPiece, "Unigram": readUnigram, "BPE": readBPE, "WordLevel": readWordLevel,
	}
	create, ok := kinds[kind]
	if !ok {
		return nil, unsupported(kind, slices.Sorted(maps.Keys(kinds)))
	}
	m, err := create(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return m, nil
}

// guessModel tells the kind of a model by the settings that only it has.
func guessModel(text json.RawMessage) string {
	var has map[string]json.RawMessage
	if json.Unmarshal(text, &has) != nil {
		return ""
	}
	for _, c := range []struct{ setting, kind string }{
		{"merges", "BPE"}, {"max_input_chars_per_word", "WordPiece"}, {"unk_id", "Unigram"}, {"unk_token", "WordLevel"},
	} {
		if _, ok := has[c.setting]; ok {
			return c.kind
		}
	}
	return ""
}

// decode reads the settings of a part into one that holds the defaults.
func decode[T any](text json.RawMessage, settings T) (T, error) {
	err := json.Unmarshal(text, &settings)
	return settings, explain(err)
}

// explain says what is wrong with a value in words of JSON, not of Go.
func explain(err error) error {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return err
	}
	what, want := "it", ""
	if wrong.Field != "" {
		what = strings.ToLower(wrong.Field)
	}
	switch wrong.Type.Kind() {
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Struct, reflect.Map:
		want = "an object"
	case reflect.Slice:
		want = "a list"
	case reflect.Float64:
		want = "a number"
	default:
		want = "a whole number of " + strconv.Itoa(wrong.Type.Bits()) + " bits"
	}
	return fmt.Errorf("%s is %s, want %s", what, wrong.Value, want)
}

// A wordList is a vocabulary: tokens with their ids.
type wordList map[string]int32

func (w wordList) check() error {
	if w == nil {
		return errors.New("vocab is missing")
	}
	for token, id := range w {
		if id < 0 {
			return fmt.Errorf("vocab: the id of %q is %d, want 0 or more", token, id)
		}
	}
	return nil
}

// of is the id of a token, or none.
func (w wordList) of(token string) int32 {
	if id, ok := w[token]; ok {
		return id
	}
	return none
}
