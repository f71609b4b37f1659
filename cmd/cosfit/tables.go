package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/loader/embed"
	"github.com/cosfit/cosfit/loader/prepare"
	"github.com/cosfit/cosfit/projection"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep/search"
)

// The tables of everything that is chosen by name. A new loss, optimiser,
// schedule, start, recipe, export format or backend is one file in its own
// package and one line here.

func recipes() table[func(d int) trainer.Recipe] {
	closed := func(form string, side graph.Side) func(int) trainer.Recipe {
		return func(d int) trainer.Recipe { return trainer.Closed(closedForms()[form](), side, d) }
	}
	return table[func(d int) trainer.Recipe]{
		"cca":             closed("cca", graph.Dual),
		"default":         trainer.Default,
		"mean-difference": closed("mean-difference", graph.Query),
		"notebook":        trainer.Notebook,
		"procrustes":      closed("procrustes", graph.Query),
		"ridge":           closed("ridge", graph.Query),
		"wccn":            closed("wccn", graph.Both),
		"whitening":       closed("whitening", graph.Both),
	}
}

func closedForms() table[func() trainer.ClosedForm] {
	return table[func() trainer.ClosedForm]{
		"cca":             func() trainer.ClosedForm { return &trainer.CCA{} },
		"mean-difference": func() trainer.ClosedForm { return &trainer.MeanDifference{} },
		"procrustes":      func() trainer.ClosedForm { return &trainer.Procrustes{} },
		"ridge":           func() trainer.ClosedForm { return &trainer.Ridge{} },
		"wccn":            func() trainer.ClosedForm { return &trainer.WCCN{} },
		"whitening":       func() trainer.ClosedForm { return &trainer.Whitening{} },
	}
}

func losses() table[func() graph.Objective] {
	return table[func() graph.Objective]{
		"contrastive": func() graph.Objective { return &graph.Contrastive{Margin: 0.5} },
		"cosent":      func() graph.Objective { return &graph.CoSENT{Scale: 20} },
		"angle":       func() graph.Objective { return &graph.AnglE{Scale: 20} },
		"infonce":     func() graph.Objective { return &graph.InfoNCE{Temperature: 0.05} },
		"logistic":    func() graph.Objective { return &graph.Logistic{Scale: 20, Threshold: 0.5} },
		"mse":         func() graph.Objective { return &graph.MSE{} },
		"pairwise":    func() graph.Objective { return &graph.Pairwise{Scale: 20} },
		"triplet":     func() graph.Objective { return &graph.Triplet{Margin: 0.3} },
	}
}

func optimizers() table[func() graph.Rule] {
	return table[func() graph.Rule]{
		"sgd":   func() graph.Rule { return &trainer.SGD{} },
		"adam":  func() graph.Rule { return &trainer.Adam{} },
		"adamw": func() graph.Rule { return &trainer.AdamW{WeightDecay: 0.01} },
	}
}

func schedules() table[func() trainer.Schedule] {
	return table[func() trainer.Schedule]{
		"onecycle": func() trainer.Schedule { return &trainer.OneCycle{} },
		"cosine":   func() trainer.Schedule { return &trainer.Cosine{Warmup: 0.1} },
		"constant": func() trainer.Schedule { return &trainer.Constant{} },
	}
}

func starts() table[func() trainer.Start] {
	return table[func() trainer.Start]{
		"auto":        func() trainer.Start { return &trainer.Auto{} },
		"centred":     func() trainer.Start { return &trainer.Centred{} },
		"identity":    func() trainer.Start { return &trainer.Identity{} },
		"orthogonal":  func() trainer.Start { return &trainer.Orthogonal{} },
		"pca":         func() trainer.Start { return &trainer.PCA{} },
		"procrustes":  func() trainer.Start { return &trainer.Procrustes{} },
		"random":      func() trainer.Start { return &trainer.Random{} },
		"ridge":       func() trainer.Start { return &trainer.Ridge{} },
		"top-removed": func() trainer.Start { return &trainer.TopRemoved{} },
		"whitening":   func() trainer.Start { return &trainer.Whitened{Power: 1} },
	}
}

func shapes() table[func() graph.Shape] {
	return table[func() graph.Shape]{
		"diagonal": func() graph.Shape { return &graph.Diagonal{} },
		"full":     func() graph.Shape { return nil },
		"low-rank": func() graph.Shape { return &graph.LowRank{Rank: 16} },
	}
}

func sides() table[graph.Side] {
	return table[graph.Side]{"both": graph.Both, "query": graph.Query, "dual": graph.Dual}
}

func samplers() table[search.Sampler] {
	return table[search.Sampler]{
		"grid":   search.Grid{},
		"random": search.Random{},
		"tpe":    search.TPE{},
	}
}

