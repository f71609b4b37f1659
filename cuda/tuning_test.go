//go:build gpu && linux

package cuda

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// Choices go through the folder and through checkpoints as they are; what is
// damaged or of another device does not count.
func TestTuningIsStored(t *testing.T) {
	on := tunedFor{"some GPU", "13.0.0"}
	folder := filepath.Join(t.TempDir(), "products")
	first := nvidia.Matmul{M: 3, N: 4, K: 5, TransA: true, Compute: nvidia.ComputeTF32}
	second := nvidia.Matmul{M: 30, N: 4, K: 5, Input: nvidia.BFloat16}
	algo := nvidia.Algo{Workspace: 4096}
	for i := range algo.Value {
		algo.Value[i] = byte(200 + i)
	}
	other := nvidia.Algo{Workspace: 1}

	a, b := newTuning(on, folder), newTuning(on, folder)
	a.keep(first, algo)
	b.keep(second, other) // which must not forget the other's
	c := newTuning(on, folder)
	for m, want := range map[nvidia.Matmul]nvidia.Algo{first: algo, second: other} {
		if got, bound := c.find(m); got == nil || *got != want || bound {
			t.Errorf("%+v: found %+v, bound %v, want %+v", m, got, bound, want)
		}
	}
	if got, _ := c.find(nvidia.Matmul{M: 3, N: 4, K: 5}); got != nil {
		t.Errorf("found %+v for a product that none was chosen for", got)
	}
	for _, elsewhere := range []tunedFor{{"another GPU", "13.0.0"}, {"some GPU", "13.1.0"}} {
		d := newTuning(elsewhere, folder)
		if got, _ := d.find(first); got != nil {
			t.Errorf("%+v takes what was chosen on %+v", elsewhere, on)
		}
	}

	text := must(c.encode(c.chosen))(t)
	if again := must(c.encode(must(c.decode(text))(t)))(t); !bytes.Equal(again, text) {
		t.Errorf("%s became %s", text, again)
	}
	elsewhere := newTuning(tunedFor{"another GPU", "13.0.0"}, "")
	if _, err := elsewhere.decode(text); err == nil || err.Error() != "algorithms were chosen on some GPU with cuBLASLt 13.0.0, and this is another GPU with 13.0.0" {
		t.Error(err)
	}
	for _, damaged := range []string{"", "{", strings.Replace(string(text), `"algorithm":"`, `"algorithm":"AAAA`, 1)} {
		if _, err := c.decode([]byte(damaged)); err == nil {
			t.Errorf("%q is read", damaged)
		}
	}

	do(t, os.WriteFile(a.file, text[:len(text)/2], 0o600))
	if got, _ := c.find(first); got != nil {
		t.Error("a damaged file is read")
	}
	c.keep(first, algo)
	if got, _ := newTuningFind(on, folder, first); got == nil || *got != algo {
		t.Error("a damaged file is not replaced")
	}
}

func newTuningFind(on tunedFor, folder string, m nvidia.Matmul) (*nvidia.Algo, bool) {
	t := newTuning(on, folder)
	return t.find(m)
}

// What was timed is what the next backend takes from the folder, and a backend
// that is told to take something else does so.
func TestChoicesOnDevice(t *testing.T) {
	cache := t.TempDir()
	choices := func(o settings, restored []byte) []byte {
		t.Helper()
		b := openWith(t, o)
		defer func() { do(t, b.Close()) }()
		if restored != nil {
			do(t, b.Restore(restored))
		}
		short.run(t, b, short.last)
		return must(b.Tuning())(t)
	}
	timed := choices(settings{Options: Options{Cache: cache}}, nil)
	if again := choices(settings{Options: Options{Cache: cache}}, nil); !bytes.Equal(again, timed) {
		t.Errorf("from the folder:\n%s\nwant\n%s", again, timed)
	}
	if again := choices(settings{algorithm: 3}, timed); !bytes.Equal(again, timed) {
		t.Errorf("restored:\n%s\nwant\n%s", again, timed)
	}
	b := openWith(t, settings{Options: Options{Precision: BF16}, algorithm: 1})
	defer func() { do(t, b.Close()) }()
	if err := b.Restore([]byte("none")); err == nil || !strings.Contains(err.Error(), "cannot be read") {
		t.Error(err)
	}
}

// A product that is timed adds to what is there all the same.
func TestTimedSumOnDevice(t *testing.T) {
	b := openWith(t, settings{Options: Options{Cache: t.TempDir()}}) // where no choice is kept
	defer func() { do(t, b.Close()) }()
	do(t, b.enter())
	defer b.leave()
	const m, n, k = 3, 5, 4
	x, y, before := random(1, m*k), random(2, k*n), random(3, m*n)
	on := func(numbers []float32) *array {
		a := must(b.NewArray(len(numbers)))(t)
		do(t, b.Upload(a, numbers))
		return a.(*array)
	}
	d := on(before)
	do(t, b.multiply(nvidia.Matmul{M: m, N: n, K: k}, on(x).at, on(y).at, 1, d.at))
	got, want := make([]float32, m*n), before
	do(t, b.Download(got, d))
	for i := range want {
		for j := range k {
			want[i] += x[i/n*k+j] * y[j*n+i%n]
		}
	}
	if e := distance(got, want); !(e <= 1e-6) {
		t.Errorf("the sum is off by %.2g", e)
	}
}
