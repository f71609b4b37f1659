package main

import (
	"fmt"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// Flags that several commands share.

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print the result as JSON instead of a panel"}
}

func threadsFlag() cli.Flag {
	return &cli.IntFlag{Name: "threads", Usage: "CPU threads; 0 means all. The result does not depend on it", DefaultText: "all"}
}

func dataFlags() []cli.Flag {
	d := loader.DefaultColumns()
	column := func(name, what, standard string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: what + " in a wide file", DefaultText: standard, Category: "DATA"}
	}
	return []cli.Flag{
		&cli.StringFlag{Name: "data", Usage: "a data set folder, a wide Parquet file, or \"sample\"", Category: "DATA"},
		&cli.StringFlag{Name: "embeddings", Usage: "which embeddings of the folder or the cache, where there are several; LEFT,RIGHT for queries and passages whose model had a prompt for each", Category: "DATA"},
		&cli.StringFlag{Name: "cache", Usage: "folder of the cache of embeddings, for texts without vectors of their own", DefaultText: "in the user's cache folder", Category: "DATA"},
		column("left-column", "left vectors", d.Left),
		column("right-column", "right vectors", d.Right),
		column("label-column", "labels", d.Label),
		&cli.StringFlag{Name: "label-range", Usage: "scale of the labels, such as 0..5", DefaultText: "0..1, or -1..1 where one is negative", Category: "DATA"},
		column("left-text-column", "left texts, or - for none", d.LeftText),
		column("right-text-column", "right texts, or - for none", d.RightText),
		column("group-column", "groups (queries), or - for none", d.Group),
		column("split-column", "splits (train, validation, test), or - for none", d.Split),
		column("kind-column", "kinds of pair (positive, hard, weak, given), or - for none", d.Kind),
		&cli.StringFlag{Name: "memory", Usage: "for vectors, such as 300MB or 4GB; what takes more is streamed. The result does not depend on it", DefaultText: "a quarter of the machine's", Category: "DATA"},
		&cli.StringFlag{Name: "scratch", Usage: "folder for a file of the vectors that exceed --memory", DefaultText: "the user's cache folder", Category: "DATA"},
	}
}

func recipeFlags() []cli.Flag {
	const category = "TRAINING (defaults: recipe default, then notebook)"
	d, n := trainer.Default(1), trainer.Notebook(1)
	both := func(a, b any) string { return fmt.Sprintf("%v, %v", a, b) }
	count := func(name, usage, standard string) cli.Flag {
		return &cli.IntFlag{Name: name, Usage: usage, DefaultText: standard, Category: category}
	}
	number := func(name, usage, standard string) cli.Flag {
		return &cli.Float64Flag{Name: name, Usage: usage, DefaultText: standard, Category: category}
	}
	choice := func(name, usage, standard string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: usage, DefaultText: standard, Category: category}
	}
	return []cli.Flag{
		&cli.StringFlag{Name: "recipe", Value: d.Name, Usage: recipes().list(), Category: category},
		count("dims", "columns of the matrix, the dimension of the vectors that come out", both("the embeddings' own d", n.Dims)),
		count("epochs", "passes over the training pairs, at most", both(d.Epochs, n.Epochs)),
		count("batch-size", "pairs in a step", both(d.BatchSize, n.BatchSize)),
		number("learning-rate", "at its peak", both(fmt.Sprintf("%g/√d", d.LearningRate), n.LearningRate)),
		number("dropout", "probability of zeroing an input element while training", both(d.Dropout, n.Dropout)),
		choice("loss", losses().list(), both(d.Loss.Name(), n.Loss.Name())),
		choice("optimizer", optimizers().list(), both(d.Optimizer.Name(), n.Optimizer.Name())),
		number("momentum", "of sgd", "0, or the schedule's"),
		number("weight-decay", "of adamw", "recipe default 1.5·√d, else 0.01"),
		&cli.BoolFlag{Name: "decay-to-start", Usage: "let weight decay pull towards the start instead of zero", DefaultText: both(true, false), Category: category},
		choice("schedule", schedules().list(), both(d.Schedule.Name(), n.Schedule.Name())),
		number("warmup", "share of the steps over which cosine and constant rise", "0.1 of cosine, 0 of constant"),
		choice("init", "start: "+starts().list(), both(d.Start.Name(), n.Start.Name())),
		count("patience", "epochs without improvement before stopping; 0 never stops", both(d.Patience, n.Patience)),
		count("shuffle-window", "training pairs that are shuffled among each other; 0 means all", both(d.ShuffleWindow, n.ShuffleWindow)),
		&cli.Uint64Flag{Name: "seed", Usage: "of the start, the order of the pairs and dropout", Category: category},
	}
}