func pruners() table[search.Pruner] {
	return table[search.Pruner]{
		"asha": search.ASHA{},
		"none": search.NoPruner{},
	}
}

// selectable are the splits that may choose between epochs.
func selectable() table[loader.Split] {
	return table[loader.Split]{loader.Validation.String(): loader.Validation, loader.Test.String(): loader.Test}
}

// metrics are the figures that may choose between epochs; auto is by the labels.
func metrics() table[string] {
	t := table[string]{"auto": ""}
	for _, name := range trainer.Metrics() {
		t[name] = name
	}
	return t
}

func formats() table[func(*projection.Projection, io.Writer) error] {
	return table[func(*projection.Projection, io.Writer) error]{
		"safetensors": (*projection.Projection).WriteSafetensors,
		"npy":         (*projection.Projection).WriteNPY,
	}
}

func backends() table[func(*place) (graph.Backend, error)] {
	return table[func(*place) (graph.Backend, error)]{
		"auto": openAuto,
		"cpu":  openCPU,
		"cuda": openCUDA,
	}
}

func encodings() table[embed.Encoding] {
	return table[embed.Encoding]{embed.Cl100k().Name: embed.Cl100k(), embed.O200k().Name: embed.O200k()}
}

func providers() table[func(*cli.Context, prompt) (embedder, error)] {
	return table[func(*cli.Context, prompt) (embedder, error)]{
		"exec":    execFrom,
		"hashing": hashingFrom,
		"openai":  openAIFrom,
		"static":  staticFrom,
	}
}

func sources() table[func(*cli.Context, []prepare.File) (prepare.Source, error)] {
	return table[func(*cli.Context, []prepare.File) (prepare.Source, error)]{
		prepare.FormBEIR:       beirFrom,
		prepare.FormCSV:        csvFrom,
		prepare.FormJSON:       jsonArrayFrom,
		prepare.FormJSONLines:  jsonLinesFrom,
		prepare.FormLlamaIndex: llamaIndexFrom,
		prepare.FormParquet:    parquetFrom,
		prepare.FormSQuAD:      squadFrom,
		prepare.FormTSV:        tsvFrom,
	}
}

// A table maps names to what they stand for.
type table[T any] map[string]T

func (t table[T]) names() []string { return slices.Sorted(maps.Keys(t)) }

// list is the names as a help text shows them.
func (t table[T]) list() string { return strings.Join(t.names(), "|") }

// get looks a flag's value up.
func (t table[T]) get(flag, name string) (T, error) {
	v, ok := t[name]
	if !ok {
		return v, usage("--%s %q is unknown; there are: %s", flag, name, strings.Join(t.names(), ", "))
	}
	return v, nil
}

// configured makes a recipe again from config.json.
func configured(c rundir.Recipe) (trainer.Recipe, error) {
	r := trainer.Recipe{
		Name: c.Name, Dims: c.Dims, Epochs: c.Epochs, BatchSize: c.BatchSize, LearningRate: c.LearningRate,
		Dropout: c.Dropout, Average: c.Average, Matryoshka: c.Matryoshka, Patience: c.Patience, CrossValidate: c.CrossValidate, Metric: c.Metric, Seed: c.Seed, ShuffleWindow: c.ShuffleWindow,
	}
	var ok bool
	if r.SelectOn, ok = loader.ParseSplit(c.SelectedOn); !ok {
		return r, fmt.Errorf("config.json: selected_on is %q, want one of %s", c.SelectedOn, strings.Join(loader.SplitNames(), ", "))
	}
	var err error
	if c.Side != "" {
		if r.Side, err = sides().get("side", c.Side); err != nil {
			return r, err
		}
	}
	if c.Shape != nil {
		if r.Shape, err = component(shapes(), "shape", *c.Shape); err != nil {
			return r, err
		}
	}
	if r.Loss, err = component(losses(), "loss", c.Loss); err != nil {
		return r, err
	}
	if r.Optimizer, err = component(optimizers(), "optimizer", c.Optimizer); err != nil {
		return r, err
	}
	if r.Schedule, err = component(schedules(), "schedule", c.Schedule); err != nil {
		return r, err
	}
	if r.Start, err = component(starts(), "init", c.Start); err != nil {
		return r, err
	}
	if c.ClosedForm != nil {
		r.ClosedForm, err = component(closedForms(), "recipe", *c.ClosedForm)
	}
	return r, err
}

// component makes a part of a recipe with its recorded settings.
func component[T any](t table[func() T], flag string, p rundir.Part) (T, error) {
	create, err := t.get(flag, p.Name)
	if err != nil {
		var none T
		return none, err
	}
	v := create()
	if p.Settings != nil {
		if err := json.Unmarshal(p.Settings, v); err != nil {
			return v, fmt.Errorf("settings of the %s %q: %w", flag, p.Name, err)
		}
	}
	return v, nil
}
