package loader

import (
	"encoding/binary"
	"io"
	"slices"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/deprecated"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// A parquetCopy writes a Parquet file again with other vectors in one column.
//
// It does not decode the other columns: their chunks are copied byte by byte,
// which keeps whatever they are and costs no more memory for a row group of a
// million rows than for one of ten. Only where a chunk begins changes in the
// footer. Page indexes and bloom filters, which readers can do without, are
// left out.
type parquetCopy struct {
	in     *parquetFile
	column string
	t      Transform
	w      *countingWriter
	done   func(rows int64)
}

func (c *parquetCopy) write() error {
	if _, err := io.WriteString(c.w, "PAR1"); err != nil {
		return err
	}
	meta := *c.in.Metadata()
	meta.RowGroups = slices.Clone(meta.RowGroups)
	err := c.in.read(c.column, func(leaf *parquet.Column) error {
		v := newVectorColumn(c, leaf)
		for i := range meta.RowGroups {
			if err := c.rowGroup(v, i, &meta.RowGroups[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	meta.Schema = c.schema(meta.Schema)
	meta.KeyValueMetadata = c.keyValues(meta.KeyValueMetadata)
	return c.footer(&meta)
}

// rowGroup writes row group i and describes it in g.
func (c *parquetCopy) rowGroup(v *vectorColumn, i int, g *format.RowGroup) error {
	g.Columns = slices.Clone(g.Columns)
	g.FileOffset, g.TotalCompressedSize, g.TotalByteSize = c.w.n, 0, 0
	for j := range g.Columns {
		chunk := &g.Columns[j]
		var err error
		if j == v.leaf.Index() {
			err = v.chunk(c.in.RowGroups()[i], chunk)
		} else {
			err = c.copyChunk(chunk)
		}
		if err != nil {
			return err
		}
		g.TotalCompressedSize += chunk.MetaData.TotalCompressedSize
		g.TotalByteSize += chunk.MetaData.TotalUncompressedSize
	}
	return nil
}

// copyChunk copies a column of a row group as it is, and moves its offsets.
func (c *parquetCopy) copyChunk(chunk *format.ColumnChunk) error {
	m := &chunk.MetaData
	start := m.DataPageOffset
	// pyarrow gives no data page to a chunk without rows.
	if dictionary := m.DictionaryPageOffset; dictionary > 0 && (dictionary < start || start == 0) {
		start = dictionary
	}
	if len(m.PathInSchema) == 0 {
		return c.in.errorf("the file is damaged: a row group does not say which column it has there")
	}
	name := m.PathInSchema[0]
	if chunk.FilePath != "" {
		return c.in.errorf("column %q is in another file, %s: read and write it with pandas or DuckDB first", name, chunk.FilePath)
	}
	if m.TotalCompressedSize != 0 && (start < 4 || m.TotalCompressedSize < 0 || m.TotalCompressedSize > c.in.Size()-start) {
		return c.in.errorf("column %q is damaged: it would reach beyond the end of the file", name)
	}
	moved := c.w.n - start
	part := io.NewSectionReader(c.in.stored, start, m.TotalCompressedSize)
	n, err := io.CopyBuffer(struct{ io.Writer }{c.w}, part, make([]byte, min(1<<20, m.TotalCompressedSize+1)))
	if err != nil {
		return err
	}
	if n < m.TotalCompressedSize {
		return c.in.errorf("column %q is damaged: the file ends within it", name)
	}
	for _, offset := range []*int64{&m.DataPageOffset, &m.DictionaryPageOffset, &m.IndexPageOffset} {
		if *offset > 0 {
			*offset += moved
		}
	}
	m.BloomFilterOffset, m.BloomFilterLength = 0, 0
	*chunk = format.ColumnChunk{MetaData: *m}
	return nil
}

func (c *parquetCopy) footer(meta *format.FileMetaData) error {
	text, err := encodeFooter(meta)
	if err != nil {
		return c.in.errorf("describe the columns: %w", err)
	}
	_, err = c.w.Write(text)
	return err
}

// encodeFooter returns how a file ends: what it holds, how long that is, and
// the mark.
func encodeFooter(meta *format.FileMetaData) ([]byte, error) {
	text, err := thrift.Marshal(new(thrift.CompactProtocol), meta)
	if err != nil {
		return nil, err
	}
	text = binary.LittleEndian.AppendUint32(text, uint32(len(text)))
	return append(text, footerMark...), nil
}

// schema replaces the subtree of the column of vectors in a schema, which is
// listed depth first, by that of a list of floats. Opening the file has seen
// that the schema is a tree (countColumns) and has the column.
func (c *parquetCopy) schema(old []format.SchemaElement) []format.SchemaElement {
	at := 1
	for old[at].Name != c.column {
		at = skipElement(old, at)
	}
	list := floatListSchema(c.column, old[at].RepetitionType)
	list[0].FieldID = old[at].FieldID
	if c.repeatedTop() {
		list[0].RepetitionType = thrift.New(format.Required)
	}
	return slices.Concat(old[:at], list, old[skipElement(old, at):])
}

// floatListSchema describes a column of lists of float, depth first.
func floatListSchema(name string, repetition thrift.Null[format.FieldRepetitionType]) []format.SchemaElement {
	return []format.SchemaElement{
		{
			Name: name, RepetitionType: repetition, NumChildren: thrift.New(int32(1)),
			ConvertedType: thrift.New(deprecated.List), LogicalType: format.LogicalType{Value: new(format.ListType)},
		},
		{Name: "list", RepetitionType: thrift.New(format.Repeated), NumChildren: thrift.New(int32(1))},
		{Name: "element", RepetitionType: thrift.New(format.Optional), Type: thrift.New(format.Float)},
	}
}

// repeatedTop reports whether the column is a list without the groups that
// mark one, as protocol buffers have them.
func (c *parquetCopy) repeatedTop() bool { return c.in.Root().Column(c.column).Repeated() }

// skipElement returns the place after the element at a place, and what is
// below it.
func skipElement(schema []format.SchemaElement, at int) int {
	next := at + 1
	for range schema[at].NumChildren.V {
		next = skipElement(schema, next)
	}
	return next
}

// keyValues keeps the notes of a file but those of its whole schema, which are
// no longer true of the column of vectors: Arrow's is corrected, and the others
// are left out, since their readers do without where there is none.
func (c *parquetCopy) keyValues(old []format.KeyValue) []format.KeyValue {
	var kept []format.KeyValue
	for _, kv := range old {
		switch kv.Key {
		case "ARROW:schema":
			value, ok := arrowWithFloats(kv.Value, c.column, c.in.Root().Column(c.column).Optional())
			if ok {
				kept = append(kept, format.KeyValue{Key: kv.Key, Value: value})
			}
		case "org.apache.spark.sql.parquet.row.metadata", "parquet.avro.schema", "avro.schema", "iceberg.schema":
		default:
			kept = append(kept, kv)
		}
	}
	return kept
}
