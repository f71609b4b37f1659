// Package search chooses the points of a sweep: which to try next, and which
// trials to end early.
//
// A [Sampler] and a [Pruner] are pure: what they say follows from the space,
// the history of trials and the random numbers that they are given, and they
// keep nothing between calls. So every worker may ask its own, and a sweep that
// was killed goes on as if it had not been.
package search
