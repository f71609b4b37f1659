package loader

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A damagedColumn is a file of one column, whose pages say what they like.
type damagedColumn struct {
	kind     format.Type // BOOLEAN, which is 0, stands for FLOAT
	truth    bool        // BOOLEAN
	length   int32       // of a FIXED_LEN_BYTE_ARRAY
	list     bool        // a list of values in place of one
	optional bool
	codec    format.CompressionCodec
	size     int64 // of the column; 0: what the pages have
	rows     int64 // 0: one
	pages    []damagedPage
}

type damagedPage struct {
	header format.PageHeader
	body   []byte
	bare   bool // without the header
}

func (c damagedColumn) file(t *testing.T) []byte {
	t.Helper()
	if c.kind == format.Boolean && !c.truth {
		c.kind = format.Float
	}
	element := format.SchemaElement{Name: "x", Type: thrift.New(c.kind), RepetitionType: thrift.New(format.Required)}
	if c.length != 0 {
		element.TypeLength = thrift.New(c.length)
	}
	if c.optional {
		element.RepetitionType = thrift.New(format.Optional)
	}
	schema := []format.SchemaElement{{Name: "schema", NumChildren: thrift.New(int32(1))}, element}
	if c.list {
		element.Name = "element"
		schema = []format.SchemaElement{
			schema[0],
			{Name: "x", NumChildren: thrift.New(int32(1)), RepetitionType: thrift.New(format.Optional)},
			{Name: "list", NumChildren: thrift.New(int32(1)), RepetitionType: thrift.New(format.Repeated)},
			element,
		}
	}
	file := []byte("PAR1")
	for _, p := range c.pages {
		if !p.bare {
			file = append(file, marshal(t, &p.header)...)
		}
		file = append(file, p.body...)
	}
	m := format.ColumnMetaData{
		Type: c.kind, Codec: c.codec, DataPageOffset: 4, TotalCompressedSize: int64(len(file)) - 4,
		Encoding: thrift.Slice[format.Encoding]{format.Plain}, PathInSchema: thrift.Slice[string]{"x"},
	}
	if c.size != 0 {
		m.TotalCompressedSize = c.size
	}
	return closeFile(t, file, &format.FileMetaData{
		Version: 1, Schema: schema, NumRows: max(c.rows, 1),
		RowGroups: []format.RowGroup{{NumRows: max(c.rows, 1), Columns: []format.ColumnChunk{{MetaData: m}}}},
	})
}

func closeFile(t *testing.T, file []byte, meta *format.FileMetaData) []byte {
	t.Helper()
	footer := marshal(t, meta)
	file = append(file, footer...)
	return append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), "PAR1"...)
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	b, err := thrift.Marshal(new(thrift.CompactProtocol), v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// dataPage is a page of version 1 that tells the truth about its size.
func dataPage(values int32, encoding format.Encoding, parts ...[]byte) damagedPage {
	body := slices.Concat(parts...)
	return damagedPage{header: format.PageHeader{
		Type: format.DataPage, CompressedPageSize: int32(len(body)), UncompressedPageSize: int32(len(body)),
		DataPageHeader: thrift.New(format.DataPageHeader{
			NumValues: values, Encoding: encoding, DefinitionLevelEncoding: format.RLE, RepetitionLevelEncoding: format.RLE,
		}),
	}, body: body}
}

func dataPage2(h format.DataPageHeaderV2, parts ...[]byte) damagedPage {
	body := slices.Concat(parts...)
	return damagedPage{header: format.PageHeader{
		Type: format.DataPageV2, CompressedPageSize: int32(len(body)), UncompressedPageSize: int32(len(body)),
		DataPageHeaderV2: thrift.New(h),
	}, body: body}
}

func dictionaryPage(values int32, encoding format.Encoding, body []byte) damagedPage {
	return damagedPage{header: format.PageHeader{
		Type: format.DictionaryPage, CompressedPageSize: int32(len(body)), UncompressedPageSize: int32(len(body)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: values, Encoding: encoding}),
	}, body: body}
}

// unpacked says how long a page is once it is unpacked.
func (p damagedPage) unpacked(size int32) damagedPage {
	p.header.UncompressedPageSize = size
	return p
}

// run is a run of n equal numbers; packed is a run of groups of eight.
func run(n uint64, value ...byte) []byte { return append(binary.AppendUvarint(nil, n<<1), value...) }

func packed(groups uint64, bits ...byte) []byte {
	return append(binary.AppendUvarint(nil, groups<<1|1), bits...)
}

