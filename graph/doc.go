// Package graph is the model as a Gorgonia expression graph: operations with
// symbolic gradients, losses, and the Backend that computes them.
//
// The model learns a matrix M [d, k] such that the cosine of two projected
// embeddings follows a label:
//
//	s_i = cos(a_i·M, b_i·M),   L = loss(s, y)
//
// Gorgonia differentiates the graph (gorgonia.Grad) and its TapeMachine runs
// it. The values on the tape are opaque: the machine passes them from one
// operation to the next and only the backend looks inside, so they may live in
// any memory.
//
// Two families of operation exist. Score goes from the matrix and a batch to
// the cosines s [B]; its gradient takes ds [B] to dM = Xᵀ·dP, where X holds the
// embeddings of the batch and a row of dP is the gradient of its cosine times
// its ds. Every loss that is a function of the cosines builds
// on it and needs no kernel of its own. Project goes from the matrix and a
// batch to the projected vectors themselves, for losses that need more than
// the cosines, and for evaluation.
package graph
