// Package cache keeps vectors on disk, so that a text is embedded once, ever.
//
// A cache is a folder. Each space of vectors is a sub-folder of it, with a
// manifest that says which space and with segments, Parquet files of id and
// embedding ([loader.Segment]). A segment never changes. It is called after a
// hash of its contents and appears whole or not at all, so that several
// processes may append at once without a lock, a kill loses only what was not
// appended yet, and [Store.Verify] tells a damaged one by itself. Merging, which
// keeps the segments few, has a lock, and writes the rows elsewhere before it
// removes a segment.
//
//	openai-text-embedding-3-small-1536/
//	    manifest.json
//	    0f5e….parquet …
//	    damaged/            segments that were put aside
//	    .lock               held by the process that merges
//	.batches/               what is under way at the batch API, by space
//	.claims/                what processes are about to buy: see Store.Claim
package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
)

const schemaVersion = 1

// A Cache is a folder with a sub-folder for each space.
type Cache struct{ dir string }

// Default is the folder of the cache that is used where none is named: below
// the user's cache folder.
func Default() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the cache of embeddings: name one with --cache: %w", err)
	}
	return filepath.Join(dir, "cosfit", "embeddings"), nil
}

// Open opens the cache in a folder, which need not be there yet.
func Open(dir string) *Cache { return &Cache{dir} }

// Folders lists the folders of the spaces that there are.
func (c *Cache) Folders() ([]string, error) { return loader.CacheFolders(c.dir) }

// Store opens the vectors of a space, of which there may be none yet. A damaged
// segment is put aside: see Store.Damaged.
func (c *Cache) Store(space embed.Space) (*Store, error) {
	s := c.store(space)
	return s, s.find()
}

func (c *Cache) store(space embed.Space) *Store {
	return &Store{
		cache: c, space: space, claims: newClaims(c.dir, space), mergeAt: mergeAt, segmentBytes: segmentBytes,
		buffers: sync.Pool{New: func() any { return new(bytes.Buffer) }}, settling: make(chan struct{}, unsettled),
	}
}

// Named opens the vectors in a folder of the cache.
func (c *Cache) Named(folder string) (*Store, error) {
	names, err := c.Folders()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name == folder {
			s := c.store(embed.Space{})
			if err := s.open(filepath.Join(c.dir, name)); err != nil {
				return s, err
			}
			s.claims = newClaims(c.dir, s.space)
			return s, nil
		}
	}
	return nil, fmt.Errorf("%s: no embeddings named %q in the cache: see cosfit cache stats", c.dir, folder)
}

// folder returns the sub-folder of a space, or "" where there is none. One that
// is called as if it were the space's, but does not say so, is an error: else
// its vectors would be bought again, and could not be kept.
func (c *Cache) folder(space embed.Space) (string, error) {
	names, err := c.Folders()
	if err != nil {
		return "", err
	}
	for _, name := range names {
		dir := filepath.Join(c.dir, name)
		m, err := loader.ReadManifest(dir)
		switch {
		case err == nil && matches(m, space):
			return dir, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist) && couldBe(name, space):
			return "", err
		}
	}
	return "", nil
}

// Batches is the folder for what is known about the batches of a space that are
// under way. It stands beside the folders of vectors: those come with the first
// vector, and whoever removes one does not forget what is paid for.
func (c *Cache) Batches(space embed.Space) string {
	return filepath.Join(c.dir, ".batches", folderName(space, space.Dimensions))
}

func matches(m loader.Manifest, s embed.Space) bool {
	return m.Provider == s.Provider && m.Model == s.Model && m.Prompt == s.Prompt &&
		(m.Dimensions == s.Dimensions || s.Dimensions == 0 && m.Native)
}

// spaceOf is the space that a manifest describes.
func spaceOf(m loader.Manifest) embed.Space {
	return embed.Space{Provider: m.Provider, Model: m.Model, Dimensions: m.Dimensions, Prompt: m.Prompt}
}

var unsafeInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// folderName is a name that people can read and every file system takes. Where
// it does not say all, the beginning of a hash tells spaces apart.
func folderName(s embed.Space, dimensions int) string {
	before, after := aroundDimensions(s)
	return before + strconv.Itoa(dimensions) + after
}

// aroundDimensions is what a folder's name has before the number of dimensions
// and after it.
func aroundDimensions(s embed.Space) (before, after string) {
	name := s.Provider + "-" + s.Model
	plain := unsafeInNames.ReplaceAllString(name, "-")
	if len(plain) > 100 {
		plain = plain[:100]
	}
	if plain != name || s.Prompt != "" {
		sum := sha256.Sum256([]byte(s.Provider + "\x00" + s.Model + "\x00" + s.Prompt))
		after = "-" + hex.EncodeToString(sum[:4])
	}
	return plain + "-", after
}

// couldBe tells whether a folder is called as one of a space is.
func couldBe(folder string, s embed.Space) bool {
	before, after := aroundDimensions(s)
	rest, ok1 := strings.CutPrefix(folder, before)
	digits, ok2 := strings.CutSuffix(rest, after)
	n, err := strconv.Atoi(digits)
	return ok1 && ok2 && err == nil && (s.Dimensions == 0 || s.Dimensions == n)
}

// create makes the folder of a space whose vectors have some dimensions. Another
// process may do the same.
func (c *Cache) create(s embed.Space, dimensions int) (string, error) {
	dir := filepath.Join(c.dir, folderName(s, dimensions))
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	if err := atomicfile.SyncDir(c.dir); err != nil {
		return "", fmt.Errorf("make the cache: %w", err)
	}
	m := loader.Manifest{
		SchemaVersion: schemaVersion, Provider: s.Provider, Model: s.Model, Dimensions: dimensions,
		Native: s.Dimensions == 0, Prompt: s.Prompt,
	}
	old, err := loader.ReadManifest(dir)
	switch {
	case err == nil && !matches(old, embed.Space{Provider: s.Provider, Model: s.Model, Dimensions: dimensions, Prompt: s.Prompt}):
		return "", fmt.Errorf("%s holds the vectors of another space, %s", dir, spaceOf(old))
	case err == nil && (old.Native || !m.Native):
		return dir, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	return dir, writeManifest(dir, m)
}

func writeManifest(dir string, m loader.Manifest) error {
	return atomicfile.Write(filepath.Join(dir, loader.ManifestFile), func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(m)
	})
}
