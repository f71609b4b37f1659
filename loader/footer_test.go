package loader

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

func TestDamagedFooter(t *testing.T) {
	const huge = 1 << 30
	raw := func(footer ...byte) []byte {
		file := append([]byte("PAR1"), footer...)
		return append(binary.LittleEndian.AppendUint32(file, uint32(len(footer))), "PAR1"...)
	}
	list := func(n uint64, kind byte) []byte { return binary.AppendUvarint([]byte{0xf0 | kind}, n) }
	leaf := format.SchemaElement{Name: "x", Type: thrift.New(format.Float)}
	group := func(children int32) format.SchemaElement {
		return format.SchemaElement{Name: "g", NumChildren: thrift.New(children)}
	}
	leafOf := func(children int32) format.SchemaElement {
		return format.SchemaElement{Name: "x", Type: thrift.New(format.Float), NumChildren: thrift.New(children)}
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":        {raw(), "the file is damaged: its footer ends too early"},
		"row groups":     {raw(slices.Concat([]byte{0x49}, list(huge, compactStruct), []byte{0})...), "the file is damaged: its footer ends too early"},
		"text":           {raw(slices.Concat([]byte{0x68}, binary.AppendUvarint(nil, huge), []byte{0})...), "the file is damaged: its footer ends too early"},
		"a long number":  {raw(bytes.Repeat([]byte{0xff}, 20)...), "the file is damaged: its footer is not in Thrift's compact protocol"},
		"nested lists":   {raw(append([]byte{0xe9}, bytes.Repeat([]byte{0x19}, 1000)...)...), "the file is damaged: its footer is not in Thrift's compact protocol"},
		"nested structs": {raw(bytes.Repeat([]byte{0xec}, 1000)...), "the file is damaged: its footer is not in Thrift's compact protocol"},
		"empty structs": {raw(slices.Concat([]byte{0x49}, list(200000, compactStruct), make([]byte, 200001))...),
			"the file is damaged: its footer of 200006 bytes lists 200000 things, want at most 143572"},
		"no fields": {raw(0), "the file is damaged: its footer does not say what it must"},
		"deep columns": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: append(slices.Repeat([]format.SchemaElement{group(1)}, 50), leaf)}),
			"the file is damaged: its columns have more than 32 levels"},
		"row groups without columns": {closeFile(t, []byte("PAR1"), &format.FileMetaData{
			Schema:    append([]format.SchemaElement{group(1000)}, slices.Repeat([]format.SchemaElement{leaf}, 1000)...),
			RowGroups: make([]format.RowGroup, 1000),
		}), "the file is damaged: row group 0 has 0 columns, the file 1000"},
		"children": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: []format.SchemaElement{group(huge), leaf}}),
			`the file is damaged: its footer lists fewer columns than it says to have`},
		"children of a leaf": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: []format.SchemaElement{group(2), leafOf(1), leaf}}),
			`the file is damaged: its column "x" has values and columns of its own`},
		"a root with values": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: []format.SchemaElement{leafOf(1), leaf}}),
			`the file is damaged: its column "x" has values and columns of its own`},
		"negative children": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: []format.SchemaElement{group(-1), leaf}}),
			`the file is damaged: its column "g" consists of -1`},
		"a column too many": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: []format.SchemaElement{group(1), leaf, leaf}}),
			"the file is damaged: its footer lists more columns than it says to have"},
		"a group too many": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: []format.SchemaElement{group(1), leaf, group(0)}}),
			"the file is damaged: its footer lists more columns than it says to have"},
		"rows": {closeFile(t, []byte("PAR1"), &format.FileMetaData{Schema: []format.SchemaElement{group(1), leaf}, NumRows: -1}),
			"the file says that it has -1 rows, want at most 2147483647"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := openParquet(fstest.MapFS{"x": {Data: c.file}}, "x", "f")
			wantError(t, err, "open f: "+c.want)
		})
	}
}

// The scan ends with the struct, and not before.
func TestCompactScan(t *testing.T) {
	header := marshal(t, &format.PageHeader{
		CRC:              -5,
		DataPageHeader:   thrift.New(format.DataPageHeader{Statistics: format.Statistics{Min: []byte("min"), Max: []byte("max")}}),
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{IsCompressed: thrift.New(true)}),
	})
	// Fields of types that Parquet does not use, and of another number.
	strange := []byte{0x11, 0x12, 0x13, 7, 0x17, 0, 0, 0, 0, 0, 0, 0, 0, 0x29, 0x31, 0, 1, 0, 0x06, 0x80, 0x08, 3, 0x1d}
	strange = append(append(strange, make([]byte, 16)...), 0)
	for _, data := range [][]byte{header, strange} {
		scan := compactScan{data: append(bytes.Clone(data), "page"...)}
		if err := scan.fields(0); err != nil || scan.at != len(data) {
			t.Errorf("%x: passed %d of %d, %v", data, scan.at, len(data), err)
		}
		for n := range data {
			scan := compactScan{data: data[:n]}
			if err := scan.fields(0); err == nil {
				t.Errorf("%x: the first %d bytes are taken for all", data, n)
			}
		}
	}
}
