// Package cuda is the backend that computes on a GPU of NVIDIA: a
// graph.Backend behind the build tag gpu, with no cgo and no toolkit at build
// time. Without the tag, or on another system than Linux, Open says so.
//
// # A step
//
// What varies from step to step (rows, labels, dropout, the table) is staged
// in one copy to one place on the device, where the kernels read it. So the
// launches of a step are always the same for one size of batch: the first such
// step runs call by call, the second is recorded as a CUDA graph, and every
// other is one launch of that. The optimiser's update follows by itself, told
// its scalars the same way. The host waits for the device only where it asks for
// numbers, or where it is eight steps ahead.
//
// The files in the order of a step: job.go stages the batch; score.go gathers X
// and computes P and the cosines; loss.go computes the loss and its derivative by
// them; score.go goes back to dP and dM; update.go runs the optimiser. products.go
// has the matrix products, recording.go makes a step one launch, table.go fills
// tables beside it, project.go and evaluate.go compute what figures are made of.
// With a loss on vectors, and of a matrix for one side or for each, project.go
// stands in the place of score.go: contrast.go is InfoNCE, of_cosines.go a loss of
// each pair's cosine, and host_loss.go has the processor compute any other. shape.go
// makes the matrix of a shape, and host_shape.go has the processor make that of a
// shape that only Go knows.
//
// A new loss or optimiser changes none of them. The formulas of losses and rules
// stand in their own Go types, as graph.DeviceLoss and graph.DeviceRule, and not
// here: internal/kernels/source.go puts them between loss.cu's or update.cu's
// lines.
//
// # Numbers
//
// The precision is that of a step's products alone. What figures are made of,
// projections, cosines and similarities, is computed in float32, in blocks of
// one size, so that a vector's result is the same bits wherever it stands.
//
// The products are cuBLASLt's. Which of its algorithms is fastest shows only by
// timing, and they round differently: a choice is kept in Options.Cache and, by
// graph.Tuned, in checkpoints.
package cuda