// withLength puts a length of four bytes in front.
func withLength(b []byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, uint32(len(b))), b...)
}

// deltas is the header of DELTA_BINARY_PACKED and a block without differences.
func deltas(total uint64, first byte) []byte {
	b := binary.AppendUvarint([]byte{0x80, 0x01, 4}, total)
	return append(b, first, 0, 0, 0, 0, 0)
}

func TestDamagedPages(t *testing.T) {
	const (
		huge    = 1 << 30
		overrun = "a run of 1073741824 values is in a page of 3"
	)
	numbers := bytes.Repeat([]byte{0, 0, 0x80, 0x3f}, 3)
	var deflated bytes.Buffer
	w := gzip.NewWriter(&deflated)
	if _, err := w.Write(make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		column damagedColumn
		want   string // after the words column "x"
	}{
		"beyond the file": {damagedColumn{size: 1 << 40, pages: []damagedPage{dataPage(3, format.Plain, numbers)}},
			"is damaged: it would reach beyond the end of the file"},
		"LZO": {damagedColumn{codec: format.LZO, pages: []damagedPage{dataPage(3, format.Plain, numbers)}},
			"is compressed with LZO, want SNAPPY, ZSTD, GZIP, BROTLI, LZ4_RAW or none: write the file again"},

		// Headers.
		"no header": {damagedColumn{pages: []damagedPage{{body: []byte{0x15, 0, 0}, bare: true}}},
			"is damaged: the header of a page does not say what it must"},
		"compressed": {damagedColumn{pages: []damagedPage{{header: dataPage(3, format.Plain, make([]byte, huge/1024)).header, body: numbers}}},
			"is damaged: a page would be 1048576 bytes, the column has 12 left"},
		"uncompressed": {damagedColumn{codec: format.Zstd, pages: []damagedPage{dataPage(3, format.Plain, numbers).unpacked(huge)}},
			"is damaged: a page would unpack to 1073741824 bytes, want at most 134217728 in a file of this size"},
		"values": {damagedColumn{optional: true, pages: []damagedPage{dataPage(huge, format.Plain, withLength(run(huge, 0)))}},
			"is damaged: a page would have 1073741824 values, want at most 16777216 in a file of this size"},
		"negative": {damagedColumn{pages: []damagedPage{dataPage(-1, format.Plain, numbers)}},
			"is damaged: a page would have -1 values, want at most 16777216 in a file of this size"},
		"index": {damagedColumn{pages: []damagedPage{{header: format.PageHeader{Type: format.IndexPage}}}},
			"is damaged: a page is of type INDEX_PAGE, want data or a dictionary"},
		"checksum": {damagedColumn{pages: []damagedPage{func() damagedPage {
			p := dataPage(3, format.Plain, numbers)
			p.header.CRC = 1
			return p
		}()}}, "is damaged: the checksum of a page is not that of its bytes"},

		// Codecs.
		"snappy": {damagedColumn{codec: format.Snappy, pages: []damagedPage{dataPage(3, format.Plain, binary.AppendUvarint(nil, huge))}},
			"is damaged: unpack SNAPPY: it is not as long as the page says"},
		"snappy body": {damagedColumn{codec: format.Snappy, pages: []damagedPage{dataPage(3, format.Plain, snappy.Encode(nil, numbers)[:9]).unpacked(12)}},
			"is damaged: unpack SNAPPY: s2: corrupt input"},
		"lz4": {damagedColumn{codec: format.Lz4Raw, pages: []damagedPage{dataPage(3, format.Plain, bytes.Repeat([]byte{0xff}, 40))}},
			"is damaged: unpack LZ4_RAW: lz4: invalid source or destination buffer too short"},
		"gzip": {damagedColumn{codec: format.Gzip, pages: []damagedPage{dataPage(3, format.Plain, deflated.Bytes()).unpacked(12)}},
			"is damaged: unpack GZIP: it is not as long as the page says"},
		"zstd": {damagedColumn{codec: format.Zstd, pages: []damagedPage{dataPage(3, format.Plain, encoder.EncodeAll(make([]byte, 1<<20), nil)).unpacked(12)}},
			"is damaged: unpack ZSTD: decompressed size exceeds configured limit"},
		"brotli": {damagedColumn{codec: format.Brotli, pages: []damagedPage{dataPage(3, format.Plain, bytes.Repeat([]byte{0xff}, 40))}},
			"is damaged: unpack BROTLI: brotli: PADDING_2"},

		// Levels.
		"levels end": {damagedColumn{optional: true, pages: []damagedPage{dataPage(3, format.Plain, []byte{9, 0, 0, 0, 6, 1})}},
			"is damaged: a page ends within its levels"},
		"run of levels": {damagedColumn{optional: true, pages: []damagedPage{dataPage(3, format.Plain, withLength(run(huge, 1)), numbers)}},
			"is damaged: " + overrun},
		"runs of levels": {damagedColumn{optional: true, pages: []damagedPage{dataPage(3, format.Plain, withLength(slices.Concat(run(3, 1), run(1, 1))), numbers)}},
			"is damaged: a run of 1 values is in a page of 3"},
		"groups of levels": {damagedColumn{optional: true, pages: []damagedPage{dataPage(3, format.Plain, withLength(packed(huge, 0xff)), numbers)}},
			"is damaged: " + overrun},
		"levels of version 2": {damagedColumn{optional: true, pages: []damagedPage{dataPage2(format.DataPageHeaderV2{
			NumValues: 3, NumRows: 3, DefinitionLevelsByteLength: 6,
		}, run(huge, 1), numbers)}}, "is damaged: " + overrun},
		"length of levels of version 2": {damagedColumn{optional: true, pages: []damagedPage{dataPage2(format.DataPageHeaderV2{
			NumValues: 3, NumRows: 3, DefinitionLevelsByteLength: 16,
		}, numbers)}}, "is damaged: the levels of a page would be 0 and 16 bytes of 12"},
		"no levels of version 2": {damagedColumn{optional: true, pages: []damagedPage{dataPage2(format.DataPageHeaderV2{
			NumValues: 3, NumRows: 3,
		}, numbers)}}, "is damaged: a page has no levels"},
		"nulls of version 2": {damagedColumn{optional: true, pages: []damagedPage{dataPage2(format.DataPageHeaderV2{
			NumValues: 3, NumRows: 3, NumNulls: 4, DefinitionLevelsByteLength: 2,
		}, run(3, 1), numbers)}}, "is damaged: a page would have 4 nulls among 3 values"},

		// Dictionaries.
		"no dictionary": {damagedColumn{pages: []damagedPage{dataPage(3, format.RLEDictionary, []byte{1}, run(3, 0))}},
			"is damaged: its dictionary is missing"},
		"dictionary": {damagedColumn{pages: []damagedPage{dictionaryPage(1<<24, format.Plain, numbers)}},
			"is damaged: a dictionary of 16777216 values needs 67108864 bytes, has 12"},
		"dictionary of texts": {damagedColumn{kind: format.ByteArray, pages: []damagedPage{dictionaryPage(1<<24, format.Plain, numbers)}},
			"is damaged: a dictionary of 16777216 values needs 67108864 bytes, has 12"},
		"dictionary of long values": {damagedColumn{kind: format.FixedLenByteArray, length: huge, pages: []damagedPage{dictionaryPage(3, format.Plain, numbers)}},
			"is damaged: a dictionary of 3 values needs 3221225472 bytes, has 12"},
		"encoded dictionary": {damagedColumn{pages: []damagedPage{dictionaryPage(3, format.DeltaBinaryPacked, deltas(huge, 0))}},
			"is damaged: its dictionary is encoded as DELTA_BINARY_PACKED, want PLAIN"},
		"run of indices": {damagedColumn{pages: []damagedPage{
			dictionaryPage(3, format.Plain, numbers), dataPage(3, format.RLEDictionary, []byte{1}, run(huge, 0)),
		}}, "is damaged: " + overrun},
		"run of no bits": {damagedColumn{pages: []damagedPage{
			dictionaryPage(3, format.Plain, numbers), dataPage(3, plainDictionary, []byte{0}, packed(huge)),
		}}, "is damaged: " + overrun},
		"runs that end": {damagedColumn{pages: []damagedPage{
			dictionaryPage(3, format.Plain, numbers), dataPage(3, format.RLEDictionary, []byte{32}, packed(1, 1, 2, 3)),
		}}, "is damaged: a run of equal values ends too early"},
		"bits of indices": {damagedColumn{pages: []damagedPage{
			dictionaryPage(3, format.Plain, numbers), dataPage(3, format.RLEDictionary, []byte{33}, run(3, 0)),
		}}, "is damaged: a page has numbers of 33 bits, want at most 32"},

		"indices": {damagedColumn{kind: format.ByteArray, rows: 3, pages: []damagedPage{
			dictionaryPage(1, format.Plain, withLength([]byte("a"))), dataPage(3, format.RLEDictionary, []byte{8}, run(3, 9)),
		}}, "is damaged: its parts do not fit together"},

		// Encodings.
		"truth values": {damagedColumn{truth: true, pages: []damagedPage{dataPage(3, format.RLE, withLength(run(huge, 1)))}},
			"is damaged: " + overrun},
		"runs of numbers": {damagedColumn{kind: format.Int32, pages: []damagedPage{dataPage(3, format.RLE, run(huge))}},
			"is damaged: a page of INT32 is encoded as RLE"},
		"deltas": {damagedColumn{kind: format.Int32, pages: []damagedPage{dataPage(3, format.DeltaBinaryPacked, deltas(huge, 0))}},
			"is damaged: a page in a DELTA encoding does not hold what it says"},
		"deltas of 64 bits": {damagedColumn{kind: format.Int64, pages: []damagedPage{dataPage(3, format.DeltaBinaryPacked, deltas(huge, 0))}},
			"is damaged: a page in a DELTA encoding does not hold what it says"},
		"lengths": {damagedColumn{kind: format.ByteArray, pages: []damagedPage{dataPage(3, format.DeltaLengthByteArray, deltas(huge, 0))}},
			"is damaged: a page in a DELTA encoding does not hold what it says"},
		"prefixes": {damagedColumn{kind: format.ByteArray, pages: []damagedPage{dataPage(3, format.DeltaByteArray, deltas(3, 0), deltas(huge, 0))}},
			"is damaged: a page in a DELTA encoding does not hold what it says"},
		"long prefixes": {damagedColumn{kind: format.ByteArray, pages: []damagedPage{dataPage(3, format.DeltaByteArray, deltas(3, 8), deltas(3, 0))}},
			"is damaged: a page in a DELTA encoding does not hold what it says"},
		"values of another length": {damagedColumn{kind: format.FixedLenByteArray, length: 16, pages: []damagedPage{
			dataPage(3, format.DeltaByteArray, deltas(3, 0), deltas(3, 2), []byte("abcd"), make([]byte, 64)),
		}}, "is damaged: a page in a DELTA encoding does not hold what it says"},
		"split values": {damagedColumn{kind: format.FixedLenByteArray, length: huge, pages: []damagedPage{dataPage(3, format.ByteStreamSplit, numbers)}},
			"is damaged: a page would be 3221225472 bytes, want at most 134217728 in a file of this size"},

		// All of it together.
		"many rows": {damagedColumn{optional: true, rows: 1 << 30, pages: slices.Repeat([]damagedPage{
			dataPage(200, format.Plain, withLength(run(200, 0))),
		}, 3)}, "is damaged: it would have more than 500 rows, too many for a file of this size"},
		"many values": {damagedColumn{list: true, pages: slices.Repeat([]damagedPage{
			dataPage(500, format.Plain, withLength(run(500, 1)), withLength(run(500, 0))),
		}, 5)}, "is damaged: its pages would have far more values than the file has bytes"},
		"many bytes": {damagedColumn{kind: format.ByteArray, rows: 1 << 20, pages: slices.Repeat([]damagedPage{
			dataPage(1, format.Plain, withLength(make([]byte, 3996))),
		}, 5)}, "is damaged: its pages would unpack to far more bytes than the file has"},
		"many texts": {damagedColumn{kind: format.ByteArray, rows: 1 << 20, pages: []damagedPage{
			dictionaryPage(1, format.Plain, withLength(make([]byte, 1000))), dataPage(17, format.RLEDictionary, []byte{1}, run(17, 0)),
		}}, "is damaged: its texts have far more bytes than the file"},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := openParquet(fstest.MapFS{"x": {Data: c.column.file(t)}}, "x", "f")
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f.limits = pageLimits(0)
			if strings.HasPrefix(name, "many") {
				f.limits = limits{rows: 500, values: 500, bytes: 4000}
			}
			_, err = f.strings("x", true)
			if c.column.list {
				err = f.read("x", func(leaf *parquet.Column) error { return f.pages(leaf, func(parquet.Page) error { return nil }) })
			}
			runtime.ReadMemStats(&after)
			wantError(t, err, `f: column "x" `+c.want)
			if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 16 {
				t.Errorf("%d MiB allocated", used)
			}
		})
	}
}

