package cache

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// wantClaim wants some texts to be free among those that are claimed.
func wantClaim(t *testing.T, s *Store, first, n int, free ...int) {
	t.Helper()
	var want []string
	for _, i := range free {
		want = append(want, textID(i))
	}
	if got, err := s.Claim(textIDs(first, n)); err != nil || !slices.Equal(got, want) {
		t.Errorf("of %d texts from %d on %d can be claimed, want %v; %v", n, first, len(got), free, err)
	}
}

// What one store claims no other does, until it is released or its owner gone.
func TestClaims(t *testing.T) {
	dir := t.TempDir()
	a, b := mustStore(t, dir, space(2)), mustStore(t, dir, space(0)) // one may not know the dimensions yet
	wantClaim(t, a, 0, 4, 0, 1, 2, 3)
	wantClaim(t, a, 2, 3, 2, 3, 4) // its own again
	wantClaim(t, b, 3, 4, 5, 6)
	if err := a.Release(textIDs(0, 2)); err != nil {
		t.Fatal(err)
	}
	wantClaim(t, a, 4, 1, 4)
	wantClaim(t, b, 0, 4, 0, 1)

	old := time.Now().Add(-time.Hour)
	if err := os.Chtimes(a.claims.path(".ids"), old, old); err != nil {
		t.Fatal(err)
	}
	wantClaim(t, b, 2, 1, 2) // nothing was heard of a for long
	if err := a.Release(textIDs(0, 10)); err != nil {
		t.Fatal(err)
	}
	wantClaim(t, b, 3, 1, 3)
	wantClaim(t, a, 4, 1, 4)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	wantClaim(t, b, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, claimsDir, "*")); len(left) != 1 { // the lock of all
		t.Errorf("left behind: %q", left)
	}
}

// Claims end with the process that made them, whatever ends it.
func TestClaimsOfTheDead(t *testing.T) {
	dir := t.TempDir()
	c := startChild(t, "claim ", dir, " 10")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	bufio.NewScanner(out).Scan() // until it has claimed
	s := mustStore(t, dir, space(childDims))
	wantClaim(t, s, 8, 4, 10, 11)
	c.Process.Kill()
	c.Wait()
	wantClaim(t, s, 8, 4, 8, 9, 10, 11)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, claimsDir, "*")); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}

// A cache that cannot hold claims is used without them.
func TestNoClaims(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, claimsDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s := mustStore(t, dir, space(2))
		wantClaim(t, s, 0, 2, 0, 1)
		if err := s.Release(textIDs(0, 2)); err != nil {
			t.Error(err)
		}
	}
}
