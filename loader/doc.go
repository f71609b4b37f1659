// Package loader brings data in: data sets of labelled pairs of texts, the
// embeddings of those texts, and batches of them.
//
// Two layouts are read. A data set folder holds pairs.parquet, texts.parquet
// and, in embeddings/NAME/, segments of vectors. A wide file is one Parquet
// file with a row for each pair: two vector columns and a label column, as
// pandas, Polars, DuckDB or Spark write it. Both end up in a [Dataset]: one
// table of the unique vectors, and pairs that index into it.
//
// A [VectorFile] is another thing: a file of embeddings, Parquet or npy, to be
// written again with each vector transformed and everything else as it is.
//
// Rows in error messages are counted from 0, as pandas and Polars count them.
package loader
