// Package benchmarks measures the hot core, a training step and a whole run,
// beside the peers that do the same work, in one process on one machine.
//
//	go test ./benchmarks -bench . -benchtime 5x
//
// Recorded results are in results/, each with its machine, commit and command.
package benchmarks
