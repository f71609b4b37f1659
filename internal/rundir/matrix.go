package rundir

import (
	"fmt"

	"github.com/cosfit/cosfit/internal/atomicfile"
	"github.com/cosfit/cosfit/projection"
)

// npyFile is the matrix again as numpy reads it, which the demo leaves behind.
const npyFile = "matrix.npy"

// NPYPath is where a copy of the matrix for numpy may stand.
func (d Dir) NPYPath() string { return d.file(npyFile) }

// WriteMatrix writes matrix.safetensors.
func (d Dir) WriteMatrix(p *projection.Projection) error {
	return atomicfile.Write(d.MatrixPath(), p.WriteSafetensors)
}

// ReadMatrix reads matrix.safetensors of a finished run.
func (d Dir) ReadMatrix() (*projection.Projection, error) {
	if !d.Finished() {
		return nil, fmt.Errorf("%s is not finished: go on with cosfit train --resume --out %s", d.path, d.path)
	}
	return projection.Load(d.MatrixPath())
}
