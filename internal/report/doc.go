// Package report shows what a run gained: the panel that ends a command.
package report
