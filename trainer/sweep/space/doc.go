// Package space says what a sweep searches: parameters, the values that each
// may take, and the conditions under which it exists at all.
//
// A parameter is a flag of the training, so that the settings of a trial are
// words of a command line. It is written as its flag takes it, with a range or
// a list in place of the value:
//
//	1e-4..1e-2:log           every number between, evenly on a logarithmic scale
//	0..0.5:0.1               0, 0.1, 0.2, 0.3, 0.4, 0.5
//	64..512:log              whole numbers, where the flag takes these
//	mse,infonce              one of a list, of words or numbers
//	0.1                      a list of one: settled
//	0.02..0.2:log:loss=infonce,cosent    exists only where loss is one of these
//
// [Flags.Parse] reads that form, [Flags.ParseYAML] the same from a file, and
// [New] makes a space of what they return.
//
// Values are kept as numbers, in Optuna's own way: a choice by its index. The
// Text of a number is what the flag takes, and parses back to exactly that
// number, so a printed command repeats a trial.
package space
