package loader

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// parquet-go v0.32 believes what a file says. Where the file is damaged it asks
// for gigabytes, for which Go ends the process, before it looks at what is
// there. What it does so for, and who looks first:
//
//   - the lists of the footer, the paths of columns at any depth, and row groups
//     times columns: checkFooter
//   - the statistics in the header of a page, its bytes and its values:
//     pageStream
//   - whatever comes out of a codec, or is said to; it doubles the room for LZ4
//     for ever: unpacker
//   - runs of equal levels, indices and truth values, the entries of a
//     dictionary, and the counts of the DELTA encodings: the functions below,
//     which see each page after it is decompressed
//   - DELTA_BYTE_ARRAY, whose assembly also writes past its buffer where lengths
//     do not add up, as it adds them in 32 bits and does not compare those of
//     values of one length with it: checkDeltaByteArray
//
// All of these can go when parquet-go takes care itself.

var (
	errRunEnds = errors.New("a run of equal values ends too early")
	errDelta   = errors.New("a page in a DELTA encoding does not hold what it says")
)

// plainDictionary is what old files call both RLE_DICTIONARY and the encoding
// of the dictionary.
const plainDictionary format.Encoding = 2

// prefixed splits data after a length of 4 bytes and as many bytes.
func prefixed(data []byte) (part, rest []byte, err error) {
	if len(data) >= 4 {
		n := uint64(binary.LittleEndian.Uint32(data))
		if data = data[4:]; n <= uint64(len(data)) {
			return data[:n], data[n:], nil
		}
	}
	return nil, nil, errors.New("a page ends within its levels")
}

// checkLevels checks n repetition or definition levels from 0 to top.
func checkLevels(encoding format.Encoding, data []byte, top, n int) error {
	if encoding == format.BitPacked {
		return nil // as long as the data are
	}
	return checkRuns(data, bits.Len(uint(top)), n)
}

// checkRuns checks that runs of numbers of some bits
// (https://parquet.apache.org/docs/file-format/data-pages/encodings, RLE) are
// no more than n values, but for the padding of the last run: most writers fill
// up a group of eight, DuckDB 256 values.
func checkRuns(data []byte, width, n int) error {
	const padding = 512
	if width > 32 {
		return fmt.Errorf("a page has numbers of %d bits, want at most 32", width)
	}
	for left := n; len(data) > 0; {
		x, read := binary.Uvarint(data)
		if read <= 0 {
			return errRunEnds
		}
		data = data[read:]
		packed := x&1 == 1
		count, size := x>>1, (width+7)/8
		if packed && count <= uint64(n)+padding {
			size = int(count) * width
			count *= 8
		}
		if count == 0 {
			continue
		}
		if left <= 0 || count > uint64(left)+padding {
			return fmt.Errorf("a run of %d values is in a page of %d", count, n)
		}
		need := size
		if packed { // what is beyond the last value may be left out
			need = (min(int(count), left)*width + 7) / 8
		}
		if need > len(data) {
			return errRunEnds
		}
		data = data[min(size, len(data)):]
		left -= int(count)
	}
	return nil
}

// checkDictionary checks a page of the values that others refer to.
func checkDictionary(h *format.DictionaryPageHeader, t parquet.Type, data []byte) error {
	if h.Encoding != format.Plain && h.Encoding != plainDictionary {
		return fmt.Errorf("its dictionary is encoded as %s, want PLAIN", h.Encoding)
	}
	if need := int64(h.NumValues) * leastBits(t) / 8; need > int64(len(data)) {
		return fmt.Errorf("a dictionary of %d values needs %d bytes, has %d", h.NumValues, need, len(data))
	}
	return nil
}

// leastBits is what a value takes in the encoding PLAIN.
func leastBits(t parquet.Type) int64 {
	switch t.Kind() {
	case parquet.Boolean:
		return 1
	case parquet.Int64, parquet.Double:
		return 64
	case parquet.Int96:
		return 96
	case parquet.FixedLenByteArray:
		return 8 * int64(max(1, t.Length()))
	}
	return 32 // byte arrays have a length of their own
}

// checkEncoded checks at most n values that are not in a dictionary, and that
// they are no more than most bytes.
func checkEncoded(encoding format.Encoding, t parquet.Type, data []byte, n int, most int64) error {
	fixed := t.Kind() == parquet.FixedLenByteArray
	if need := int64(n) * int64(t.Length()); fixed && encoding != format.Plain && need > most {
		return fmt.Errorf("a page would be %d bytes, want at most %d in a file of this size", need, most)
	}
	switch encoding {
	case format.RLE:
		if t.Kind() != parquet.Boolean {
			return fmt.Errorf("a page of %s is encoded as RLE", t)
		}
		runs, _, err := prefixed(data)
		if err != nil {
			return err
		}
		return checkRuns(runs, 1, n)
	case format.DeltaBinaryPacked:
		width := byte(32)
		if t.Kind() == parquet.Int64 {
			width = 64
		}
		_, err := passDelta(data, n, width)
		return err
	case format.DeltaLengthByteArray:
		_, err := passDelta(data, n, 32)
		return err
	case format.DeltaByteArray:
		length := 0
		if fixed {
			length = t.Length()
		}
		return checkDeltaByteArray(data, n, length, most)
	}
	return nil
}

// passDelta returns what follows at most n numbers of some bits in
// DELTA_BINARY_PACKED.
func passDelta(data []byte, n int, width byte) (rest []byte, err error) {
	var head [4]uint64 // values in a block, miniblocks in a block, values, the first value
	for i := range head {
		x, read := binary.Uvarint(data)
		if read <= 0 {
			return nil, errDelta
		}
		head[i], data = x, data[read:]
	}
	block, minis, total := head[0], head[1], head[2]
	if block > 1<<16 || minis == 0 || minis > block || total > uint64(n) {
		return nil, errDelta
	}
	mini := int(block / minis)
	for left := int(total) - 1; left > 0; {
		_, read := binary.Uvarint(data) // the least difference
		if read <= 0 || len(data)-read < int(minis) {
			return nil, errDelta
		}
		widths := data[read : read+int(minis)]
		data = data[read+int(minis):]
		for _, w := range widths {
			if left <= 0 {
				break
			}
			if w > width {
				return nil, errDelta
			}
			data = data[min(mini*int(w)/8, len(data)):] // the last may be cut
			left -= mini
		}
	}
	return data, nil
}

// checkDeltaByteArray checks at most n texts of most bytes in all, or of one
// length if that is not 0, each of which begins like the one before.
func checkDeltaByteArray(data []byte, n, length int, most int64) error {
	lengths := func() ([]int32, error) {
		rest, err := passDelta(data, n, 32)
		if err != nil {
			return nil, err
		}
		numbers, err := parquet.DeltaBinaryPacked.DecodeInt32(nil, data[:len(data)-len(rest)])
		data = rest
		return numbers, err
	}
	prefixes, err := lengths()
	if err != nil {
		return err
	}
	suffixes, err := lengths()
	if err != nil {
		return err
	}
	if len(prefixes) != len(suffixes) {
		return errDelta
	}
	var last, total, stored int64
	for i, p := range prefixes {
		prefix, suffix := int64(p), int64(suffixes[i])
		if min(prefix, suffix) < 0 || prefix > last {
			return errDelta
		}
		last = prefix + suffix
		total += last
		stored += suffix
		if length != 0 && last != int64(length) || total > most || stored > int64(len(data)) {
			return errDelta
		}
	}
	return nil
}
