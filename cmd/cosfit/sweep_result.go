package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"time"

	"github.com/cosfit/cosfit/internal/report"
	"github.com/cosfit/cosfit/internal/rundir"
	"github.com/cosfit/cosfit/internal/shell"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// A sweepResult is what sweep.json and --json have.
type sweepResult struct {
	SchemaVersion int            `json:"schema_version"`
	Study         string         `json:"study"`
	Metric        string         `json:"metric"` // on validation; larger is better
	Sampler       string         `json:"sampler"`
	Pruner        string         `json:"pruner"`
	Seed          uint64         `json:"seed"`
	Trials        sweep.Count    `json:"trials"`
	Pairs         int64          `json:"pairs"` // that all trials trained on
	Best          sweptTrial     `json:"best"`
	Run           string         `json:"run"`     // folder of its run
	Command       string         `json:"command"` // that makes this run again
	Summary       rundir.Summary `json:"summary"` // of the run
	Curse         string         `json:"winners_curse"`
	Luck          *luck          `json:"selection_luck"` // null where no gain on test stands beside
	Importance    *importance    `json:"importance"`     // null where there are too few trials
	Ranking       []sweptTrial   `json:"ranking"`
}

// An importance is which parameters the differences between trials come from.
type importance struct {
	Method   string        `json:"method"`
	Trials   int           `json:"trials"`   // that it was learned from
	Shares   []shareOf     `json:"shares"`   // the largest first
	Together rundir.Figure `json:"together"` // what parameters do only together
}

type shareOf struct {
	Parameter string  `json:"parameter"`
	Share     float64 `json:"share"`
}

// importance is nil where there are too few trials.
func (s *sweeping) importance(trials []study.Trial) *importance {
	found, err := search.ImportanceOf(s.searched.space, sweep.History(trials), rand.New(rand.NewPCG(s.seed, uint64(len(trials)))))
	if err != nil {
		return nil
	}
	out := &importance{Method: found.Method, Trials: found.Trials, Together: rundir.Figure(found.Rest)}
	for _, share := range found.Shares {
		out.Shares = append(out.Shares, shareOf{share.Parameter, share.Share})
	}
	return out
}

// A sweptTrial is a trial as people read it.
type sweptTrial struct {
	Trial     int               `json:"trial"`
	State     string            `json:"state"`
	Value     rundir.Figure     `json:"value"`
	BestEpoch int               `json:"best_epoch,omitempty"`
	Epochs    int               `json:"epochs"`
	Pairs     int64             `json:"pairs"`
	Seconds   float64           `json:"seconds"`
	Worker    string            `json:"worker,omitempty"`
	Error     string            `json:"error,omitempty"`
	Settings  map[string]string `json:"settings"` // flags of cosfit train
}

func (s *sweeping) swept(t study.Trial) sweptTrial {
	number := func(key string) float64 { x, _ := t.Attributes[key].(float64); return x }
	text := func(key string) string { x, _ := t.Attributes[key].(string); return x }
	out := sweptTrial{
		Trial: t.Number, State: stateWord(t.State), Value: rundir.Figure(t.Value), BestEpoch: int(number("best_epoch")),
		Epochs: len(t.Reports), Pairs: int64(number("pairs")), Seconds: number("seconds"), Worker: text("worker"), Error: text("error"),
		Settings: map[string]string{},
	}
	for _, setting := range s.searched.space.Settings(t.Point) {
		out.Settings[setting.Name] = setting.Value
	}
	return out
}

// end makes the run of the best trial, and the report.
func (s *sweeping) end(took time.Duration) error {
	trials, err := s.study.Trials(s.Context.Context)
	if err != nil {
		return err
	}
	if err := s.writeTrials(trials); err != nil {
		return err
	}
	best, ok := sweep.Best(trials)
	if !ok {
		return s.nothing(trials)
	}
	recipe, err := s.searched.recipe(best.Point, s.data.Vectors.Dim)
	if err != nil {
		return err
	}
	summary, err := s.runOf(recipe)
	if err != nil {
		return err
	}
	result := sweepResult{
		SchemaVersion: rundir.SchemaVersion, Study: s.study.Definition().Name, Metric: s.figure, Sampler: s.sampler, Pruner: s.pruner, Seed: s.seed,
		Trials: sweep.CountOf(trials), Best: s.swept(best), Run: s.dir.Best(), Command: s.trainCommand(best.Point, filepath.Join(s.dir.Path(), "again")), // the best run's own folder is taken
		Summary: summary, Luck: luckOf(summary, s.figure), Importance: s.importance(trials),
	}
	result.Curse = curse(best, sweep.CountOf(trials), summary, result.Luck)
	for _, t := range sweep.Ranked(trials) {
		result.Ranking = append(result.Ranking, s.swept(t))
		result.Pairs += result.Ranking[len(result.Ranking)-1].Pairs
	}
	var text bytes.Buffer
	if err := writeJSON(&text, result); err != nil {
		return err
	}
	if err := s.dir.WriteResult(text.Bytes()); err != nil {
		return err
	}
	if s.Bool("json") {
		_, err := s.App.Writer.Write(text.Bytes())
		return err
	}
	report.SweepPanel(s.App.Writer, s.panel(result, took), styleFor(s.App.Writer))
	return nil
}

