//go:build gpu && linux

package cuda

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// tuning is the algorithms that were chosen. Timing can choose otherwise the
// next time, and algorithms round differently: so the choices are kept on disk,
// and in checkpoints.
type tuning struct {
	on     tunedFor
	file   string // "" where nothing is kept
	chosen map[nvidia.Matmul]nvidia.Algo
	bound  map[nvidia.Matmul]nvidia.Algo // restored from a checkpoint
}

// tunedFor is what an algorithm may be used again on.
type tunedFor struct {
	Device   string `json:"device"`
	CublasLt string `json:"cublaslt"`
}

// tunings are choices as they are stored.
type tunings struct {
	tunedFor
	Products []tunedProduct `json:"products"`
}

type tunedProduct struct {
	Product   nvidia.Matmul `json:"product"`
	Algorithm []byte        `json:"algorithm"` // cublasLtMatmulAlgo_t
	Workspace int           `json:"workspace"` // bytes
}

func newTuning(on tunedFor, folder string) tuning {
	t := tuning{on: on, chosen: map[nvidia.Matmul]nvidia.Algo{}}
	if folder != "" {
		name := sha256.Sum256([]byte(on.Device + "\n" + on.CublasLt))
		t.file = filepath.Join(folder, fmt.Sprintf("%x.json", name[:8]))
	}
	return t
}

// find returns the algorithm that was chosen for a product, or nil; bound says
// that no other will do.
func (t *tuning) find(m nvidia.Matmul) (algo *nvidia.Algo, bound bool) {
	if a, ok := t.bound[m]; ok {
		t.chosen[m] = a
		return &a, true
	}
	if stored, err := t.read(); err == nil {
		if a, ok := stored[m]; ok {
			t.chosen[m] = a
			return &a, false
		}
	}
	return nil, false
}

// keep remembers a choice. That it cannot be stored is no error: the next
// start chooses again.
func (t *tuning) keep(m nvidia.Matmul, a nvidia.Algo) {
	t.chosen[m] = a
	if t.file == "" {
		return
	}
	all, err := t.read()
	if err != nil {
		all = map[nvidia.Matmul]nvidia.Algo{}
	}
	all[m] = a
	text, err := t.encode(all)
	if err != nil || os.MkdirAll(filepath.Dir(t.file), 0o755) != nil {
		return
	}
	partial, err := os.CreateTemp(filepath.Dir(t.file), "partial-*")
	if err != nil {
		return
	}
	defer os.Remove(partial.Name())
	_, err = partial.Write(text)
	if err = errors.Join(err, partial.Close()); err == nil {
		os.Rename(partial.Name(), t.file)
	}
}

// read returns what is stored on disk.
func (t *tuning) read() (map[nvidia.Matmul]nvidia.Algo, error) {
	if t.file == "" {
		return nil, os.ErrNotExist
	}
	text, err := os.ReadFile(t.file)
	if err != nil {
		return nil, err
	}
	return t.decode(text)
}

func (t *tuning) encode(all map[nvidia.Matmul]nvidia.Algo) ([]byte, error) {
	stored := tunings{tunedFor: t.on, Products: []tunedProduct{}}
	for m, a := range all {
		stored.Products = append(stored.Products, tunedProduct{m, slices.Clone(a.Value[:]), a.Workspace})
	}
	slices.SortFunc(stored.Products, func(a, b tunedProduct) int {
		return cmp.Compare(fmt.Sprintf("%+v", a.Product), fmt.Sprintf("%+v", b.Product))
	})
	return json.Marshal(stored)
}

func (t *tuning) decode(text []byte) (map[nvidia.Matmul]nvidia.Algo, error) {
	var stored tunings
	if err := json.Unmarshal(text, &stored); err != nil {
		return nil, fmt.Errorf("the chosen algorithms cannot be read: %w", err)
	}
	if stored.tunedFor != t.on {
		return nil, fmt.Errorf("algorithms were chosen on %s with cuBLASLt %s, and this is %s with %s",
			stored.Device, stored.CublasLt, t.on.Device, t.on.CublasLt)
	}
	all := map[nvidia.Matmul]nvidia.Algo{}
	for _, p := range stored.Products {
		a := nvidia.Algo{Workspace: p.Workspace}
		if copy(a.Value[:], p.Algorithm) != len(a.Value) || len(p.Algorithm) != len(a.Value) {
			return nil, fmt.Errorf("a chosen algorithm has %d bytes, want %d", len(p.Algorithm), len(a.Value))
		}
		all[p.Product] = a
	}
	return all, nil
}

// Tuning returns the algorithms that were chosen for this backend's products.
func (b *Backend) Tuning() ([]byte, error) {
	return b.products.tuning.encode(b.products.tuning.chosen)
}

// Restore takes over what Tuning returned. It must be the same kind of GPU and
// the same version of cuBLASLt.
func (b *Backend) Restore(text []byte) error {
	if err := b.enter(); err != nil {
		return err
	}
	defer b.leave()
	t := &b.products.tuning
	bound, err := t.decode(text)
	if err != nil {
		return err
	}
	if err := b.stream.Synchronize(); err != nil {
		return err
	}
	if err := b.forget(); err != nil {
		return err
	}
	t.bound = bound
	clear(t.chosen)
	for m, a := range bound {
		t.chosen[m] = a
	}
	return b.products.close()
}
