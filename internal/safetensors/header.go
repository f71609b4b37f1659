package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// maxKeys bounds what the notes of other programs may cost, since an entry in a
// map takes many times the room of a short key in the file.
const maxKeys = 10_000

// headerParser reads the JSON of a safetensors header token by token, because
// json.Unmarshal would pass what the format forbids: keys given twice, keys in
// another case, keys nobody asked for.
type headerParser struct{ *json.Decoder }

func parseHeader(text []byte) (*File, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("header is not valid UTF-8")
	}
	if len(text) == 0 || text[0] != '{' {
		return nil, errors.New("header does not begin with {; this is no safetensors file")
	}
	p := headerParser{json.NewDecoder(bytes.NewReader(text))}
	p.UseNumber()
	var f File
	if err := p.object(func(name string) error { return p.entry(&f, name) }); err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	if _, err := p.Token(); err != io.EOF {
		return nil, errors.New("header: something follows the closing }")
	}
	return &f, nil
}

// entry reads the value of one key of the header.
func (p headerParser) entry(f *File, name string) error {
	if name == "__metadata__" {
		f.Metadata = map[string]string{}
		err := p.object(func(key string) (err error) {
			f.Metadata[key], err = p.text(key)
			return err
		})
		if err != nil {
			return fmt.Errorf("__metadata__: %w", err)
		}
		return nil
	}
	t, err := p.tensor()
	if err != nil {
		return fmt.Errorf("tensor %q: %w", name, err)
	}
	t.Name = name
	f.Tensors = append(f.Tensors, t)
	return nil
}

func (p headerParser) tensor() (t Tensor, err error) {
	var offsets []int64
	err = p.object(func(key string) (err error) {
		switch key {
		case "dtype":
			t.DType, err = p.text(key)
		case "shape":
			t.Shape, err = p.integers(key)
		case "data_offsets":
			offsets, err = p.integers(key)
		default:
			err = fmt.Errorf("key %q is not known, want dtype, shape and data_offsets", key)
		}
		return err
	})
	if err != nil {
		return t, err
	}
	if len(offsets) != 2 {
		return t, fmt.Errorf("data_offsets are %v, want the first byte and the one after the last", offsets)
	}
	t.Offsets = [2]int64(offsets)
	return t, nil
}

// object reads an object, calling value to read what belongs to each key.
func (p headerParser) object(value func(key string) error) error {
	if err := p.delimiter('{'); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.More() {
		key, err := p.text("key")
		if err != nil {
			return err
		}
		if seen[key] {
			return fmt.Errorf("key %q is given twice", key)
		}
		if len(seen) == maxKeys {
			return fmt.Errorf("an object has more than %d keys", maxKeys)
		}
		seen[key] = true
		if err := value(key); err != nil {
			return err
		}
	}
	return p.delimiter('}')
}

// maxDimensions is more than any array needs.
const maxDimensions = 8

// integers reads a short array of whole numbers that are not negative.
func (p headerParser) integers(key string) ([]int64, error) {
	if err := p.delimiter('['); err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	var values []int64
	for p.More() {
		token, err := p.next()
		if err != nil {
			return nil, err
		}
		number, _ := token.(json.Number)
		v, err := strconv.ParseUint(string(number), 10, 63)
		if err != nil {
			return nil, fmt.Errorf("%s holds %v, want whole numbers from 0", key, token)
		}
		if len(values) == maxDimensions {
			return nil, fmt.Errorf("%s holds more than %d numbers", key, maxDimensions)
		}
		values = append(values, int64(v))
	}
	return values, p.delimiter(']')
}

func (p headerParser) text(key string) (string, error) {
	token, err := p.next()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", fmt.Errorf("%s is %v, want a string", key, token)
	}
	return s, nil
}

func (p headerParser) delimiter(want json.Delim) error {
	token, err := p.next()
	if err != nil {
		return err
	}
	if token != want {
		return fmt.Errorf("found %v, want %v", token, want)
	}
	return nil
}

func (p headerParser) next() (json.Token, error) {
	token, err := p.Token()
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, errors.New("the JSON ends too early")
	}
	return token, err
}
