//go:build linux

package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cosfit/cosfit/loader/nq/nqtest"
)

// largeNQ is how much text the generated file has, such as 2GB. Results of that
// are in benchmarks/results/nq.txt.
const largeNQ = "COSFIT_TEST_NQ"

// A large file is read at a good rate, in little memory, to the same data set by
// one thread and by two.
func TestPrepareNQLarge(t *testing.T) {
	asked := os.Getenv(largeNQ)
	size, err := humanize.ParseBytes(asked)
	if asked == "" {
		t.Skip("takes minutes and gigabytes: say how much text with " + largeNQ + "=2GB")
	}
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, form := range []struct {
		name     string
		original bool
		least    float64 // MB/s of two threads
	}{
		{"simplified.jsonl.gz", false, 60},
		{"simplified.jsonl", false, 60},
		{"original.jsonl.gz", true, 0},
	} {
		in := filepath.Join(dir, form.name)
		rows, text := writeNQ(t, in, nqtest.Options{Original: form.original}, int64(size))
		var folders []string
		for _, threads := range []int{1, 2} {
			out := filepath.Join(dir, form.name+strconv.Itoa(threads))
			seconds, cpu, rss := prepareApart(t, in, out, threads)
			rate := float64(text) / 1e6 / seconds
			t.Logf("%s: %d rows, %s of text, %d threads: %.1f s, %.0f MB/s, %.1f s of the processor, peak memory %s",
				form.name, rows, humanize.Bytes(uint64(text)), threads, seconds, rate, cpu, humanize.Bytes(rss))
			if rss > 500e6 {
				t.Errorf("%s of memory, want at most 500 MB", humanize.Bytes(rss))
			}
			if threads == 2 && rate < form.least {
				t.Errorf("%.0f MB/s, want %g", rate, form.least)
			}
			folders = append(folders, out)
		}
		sameFolder(t, folders[0], folders[1])
		for _, path := range append(folders, in) {
			os.RemoveAll(path)
		}
	}
}

// writeNQ generates a file, and returns its rows and its size before gzip.
func writeNQ(t *testing.T, path string, o nqtest.Options, size int64) (rows, text int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := io.WriteCloser(f)
	if filepath.Ext(path) == ".gz" {
		if w, err = gzip.NewWriterLevel(f, gzip.BestSpeed); err != nil {
			t.Fatal(err)
		}
	}
	rows, text, err = nqtest.Write(w, o, func(_, bytes int64) bool { return bytes >= size })
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return rows, text
}

// prepareApart runs the command in a process of its own, and returns its time, that
// of the processor, and its peak of memory.
func prepareApart(t *testing.T, in, out string, threads int) (seconds, cpu float64, rss uint64) {
	t.Helper()
	c := exec.Command(os.Args[0], "prepare", "nq", "--in", in, "--out", out, "--threads", strconv.Itoa(threads), "--scratch", filepath.Dir(out), "--hard", "0", "--json")
	c.Env = append(os.Environ(), asProgram+"=1", "GOMAXPROCS="+strconv.Itoa(threads))
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	start := time.Now()
	if err := c.Run(); err != nil {
		t.Fatalf("%v: %s", err, stderr.Bytes())
	}
	seconds = time.Since(start).Seconds()
	var r nqReport
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil || r.Bad > 0 || r.Questions == 0 {
		t.Fatalf("%v: %s", err, stdout.Bytes())
	}
	cpu = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	return seconds, cpu, uint64(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) << 10
}
