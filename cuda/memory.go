//go:build gpu && linux

package cuda

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// A memory is device memory that grows. It is never given back before Close,
// so that a short batch can follow a long one.
type memory struct {
	at    nvidia.Pointer
	bytes int
	known bool // to the backend, which frees it
}

// grow makes room for bytes; what was there is lost where there was too little.
// Recorded steps have addresses written into them, so they are forgotten then.
func (b *Backend) grow(m *memory, bytes int) error {
	if bytes <= m.bytes {
		return nil
	}
	if err := b.notRecording(); err != nil {
		return err
	}
	if m.bytes > 0 {
		if err := b.forget(); err != nil {
			return err
		}
	}
	return b.replace(m, bytes)
}

// reserve is grow for what no recorded step uses.
func (b *Backend) reserve(m *memory, bytes int) error {
	if bytes <= m.bytes {
		return nil
	}
	return b.replace(m, bytes)
}

// replace gives a memory up, once the stream has come to its end, for one of
// that many bytes, whose address no recorded step knows.
func (b *Backend) replace(m *memory, bytes int) (err error) {
	if m.bytes > 0 {
		if err := b.stream.Synchronize(); err != nil {
			return err
		}
		if err := b.release(m); err != nil {
			return err
		}
	}
	if m.at, err = b.context.Alloc(bytes); err != nil {
		m.at = 0
		if nvidia.IsOutOfMemory(err) {
			return b.full(bytes, err)
		}
		return err
	}
	m.bytes = bytes
	if !m.known {
		m.known = true
		b.memories = append(b.memories, m)
	}
	return nil
}

// exchange puts a larger memory in the place of another, which is given back
// once the stream has come to its end.
func (b *Backend) exchange(m, larger *memory) error {
	m.at, larger.at = larger.at, m.at
	m.bytes, larger.bytes = larger.bytes, m.bytes
	if err := b.stream.Synchronize(); err != nil {
		return err
	}
	return b.release(larger)
}

// release empties a memory. Nothing queued may still need it.
func (b *Backend) release(m *memory) error {
	if m.bytes == 0 {
		return nil
	}
	at := m.at
	m.at, m.bytes = 0, 0
	return b.context.Free(at)
}

// An OutOfMemoryError says that the GPU has no room.
type OutOfMemoryError struct {
	Needed int64 // bytes that were asked for at once
	Free   int64 // bytes
	Total  int64 // bytes
	table  bool  // of embeddings
	cause  error
}

func (e *OutOfMemoryError) Unwrap() error { return e.cause }

func (e *OutOfMemoryError) Error() string {
	text := fmt.Sprintf("the GPU has %s of %s free, and %s are needed at once: ",
		humanize.Bytes(uint64(e.Free)), humanize.Bytes(uint64(e.Total)), humanize.Bytes(uint64(e.Needed)))
	if e.table {
		// At most a third of what --memory says is a chunk, and two are here; the
		// rest is for what evaluation computes from them.
		return text + "hold fewer embeddings there with --memory " + strings.ReplaceAll(humanize.Bytes(uint64(e.Free/10*9)), " ", "")
	}
	return text + "take a smaller --batch-size, fewer --dims or a smaller --memory, or end what else uses the GPU"
}

// full is the error of an allocation.
func (b *Backend) full(bytes int, cause error) error {
	free, total, err := b.context.MemoryInfo()
	if err != nil {
		return cause
	}
	return &OutOfMemoryError{Needed: int64(bytes), Free: free, Total: total, cause: cause}
}
