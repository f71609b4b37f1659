package nq

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cosfit/cosfit/loader/nq/nqtest"
	"github.com/cosfit/cosfit/loader/prepare"
)

func TestSmoke(t *testing.T) {
	for _, original := range []bool{false, true} {
		var b bytes.Buffer
		rows, n, err := nqtest.Write(&b, nqtest.Options{Original: original}, func(r, b int64) bool { return b > 100e6 })
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "x.jsonl")
		os.WriteFile(path, b.Bytes(), 0o600)
		d := prepare.NewDraft("")
		defer d.Close()
		s := &Source{Paths: []string{path}, Options: Defaults()}
		start := time.Now()
		if err := s.Read(context.Background(), d); err != nil {
			t.Fatal(err)
		}
		took := time.Since(start)
		t.Logf("%d rows %d MB, %.0f MB/s, %d bad %v, %d pairs, %d texts", rows, n/1e6, float64(n)/1e6/took.Seconds(), d.Tally.Bad, d.Tally.First, d.Pairs.Len(), d.Texts())
		t.Logf("%+v\n%+v\n%+v", s.Stats.Lengths.Summary(), s.Stats.Passages.Summary(), s.Stats.Long.Summary())
	}
}
