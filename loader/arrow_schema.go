package loader

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// arrowWithFloats changes the type of a top-level column to a list of float in
// what pyarrow and Polars store under the key ARROW:schema: a
// message of Arrow's IPC format
// (https://arrow.apache.org/docs/format/Columnar.html#encapsulated-message-format)
// in base64. Their readers restore categories, time zones and durations from
// it, and would cast the vectors to what the column was. It is a flatbuffer
// (https://flatbuffers.dev/internals): tables point forward to their parts, so
// a new description of the column goes to the end and the schema points there.
//
// ok is false where the message is not as expected.
func arrowWithFloats(encoded, column string, nullable bool) (changed string, ok bool) {
	defer func() {
		if recover() != nil { // an offset led outside
			changed, ok = "", false
		}
	}()
	message, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", false
	}
	message = slices.Clip(message) // a slice may reach as far as the capacity
	const continuation = 0xffffffff
	prefix := 4
	if binary.LittleEndian.Uint32(message) == continuation {
		prefix = 8
	}
	size := int(binary.LittleEndian.Uint32(message[prefix-4:]))
	buffer := flatbuffer(slices.Clip(slices.Clone(message[prefix : prefix+size])))
	const header, fields = 2, 1 // of a Message, of a Schema
	schema := buffer.follow(buffer.slot(buffer.follow(0), header))
	entry := buffer.arrowField(buffer.follow(buffer.slot(schema, fields)), column)
	if entry == 0 {
		return "", false
	}
	for len(buffer)%8 != 0 {
		buffer = append(buffer, 0)
	}
	field := len(buffer) + fieldAt
	buffer = append(buffer, floatList(column, nullable)...)
	for len(buffer)%8 != 0 {
		buffer = append(buffer, 0)
	}
	binary.LittleEndian.PutUint32(buffer[entry:], uint32(field-entry))
	out := slices.Clone(message[:prefix])
	binary.LittleEndian.PutUint32(out[prefix-4:], uint32(len(buffer)))
	return base64.StdEncoding.EncodeToString(append(out, buffer...)), true
}

// A flatbuffer is read with panics where an offset leads outside.
type flatbuffer []byte

// follow returns where the offset at a place leads.
func (b flatbuffer) follow(at int) int { return at + int(binary.LittleEndian.Uint32(b[at:])) }

// slot returns where a table keeps a field. It panics where it has none.
func (b flatbuffer) slot(table, field int) int {
	layout := table - int(int32(binary.LittleEndian.Uint32(b[table:])))
	if 4+2*field >= int(binary.LittleEndian.Uint16(b[layout:])) {
		panic("no such field")
	}
	offset := binary.LittleEndian.Uint16(b[layout+4+2*field:])
	if offset == 0 {
		panic("no such field")
	}
	return table + int(offset)
}

// arrowField returns the entry of a vector of Fields that has a name, or 0
// where not exactly one has it.
func (b flatbuffer) arrowField(fields int, name string) (found int) {
	const nameSlot = 0
	for i := range int(binary.LittleEndian.Uint32(b[fields:])) {
		entry := fields + 4 + 4*i
		text := b.follow(b.slot(b.follow(entry), nameSlot))
		n := int(binary.LittleEndian.Uint32(b[text:]))
		if string(b[text+4:text+4+n]) != name {
			continue
		}
		if found != 0 {
			return 0
		}
		found = entry
	}
	return found
}

// fieldAt is where floatList has its Field.
const fieldAt = 16

// floatList is an Arrow Field of type List with a child of type FloatingPoint
// in single precision, as a piece of a flatbuffer that begins at a multiple of 8
// (https://github.com/apache/arrow/blob/main/format/Schema.fbs).
func floatList(name string, nullable bool) []byte {
	const (
		floatingPoint, list = 3, 12 // of the union Type
		single              = 1     // of the enumeration Precision
	)
	var b []byte
	u16 := func(values ...uint16) {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint16(b, v)
		}
	}
	u32 := func(v int) { b = binary.LittleEndian.AppendUint32(b, uint32(v)) }
	to := func(place int) { u32(place - len(b)) } // an offset, which leads forward
	flag := byte(0)
	if nullable {
		flag = 1
	}
	// How a Field is laid out: name, nullable, the type's number, the type, no
	// dictionary, children. The child has a copy of its own, since Polars looks
	// no further back than the vector of children.
	layout := []uint16{16, 20, 4, 16, 17, 8, 0, 12}
	u16(layout...)
	// 16: the Field.
	u32(16 - 0)
	to(120) // name
	to(84)  // type
	to(36)  // children
	b = append(b, flag, list, 0, 0)
	// 36: its children.
	u32(1)
	to(60)
	// 44: how the child is laid out; 60: the child.
	u16(layout...)
	u32(60 - 44)
	to(108) // name
	to(96)  // type
	to(104) // children
	b = append(b, 1, floatingPoint, 0, 0)
	// 80: how a List is laid out, which has no fields; 84: the List.
	u16(4, 4)
	u32(84 - 80)
	// 88: how a FloatingPoint is laid out; 96: the FloatingPoint.
	u16(6, 8, 4, 0)
	u32(96 - 88)
	u16(single, 0)
	// 104: the child's children; 108: its name; 120: the column's name.
	u32(0)
	u32(len("element"))
	b = append(b, "element\x00"...)
	u32(len(name))
	b = append(b, name...)
	return append(b, 0)
}
