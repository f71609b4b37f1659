// Package nq reads Natural Questions: lines of JSON, each a question, a page of
// Wikipedia, the spans of the page that could hold an answer, and what one or
// five people marked as the answer.
//
// A [Source] turns it into a draft of a data set, a line's question and its
// answer a pair, and the page's other passages texts that may become negatives.
// Lines are read in pieces, parsed on all cores and added in the file's order, so
// neither memory nor the result depends on the size of the file or the number of
// threads.
package nq
