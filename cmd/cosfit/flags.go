package main

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
)

// Flags that several commands share.

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print the result as JSON instead of a panel"}
}

// threadsFlag limits the whole program: what computes without a backend, such as a
// search or a closed form, takes as many threads as Go may run at once.
func threadsFlag() cli.Flag {
	return &cli.IntFlag{
		Name: "threads", Usage: "CPU threads; 0 means all. The result does not depend on it", DefaultText: "all",
		Action: func(_ *cli.Context, n int) error {
			if n < 0 {
				return usage("--threads is %d, want 0 for all or a positive number", n)
			}
			if n > 0 && n < runtime.GOMAXPROCS(0) {
				runtime.GOMAXPROCS(n)
			}
			return nil
		},
	}
}

func dataFlags() []cli.Flag {
	d := loader.DefaultColumns()
	column := func(name, what, standard string) cli.Flag {
		return &cli.StringFlag{Name: name, Usage: what + " in a wide file", DefaultText: standard, Category: "DATA"}
	}
	return append([]cli.Flag{
		&cli.StringFlag{Name: "data", Usage: "a data set folder, a wide Parquet file, or \"sample\"", Category: "DATA"},
		&cli.StringFlag{Name: "embeddings", Usage: "which embeddings of the folder or the cache, where there are several; LEFT,RIGHT for queries and passages whose model had a prompt for each", Category: "DATA"},
		&cli.StringFlag{Name: "cache", Usage: "folder of the cache of embeddings, for texts without vectors of their own", DefaultText: "in the user's cache folder", Category: "DATA"},
		column("left-column", "left vectors", d.Left),
		column("right-column", "right vectors", d.Right),
		column("label-column", "labels", d.Label),
		&cli.StringFlag{Name: "label-range", Usage: "scale of the labels, such as 0..5 or 0:5", DefaultText: "0..1, or -1..1 where one is negative", Category: "DATA"},
		column("left-text-column", "left texts, or - for none", d.LeftText),
		column("right-text-column", "right texts, or - for none", d.RightText),
		column("group-column", "groups (queries), or - for none", d.Group),
		column("split-column", "splits (train, validation, test), or - for none", d.Split),
		column("kind-column", "kinds of pair (positive, hard, weak, given), or - for none", d.Kind),
		&cli.BoolFlag{Name: "strict", Usage: "refuse data whose splits share a group or a text, instead of saying so", Category: "DATA"},
	}, memoryFlags()...)
}

// dataFlagsWithout are dataFlags but for some.
func dataFlagsWithout(names ...string) []cli.Flag {
	return slices.DeleteFunc(dataFlags(), func(f cli.Flag) bool { return slices.Contains(names, f.Names()[0]) })
}

// memoryFlags bound the memory for vectors.
func memoryFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "memory", Usage: "for vectors, such as 300MB or 4GB; what takes more is streamed. The result does not depend on it", DefaultText: "a quarter of the machine's", Category: "DATA"},
		&cli.StringFlag{Name: "scratch", Usage: "folder for a file of the vectors that exceed --memory", DefaultText: "the user's cache folder", Category: "DATA"},
	}
}

