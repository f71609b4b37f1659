package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
)

// Claims are texts that somebody is about to buy, so that processes that fill a
// cache at once do not buy a text twice. They stand in the folder .claims of the
// cache. Each store has two files there: SPACE-NAME.lock, which it holds locked,
// so that the system lets go of it whatever ends the process, and SPACE-NAME.ids,
// with the ids that it claims, 16 bytes each. All are read and written under the
// lock of a third file, lock. Where there are no locks, nobody claims anything.
type claims struct {
	dir   string
	space string // a hash of provider, model and prompt: dimensions may yet be unknown

	mu    sync.Mutex
	name  string       // of this store's files; "" until the first claim
	alive *flock.Flock // of the first of them
	ids   map[loader.ID]bool
	off   bool
}

const (
	claimsDir = ".claims"
	// claimAge is how long a claim counts if nothing is heard of whoever made it.
	claimAge = 10 * time.Minute
	// claimPatience is how long to wait for the lock of all claims.
	claimPatience = 5 * time.Second
)

var _ embed.Claimer = (*Store)(nil)

func newClaims(dir string, s embed.Space) *claims {
	sum := sha256.Sum256([]byte(s.Provider + "\x00" + s.Model + "\x00" + s.Prompt))
	return &claims{dir: filepath.Join(dir, claimsDir), space: hex.EncodeToString(sum[:8]), ids: map[loader.ID]bool{}}
}

// Claim marks texts as about to be bought and returns those of them, in their
// order, that no other store claims.
func (s *Store) Claim(ids []string) ([]string, error) {
	c := s.claims
	c.mu.Lock()
	defer c.mu.Unlock()
	unlock := c.lock()
	if unlock == nil {
		return ids, nil
	}
	defer unlock()
	theirs, err := c.others()
	if err != nil {
		return nil, err
	}
	var ours []string
	for _, text := range ids {
		id, err := loader.ParseID(text)
		if err != nil {
			return nil, err
		}
		if !theirs[id] {
			ours = append(ours, text)
			c.ids[id] = true
		}
	}
	return ours, c.write()
}

// Release gives claims up: the vectors are kept, or nobody asks for them. Others
// learn of it with the next claim of this store, or with its last release.
func (s *Store) Release(ids []string) error {
	c := s.claims
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, text := range ids {
		if id, err := loader.ParseID(text); err == nil {
			delete(c.ids, id)
		}
	}
	if len(c.ids) > 0 {
		return nil
	}
	unlock := c.lock()
	if unlock == nil {
		return nil
	}
	defer unlock()
	return c.write()
}

// close removes this store's files.
func (c *claims) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.alive != nil {
		os.Remove(c.path(".ids"))
		c.alive.Unlock()
		os.Remove(c.path(".lock"))
		c.alive, c.name = nil, ""
	}
}

func (c *claims) path(ending string) string { return filepath.Join(c.dir, c.name+ending) }

// lock takes the lock of all claims; nil where it cannot be had.
func (c *claims) lock() (unlock func() error) {
	if c.off {
		return nil
	}
	if c.alive == nil && os.MkdirAll(c.dir, 0o777) != nil {
		c.off = true
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), claimPatience)
	defer cancel()
	all := flock.New(filepath.Join(c.dir, "lock"))
	if ok, err := all.TryLockContext(ctx, time.Millisecond); err != nil || !ok {
		c.off = true
		return nil
	}
	return all.Unlock
}

// others reads what other stores of the space claim. It removes the files of
// those whose process has ended.
func (c *claims) others() (map[loader.ID]bool, error) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		return nil, fmt.Errorf("claim texts: %w", err)
	}
	theirs := map[loader.ID]bool{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".ids")
		if !ok || name == c.name || !strings.HasPrefix(name, c.space) {
			continue
		}
		path := filepath.Join(c.dir, name)
		owner := flock.New(path + ".lock")
		if free, err := owner.TryLock(); err == nil && free {
			os.Remove(path + ".ids")
			owner.Unlock()
			os.Remove(path + ".lock")
			continue
		}
		if info, err := e.Info(); err != nil || time.Since(info.ModTime()) > claimAge {
			continue
		}
		raw, err := os.ReadFile(path + ".ids")
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("claim texts: %w", err)
		}
		for id := (loader.ID{}); len(raw) >= len(id); raw = raw[len(id):] {
			theirs[loader.ID(raw[:len(id)])] = true
		}
	}
	return theirs, nil
}

// write writes what this store claims.
func (c *claims) write() error {
	if c.alive == nil {
		c.name = fmt.Sprintf("%s-%016x", c.space, rand.Uint64())
		c.alive = flock.New(c.path(".lock"))
		if ok, err := c.alive.TryLock(); err != nil || !ok {
			c.off, c.alive = true, nil
			return nil
		}
	}
	raw := make([]byte, 0, len(loader.ID{})*len(c.ids))
	for id := range c.ids {
		raw = append(raw, id[:]...)
	}
	if err := os.WriteFile(c.path(".ids"), raw, 0o666); err != nil {
		return fmt.Errorf("claim texts: %w", err)
	}
	return nil
}
