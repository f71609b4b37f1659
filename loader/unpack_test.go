package loader

import (
	"bytes"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/format"
)

// What the codecs of parquet-go pack comes out again, where there is room for
// it and no more.
func TestUnpack(t *testing.T) {
	for _, codec := range []format.CompressionCodec{format.Snappy, format.Gzip, format.Brotli, format.Zstd, format.Lz4Raw} {
		if !knownCodec(codec) {
			t.Errorf("%s is not known", codec)
		}
		u := unpacker{codec: codec}
		for _, data := range [][]byte{[]byte("embedding"), bytes.Repeat([]byte("ab"), 5000), make([]byte, 1<<17), {}} {
			packed, err := parquet.LookupCompressionCodec(codec).Encode(nil, data)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(data))
			if err := u.unpack(got, packed); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%s, %d bytes: %v", codec, len(data), err)
			}
			if err := u.unpack(make([]byte, len(data)+1), packed); err == nil {
				t.Errorf("%s: %d bytes fill one more", codec, len(data))
			}
			if len(data) == 0 {
				continue
			}
			if err := u.unpack(got[:len(got)-1:len(got)], packed); err == nil && len(got) > 1 {
				t.Errorf("%s: %d bytes fit into one less", codec, len(data))
			}
			if err := u.unpack(got, packed[:len(packed)/2]); err == nil {
				t.Errorf("%s: %d bytes come out of half of them", codec, len(data))
			}
		}
	}
	if knownCodec(format.LZO) || knownCodec(-1) {
		t.Error("LZO is known")
	}
}
