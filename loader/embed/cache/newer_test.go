package cache

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/loader"
)

// rewrite replaces a part of a file.
func rewrite(t *testing.T, path, old, new string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(text, []byte(old)) {
		t.Fatalf("%s does not hold %s", path, old)
	}
	if err := os.WriteFile(path, bytes.Replace(text, []byte(old), []byte(new), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What a newer version wrote is not damaged: it is left as it is, nothing is
// bought beside it, and the user is told.
func TestNewerVersion(t *testing.T) {
	const want = "schema_version is 2, this cosfit knows 1: use a newer cosfit"
	dir := t.TempDir()
	s := mustStore(t, dir, space(2))
	mustAppend(t, s, 2, 0, 10)
	segment, _ := segmentOf(t, s, 5)
	manifest := filepath.Join(s.Dir(), loader.ManifestFile)

	rewrite(t, segment, `"schema_version":1`, `"schema_version":2`)
	if _, err := Open(dir).Store(space(2)); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("a newer segment: %v", err)
	}
	if _, err := os.Stat(segment); err != nil {
		t.Errorf("it is gone: %v", err)
	}
	rewrite(t, segment, `"schema_version":2`, `"schema_version":1`)

	rewrite(t, manifest, `"schema_version": 1`, `"schema_version": 2`)
	for _, d := range []int{2, 0} {
		if _, err := Open(dir).Store(space(d)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a newer manifest, for %d dimensions: %v", d, err)
		}
	}
	if _, err := Open(dir).Verify(context.Background(), "test-numbers-2"); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("verify: %v", err)
	}
	rewrite(t, manifest, `"schema_version": 2`, `"schema_version": 1`) // it was not written again
	mustAppend(t, mustStore(t, dir, space(3)), 3, 0, 10)               // others are not concerned
	wantTexts(t, mustStore(t, dir, space(2)), 2, 10, nil)
}

// A manifest that is wrong costs nothing but a verify, and neither does a
// segment that is in the wrong folder.
func TestWrongManifest(t *testing.T) {
	for name, change := range map[string][2]string{
		"damaged": {"{", "["}, "dimensions": {`"dimensions": 2`, `"dimensions": 7`}, "model": {`"model": "numbers"`, `"model": "others"`},
	} {
		dir := t.TempDir()
		s := mustStore(t, dir, space(2))
		mustAppend(t, s, 2, 0, 10)
		mustAppend(t, s, 2, 10, 10)
		alien, _ := segmentOf(t, func() *Store { o := mustStore(t, dir, space(3)); mustAppend(t, o, 3, 30, 5); return o }(), 30)
		if err := os.Rename(alien, filepath.Join(s.Dir(), filepath.Base(alien))); err != nil {
			t.Fatal(err)
		}
		rewrite(t, filepath.Join(s.Dir(), loader.ManifestFile), change[0], change[1])
		if s, err := Open(dir).Store(space(2)); name == "damaged" && (err == nil || !strings.Contains(err.Error(), "cosfit cache verify writes it again")) {
			t.Errorf("%s: opening says %v (%v)", name, err, s.Dir())
		}
		v, err := Open(dir).Verify(context.Background(), "test-numbers-2")
		if err != nil || !v.Rebuilt || v.Segments != 2 || v.Rows != 20 || len(v.Damaged) != 1 || filepath.Base(v.Damaged[0]) != filepath.Base(alien) {
			t.Errorf("%s: verify says %+v, %v", name, v, err)
		}
		wantTexts(t, mustStore(t, dir, space(2)), 2, 20, nil)
	}
}
