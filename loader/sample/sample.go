// Package sample carries a small data set in the binary: 600 questions over
// 100 documents in ten fields, written for cosfit and embedded with
// all-MiniLM-L6-v2 (384 dimensions, stored as half floats).
//
// The texts are in source/, and make.py builds data/ from them.
package sample

import (
	"embed"
	"io/fs"
)

// Name is what stands for the sample where a data set is asked for.
const Name = "sample"

// Model is whose vectors the sample has.
const Model = "all-MiniLM-L6-v2"

//go:embed data
var data embed.FS

// FS returns the sample as a data set folder, for loader.OpenFS.
func FS() fs.FS {
	sub, err := fs.Sub(data, "data")
	if err != nil {
		panic(err) // the folder is in the binary
	}
	return sub
}