// nothing says why there is no best trial.
func (s *sweeping) nothing(trials []study.Trial) error {
	for _, t := range trials {
		if t.State == search.Failed {
			return fmt.Errorf("none of %d trials came to its end, trial %d with: %v", len(trials), t.Number, t.Attributes["error"])
		}
	}
	return fmt.Errorf("none of %d trials was trained to its end: go on with a larger --budget: cosfit sweep --resume --budget 10m --out %s", len(trials), shell.Quote(s.dir.Path()))
}

// runOf makes the run directory of a recipe as cosfit train would, unless it is
// there, and goes on with it where it was interrupted.
func (s *sweeping) runOf(recipe trainer.Recipe) (rundir.Summary, error) {
	place := *s.places[0]
	place.threads = s.Int("threads")
	t := training{context: s.Context, source: s.source, recipe: nil, title: "cosfit sweep"}
	path := s.dir.Best()
	t.open = func() (rundir.Dir, error) { return rundir.Create(path, true) }
	if dir, err := rundir.Open(path); err == nil {
		same, err := s.isOf(dir, recipe)
		switch {
		case err != nil:
			return rundir.Summary{}, err
		case same && dir.Finished():
			return dir.ReadSummary()
		case same && dir.HasCheckpoint():
			t.open, t.resume = func() (rundir.Dir, error) { return rundir.Resume(path) }, true
		}
	}
	_, summary, err := t.train(s.data, &place, recipe)
	if errors.Is(err, trainer.ErrInterrupted) || errors.Is(err, errNotBegun) {
		err = fmt.Errorf("interrupted while the best trial was trained again; go on with: cosfit sweep --resume --out %s", shell.Quote(s.dir.Path()))
	}
	return summary, err
}

// isOf reports whether a run is of a recipe, by this program.
func (s *sweeping) isOf(dir rundir.Dir, recipe trainer.Recipe) (bool, error) {
	there, err := dir.ReadConfig()
	if err != nil {
		return false, err
	}
	config, err := recipe.Config()
	if err != nil {
		return false, err
	}
	now := there
	now.Recipe, now.Version = config, version()
	return trainer.SameRun(dir.Path(), there, now) == nil, nil
}

// writeTrials writes trials.csv, in the order of the trials.
func (s *sweeping) writeTrials(trials []study.Trial) error {
	var text bytes.Buffer
	c := csv.NewWriter(&text)
	c.Write(append([]string{"trial", "state", s.figure, "best_epoch", "epochs", "pairs", "seconds", "worker", "error"}, s.searched.names()...))
	for _, t := range trials {
		r := s.swept(t)
		best := ""
		if r.BestEpoch > 0 {
			best = strconv.Itoa(r.BestEpoch)
		}
		row := []string{strconv.Itoa(r.Trial), r.State, r.Value.String(), best, strconv.Itoa(r.Epochs), strconv.FormatInt(r.Pairs, 10), strconv.FormatFloat(r.Seconds, 'f', 3, 64), r.Worker, r.Error}
		for _, name := range s.searched.names() {
			row = append(row, r.Settings[name])
		}
		c.Write(row)
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return err
	}
	return s.dir.WriteTrials(text.Bytes())
}

// panel is what people are shown.
func (s *sweeping) panel(r sweepResult, took time.Duration) report.Sweep {
	figure := trainer.FigureName(r.Metric)
	p := report.Sweep{
		Title: fmt.Sprintf("cosfit sweep · %s · %d trials · %.1f s", s.source.Path, len(r.Ranking), took.Seconds()),
		Counts: fmt.Sprintf("%d trials complete, %d pruned, %d failed; %s and %s",
			r.Trials.Complete, r.Trials.Pruned, r.Trials.Failed, r.Sampler, r.Pruner),
		Figure: figure, Columns: s.searched.names(),
	}
	for _, t := range r.Ranking[:min(len(r.Ranking), 10)] {
		row := report.SweepRow{Trial: t.Trial, State: t.State, Value: t.Value, Epochs: t.Epochs}
		for _, name := range p.Columns {
			row.Settings = append(row.Settings, short(t.Settings[name]))
		}
		p.Ranking = append(p.Ranking, row)
	}
	if r.Importance != nil {
		p.Method = fmt.Sprintf("%s, from %d trials", r.Importance.Method, r.Importance.Trials)
		for _, share := range r.Importance.Shares {
			p.Importance = append(p.Importance, report.Importance{Name: share.Parameter, Share: share.Share})
		}
		p.Importance = append(p.Importance, report.Importance{Name: "only together", Share: float64(r.Importance.Together)})
	}
	p.Sentences = []string{r.Curse, r.Summary.Judgement.Text}
	test := loader.Test.String()
	if before, after := r.Summary.Before[test].MRR, r.Summary.After[test].MRR; before.Known() && after.Known() && r.Summary.Selection != "ndcg_at_10" {
		p.Sentences = append(p.Sentences, fmt.Sprintf("Search, which no trial was judged by: MRR on test went from %.3f to %.3f.", before, after))
	}
	p.Next = []report.Command{
		{Why: "The best run, as this command makes it again:", Line: r.Command},
		{Why: "Its figures:", Line: "cosfit eval --run " + shell.Quote(r.Run)},
		{Why: "All trials: " + s.dir.TrialsPath() + ", or", Line: "optuna-dashboard " + shell.Quote(study.PythonURL(s.storage))},
	}
	return p
}
