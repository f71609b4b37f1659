// Package embed turns texts into vectors and keeps them, so that a text is
// embedded once.
//
// A [Provider] is whoever knows the vectors: a server that speaks OpenAI's
// API, a command, or a function of the text alone. [Run] asks it for what a
// [Store] lacks. The store that people have is the cache, loader/embed/cache.
//
// To add a provider, write NAME.go here and a line in the table of providers in
// cmd/cosfit/tables.go.
package embed
