// Package cubin reads what ptxas notes about the kernels in a cubin, the ELF
// file that NVRTC compiles CUDA C to: what a thread and a block of each take,
// and where its parameters lie. So a test can say, with no GPU, that a kernel
// spills nothing and that its parameters are what Go passes.
//
// The notes are not documented; what is read here was compared with what ptxas
// prints, for NVRTC 11.8, 12.9 and 13.0 and architectures from sm_80 to sm_120.
package cubin

import (
	"bytes"
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// A File is what is known of a cubin.
type File struct {
	Architecture int // the compute capability as ten times major plus minor, such as 90
	Kernels      map[string]Kernel
}

// A Kernel is one __global__ function.
type Kernel struct {
	Registers  int // of a thread
	Frame      int // bytes of local memory of a thread: its arrays and what was spilled; 0 proves that nothing was
	Shared     int // bytes of static shared memory of a block, as written in the source
	MaxThreads int // of a block, from __launch_bounds__; 0 where it has none
	Params     []Param
}

// A Param is where a parameter lies, in bytes from the first.
type Param struct{ Offset, Size int }

// Attributes in the .nv.info sections, called EIATTR_… by NVIDIA's tools.
const (
	attributeMaxThreads = 0x05
	attributeFrameSize  = 0x11
	attributeParam      = 0x17
	attributeRegisters  = 0x2f
)

// reserved is what the system takes of a block's shared memory from sm_90 on;
// it is counted in the size of the section.
const reserved = 1024

// Read reads a cubin.
func Read(image []byte) (File, error) {
	const versionAt, flagsAt, headerSize = 20, 48, 64
	if len(image) < headerSize || !bytes.HasPrefix(image, []byte(elf.ELFMAG)) {
		return File{}, errors.New("not a cubin: it is not an ELF file")
	}
	// Until CUDA 13 the header's version is the compiler's, which debug/elf
	// does not accept.
	image = slices.Clone(image)
	binary.LittleEndian.PutUint32(image[versionAt:], uint32(elf.EV_CURRENT))
	e, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return File{}, fmt.Errorf("read cubin: %w", err)
	}
	if e.Machine != elf.EM_CUDA || e.Class != elf.ELFCLASS64 || e.Data != elf.ELFDATA2LSB {
		return File{}, fmt.Errorf("not a cubin: it is an ELF file for %v", e.Machine)
	}
	flags := binary.LittleEndian.Uint32(image[flagsAt:])
	f := File{Architecture: int(flags & 0xff), Kernels: map[string]Kernel{}}
	if e.ABIVersion >= 8 {
		f.Architecture = int(flags >> 8 & 0xff)
	}
	for _, section := range e.Sections {
		if err := f.readSection(e, section); err != nil {
			return File{}, fmt.Errorf("read cubin: section %s: %w", section.Name, err)
		}
	}
	return f, nil
}

func (f File) readSection(e *elf.File, section *elf.Section) error {
	if name, ok := strings.CutPrefix(section.Name, ".nv.shared."); ok {
		if strings.HasPrefix(name, "reserved.") {
			return nil
		}
		k := f.Kernels[name]
		k.Shared = int(section.Size)
		if f.Architecture >= 90 {
			k.Shared -= reserved
		}
		f.Kernels[name] = k
		return nil
	}
	of, ok := strings.CutPrefix(section.Name, ".nv.info")
	if !ok {
		return nil
	}
	data, err := section.Data()
	if err != nil {
		return err
	}
	if of == "" {
		return f.readCommon(e, data)
	}
	name := strings.TrimPrefix(of, ".")
	k := f.Kernels[name]
	if err := k.readInfo(data); err != nil {
		return err
	}
	f.Kernels[name] = k
	return nil
}

// readCommon reads the notes that name their kernel by its symbol.
func (f File) readCommon(e *elf.File, data []byte) error {
	symbols, err := e.Symbols() // without the first, which is empty
	if err != nil {
		return err
	}
	return attributes(data, func(attribute byte, value []byte) error {
		if attribute != attributeRegisters && attribute != attributeFrameSize {
			return nil
		}
		if len(value) != 8 {
			return fmt.Errorf("attribute %#x has %d bytes, want 8", attribute, len(value))
		}
		index, n := binary.LittleEndian.Uint32(value), int(binary.LittleEndian.Uint32(value[4:]))
		if index == 0 || int64(index) > int64(len(symbols)) {
			return fmt.Errorf("attribute %#x is of symbol %d, there are %d", attribute, index, len(symbols))
		}
		name := symbols[index-1].Name
		k := f.Kernels[name]
		if attribute == attributeRegisters {
			k.Registers = n
		} else {
			k.Frame = n
		}
		f.Kernels[name] = k
		return nil
	})
}

// readInfo reads the notes in a kernel's own section.
func (k *Kernel) readInfo(data []byte) error {
	type numbered struct {
		Param
		ordinal uint16
	}
	var params []numbered
	err := attributes(data, func(attribute byte, value []byte) error {
		if (attribute == attributeParam || attribute == attributeMaxThreads) && len(value) != 12 {
			return fmt.Errorf("attribute %#x has %d bytes, want 12", attribute, len(value))
		}
		little := binary.LittleEndian
		switch attribute {
		case attributeParam: // index u32, ordinal u16, offset u16, flags with the size from bit 18
			params = append(params, numbered{Param{int(little.Uint16(value[6:])), int(little.Uint32(value[8:]) >> 18)}, little.Uint16(value[4:])})
		case attributeMaxThreads: // in each of three directions
			k.MaxThreads = int(little.Uint32(value)) * int(little.Uint32(value[4:])) * int(little.Uint32(value[8:]))
		}
		return nil
	})
	slices.SortFunc(params, func(a, b numbered) int { return cmp.Compare(a.ordinal, b.ordinal) })
	k.Params = nil
	for _, p := range params {
		k.Params = append(k.Params, p.Param)
	}
	return err
}

// attributes calls yield for each note: a byte of format, one of attribute, and
// either two bytes of value or their number and the value.
func attributes(data []byte, yield func(attribute byte, value []byte) error) error {
	const sized = 4
	for len(data) > 0 {
		if len(data) < 4 {
			return errors.New("it ends inside a note")
		}
		format, attribute, value := data[0], data[1], data[2:4]
		data = data[4:]
		if format == sized {
			n := int(binary.LittleEndian.Uint16(value))
			if n > len(data) {
				return errors.New("it ends inside a note")
			}
			value, data = data[:n], data[n:]
		}
		if err := yield(attribute, value); err != nil {
			return err
		}
	}
	return nil
}