func recipeFlags() []cli.Flag {
	const category = "TRAINING (defaults: recipe default, then notebook where it has another)"
	d, n := trainer.Default(1), trainer.Notebook(1)
	both := func(a, b any) string {
		if one, other := fmt.Sprint(a), fmt.Sprint(b); one != other {
			return one + ", " + other
		}
		return fmt.Sprint(a)
	}
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
		choice("side", "which texts the matrix is for: "+sides().list()+"; query leaves passages, and so an index, as they are", "both"),
		choice("shape", "of the matrix: "+shapes().list()+"; the fewer numbers there are to learn, the fewer pairs it takes", "full"),
		count("rank", "of a low-rank matrix: how many directions it moves", "16"),
		count("epochs", "passes over the training pairs, at most", both(d.Epochs, n.Epochs)),
		count("batch-size", "pairs in a step", both(d.BatchSize, n.BatchSize)),
		number("learning-rate", "at its peak", both(fmt.Sprintf("%g/√d", d.LearningRate), n.LearningRate)),
		number("dropout", "probability of zeroing an input element while training", both(d.Dropout, n.Dropout)),
		choice("loss", losses().list(), both(d.Loss.Name(), n.Loss.Name())),
		number("shrinkage", "of the recipes cca, wccn and whitening, and of --init whitening: share of a multiple of the identity in the covariance", "Ledoit and Wolf's"),
		number("penalty", "of procrustes and ridge, as a recipe or a start: what holds the matrix at the identity, or ridge's small between two models", "1; between two models 0.001, 0.1"),
		number("margin", "of contrastive and triplet: how far apart cosines are to be", "0.5, 0.3"),
		number("scale", "of angle, cosent, logistic and pairwise: what cosines are multiplied by", "20, of recipe default 10"),
		number("temperature", "of infonce: what cosines are divided by", "0.05"),
		&cli.BoolFlag{Name: "learn-scale", Usage: "learn logistic's scale and threshold, or infonce's temperature, beside the matrix", DefaultText: "true of recipe default, else false", Category: category},
		&cli.BoolFlag{Name: "symmetric", Usage: "infonce also looks for each passage's query", Category: category},
		&cli.IntSliceFlag{Name: "matryoshka", Usage: "dimensions, such as 64,128, to which vectors may be cut after training", Category: category},
		number("threshold", "of logistic: the cosine at which a pair is as likely similar as not", "0.5"),
		choice("optimizer", optimizers().list(), both(d.Optimizer.Name(), n.Optimizer.Name())),
		number("momentum", "of sgd", "0, or the schedule's"),
		number("weight-decay", "of adamw", "recipe default 0.2·√d, else 0.01"),
		&cli.BoolFlag{Name: "decay-to-start", Usage: "let weight decay pull towards the start instead of zero", DefaultText: both(true, false), Category: category},
		number("average", "decay of an average of the matrix over the steps, such as 0.99, which is scored and kept instead of the last one; 0 for none", "0"),
		choice("schedule", schedules().list(), both(d.Schedule.Name(), n.Schedule.Name())),
		number("warmup", "share of the steps over which cosine and constant rise", "0.1 of cosine, 0 of constant"),
		choice("init", "start: "+starts().list(), both(d.Start.Name(), n.Start.Name())),
		number("power", "of --init whitening: 1 lets texts vary alike in all directions, less is softer", "1"),
		count("components", "of --init top-removed: how many leading directions are removed", "a hundredth of the dimensions"),
		count("patience", "epochs without improvement before stopping; 0 never stops", both(d.Patience, n.Patience)),
		choice("select-on", "the split that chooses epoch and threshold: validation|test; test flatters, and takes the place of scoring it once at the end", both(d.SelectOn, n.SelectOn)),
		choice("metric", "the figure that chooses epoch and start, and judges the result: "+metrics().list()+"; auto is roc_auc, spearman where labels are grades, ndcg_at_10 where all pairs are similar", "auto"),
		count("cross-validate", "parts in which fewer than 2,000 training pairs without a validation split are judged; 0 takes such a split from them", both(d.CrossValidate, n.CrossValidate)),
		count("shuffle-window", "training pairs that are shuffled among each other; 0 means all", both(d.ShuffleWindow, n.ShuffleWindow)),
		&cli.Uint64Flag{Name: "seed", Usage: "of the start, the order of the pairs and dropout", Category: category},
	}
}