// The last run may end with the last value, and after it.
func TestPadding(t *testing.T) {
	words := slices.Concat(withLength([]byte("a")), withLength([]byte("b")))
	for _, bits := range [][]byte{
		packed(1, 0b01_000_001, 0),
		packed(1, 0b01_000_001, 0, 0),
		packed(32, append([]byte{0b01_000_001}, make([]byte, 95)...)...),
		slices.Concat(run(1, 1), run(1, 0), run(8, 1), run(0, 0)),
	} {
		c := damagedColumn{kind: format.ByteArray, rows: 3, pages: []damagedPage{
			dictionaryPage(2, format.Plain, words), dataPage(3, format.RLEDictionary, []byte{3}, bits),
		}}
		f, err := openParquet(fstest.MapFS{"x": {Data: c.file(t)}}, "x", "f")
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.strings("x", false)
		if err != nil || !slices.Equal(got, []string{"b", "a", "b"}) {
			t.Errorf("%x: %q, %v", bits, got, err)
		}
	}
}

// Whatever a page holds, in every type, encoding and compression, decoding it
// ends with values or with an error.
func FuzzPages(f *testing.F) {
	numbers := bytes.Repeat([]byte{0, 0, 0x80, 0x3f}, 3)
	lists := slices.Concat(withLength(run(3, 0)), withLength(run(3, 3)))
	words := slices.Concat(withLength([]byte("a")), withLength([]byte("bc")), withLength(nil))
	for encoding := range byte(format.ByteStreamSplit + 1) {
		for kind := range byte(format.FixedLenByteArray + 1) {
			f.Add(kind, byte(4), encoding, byte(0), byte(kind%4), int32(3), numbers, slices.Concat([]byte{1}, run(3, 0)))
		}
	}
	f.Add(byte(format.Float), byte(0), byte(format.Plain), byte(format.Snappy), byte(2), int32(3), []byte{}, snappy.Encode(nil, slices.Concat(lists, numbers)))
	f.Add(byte(format.Float), byte(0), byte(format.RLEDictionary), byte(0), byte(2), int32(3), numbers, slices.Concat(lists, []byte{1}, packed(1, 0xaa)))
	f.Add(byte(format.ByteArray), byte(0), byte(format.RLEDictionary), byte(0), byte(0), int32(3), words, slices.Concat([]byte{1}, run(3, 1)))
	f.Add(byte(format.ByteArray), byte(0), byte(format.DeltaLengthByteArray), byte(0), byte(0), int32(3), []byte{}, slices.Concat(deltas(3, 2), []byte("abc")))
	f.Add(byte(format.ByteArray), byte(0), byte(format.DeltaByteArray), byte(0), byte(0), int32(3), []byte{}, slices.Concat(deltas(3, 0), deltas(3, 2), []byte("abc")))
	f.Add(byte(format.FixedLenByteArray), byte(16), byte(format.DeltaByteArray), byte(0), byte(0), int32(3), []byte{}, slices.Concat(deltas(3, 0), deltas(3, 32), make([]byte, 64)))
	f.Fuzz(func(t *testing.T, kind, length, encoding, codec, shape byte, values int32, dictionary, body []byte) {
		c := damagedColumn{
			kind: format.Type(kind % 8), truth: true, length: int32(length), codec: format.CompressionCodec(codec % 8),
			optional: shape&1 != 0, list: shape&2 != 0, rows: int64(values),
		}
		if len(dictionary) > 0 {
			c.codec = format.Uncompressed
			c.pages = append(c.pages, dictionaryPage(values, format.Plain, dictionary))
		}
		page := dataPage(values, format.Encoding(encoding%10), body)
		if shape&4 != 0 {
			page = dataPage2(format.DataPageHeaderV2{
				NumValues: values, NumRows: values, Encoding: format.Encoding(encoding % 10),
				RepetitionLevelsByteLength: int32(shape >> 6), DefinitionLevelsByteLength: int32(shape >> 4 & 3),
			}, body)
		}
		c.pages = append(c.pages, page.unpacked(max(page.header.UncompressedPageSize, values)))
		file, err := openParquet(fstest.MapFS{"x": {Data: c.file(t)}}, "x", "f")
		if err != nil {
			return
		}
		file.limits = limits{rows: 1 << 16, values: 1 << 16, bytes: 1 << 19} // so that a run is short
		if c.list {
			err = file.vectors("x", func(int, []float32) error { return nil })
		} else {
			_, err = file.strings("x", true)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "f: ") {
			t.Errorf("%q is no sentence about the file", err)
		}
	})
}
