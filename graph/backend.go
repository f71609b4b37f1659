package graph

import (
	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"

	"github.com/cosfit/cosfit/internal/kernel"
)

// An Array is float32 numbers in a backend's memory, row-major. To Gorgonia it
// is an opaque value. Embed [Header] to implement all of it.
type Array interface {
	gorgonia.Value
	Type() hm.Type
}

// A Backend computes on one device. It keeps its arrays and the workspaces of
// its kernels until Close. Its methods must not be called concurrently; they
// may return before the device is done, except Download and the methods that
// fill a slice of the caller.
//
// Arrays passed to a backend must be its own. A kernel object owns what it
// returns and overwrites it in its next call.
type Backend interface {
	// Name is what the device is called in flags and in summaries: "cpu".
	Name() string
	// Kernel names the arithmetic in use and the architecture it runs on:
	// "generic/amd64". Results are equal bit for bit between runs with the
	// same kernel.
	Kernel() string
	// Precision is how the products of a training step are computed: "fp32",
	// "tf32" or "bf16". Scoring is in fp32 whatever it is.
	Precision() string

	// NewArray allocates zeros.
	NewArray(shape ...int) (Array, error)
	// Upload copies src, of exactly the array's size, into dst.
	Upload(dst Array, src []float32) error
	// Download copies src into dst, of exactly the array's size.
	Download(dst []float32, src Array) error

	// NewTable makes an empty table of embeddings of d dimensions.
	NewTable(d int) (Table, error)

	NewScore(d, k int) (ScoreKernel, error)
	NewProject(d, k int) (ProjectKernel, error)
	NewLoss(loss Loss) (LossKernel, error)
	// NewVectorLoss prepares a loss on projected vectors, or says that this
	// backend has none.
	NewVectorLoss(loss VectorLoss) (VectorLossKernel, error)
	// NewUpdate prepares to optimise a parameter of size numbers.
	NewUpdate(rule Rule, size int) (UpdateKernel, error)
	// NewSimilarities prepares to compare vectors of k dimensions.
	NewSimilarities(k int) (SimilarityKernel, error)
	// PairCosines writes s[i] = cos(p[left[i]], p[right[i]]) for p [n, k].
	PairCosines(p Array, left, right []int32, s []float32) error

	Close() error
}

// A Recorder is a Backend that can repeat the work of a step without being told
// it again, call by call.
type Recorder interface {
	NewRecording() (Recording, error)
}

// A Recording repeats one function, such as the run of a model's tape. It
// belongs to the backend and ends with it.
type Recording interface {
	// Run has the device do what run makes it do for a batch. It calls run, or
	// repeats what run did for another batch of the same size: run must queue
	// the same work for both, and take all that varies from the batch that it
	// was given here. Results are where they would be after run.
	Run(b *Batch, run func() error) error
}

// A Tuned is a Backend that makes choices by timing, between algorithms that
// round differently. A training goes on to the same bits where they are
// restored.
type Tuned interface {
	// Tuning returns the choices that have been made.
	Tuning() ([]byte, error)
	// Restore takes over choices that Tuning returned; an error where they are
	// no such or not of this kind of device. No kernel must have run yet.
	Restore(tuning []byte) error
}

// A Table is an array of embeddings that batches gather from.
type Table interface {
	Array
	// Set makes the table hold vectors [n, d], row-major. A backend in main
	// memory uses the slice itself, so it must not change before the next Set.
	Set(vectors []float32) error
}

// Dropout says which elements of a gathered batch are zeroed; the zero value
// drops none.
type Dropout = kernel.Dropout

// A Batch is the input of a step: pairs of rows of a table of embeddings.
type Batch struct {
	Table   Array     // [n, d], in the backend's memory
	Offset  Array     // [d], which is taken off the rows that a matrix takes, before dropout; nil: none
	Left    []int32   // [B] rows of Table
	Right   []int32   // [B] rows of Table; may be empty for Project
	Labels  []float32 // [B]; unused by Score and Project
	Low     float32   // the lower end of the label range: 0 or −1
	Groups  []int32   // [B] numbers of the pairs' groups; may be empty for losses that have no use for them
	Dropout Dropout
}

// A ScoreKernel computes the cosines of a batch.
type ScoreKernel interface {
	// Forward returns s [B] for m [d, k], and keeps the gathered embeddings
	// X, or where they come from, and what the gradient of each cosine by its
	// projected vectors takes. The batch must not change before Backward.
	Forward(m Array, b *Batch) (s Array, err error)
	// Backward returns dM [d, k] = Xᵀ·dP for ds [B], from what the last Forward
	// kept: row i of dP is ds_i times the gradient of its cosine.
	Backward(ds Array) (dm Array, err error)
}

// A ProjectKernel computes the projected vectors of a batch.
type ProjectKernel interface {
	// Forward returns P [len(Left)+len(Right), k] = X·M, the left vectors
	// first, and keeps X, or where it comes from. The batch must not change before
	// Backward.
	Forward(m Array, b *Batch) (p Array, err error)
	// Backward returns dM [d, k] = Xᵀ·dP.
	Backward(dp Array) (dm Array, err error)
}

