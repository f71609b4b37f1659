package cache

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader"
)

// A cache of ten million texts opens in under two seconds, and looking for a
// hundred thousand of them keeps within a gigabyte.
func TestTenMillion(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 700 MB")
	}
	const (
		texts    = 10_000_000
		d        = 8
		segments = 40
		opening  = 2 * time.Second
		memory   = 1 << 30
	)
	dir := t.TempDir()
	folder, err := Open(dir).create(space(d), d)
	if err != nil {
		t.Fatal(err)
	}
	m, err := loader.ReadManifest(folder)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var some []string
	for range segments {
		out := mergeWriter{dir: folder, space: m, most: segmentBytes}
		ids := make([]loader.ID, texts/segments)
		for i := range ids {
			for j := range ids[i] {
				ids[i][j] = byte(rng.Uint32())
			}
		}
		slices.SortFunc(ids, loader.ID.Compare)
		for i, id := range ids {
			if err := out.add(id, vectorOf(id.String(), d)); err != nil {
				t.Fatal(err)
			}
			if i%200 == 0 {
				some = append(some, id.String(), loader.TextID(id.String())) // one that is there and one that is not
			}
		}
		if err := out.commit(); err != nil {
			t.Fatal(err)
		}
	}
	rng.Shuffle(len(some), func(i, j int) { some[i], some[j] = some[j], some[i] })

	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	s := mustStore(t, dir, space(d))
	opened := time.Since(start)
	start = time.Now()
	missing, err := s.Missing(some)
	looked := time.Since(start)
	runtime.ReadMemStats(&after)
	if err != nil || len(missing) != len(some)/2 {
		t.Errorf("%d of %d are missing, %v", len(missing), len(some), err)
	}
	used := after.TotalAlloc - before.TotalAlloc // whether it is garbage by now or not
	if opened > opening || used > memory {
		t.Errorf("opened in %v, with %d MB", opened, used>>20)
	}
	size, _ := filepath.Glob(filepath.Join(folder, "*.parquet"))
	var bytes int64
	for _, path := range size {
		if info, err := os.Stat(path); err == nil {
			bytes += info.Size()
		}
	}
	t.Logf("%d texts in %d segments of %d MB: opened in %v, %d looked for in %v, %d MB allocated in all",
		texts, len(size), bytes>>20, opened, len(some), looked, used>>20)
}
