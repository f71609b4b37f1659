package embed

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
)

// An answer of /embeddings is read here rather than by encoding/json, which
// would take most of a client's time: it looks at each byte of a vector three
// times before base64 is decoded.

// maxDepth is how deep what we skip may be nested.
const maxDepth = 100

// A decoder reads the body of an answer.
type decoder struct {
	what    string // is read, for messages
	body    []byte
	at      int
	want    int // texts that were asked for
	scratch []byte

	answer  Answer
	placed  []bool // by index
	found   int    // vectors
	unnamed int    // of them, without an index
	message string // of an error object in the place of the data
}

// decodeAnswer reads an answer to n texts. Vectors are put in their order by
// index; those that are null are nil, and values that are null are NaN. An
// answer with another number of vectors is an error: nobody could say whose
// they are.
func decodeAnswer(body []byte, n int) (Answer, error) {
	d := decoder{what: "the answer", body: body, want: n, placed: make([]bool, n)}
	d.answer.Vectors = make([][]float32, n)
	if err := d.object(d.field); err != nil {
		return Answer{}, err
	}
	if d.space(); d.at < len(d.body) {
		return Answer{}, d.unexpected("the end")
	}
	return d.complete()
}

// complete returns what was read, if it is as much as was asked for.
func (d *decoder) complete() (Answer, error) {
	n := d.want
	switch {
	case d.message != "" && d.found == 0:
		return Answer{}, errors.New(d.message)
	case d.found != n:
		return Answer{}, fmt.Errorf("the answer has %d vectors for %d texts", d.found, n)
	case d.unnamed > 0 && d.unnamed < n:
		return Answer{}, fmt.Errorf("the answer has an index for %d of %d vectors", n-d.unnamed, n)
	}
	return d.answer, nil
}

// field reads a field of the answer.
func (d *decoder) field(name []byte) error {
	switch string(name) {
	case "data":
		return d.list(d.item)
	case "usage":
		return d.object(d.usage)
	case "error":
		return d.failure()
	}
	return d.skip(0)
}

func (d *decoder) usage(name []byte) error {
	field := string(name)
	if field != "total_tokens" && field != "prompt_tokens" {
		return d.skip(0)
	}
	n, err := d.number()
	if err == nil && n > 0 && n < math.MaxInt32 && (field == "total_tokens" || d.answer.Tokens == 0) {
		d.answer.Tokens = int(n)
	}
	return err
}

// failure reads what some gateways send with status 200.
func (d *decoder) failure() error {
	start := d.at
	if err := d.skip(0); err != nil {
		return err
	}
	raw := bytes.TrimSpace(d.body[start:d.at])
	if string(raw) == "null" {
		return nil
	}
	if message := messageIn(raw); message != "" {
		raw = []byte(message)
	}
	d.message = "the answer is an error: " + excerpt(string(raw))
	return nil
}

// item reads an element of data.
func (d *decoder) item() error {
	index := -1
	var vector []float32
	err := d.object(func(name []byte) (err error) {
		switch string(name) {
		case "index":
			var n float64
			if n, err = d.number(); err != nil {
				return err
			}
			if !(n >= 0 && n < float64(d.want)) || n != math.Trunc(n) {
				return fmt.Errorf("the answer has a vector with index %g, want 0 to %d", n, d.want-1)
			}
			index = int(n)
		case "embedding":
			vector, err = d.vector()
		default:
			err = d.skip(0)
		}
		return err
	})
	if err != nil {
		return err
	}
	if index < 0 {
		index = d.found
		d.unnamed++
	}
	d.found++
	if index >= d.want {
		return nil // too many, which is said at the end
	}
	if d.placed[index] {
		return fmt.Errorf("the answer has index %d twice", index)
	}
	d.placed[index] = true
	d.answer.Vectors[index] = vector
	return nil
}

// vector reads an embedding: base64 of little-endian float32, or a list.
func (d *decoder) vector() ([]float32, error) {
	switch d.space(); d.next() {
	case '"':
		text, err := d.text()
		if err != nil {
			return nil, err
		}
		return d.unpack(text)
	case '[':
		vector := make([]float32, 0, d.dimensions())
		err := d.list(func() error {
			x, err := d.number()
			vector = append(vector, float32(x))
			return err
		})
		return vector, err
	}
	if !bytes.HasPrefix(d.body[d.at:], []byte("null")) {
		return nil, d.unexpected("a vector")
	}
	return nil, d.word("null")
}

// dimensions is a guess, from the vector before.
func (d *decoder) dimensions() int {
	for i := range d.answer.Vectors {
		if n := len(d.answer.Vectors[i]); n > 0 {
			return n
		}
	}
	return 0
}

