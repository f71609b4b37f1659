// Package search chooses the points of a sweep: which to try next, which
// trials to end early, and, afterwards, which parameters mattered.
//
// A [Sampler] and a [Pruner] are pure: what they say follows from the space,
// the history of trials and the random numbers that they are given, and they
// keep nothing between calls. So every worker may ask its own, and a sweep that
// was killed goes on as if it had not been.
//
// A new sampler is one file here and one line in the table of samplers in
// cmd/cosfit. It walks over the space in order, asks [space.Space.Exists]
// whether a parameter exists at the point so far, and adds a number that its
// distribution contains; see random.go, which is nothing but that. Samplers that
// think of ranges as intervals find numbers and places on them mapped by axis
// (axis.go): logarithms, steps and whole numbers are its business. Trials that
// matter are those that are [Complete] or [Pruned]; those that are [Running] have
// a point and no value yet. A new pruner is the same, beside asha.go.
//
// TestTPEBesideOptuna measures a sampler on closed-form functions and on
// recorded trainings; testdata/regrets.py is how Optuna was measured on the
// same.
package search
