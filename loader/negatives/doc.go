// Package negatives finds passages that do not answer a query: at random (weak),
// or those that an embedding takes for answers (hard), among the passages of a
// document or among all.
//
// What must not become a negative of a query: a text that answers it or another
// query of its group, or the same question asked elsewhere; the query itself;
// what is paired with it already; and a text that says the same as one of these
// ([Corpus.Classes]). A passage is a negative only in the split that it belongs
// to, so that no text of a held-out split is trained on.
//
// What is drawn for a query depends on the seed and the query's text, not on
// other queries, and nothing depends on the number of threads.
package negatives