// recipeFrom applies the flags that are set to a recipe.
func recipeFrom(c *cli.Context, r trainer.Recipe) (trainer.Recipe, error) {
	if r.ClosedForm != nil {
		for _, f := range recipeFlags() {
			name := f.Names()[0]
			if c.IsSet(name) && !slices.Contains([]string{"recipe", "dims", "shrinkage", "penalty", "seed", "select-on", "metric", "cross-validate"}, name) {
				return r, usage("--%s has no meaning for --recipe %s, which is solved without epochs: leave it out", name, r.Name)
			}
		}
	}
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
	setInt("cross-validate", &r.CrossValidate)
	setInt("shuffle-window", &r.ShuffleWindow)
	setFloat("learning-rate", &r.LearningRate)
	setFloat("dropout", &r.Dropout)
	setFloat("average", &r.Average)
	if c.IsSet("side") {
		var err error
		if r.Side, err = sides().get("side", c.String("side")); err != nil {
			return r, err
		}
	}
	if c.IsSet("select-on") {
		var err error
		if r.SelectOn, err = selectable().get("select-on", c.String("select-on")); err != nil {
			return r, err
		}
	}
	if c.IsSet("metric") {
		var err error
		if r.Metric, err = metrics().get("metric", c.String("metric")); err != nil {
			return r, err
		}
	}
	if c.IsSet("matryoshka") {
		r.Matryoshka = c.IntSlice("matryoshka")
	}
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
	if err := choose(c, shapes(), "shape", &r.Shape); err != nil {
		return err
	}
	if err := chooseRank(c, r); err != nil {
		return err
	}
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

// chooseRank sets the rank of a low-rank matrix, which --rank by itself asks for.
func chooseRank(c *cli.Context, r *trainer.Recipe) error {
	if !c.IsSet("rank") {
		return nil
	}
	if r.Shape == nil && !c.IsSet("shape") {
		r.Shape = &graph.LowRank{}
	}
	l, ok := r.Shape.(*graph.LowRank)
	if !ok {
		name := "full"
		if r.Shape != nil {
			name = r.Shape.Name()
		}
		return usage("--rank goes with --shape low-rank, not %s", name)
	}
	l.Rank = c.Int("rank")
	return nil
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

// A partSetting is a number that some components of a recipe have.
type partSetting struct {
	flag string
	part string   // the component that has it, and
	name string   // which one was chosen
	at   *float64 // nil where that has none
	of   string   // the components that have it
	want string
	ok   func(v float64) bool
}

// partSettings hands settings to the components that have them.
func partSettings(c *cli.Context, r *trainer.Recipe) error {
	loss, optimizer, schedule := r.Loss.Name(), r.Optimizer.Name(), r.Schedule.Name()
	for _, s := range []partSetting{
		{"momentum", "optimizer", optimizer, field(r.Optimizer, func(o *trainer.SGD) *float64 { return &o.Momentum }),
			"sgd", "a number from 0 up to but not including 1", func(v float64) bool { return v >= 0 && v < 1 }},
		{"weight-decay", "optimizer", optimizer, field(r.Optimizer, func(o *trainer.AdamW) *float64 { return &o.WeightDecay }),
			"adamw", "0 or more", func(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }},
		{"warmup", "schedule", schedule, cmp.Or(
			field(r.Schedule, func(s *trainer.Cosine) *float64 { return &s.Warmup }),
			field(r.Schedule, func(s *trainer.Constant) *float64 { return &s.Warmup })),
			"cosine or constant", "a share from 0 to 1", func(v float64) bool { return v >= 0 && v <= 1 }},
		{"margin", "loss", loss, cmp.Or(
			field(r.Loss, func(l *graph.Contrastive) *float64 { return &l.Margin }),
			field(r.Loss, func(l *graph.Triplet) *float64 { return &l.Margin })),
			"contrastive or triplet", "a difference of cosines above 0, at most 2", func(v float64) bool { return v > 0 && v <= 2 }},
		{"scale", "loss", loss, cmp.Or(
			field(r.Loss, func(l *graph.AnglE) *float64 { return &l.Scale }),
			field(r.Loss, func(l *graph.CoSENT) *float64 { return &l.Scale }),
			field(r.Loss, func(l *graph.Logistic) *float64 { return &l.Scale }),
			field(r.Loss, func(l *graph.Pairwise) *float64 { return &l.Scale })),
			"angle, cosent, logistic or pairwise", "a number above 0, at most 40", func(v float64) bool { return v > 0 && v <= 40 }},
		{"temperature", "loss", loss, field(r.Loss, func(l *graph.InfoNCE) *float64 { return &l.Temperature }),
			"infonce", "a number from 0.005 to 1", func(v float64) bool { return v >= 0.005 && v <= 1 }},
		{"shrinkage", "recipe", r.Name, cmp.Or(
			field(r.ClosedForm, func(f *trainer.CCA) *float64 { return &f.Shrinkage }),
			field(r.ClosedForm, func(f *trainer.WCCN) *float64 { return &f.Shrinkage }),
			field(r.ClosedForm, func(f *trainer.Whitening) *float64 { return &f.Shrinkage }),
			field(r.Start, func(s *trainer.Whitened) *float64 { return &s.Shrinkage })),
			"cca, wccn or whitening, or with --init whitening", "a share above 0, at most 1", func(v float64) bool { return v > 0 && v <= 1 }},
		{"power", "init", r.Start.Name(), field(r.Start, func(s *trainer.Whitened) *float64 { return &s.Power }),
			"whitening", "a number above 0, at most 1", func(v float64) bool { return v > 0 && v <= 1 }},
		{"penalty", "recipe", r.Name, cmp.Or(
			field(r.ClosedForm, func(f *trainer.Procrustes) *float64 { return &f.Penalty }),
			field(r.ClosedForm, func(f *trainer.Ridge) *float64 { return &f.Penalty }),
			field(r.Start, func(f *trainer.Procrustes) *float64 { return &f.Penalty }),
			field(r.Start, func(f *trainer.Ridge) *float64 { return &f.Penalty })),
			"procrustes or ridge, or such an --init", "a number above 0", func(v float64) bool { return v > 0 && !math.IsInf(v, 0) }},
		{"threshold", "loss", loss, field(r.Loss, func(l *graph.Logistic) *float64 { return &l.Threshold }),
			"logistic", "a cosine", func(v float64) bool { return v >= -1 && v <= 1 }},
	} {
		if !c.IsSet(s.flag) {
			continue
		}
		if s.at == nil {
			return usage("--%s goes with --%s %s, not %s", s.flag, s.part, s.of, s.name)
		}
		if *s.at = c.Float64(s.flag); !s.ok(*s.at) {
			return usage("--%s is %g, want %s", s.flag, *s.at, s.want)
		}
	}
	if c.IsSet("symmetric") {
		l, ok := r.Loss.(*graph.InfoNCE)
		if !ok {
			return usage("--symmetric goes with --loss infonce, not %s", loss)
		}
		l.Symmetric = c.Bool("symmetric")
	}
	if c.IsSet("components") {
		s, ok := r.Start.(*trainer.TopRemoved)
		if !ok {
			return usage("--components goes with --init top-removed, not %s", r.Start.Name())
		}
		if s.Components = c.Int("components"); s.Components < 1 {
			return usage("--components is %d, want a number of directions, 1 or more", s.Components)
		}
	}
	if c.IsSet("learn-scale") {
		l, ok := r.Loss.(graph.Learner)
		if !ok {
			return usage("--learn-scale goes with --loss %s, not %s", strings.Join(learners(), " or "), loss)
		}
		l.SetLearn(c.Bool("learn-scale"))
	}
	if c.IsSet("decay-to-start") {
		o, ok := r.Optimizer.(*trainer.AdamW)
		if !ok {
			return usage("--decay-to-start goes with --optimizer adamw, not %s", optimizer)
		}
		o.ToStart = c.Bool("decay-to-start")
	}
	return nil
}

// learners are the losses that --learn-scale goes with.
func learners() []string {
	return slices.DeleteFunc(losses().names(), func(name string) bool {
		_, ok := losses()[name]().(graph.Learner)
		return !ok
	})
}

// field is where a component has a number, nil where it is another component.
func field[T any](part any, of func(*T) *float64) *float64 {
	if p, ok := part.(*T); ok {
		return of(p)
	}
	return nil
}
