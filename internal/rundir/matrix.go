package rundir

import "github.com/cosfit/cosfit/projection"

// npyFile is the matrix again as numpy reads it, which the demo leaves behind.
const npyFile = "matrix.npy"

// NPYPath is where a copy of the matrix for numpy may stand.
func (d Dir) NPYPath() string { return d.file(npyFile) }

// WriteMatrix writes matrix.safetensors.
func (d Dir) WriteMatrix(p *projection.Projection) error {
	return WriteFile(d.MatrixPath(), p.WriteSafetensors)
}

// ReadMatrix reads matrix.safetensors.
func (d Dir) ReadMatrix() (*projection.Projection, error) { return projection.Load(d.MatrixPath()) }
