package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// Names of methods.
const (
	untrained   = "untrained"
	bestClosed  = "best-closed"
	ours        = "default"
	oursQuery   = "default-query"
	notebook    = "notebook"
	tunedSuffix = "-tuned"
	bothSides   = "both"
	querySide   = "query"
)

// A study is the work on one set with one model's vectors.
type study struct {
	plan
	set  set
	rows *rows

	shop *workshop // nil until it is needed
	ids  []string  // of the workshop's table
	all  *loader.Dataset
	at   int // the draw that all is of
}

func (s *study) close() {
	if s.shop != nil {
		s.shop.close()
	}
	if s.all != nil {
		s.all.Close()
	}
}

// each visits the draws, those of one division of the documents in turn.
func (s *study) each(ctx context.Context, visit func(d *draw) error) error {
	for number := range slices.Max(s.plan.draws) {
		for i, size := range s.sizes {
			most := s.plan.draws[i]
			if size == 0 && s.set.published {
				most = min(most, 1) // all draws would be the same
			}
			if number >= most {
				continue
			}
			if err := s.openAt(ctx, number); err != nil {
				return err
			}
			if err := visit(newDraw(s.all, s.set, size, number)); err != nil {
				return err
			}
		}
	}
	return nil
}

// openAt has the data set of a draw open.
func (s *study) openAt(ctx context.Context, number int) error {
	if s.all != nil && (s.set.published || s.at == number) {
		return nil
	}
	if s.all != nil {
		s.all.Close()
	}
	var err error
	s.all, err = s.source.open(ctx, s.set, number)
	s.at = number
	return err
}

// run computes the rows that are missing.
func (s *study) run(ctx context.Context) error {
	return s.each(ctx, func(d *draw) error {
		for _, m := range s.planned(d) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := s.row(d, m); err != nil {
				return err
			}
		}
		if err := s.peerRows(ctx, d); err != nil {
			return err
		}
		return nil
	})
}

// A method has a name, a side and a way to an outcome.
type method struct {
	name, side string
	trials     int
	version    string
	do         func() (outcome, error)
}

// planned lists cosfit's own methods, in the order in which they need each other.
func (s *study) planned(d *draw) (list []method) {
	wanted := func(name string) bool { return slices.Contains(s.methods, name) }
	ctx, dim := context.Background(), d.all.Vectors.Dim
	add := func(name, side string, trials int, do func() (outcome, error)) {
		list = append(list, method{name: name, side: side, trials: trials, do: do})
	}
	recipe := trainer.Default(dim)
	query := recipe
	query.Side = graph.Query
	if wanted("untrained") {
		add(untrained, bothSides, 0, func() (outcome, error) { return d.score(nil, 0) })
	}
	if wanted("closed") {
		for _, f := range closedForms() {
			add(f.Name(), f.side.String(), 0, func() (outcome, error) { return f.solve(d) })
		}
		add(bestClosed, bothSides, 0, func() (outcome, error) { return s.bestClosed(d) })
	}
	fit := func(r trainer.Recipe) func() (outcome, error) {
		return func() (outcome, error) { return d.train(ctx, d.labelled, r, s.work, s.threads) }
	}
	if wanted("default") {
		add(ours, bothSides, 0, fit(recipe))
	}
	if wanted("query") {
		add(oursQuery, querySide, 0, fit(query))
	}
	if wanted("notebook") {
		add(notebook, bothSides, 0, func() (outcome, error) { return d.notebook(ctx, s.work, s.threads) })
	}
	search := func(r trainer.Recipe) func() (outcome, error) {
		return func() (outcome, error) {
			return d.search(s.trials, func(trial int) (outcome, error) {
				return d.train(ctx, d.carved, d.drawn(r, trial), s.work, s.threads)
			})
		}
	}
	if wanted("tuned") && s.searches(d) {
		add(ours+tunedSuffix, bothSides, s.trials, search(recipe))
		if wanted("query") {
			add(oursQuery+tunedSuffix, querySide, s.trials, search(query))
		}
	}
	return list
}