func (d *decoder) unpack(text []byte) ([]float32, error) {
	if n := base64.StdEncoding.DecodedLen(len(text)); cap(d.scratch) < n {
		d.scratch = make([]byte, n)
	}
	raw := d.scratch[:cap(d.scratch)]
	n, err := base64.StdEncoding.Decode(raw, text)
	if err != nil {
		return nil, fmt.Errorf("an embedding is not base64: %w", err)
	}
	if n%4 != 0 {
		return nil, fmt.Errorf("an embedding in base64 has %d bytes, want a multiple of 4", n)
	}
	vector := make([]float32, n/4)
	for i := range vector {
		vector[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return vector, nil
}

// What follows reads JSON in one pass. It is lenient in one thing: NaN and
// Infinity, which Python writes, are numbers.

// object reads an object; field reads the value of a name.
func (d *decoder) object(field func(name []byte) error) error {
	if err := d.expect('{'); err != nil {
		return err
	}
	if d.space(); d.take('}') {
		return nil
	}
	for {
		d.space()
		name, err := d.text()
		if err != nil {
			return err
		}
		if err := d.expect(':'); err != nil {
			return err
		}
		if err := field(name); err != nil {
			return err
		}
		if d.space(); d.take('}') {
			return nil
		}
		if err := d.expect(','); err != nil {
			return err
		}
	}
}

// list reads a list, element by element.
func (d *decoder) list(element func() error) error {
	if err := d.expect('['); err != nil {
		return err
	}
	if d.space(); d.take(']') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if d.space(); d.take(']') {
			return nil
		}
		if err := d.expect(','); err != nil {
			return err
		}
	}
}

// text reads a string. What it returns is valid until the next call.
func (d *decoder) text() ([]byte, error) {
	if d.next() != '"' {
		return nil, d.unexpected("a string")
	}
	start := d.at + 1
	end := start
	for {
		i := bytes.IndexByte(d.body[end:], '"')
		if i < 0 {
			d.at = len(d.body)
			return nil, d.unexpected("the end of a string")
		}
		end += i
		if !escaped(d.body[start:end]) {
			break
		}
		end++
	}
	d.at = end + 1
	inner := d.body[start:end]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner, nil
	}
	var text string
	if err := json.Unmarshal(d.body[start-1:end+1], &text); err != nil {
		return nil, fmt.Errorf("%s is not JSON at byte %d: %w", d.what, start, err)
	}
	return []byte(text), nil
}

// escaped tells whether a quote that follows belongs to the string.
func escaped(before []byte) bool {
	n := 0
	for n < len(before) && before[len(before)-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

// number reads a number; null is NaN.
func (d *decoder) number() (float64, error) {
	d.space()
	start := d.at
	for d.at < len(d.body) && !endsNumber(d.body[d.at]) {
		d.at++
	}
	word := d.body[start:d.at]
	switch string(word) {
	case "null", "NaN":
		return math.NaN(), nil
	case "Infinity", "-Infinity":
		return math.Inf(1), nil
	}
	for _, c := range word {
		if (c < '0' || c > '9') && c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' {
			d.at = start
			return 0, d.unexpected("a number")
		}
	}
	x, err := strconv.ParseFloat(string(word), 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		d.at = start
		return 0, d.unexpected("a number")
	}
	return x, nil
}

func endsNumber(c byte) bool {
	switch c {
	case ',', ']', '}', ' ', '\t', '\r', '\n':
		return true
	}
	return false
}

// skip reads a value that nobody wants.
func (d *decoder) skip(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%s is nested deeper than %d levels at byte %d", d.what, maxDepth, d.at)
	}
	switch d.space(); d.next() {
	case '{':
		return d.object(func([]byte) error { return d.skip(depth + 1) })
	case '[':
		return d.list(func() error { return d.skip(depth + 1) })
	case '"':
		_, err := d.text()
		return err
	case 't':
		return d.word("true")
	case 'f':
		return d.word("false")
	}
	_, err := d.number()
	return err
}

func (d *decoder) word(word string) error {
	if !bytes.HasPrefix(d.body[d.at:], []byte(word)) {
		return d.unexpected(word)
	}
	d.at += len(word)
	return nil
}

func (d *decoder) space() {
	for d.at < len(d.body) {
		switch d.body[d.at] {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return
		}
	}
}

// next is the byte that comes, 0 at the end.
func (d *decoder) next() byte {
	if d.at < len(d.body) {
		return d.body[d.at]
	}
	return 0
}

func (d *decoder) take(c byte) bool {
	if d.next() != c {
		return false
	}
	d.at++
	return true
}

func (d *decoder) expect(c byte) error {
	if d.space(); d.take(c) {
		return nil
	}
	return d.unexpected(strconv.QuoteRune(rune(c)))
}

// unexpected says what stands where something else should.
func (d *decoder) unexpected(want string) error {
	if d.at >= len(d.body) {
		return fmt.Errorf("%s breaks off after %d bytes", d.what, len(d.body))
	}
	return fmt.Errorf("%s is not what it should be: at byte %d want %s, found %q",
		d.what, d.at, want, excerpt(string(d.body[d.at:min(len(d.body), d.at+200)])))
}
