//go:build gpu && linux

package cuda

import (
	"math/bits"
	"unsafe"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// A ring is pinned blocks that copies go through, each in its turn. A block is
// free again once the device has passed its mark, so filling one waits for
// nothing but the copy as many turns ago as there are blocks.
type ring struct {
	blocks []block
	next   int
}

type block struct {
	memory *nvidia.Pinned
	passed *nvidia.Event // behind the last copy
}

const (
	pieceBlocks = 4
	pieceBytes  = 4 << 20 // of a copy that is cut into pieces
	stepBlocks  = 16      // steps that the host may be ahead are half as many
)

// take returns a block of at least that many bytes that no copy needs.
func (r *ring) take(c *nvidia.Context, blocks, bytes int) (*block, error) {
	if r.blocks == nil {
		r.blocks = make([]block, blocks)
	}
	k := &r.blocks[r.next]
	r.next = (r.next + 1) % len(r.blocks)
	var err error
	if k.passed == nil {
		if k.passed, err = c.NewEvent(false); err != nil {
			return nil, err
		}
	}
	if err := k.passed.Synchronize(); err != nil {
		return nil, err
	}
	if k.memory != nil && k.memory.Len() >= bytes {
		return k, nil
	}
	if k.memory != nil {
		old := k.memory
		k.memory = nil
		if err := old.Free(); err != nil {
			return nil, err
		}
	}
	k.memory, err = c.AllocPinned(max(4096, 1<<bits.Len(uint(bytes-1))))
	return k, err
}

func (r *ring) close() (first error) {
	for _, k := range r.blocks {
		if k.passed != nil {
			if err := k.passed.Destroy(); first == nil {
				first = err
			}
		}
		if k.memory != nil {
			if err := k.memory.Free(); first == nil {
				first = err
			}
		}
	}
	r.blocks = nil
	return first
}

// send queues a copy of src to the device. It returns once src may change.
func (b *Backend) send(s *nvidia.Stream, to nvidia.Pointer, src []byte) error {
	for len(src) > 0 {
		n := min(len(src), pieceBytes)
		k, err := b.pieces.take(b.context, pieceBlocks, n)
		if err != nil {
			return err
		}
		copy(nvidia.View[byte](k.memory), src[:n])
		if err := s.ToDevice(to, k.memory, 0, n); err != nil {
			return err
		}
		if err := s.Record(k.passed); err != nil {
			return err
		}
		src, to = src[n:], to+nvidia.Pointer(n)
	}
	return nil
}

// fetch copies from the device into dst, behind everything that is queued, and
// waits for it.
func (b *Backend) fetch(dst []byte, from nvidia.Pointer) error {
	var on *block // its way
	var rest []byte
	arrived := func() error {
		if on == nil {
			return nil
		}
		err := on.passed.Synchronize()
		if err == nil {
			copy(rest, nvidia.View[byte](on.memory))
		}
		return err
	}
	for len(dst) > 0 {
		n := min(len(dst), pieceBytes)
		k, err := b.pieces.take(b.context, pieceBlocks, n)
		if err != nil {
			return err
		}
		if err := b.stream.ToHost(k.memory, 0, from, n); err != nil {
			return err
		}
		if err := b.stream.Record(k.passed); err != nil {
			return err
		}
		if err := arrived(); err != nil {
			return err
		}
		on, rest = k, dst[:n]
		dst, from = dst[n:], from+nvidia.Pointer(n)
	}
	return arrived()
}

// raw is the bytes of numbers, as the device has them: low ones first.
func raw[T float32 | int32](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*len(x))
}