// peerRows computes the rows of the peers.
func (s *study) peerRows(ctx context.Context, d *draw) error {
	defaults, tuned := slices.Contains(s.methods, "peers"), slices.Contains(s.methods, "tuned-peers") && s.searches(d)
	if s.peers == "" || !defaults && !tuned {
		return nil
	}
	if err := s.openShop(ctx); err != nil {
		return err
	}
	for _, p := range s.shop.peers {
		if err := ctx.Err(); err != nil {
			return err
		}
		if defaults {
			if err := s.row(d, method{p.Name, p.Side, 0, p.Version, func() (outcome, error) { return s.shop.fit(d, p, 0) }}); err != nil {
				return err
			}
		}
		if !tuned || p.Name == "dense-cosine" { // one of the settings that dense draws
			continue
		}
		err := s.row(d, method{p.Name + tunedSuffix, p.Side, s.trials, p.Version, func() (outcome, error) {
			return d.search(s.trials, func(trial int) (outcome, error) {
				if trial == 0 {
					if o, ok, err := s.rows.outcome(d, p.Name); ok || err != nil {
						return o, err
					}
				}
				return s.shop.fit(d, p, trial)
			})
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// searches reports whether settings are searched for on a draw.
func (s *study) searches(d *draw) bool {
	return d.number < s.searched[slices.Index(s.sizes, d.size)] && d.labelled.Pairs.Len() <= s.upTo
}

func (s *study) openShop(ctx context.Context) (err error) {
	if s.shop != nil && slices.Equal(s.ids, s.all.Vectors.IDs) {
		return nil
	}
	if s.shop != nil {
		s.shop.close()
	}
	s.ids = slices.Clone(s.all.Vectors.IDs)
	s.shop, err = openWorkshop(ctx, s.peers, s.rows.cosines, s.all.Vectors, s.threads)
	return err
}

// search returns the outcome of the trial that is best on validation.
func (d *draw) search(trials int, try func(trial int) (outcome, error)) (best outcome, err error) {
	score, seconds, found := math.Inf(-1), 0.0, false
	for trial := range trials {
		o, e := try(trial)
		if e != nil { // settings that lead nowhere lose
			err = e
			continue
		}
		seconds += o.seconds
		if v := d.validated(o); !found || v > score {
			best, score, found = o, v, true
		}
	}
	if !found {
		return best, err
	}
	best.seconds = seconds
	return best, nil
}

// bestClosed is what is best on validation of the closed forms and no matrix.
func (s *study) bestClosed(d *draw) (outcome, error) {
	names := []string{untrained}
	for _, f := range closedForms() {
		names = append(names, f.Name())
	}
	chosen, seconds := untrained, 0.0
	best, ok, err := s.rows.outcome(d, untrained)
	if err != nil || !ok {
		return best, errors.Join(err, errors.New("the best closed form needs --methods untrained"))
	}
	score := d.validated(best)
	for _, name := range names[1:] {
		o, ok, err := s.rows.outcome(d, name)
		if err != nil {
			return o, err
		}
		if !ok {
			continue
		}
		seconds += o.seconds
		if v := d.validated(o); v > score {
			best, score, chosen = o, v, name
		}
	}
	best.seconds = seconds
	best.settings, err = json.Marshal(map[string]string{"form": chosen})
	return best, err
}

// row computes a row that is missing and writes it down.
func (s *study) row(d *draw, m method) error {
	row := Row{Set: s.set.name, Model: s.model, Size: d.size, Draw: d.number, Method: m.name, Side: m.side, Graded: d.all.Labels.Graded, Trials: m.trials, Version: m.version}
	if s.rows.has(row.key()) {
		return nil
	}
	row.Labelled, row.Left = d.labelled.Pairs.Len(), len(d.carved.Indices(loader.Validation))
	begun := time.Now()
	o, err := m.do()
	if errors.Is(err, context.Canceled) {
		return err
	}
	if err != nil {
		row.Incomplete = err.Error()
		fmt.Fprintf(os.Stderr, "%s %s %d/%d %s: %v\n", s.set.name, s.model, d.size, d.number, m.name, err)
		return s.rows.add(row, o)
	}
	test, validated := d.figures(o, false)
	row.Test = test.figures()
	if !math.IsNaN(validated) {
		row.Validated = &validated
	}
	if !math.IsNaN(o.threshold) {
		row.Threshold = &o.threshold
	}
	if s.set.published {
		unseen, _ := d.figures(o, true)
		row.Unseen = new(unseen.figures())
	}
	row.Accepted, row.Seconds, row.Settings = o.accepted, o.seconds, o.settings
	fmt.Fprintf(os.Stderr, "%s %s %d/%d %s %.4f  %.1f s\n", s.set.name, s.model, d.size, d.number, m.name, row.Test.primary(row.Graded), time.Since(begun).Seconds())
	return s.rows.add(row, o)
}