// recipeFrom applies the flags that are set to a recipe.
func recipeFrom(c *cli.Context, r trainer.Recipe) (trainer.Recipe, error) {
	setInt := func(name string, to *int) {
		if c.IsSet(name) {
			*to = c.Int(name)
		}
	}
	setFloat := func(name string, to *float64) {
		if c.IsSet(name) {
			*to = c.Float64(name)
		}
	}
	setInt("dims", &r.Dims)
	setInt("epochs", &r.Epochs)
	setInt("batch-size", &r.BatchSize)
	setInt("patience", &r.Patience)
	setInt("shuffle-window", &r.ShuffleWindow)
	setFloat("learning-rate", &r.LearningRate)
	setFloat("dropout", &r.Dropout)
	if c.IsSet("seed") {
		r.Seed = c.Uint64("seed")
	}
	if err := chooseParts(c, &r); err != nil {
		return r, err
	}
	return r, partSettings(c, &r)
}

// chooseParts replaces the components that are named.
func chooseParts(c *cli.Context, r *trainer.Recipe) error {
	if err := choose(c, losses(), "loss", &r.Loss); err != nil {
		return err
	}
	if err := choose(c, optimizers(), "optimizer", &r.Optimizer); err != nil {
		return err
	}
	if err := choose(c, schedules(), "schedule", &r.Schedule); err != nil {
		return err
	}
	return choose(c, starts(), "init", &r.Start)
}

func choose[T any](c *cli.Context, t table[func() T], flag string, to *T) error {
	if !c.IsSet(flag) {
		return nil
	}
	create, err := t.get(flag, c.String(flag))
	if err == nil {
		*to = create()
	}
	return err
}

// partSettings hands settings to the components that have them.
func partSettings(c *cli.Context, r *trainer.Recipe) error {
	if c.IsSet("momentum") {
		o, ok := r.Optimizer.(*trainer.SGD)
		if !ok {
			return usage("--momentum goes with --optimizer sgd, not %s", r.Optimizer.Name())
		}
		if o.Momentum = c.Float64("momentum"); !(o.Momentum >= 0 && o.Momentum < 1) {
			return usage("--momentum is %g, want a number from 0 up to but not including 1", o.Momentum)
		}
	}
	if c.IsSet("weight-decay") {
		o, ok := r.Optimizer.(*trainer.AdamW)
		if !ok {
			return usage("--weight-decay goes with --optimizer adamw, not %s", r.Optimizer.Name())
		}
		if o.WeightDecay = c.Float64("weight-decay"); !(o.WeightDecay >= 0) || math.IsInf(o.WeightDecay, 0) {
			return usage("--weight-decay is %g, want 0 or more", o.WeightDecay)
		}
	}
	if c.IsSet("decay-to-start") {
		o, ok := r.Optimizer.(*trainer.AdamW)
		if !ok {
			return usage("--decay-to-start goes with --optimizer adamw, not %s", r.Optimizer.Name())
		}
		o.ToStart = c.Bool("decay-to-start")
	}
	if c.IsSet("warmup") {
		share := c.Float64("warmup")
		if !(share >= 0 && share <= 1) {
			return usage("--warmup is %g, want a share from 0 to 1", share)
		}
		switch s := r.Schedule.(type) {
		case *trainer.Cosine:
			s.Warmup = share
		case *trainer.Constant:
			s.Warmup = share
		default:
			return usage("--warmup goes with --schedule cosine or constant, not %s", r.Schedule.Name())
		}
	}
	return nil
}
