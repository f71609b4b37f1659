// Package projection holds the learned matrix: it applies the matrix to
// embeddings and reads and writes the files in which it travels.
//
// A model behind an API gives a text the embedding x, a vector of d numbers.
// cosfit learns one matrix M [d, k] and, in some runs, an offset o [d], so that
//
//	y = (x − o)·M,   y_j = Σ_i (x_i − o_i)·M_ij
//
// is a better embedding of the text for the task at hand: the cosine of two
// projected vectors separates similar texts from dissimilar ones. A service
// loads the file once and projects every embedding on its way to the index:
//
//	p, err := projection.Load("run/matrix.safetensors")
//	if err != nil {
//		return err
//	}
//	y := make([]float32, p.Out)
//	p.Apply(y, x, p.Metadata.Normalize)     // one vector
//	p.ApplyAll(ys, xs, true, 0)             // many, on all CPUs
//
// Vectors are float32, and tables of them are row-major: row r of a table
// [n, d] is table[r*d : (r+1)*d].
//
// # Two sides
//
// A pair has a left text (a query) and a right text (a passage). Most matrices
// serve both sides. A run with side "query" leaves the right side as the model
// gave it, so an existing index stays valid, and a run with side "dual" learns
// a matrix for each side. [Projection.Left] and [Projection.Right] answer for
// every kind of run which projection a text needs:
//
//	if right := p.Right(); right != nil {
//		right.Apply(y, passage, true)
//	}
//
// # Files
//
// safetensors carries everything: the tensors matrix, matrix_right and offset,
// and what a service should know beside them (see [Metadata]). From Python:
//
//	from safetensors.numpy import load_file
//	t = load_file("matrix.safetensors")
//	y = (x - t.get("offset", 0)) @ t["matrix"]
//
// npy carries one matrix for both sides and nothing else, for numpy.load and
// whatever speaks its format. [Load] tells the two apart by their content.
//
// A matrix that somebody else made is as welcome: a safetensors file needs only
// the tensor matrix (F32, F64, F16 or BF16), an npy file a two-dimensional
// array of <f4 or <f8. The readers trust nothing: a damaged or hostile file
// ends in an error that names what is wrong, never in a panic or in memory
// reserved for data that are not there.
package projection
