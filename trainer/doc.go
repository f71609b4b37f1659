// Package trainer learns the matrix: recipes, optimisers, schedules, the loop
// with its checkpoints, the choice of the best epoch, and the figures that say
// honestly what was gained.
//
// A run chooses its threshold and its epoch on the validation split, scores
// the test split once at the end, and keeps the learned matrix only if it
// beats the start on validation by more than one standard error over groups.
// The default start is mostly the embeddings as they are: see [Auto]. Few pairs
// are judged by cross-validation: see [HoldOut]. See [Train].
package trainer
