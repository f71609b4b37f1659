//go:build gpu && linux

package kernels

import (
	"os"
	"strings"
	"testing"
)

// A plant is a mistake made in a kernel on purpose.
type plant struct {
	name     string
	old, new string // text of the sources
	test     string // that must fail
}

var plants []plant

// planted is the mistake that this process is to make, or nil.
func planted(t testing.TB) *plant {
	name := os.Getenv("COSFIT_TEST_PLANT")
	for i := range plants {
		if plants[i].name == name {
			return &plants[i]
		}
	}
	if name != "" {
		t.Fatalf("there is no mistake called %q", name)
	}
	return nil
}

func (p *plant) in(source string) string { return strings.ReplaceAll(source, p.old, p.new) }
