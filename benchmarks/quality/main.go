// Command quality is the study that chooses the default recipe: what matrices
// learned in different ways gain on real data, with the same vectors and pairs
// for all of them.
//
//	go run ./benchmarks/quality run --sets DIR --cache CACHE --embeddings NAME --model minilm --out benchmarks/results/quality
//	go run ./benchmarks/quality table --in benchmarks/results/quality
//
// DIR has the data sets as cosfit prepare makes them (see [sets]), CACHE their
// vectors. From each set, labelled pairs are drawn several times, by whole
// groups, in several numbers. Validation is a part of them; the test split is
// the published one, or drawn anew for each draw, by documents. A method gets
// the labelled pairs, and the study computes all figures of the test pairs
// itself, from the matrix or, of peers in Python, from the cosines.
//
// Rows are written as they come, one file for each set and model. What is there
// is not computed again, so a study that was ended goes on, and two processes
// may work on different sets or models. The cosines of the test pairs stay in
// --work, and after the rows of a set the comparisons are made of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := command(ctx, os.Args[1:])
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "quality:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New("what to do is missing: run or table")
	}
	switch args[0] {
	case "run":
		return runCommand(ctx, args[1:])
	case "table":
		return tableCommand(args[1:])
	}
	return fmt.Errorf("%q is unknown: there are run and table", args[0])
}

// A plan is what a call of run computes.
type plan struct {
	model    string // the short name of the embedding model
	source   source
	work     string // folder of cosines
	out      string // folder of rows
	sizes    []int  // labelled pairs; 0 is all
	draws    []int  // how often each size is drawn
	trials   int    // of each search
	searched []int  // how many of the draws of each size are searched
	upTo     int    // labelled pairs, up to which there are searches
	methods  []string
	peers    string // the Python that runs peers.py; "" for none
	threads  int
}

func runCommand(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("run", flag.ContinueOnError)
	p := plan{}
	f.StringVar(&p.source.sets, "sets", "", "folder of the data sets")
	f.StringVar(&p.source.cache, "cache", "", "folder of the cache with their vectors")
	f.StringVar(&p.source.embeddings, "embeddings", "", "which vectors of the cache")
	f.StringVar(&p.model, "model", "", "short name of their model, for files and tables")
	f.StringVar(&p.out, "out", "benchmarks/results/quality", "folder of the results")
	f.StringVar(&p.work, "work", "", "folder for cosines, which are not results to keep")
	f.StringVar(&p.peers, "python", "", "Python interpreter that has the peers; without it there are none")
	f.IntVar(&p.trials, "trials", 8, "of each random search, the defaults among them")
	f.IntVar(&p.threads, "threads", 1, "of cosfit and of each peer")
	only := f.String("only", "", "these sets alone, separated by commas")
	sizes := f.String("sizes", "200,1000,0", "labelled pairs, of which validation is a part; 0 is all")
	draws := f.String("draws", "10,5,3", "draws of each size")
	f.IntVar(&p.upTo, "search-up-to", 10000, "labelled pairs, beyond which nothing is searched")
	searched := f.String("search-draws", "3,2,1", "how many of the draws of each size are searched")
	methods := f.String("methods", "untrained,closed,default,notebook,peers", "which of them to run: also query, tuned and tuned-peers")
	again := f.String("again", "", "methods whose rows are computed again, or all")
	if err := f.Parse(args); err != nil {
		return err
	}
	if p.source.sets == "" || p.model == "" || p.work == "" {
		return errors.New("run needs --sets, --model and --work")
	}
	var err error
	if p.sizes, err = numbers("sizes", *sizes); err != nil {
		return err
	}
	if p.draws, err = numbers("draws", *draws); err != nil {
		return err
	}
	if p.searched, err = numbers("search-draws", *searched); err != nil {
		return err
	}
	if len(p.draws) != len(p.sizes) || len(p.searched) != len(p.sizes) {
		return fmt.Errorf("--sizes has %d numbers, --draws %d and --search-draws %d: want as many of each", len(p.sizes), len(p.draws), len(p.searched))
	}
	p.methods = words(*methods)
	for _, name := range p.methods {
		if !slices.Contains(methodSets(), name) {
			return fmt.Errorf("--methods %q is unknown; there are: %s", name, strings.Join(methodSets(), ", "))
		}
	}
	chosen := sets()
	if *only != "" {
		names := words(*only)
		chosen = slices.DeleteFunc(chosen, func(s set) bool { return !slices.Contains(names, s.name) })
		if len(chosen) != len(names) {
			return fmt.Errorf("--only %q names a set that is unknown", *only)
		}
	}
	for _, s := range chosen {
		if err := p.study(ctx, s, words(*again)); err != nil {
			return fmt.Errorf("%s, %s: %w", s.name, p.model, err)
		}
	}
	return nil
}

// study computes the rows of a set that are missing, and its comparisons.
func (p plan) study(ctx context.Context, s set, again []string) error {
	rows, err := openRows(filepath.Join(p.out, s.name+"-"+p.model+".jsonl"), filepath.Join(p.work, s.name+"-"+p.model))
	if err != nil {
		return err
	}
	defer rows.close()
	if err := rows.forget(again); err != nil {
		return err
	}
	study := &study{plan: p, set: s, rows: rows}
	defer study.close()
	if err := study.run(ctx); err != nil {
		return err
	}
	return study.compare(ctx)
}

func words(list string) []string {
	return slices.DeleteFunc(strings.Split(list, ","), func(s string) bool { return s == "" })
}

func numbers(flag, list string) (out []int, err error) {
	for _, word := range words(list) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("--%s %q: %q is no number", flag, list, word)
		}
		out = append(out, n)
	}
	return out, nil
}
