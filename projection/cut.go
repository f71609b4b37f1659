package projection

import "fmt"

// Cut returns the projection to the first columns numbers of what p makes, as
// vectors are cut that were learned so that they may be (Kusupati and others, Matryoshka
// Representation Learning, NeurIPS 2022). It shares Offset with p. Threshold and
// calibration belong to whole vectors, so there are none. A projection of queries alone
// has no cut one: what its vectors are compared with stays whole.
func (p *Projection) Cut(columns int) (*Projection, error) {
	switch {
	case columns < 1 || columns > p.Out:
		return nil, fmt.Errorf("%d columns, want 1 to %d, which the matrix has", columns, p.Out)
	case columns == p.Out:
		return p, nil
	case p.Metadata.Side == SideQuery:
		return nil, fmt.Errorf("a matrix for queries alone keeps its %d columns: the passages that they are compared with have as many", p.Out)
	}
	cut := *p
	cut.Out, cut.Matrix, cut.MatrixRight = columns, p.firstOf(p.Matrix, columns), p.firstOf(p.MatrixRight, columns)
	cut.Metadata.Threshold, cut.Metadata.Calibration = nil, nil
	return &cut, nil
}

// firstOf copies the first columns of a matrix [In, Out]; nil stays nil.
func (p *Projection) firstOf(matrix []float32, columns int) (out []float32) {
	for at := 0; at < len(matrix); at += p.Out {
		out = append(out, matrix[at:at+columns]...)
	}
	return out
}
