//go:build gpu && linux

package kernels

import (
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/cosfit/cosfit/cuda/internal/nvidia"
)

// A Compiler compiles kernels for one device and keeps what it has compiled.
type Compiler struct {
	nvrtc        *nvidia.NVRTC
	architecture string
	folder       string
}

// NewCompiler returns a compiler for an architecture as NVRTC.Architecture
// names it. It keeps images in a folder, which it creates when it has one to
// keep; "" keeps none.
func NewCompiler(n *nvidia.NVRTC, architecture, folder string) *Compiler {
	return &Compiler{n, architecture, folder}
}

// load compiles a source, or takes its image from the folder, and loads it.
func (c *Compiler) load(context *nvidia.Context, name, source string, options []string) (*nvidia.Module, error) {
	image, err := c.image(name, source, options)
	if err != nil {
		return nil, err
	}
	return context.LoadModule(image)
}

// image returns a compiled source. A kept image that is damaged counts as
// none. That an image cannot be kept is no error: it costs the next start the
// time to compile it.
func (c *Compiler) image(name, source string, options []string) ([]byte, error) {
	file := ""
	if c.folder != "" {
		key := fmt.Sprintf("NVRTC %v for %s with %q:\n%s", c.nvrtc.Version, c.architecture, options, source)
		file = filepath.Join(c.folder, fmt.Sprintf("%s-%s-%x.cubin", name, c.architecture, sha256.Sum256([]byte(key))))
		if image := readImage(file); image != nil {
			return image, nil
		}
	}
	image, _, err := c.nvrtc.Compile(name+".cu", source, c.architecture, options...)
	if err == nil && file != "" {
		keepImage(file, image)
	}
	return image, err
}

// readImage reads what keepImage wrote: the SHA-256 of an image and the image.
// It returns nil where there is no such file or its sum is wrong.
func readImage(file string) []byte {
	content, err := os.ReadFile(file)
	if err != nil || len(content) <= sha256.Size {
		return nil
	}
	sum, image := content[:sha256.Size], content[sha256.Size:]
	if want := sha256.Sum256(image); !slices.Equal(sum, want[:]) {
		return nil
	}
	return image
}

// keepImage writes a file that appears whole or not at all.
func keepImage(file string, image []byte) {
	if os.MkdirAll(filepath.Dir(file), 0o755) != nil {
		return
	}
	partial, err := os.CreateTemp(filepath.Dir(file), "partial-*")
	if err != nil {
		return
	}
	defer os.Remove(partial.Name())
	sum := sha256.Sum256(image)
	_, err = partial.Write(append(sum[:], image...))
	if closed := partial.Close(); err == nil && closed == nil {
		os.Rename(partial.Name(), file)
	}
}
