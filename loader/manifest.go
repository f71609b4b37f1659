package loader

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// ManifestFile is what the manifest of a folder of vectors is called.
const ManifestFile = "manifest.json"

// A Manifest says whose vectors a folder has: a sub-folder of a data set's
// embeddings/, or one of a cache.
type Manifest struct {
	SchemaVersion int    `json:"schema_version"`
	Provider      string `json:"provider,omitempty"`
	Model         string `json:"model"`
	Dimensions    int    `json:"dimensions"`
	// Native says that the model was not asked for a number of dimensions, so
	// that who does not ask for one gets these vectors.
	Native bool   `json:"native,omitempty"`
	Prompt string `json:"prompt,omitempty"` // what the model is told beside the text
}

// ErrNewer is the error of what a newer version wrote. It is not damaged.
var ErrNewer = errors.New("use a newer cosfit")

// check refuses a manifest that no folder can have. Its error continues "FILE: ".
func (m *Manifest) check() error {
	const known, most = 1, 1 << 20
	if m.SchemaVersion > known {
		return fmt.Errorf("schema_version is %d, this cosfit knows %d: %w", m.SchemaVersion, known, ErrNewer)
	}
	if m.Dimensions <= 0 || m.Dimensions > most {
		return fmt.Errorf("dimensions is %d, want a positive number", m.Dimensions)
	}
	return nil
}

// ReadManifest reads the manifest of a folder of a cache. The error is
// fs.ErrNotExist where there is none.
func ReadManifest(dir string) (Manifest, error) {
	path := filepath.Join(dir, ManifestFile)
	raw, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, fmt.Errorf("open %s: %w", path, withoutPath(err))
	}
	m, err := parseManifest(raw, path)
	if err != nil && !errors.Is(err, ErrNewer) {
		err = fmt.Errorf("%w: cosfit cache verify writes it again", err)
	}
	return m, err
}

// readManifest reads a manifest, which messages call shown.
func readManifest(fsys fs.FS, name, shown string) (Manifest, error) {
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		return Manifest{}, fmt.Errorf("open %s: %w", shown, withoutPath(err))
	}
	return parseManifest(raw, shown)
}

func parseManifest(raw []byte, shown string) (Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return m, fmt.Errorf("%s: not valid JSON: %w", shown, err)
	}
	if err := m.check(); err != nil {
		return m, fmt.Errorf("%s: %w", shown, err)
	}
	return m, nil
}
