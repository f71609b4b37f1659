// Package benchmarks measures the hot core, a training step, a whole run and
// the loader, beside the peers that do the same work, on one machine in one
// run: cosfit bench. The contenders take turns, so that their ratio holds on a
// machine whose speed drifts.
//
// A contender is in this process, or in a child that answers requests line by
// line ([ServePeer], and peer.py for Python's). A child is what a library needs
// whose arithmetic or threads are chosen once, when it is loaded.
//
// The same work is there as ordinary benchmarks, in a form that benchstat reads:
//
//	go test ./benchmarks -run '^$' -bench . -count 6
//
// Recorded results are in results/, each with its machine, version and command.
package benchmarks