// A LossKernel computes a Loss.
type LossKernel interface {
	// Forward returns the mean loss, a scalar, for s [B] and the labels of b.
	Forward(s Array, b *Batch) (loss Array, err error)
	// Backward returns ds [B] of the last Forward, times the gradient that
	// arrives from above.
	Backward(upstream float32) (ds Array, err error)
}

// An UpdateKernel applies a Rule to one parameter and owns its state.
type UpdateKernel interface {
	// Apply changes w in place by its gradient g.
	Apply(h Hyper, w, g Array) error
	// State returns the Slots() arrays of the rule, for checkpoints.
	State() []Array
}

// A SimilarityKernel compares queries with passages, of which it keeps copies
// of length 1. The cosine of two vectors is the same bits wherever they stand.
type SimilarityKernel interface {
	// SetPassages replaces the passages by the given rows of p [n, k].
	SetPassages(p Array, rows []int32) error
	// AddQueries appends the given rows of p [n, k] to the queries.
	AddQueries(p Array, rows []int32) error
	// Of writes out [n, passages], the cosines of n queries from number first on.
	Of(first, n int, out []float32) error
}

// Scored is pairs with their cosines: a batch, or a whole split.
type Scored struct {
	Cosines []float32 // [n]
	Labels  []float32 // [n] in Low..1; a binary pair is positive at or above the middle
	Low     float32   // 0 or −1
	Groups  []int32   // [n], equal for pairs of one query; empty where nobody knows
}

// Target is label i on the scale 0..1.
func (b Scored) Target(i int) float64 {
	low := float64(b.Low)
	return (float64(b.Labels[i]) - low) / (1 - low)
}

// A Loss is an [Objective]: a function of the cosines of a batch.
//
// A GPU cannot call Go: a loss that is to train on one is a [DeviceLoss] too.
type Loss interface {
	Name() string
	// Evaluate returns the mean loss over the pairs and writes its derivative by
	// each cosine to gradient [n].
	Evaluate(b Scored, gradient []float32) float64
}

// A GroupLoss is an Objective that compares the pairs of a group with each other,
// so that a batch should have them together.
type GroupLoss interface {
	Objective
	ComparesGroups()
}

// A SimilarLoss is an Objective that learns from similar pairs alone: what is
// dissimilar it takes from the rest of the batch.
type SimilarLoss interface {
	Objective
	LearnsFromSimilar()
}

// An EvenLoss is an Objective on vectors of an even number of dimensions.
type EvenLoss interface {
	Objective
	WantsEven()
}

// A DeviceLoss is a Loss that a GPU can compute.
type DeviceLoss interface {
	Loss
	// CUDA returns the same formula in CUDA C, the settings of the loss
	// written into it as constants: the definition of
	//
	//	__device__ void loss(scored b, float *ds, float *mean)
	//
	// which writes the derivative by each cosine to ds [n] and the mean loss to
	// *mean. b has the cosines s [n], the labels y [n] and their number n;
	// target(b, i) is Scored.Target, and alike(b, i, j) says that two pairs are
	// of one group. All threads of one block run it. It divides the batch
	// between them by each(i, n), which stands for the head of a loop, and
	// block_sum(x) returns the sum of every thread's x, float or double, to all of
	// them; all must come to it.
	//
	// The formula of a [FittedLoss] that learns takes its parameters from theta [p]
	// of b, and writes the derivative by each of them to dtheta [p], as *mean: every
	// thread the same.
	CUDA() string
}

// Hyper is what a step of an optimiser is told.
type Hyper struct {
	LearningRate float64
	Momentum     float64 // where the schedule moves it, else 0: the rule's own applies
	Step         int     // of the training, counted from 1
}

// AdamStep is Adam's element-wise expression, for the rules that are made of
// it; it computes with vector instructions where the processor has them.
type AdamStep = kernel.AdamStep

// MomentumStep is that of gradient descent with momentum.
type MomentumStep = kernel.MomentumStep

// A Rule is an optimiser as an element-wise expression: element i of the
// parameter and of the state depends on element i alone, so a backend may
// divide the work as it likes.
type Rule interface {
	Name() string
	// Slots is the number of state arrays, which start as zeros.
	Slots() int
	// Update changes the parameter w and the slots in place, given the
	// gradient g. All slices have the same length.
	Update(h Hyper, w, g []float32, slots [][]float32)
}

// A DeviceRule is a Rule that a GPU can compute. A GPU rounds every product
// and sum by itself here, as Go's portable code does.
type DeviceRule interface {
	Rule
	// CUDA returns the rule in CUDA C: the body of
	//
	//	__device__ void update(float &w, float g, float *slot, const float *h)
	//
	// for one element w of the parameter, its gradient g and its Slots()
	// numbers of state, with the step's Scalars in h.
	CUDA() string
	// Scalars returns the numbers that CUDA's h holds at a step, always as
	// many.
	Scalars(h Hyper) []float32
}
