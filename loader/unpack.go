package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go/format"
	"github.com/pierrec/lz4/v4"
)

// An unpacker decompresses pages into the room that they say they need. The
// codecs of parquet-go v0.32 make room for whatever comes out, or is said to.
type unpacker struct {
	codec  format.CompressionCodec
	packed bytes.Reader
	gzip   *gzip.Reader
	brotli *brotli.Reader
	zstd   *zstd.Decoder
}

// knownCodec reports whether an unpacker can do anything with a codec.
func knownCodec(codec format.CompressionCodec) bool {
	switch codec {
	case format.Uncompressed, format.Snappy, format.Gzip, format.Brotli, format.Zstd, format.Lz4Raw:
		return true
	}
	return false
}

// unpack fills dst with what is packed in src.
func (u *unpacker) unpack(dst, src []byte) error {
	if len(dst) == 0 { // nulls, for which some codecs are not asked
		return nil
	}
	n, err := u.decode(dst, src)
	if err == nil && n != len(dst) {
		err = errUnpacked
	}
	if err != nil {
		return fmt.Errorf("unpack %s: %w", u.codec, err)
	}
	return nil
}

var errUnpacked = errors.New("it is not as long as the page says")

// decode returns how much of dst it filled, or an error where that is too short.
func (u *unpacker) decode(dst, src []byte) (int, error) {
	switch u.codec {
	case format.Snappy:
		// The codec makes the room that the first number asks for.
		if n, _ := binary.Uvarint(src); n > uint64(len(dst)) {
			return 0, errUnpacked
		}
		out, err := snappy.Decode(dst, src)
		return len(out), err
	case format.Lz4Raw:
		return lz4.UncompressBlock(src, dst)
	case format.Zstd:
		if u.zstd == nil {
			var err error
			u.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecodeAllCapLimit(true))
			if err != nil {
				return 0, err
			}
		}
		out, err := u.zstd.DecodeAll(src, dst[:0:len(dst)])
		return len(out), err
	}
	r, err := u.reader(src)
	if err != nil {
		return 0, err
	}
	n, err := io.ReadFull(r, dst)
	if err != nil {
		return n, err
	}
	// The codec compares its checksum where it ends.
	if m, err := r.Read(make([]byte, 1)); m > 0 || !errors.Is(err, io.EOF) {
		return n, errUnpacked
	}
	return n, nil
}

// reader is for the codecs that are an io.Reader.
func (u *unpacker) reader(src []byte) (r io.Reader, err error) {
	u.packed.Reset(src)
	switch {
	case u.codec == format.Brotli && u.brotli == nil:
		u.brotli = brotli.NewReader(&u.packed)
		return u.brotli, nil
	case u.codec == format.Brotli:
		return u.brotli, u.brotli.Reset(&u.packed)
	case u.gzip == nil:
		u.gzip, err = gzip.NewReader(&u.packed)
		return u.gzip, err
	}
	return u.gzip, u.gzip.Reset(&u.packed)
}
