package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/embed/cache"
)

// A pairRow is a row of pairs.parquet.
type pairRow struct {
	Left  string  `parquet:"left"`
	Right string  `parquet:"right"`
	Label float32 `parquet:"label"`
}

// Large caches open in under two seconds and a gigabyte of memory, all of the
// program's counted, and a data set of 2,000 pairs trains on vectors out of
// them. COSFIT_TEST_LARGE names a folder with room for 13 GB, to which it writes.
func TestLargeCache(t *testing.T) {
	room := os.Getenv("COSFIT_TEST_LARGE")
	if room == "" {
		t.Skip("COSFIT_TEST_LARGE is not set")
	}
	for _, c := range []struct{ texts, dimensions int }{{10_000_000, 8}, {1_000_000, 1536}} {
		t.Run(fmt.Sprintf("%dx%d", c.texts, c.dimensions), func(t *testing.T) {
			dir, err := os.MkdirTemp(room, "large-cache-")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			const pairs, opening, memory = 2000, 2.0, 1024.0
			start := time.Now()
			fillApart(t, dir, c.texts, c.dimensions)
			t.Logf("imported in %.0f s", time.Since(start).Seconds())
			writeSpreadPairs(t, filepath.Join(dir, "data"), pairs, c.texts)
			for _, command := range []string{
				"cache stats --cache cache",
				"embed --data data --cache cache --provider exec --model numbers --command false --dry-run",
				"train --data data --cache cache --out run --epochs 3",
			} {
				u := runApart(t, dir, strings.Fields(command)...)
				t.Logf("%.2f s, %4.0f MB at most: cosfit %s", u.seconds, u.megabytes, command)
				if u.megabytes > memory || strings.HasPrefix(command, "cache") && u.seconds > opening {
					t.Errorf("%s took %.2f s and %.0f MB, want at most %g s for opening and %g MB", command, u.seconds, u.megabytes, opening, memory)
				}
			}
			timeMissing(t, filepath.Join(dir, "cache"), c.texts)
		})
	}
}

// numbered is text i of a large cache.
func numbered(i int) string { return fmt.Sprint("text ", i) }

// fillApart fills dir/cache in a process of its own: the memory that a process
// is said to take is at least what its parent took when it started.
func fillApart(t *testing.T, dir string, texts, dimensions int) {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^TestFillLargeCache$")
	c.Dir, c.Env = dir, append(os.Environ(), fillVariable+"="+fmt.Sprint(texts, " ", dimensions))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

const fillVariable = "COSFIT_TEST_FILL"

// TestFillLargeCache is the process of fillApart: it imports random vectors of
// numbered texts.
func TestFillLargeCache(t *testing.T) {
	var texts, dimensions int
	if _, err := fmt.Sscan(os.Getenv(fillVariable), &texts, &dimensions); err != nil {
		t.Skip("a part of TestLargeCache")
	}
	rng := rand.New(rand.NewPCG(1, 2))
	v := make([]float32, dimensions)
	done, err := cache.Open("cache").Import(embed.Space{Provider: "exec", Model: "numbers"}, func(visit func(loader.ID, []float32) error) error {
		for i := range texts {
			for j := range v {
				v[j] = rng.Float32() - 0.5
			}
			if err := visit(loader.NewID(numbered(i)), v); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || done.Added != int64(texts) {
		t.Fatalf("%+v, %v", done, err)
	}
}

// writeSpreadPairs makes a data set of pairs whose texts are spread over the
// numbered ones.
func writeSpreadPairs(t *testing.T, dir string, pairs, texts int) {
	t.Helper()
	var rows []pairRow
	var all []textRow
	for i := range pairs {
		var ids [2]string
		for side := range ids {
			text := embed.NewText(numbered((2*i + side) * (texts / (2 * pairs))))
			ids[side] = text.ID
			all = append(all, textRow{text.ID, text.Text, []string{"query", "passage"}[side]})
		}
		rows = append(rows, pairRow{ids[0], ids[1], float32(i % 2)})
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(filepath.Join(dir, "pairs.parquet"), rows); err != nil {
		t.Fatal(err)
	}
	if err := parquet.WriteFile(filepath.Join(dir, "texts.parquet"), all); err != nil {
		t.Fatal(err)
	}
}

// A consumption is what a run of the program took.
type consumption struct{ seconds, megabytes float64 }

// runApart runs the program in a process of its own, in dir.
func runApart(t *testing.T, dir string, args ...string) consumption {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Dir, c.Env = dir, append(os.Environ(), asProgram+"=1")
	start := time.Now()
	out, err := c.CombinedOutput()
	took := time.Since(start).Seconds()
	if err != nil {
		t.Fatalf("cosfit %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return consumption{took, float64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) / 1024}
}

// timeMissing asks about batches as a run does before each request, of texts
// that are there and of others.
func timeMissing(t *testing.T, dir string, texts int) {
	t.Helper()
	store, err := cache.Open(dir).Store(embed.Space{Provider: "exec", Model: "numbers"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	const batch, batches = 128, 100
	for what, first := range map[string]int{"there": 0, "missing": texts} {
		start := time.Now()
		for b := range batches {
			ids := make([]string, batch)
			for i := range ids {
				ids[i] = loader.TextID(numbered(first + (b*batch+i)*77))
			}
			missing, err := store.Missing(ids)
			if err != nil || len(missing) != 0 && first == 0 || len(missing) != batch && first > 0 {
				t.Fatalf("%d missing, %v", len(missing), err)
			}
		}
		t.Logf("%.2f ms to look for a batch of %d texts that are %s", float64(time.Since(start).Microseconds())/1000/batches, batch, what)
	}
}
