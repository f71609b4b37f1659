// Package sweep tries many recipes on one data set and says which was the best
// on validation.
//
// What is searched stands in package space, how points are chosen and trials
// ended early in search, and where trials are kept in study. Here are the
// workers: each asks the storage for a trial, trains it through
// [trainer.Try] in a workspace of its own, reports after each epoch, and tells
// how it ended. They know nothing of each other, so more of them may join from
// other processes and machines, and any may be killed: the storage hands its trial
// to the next who asks.
package sweep
