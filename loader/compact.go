package loader

import (
	"encoding/binary"
	"errors"
	"io"
)

// A compactScan goes over data in Thrift's compact protocol
// (https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md),
// in which Parquet writes its footer and the headers of its pages, without
// making anything of it. What it has passed takes no more memory to decode
// than the bytes and the structs of lists that it counted.
type compactScan struct {
	data    []byte
	at      int
	structs int // in lists
}

// The types of the protocol that are not a single number.
const (
	compactTrue   = 1
	compactFalse  = 2
	compactByte   = 3
	compactDouble = 7
	compactBytes  = 8
	compactList   = 9
	compactSet    = 10
	compactMap    = 11
	compactStruct = 12
	compactUUID   = 13

	compactDepth = 32 // Parquet needs a third of it
)

var errCompact = errors.New("is not in Thrift's compact protocol")

// fields passes a struct. The error is io.ErrUnexpectedEOF where the data end
// within it.
func (s *compactScan) fields(depth int) error {
	if depth > compactDepth {
		return errCompact
	}
	for {
		b, err := s.byte()
		if err != nil || b&15 == 0 {
			return err
		}
		if b>>4 == 0 { // the number of the field follows
			if _, err := s.number(); err != nil {
				return err
			}
		}
		if kind := b & 15; kind != compactTrue && kind != compactFalse {
			if err := s.value(kind, depth); err != nil {
				return err
			}
		}
	}
}

// value passes a value of a type.
func (s *compactScan) value(kind byte, depth int) error {
	switch kind {
	case compactTrue, compactFalse, compactByte: // in a list a truth value has a byte
		return s.skip(1)
	case compactDouble:
		return s.skip(8)
	case compactUUID:
		return s.skip(16)
	case compactBytes:
		n, err := s.number()
		if err != nil {
			return err
		}
		return s.skip(n)
	case compactList, compactSet:
		return s.list(depth + 1)
	case compactMap:
		return errCompact // Parquet has none
	case compactStruct:
		return s.fields(depth + 1)
	}
	if kind > compactUUID {
		return errCompact
	}
	_, err := s.number()
	return err
}

func (s *compactScan) list(depth int) error {
	if depth > compactDepth {
		return errCompact
	}
	b, err := s.byte()
	if err != nil {
		return err
	}
	kind, n := b&15, uint64(b>>4)
	if n == 15 {
		if n, err = s.number(); err != nil {
			return err
		}
	}
	if n > uint64(len(s.data)-s.at) { // each takes a byte at least
		return io.ErrUnexpectedEOF
	}
	if kind == compactStruct {
		s.structs += int(n)
	}
	for range n {
		if err := s.value(kind, depth); err != nil {
			return err
		}
	}
	return nil
}

func (s *compactScan) byte() (byte, error) {
	if s.at == len(s.data) {
		return 0, io.ErrUnexpectedEOF
	}
	s.at++
	return s.data[s.at-1], nil
}

func (s *compactScan) number() (uint64, error) {
	x, n := binary.Uvarint(s.data[s.at:])
	switch {
	case n == 0:
		return 0, io.ErrUnexpectedEOF
	case n < 0:
		return 0, errCompact
	}
	s.at += n
	return x, nil
}

func (s *compactScan) skip(n uint64) error {
	if n > uint64(len(s.data)-s.at) {
		return io.ErrUnexpectedEOF
	}
	s.at += int(n)
	return nil
}
