// Package npy reads and writes what stands before the numbers of an npy file,
// numpy's format for one array
// (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a
// magic string; two bytes of version; the header's length, a little-endian
// uint16 in version 1 and uint32 in 2 and 3; the header, a Python dictionary
// that gives the dtype, the order and the shape. The numbers follow.
package npy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Magic is how an npy file begins.
const Magic = "\x93NUMPY"

// maxHeader bounds the header in bytes, a hundred times what an array needs.
const maxHeader = 1 << 14

// AppendHeader appends the beginning of a file of float32 in C order, as
// numpy.save writes it, version 1.0. The shape has a few dimensions at most.
func AppendHeader(b []byte, shape ...int) []byte {
	sizes := make([]string, len(shape))
	for i, n := range shape {
		sizes[i] = strconv.Itoa(n)
	}
	tuple := strings.Join(sizes, ", ")
	if len(shape) == 1 {
		tuple += ","
	}
	text := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%s), }", tuple)
	// numpy ends the header with a newline at a multiple of 64.
	const prefix = len(Magic) + 4
	padding := (64 - (prefix+len(text)+1)%64) % 64
	text += strings.Repeat(" ", padding) + "\n"
	b = append(append(b, Magic...), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...)
}

// ReadHeader reads to where the numbers begin, of version 1, 2 or 3.
func ReadHeader(r io.Reader) (Header, error) {
	text, err := readText(r)
	if err != nil {
		return Header{}, err
	}
	h, err := parseHeader(text)
	if err != nil {
		return h, fmt.Errorf("header: %w", err)
	}
	return h, nil
}

// readText returns the dictionary's text.
func readText(r io.Reader) (string, error) {
	start := make([]byte, len(Magic)+2)
	if err := readFull(r, start); err != nil {
		return "", err
	}
	if string(start[:len(Magic)]) != Magic {
		return "", errors.New("does not begin as an npy file")
	}
	var length [4]byte
	width := 4
	switch version := start[len(Magic)]; version {
	case 1:
		width = 2
	case 2, 3:
	default:
		return "", fmt.Errorf("npy version is %d, want 1, 2 or 3", version)
	}
	if err := readFull(r, length[:width]); err != nil {
		return "", err
	}
	n := binary.LittleEndian.Uint32(length[:])
	if n > maxHeader {
		return "", fmt.Errorf("header is %d bytes by its own account, want at most %d", n, maxHeader)
	}
	text := make([]byte, n)
	if err := readFull(r, text); err != nil {
		return "", err
	}
	return string(text), nil
}

func readFull(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the file ends within the header")
	}
	return err
}
