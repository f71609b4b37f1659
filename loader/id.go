package loader

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// An ID is a text's id: the first 16 bytes of the SHA-256 of the text. Files
// have it as 32 hexadecimal digits.
type ID [16]byte

// NewID returns the id of a text.
func NewID(text string) ID {
	sum := sha256.Sum256([]byte(text))
	return ID(sum[:16])
}

// TextID returns the id of a text as files have it.
func TextID(text string) string { return NewID(text).String() }

// ParseID reads an id as files have it.
func ParseID(s string) (id ID, err error) {
	if n, err := hex.Decode(id[:], []byte(s[:min(len(s), 2*len(id))])); err != nil || n != len(id) || len(s) != 2*n || s != strings.ToLower(s) {
		return ID{}, fmt.Errorf("%.40q is not the id of a text, which is the first 32 hexadecimal digits of its SHA-256, in small letters", s)
	}
	return id, nil
}

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Compare orders ids as their texts in files are ordered.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }
