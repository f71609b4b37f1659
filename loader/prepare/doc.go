// Package prepare turns what people have into a data set folder: labelled
// pairs, triplets, classes, questions with their passages.
//
// A [Source] reads one form of data and adds what it finds to a [Draft]: pairs,
// and passages that could become negatives. Then negatives are drawn and splits
// are made, and [Draft.Write] writes the folder, which appears whole or not at
// all.
//
// To add a form of data, write NAME.go here and a line in the table of sources
// in cmd/cosfit/tables.go.
package prepare
