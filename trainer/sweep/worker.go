package sweep

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// A worker is one that works.
type worker struct {
	*Options
	Worker
	index     int
	lock      *sync.Mutex // of Progress
	workspace *trainer.Workspace
	failures  int // in a row
}

// look is how often a worker without work looks whether another one is gone.
const look = 100 * time.Millisecond

// run makes one trial after the other.
func (w *worker) run(ctx context.Context) (err error) {
	if w.workspace, err = trainer.NewWorkspace(w.Data, w.Open); err != nil {
		return err
	}
	defer w.workspace.Close()
	for !w.over() {
		attempt, err := w.Storage.Ask(ctx, w.Name, w.propose)
		switch {
		case errors.Is(err, errEnough) || errors.Is(err, search.ErrExhausted):
			// Those that others have may still come back.
			running, err := w.running(ctx)
			if err != nil || !running {
				return err
			}
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(look):
			}
		case err != nil:
			return err
		default:
			if err := w.try(ctx, attempt); err != nil {
				return err
			}
		}
	}
	return nil
}

// running reports whether any trial has not ended.
func (w *worker) running(ctx context.Context) (bool, error) {
	trials, err := w.Storage.Trials(ctx)
	for _, t := range trials {
		if t.State == search.Running {
			return true, err
		}
	}
	return false, err
}

// A trial is an attempt under way.
type trial struct {
	*worker
	study.Attempt
	recipe  trainer.Recipe
	so      search.Trial // so far
	began   time.Time
	pruned  bool
	cut     bool  // by the deadline
	storage error // of a report
}

// try makes one trial. An error ends the worker; that of the training itself
// only ends the trial.
func (w *worker) try(ctx context.Context, a study.Attempt) error {
	t := &trial{worker: w, Attempt: a, began: time.Now()}
	t.so = search.Trial{Number: a.Trial, State: search.Running, Point: a.Point}
	inside, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	beating := t.beat(inside, cancel)
	tried, err := t.train(inside)
	lost := context.Cause(inside)
	cancel(nil)
	beating.Wait()

	// How it ended must be told whatever has ended ctx since.
	ctx = context.WithoutCancel(ctx)
	switch {
	case errors.Is(lost, study.ErrLost) || errors.Is(t.storage, study.ErrLost):
		return nil // another worker has it
	case t.storage != nil && lost == nil:
		return t.storage
	case lost != nil:
		return errors.Join(lost, t.unlessLost(w.Storage.Release(ctx, a)))
	}
	return t.unlessLost(t.tell(ctx, tried, err))
}

// unlessLost passes over the news that another attempt has taken over.
func (t *trial) unlessLost(err error) error {
	if errors.Is(err, study.ErrLost) {
		return nil
	}
	return err
}

// beat says now and then that the attempt lives. It cancels the trial where
// another has taken over or the storage cannot be reached.
func (t *trial) beat(ctx context.Context, cancel context.CancelCauseFunc) *sync.WaitGroup {
	var group sync.WaitGroup
	group.Go(func() {
		ticker := time.NewTicker(t.Options.Beat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			}
			if err := t.Storage.Beat(ctx, t.Attempt); err != nil && ctx.Err() == nil {
				cancel(err)
			}
		}
	})
	return &group
}

// mostAttempts at a trial are made: one that takes its process with it, such as
// by its need of memory, must not do so for ever. Those that were given back do not
// count.
const mostAttempts = 5

func (t *trial) train(ctx context.Context) (tried trainer.Tried, err error) {
	if t.Attempt.Number-t.Attempt.Released > mostAttempts {
		return tried, fmt.Errorf("%d times its worker ended in the middle of it", mostAttempts)
	}
	if t.recipe, err = t.Recipe(t.Point); err != nil {
		return tried, err
	}
	t.show(search.Running, 0, math.NaN(), nil)
	return trainer.Try(ctx, t.workspace, t.recipe, func(epoch int, value float64) bool { return t.report(ctx, epoch, value) })
}

// report tells the figure of an epoch, and whether the trial is to go on.
func (t *trial) report(ctx context.Context, epoch int, value float64) bool {
	if t.storage = t.Storage.Report(ctx, t.Attempt, epoch, value); t.storage != nil {
		return false
	}
	t.so.Reports = append(t.so.Reports, search.Report{Step: epoch, Value: value})
	t.show(search.Running, epoch, value, nil)
	if epoch == t.recipe.Epochs {
		return true // it is at its end anyway
	}
	if t.over() {
		t.cut = true
		return false
	}
	if _, none := t.Pruner.(search.NoPruner); none {
		return true
	}
	var all []study.Trial
	if all, t.storage = t.Storage.Trials(ctx); t.storage != nil {
		return false
	}
	t.pruned = t.Pruner.Prune(t.so, History(all))
	return !t.pruned
}

// mostFailures in a row mean that the fault is not a trial's.
const mostFailures = 3

// tell ends the trial.
func (t *trial) tell(ctx context.Context, tried trainer.Tried, err error) error {
	about := map[string]any{"seconds": time.Since(t.began).Seconds(), "worker": t.Name, "attempt": t.Attempt.Number}
	if err == nil && math.IsInf(tried.Best, -1) {
		err = errors.New("the figure of no epoch is a number")
	}
	if err != nil {
		about["error"] = err.Error()
		if told := t.Storage.Tell(ctx, t.Attempt, search.Failed, math.NaN(), about); told != nil {
			return told
		}
		t.show(search.Failed, len(t.so.Reports), math.NaN(), err)
		return t.failed(err)
	}
	t.failures = 0
	b := t.workspace.Backend()
	about["best_epoch"], about["epochs"], about["pairs"], about["start"] = tried.BestEpoch, tried.Epochs, tried.Pairs, tried.Start
	about["device"], about["kernel"] = b.Name(), b.Kernel()
	state := search.Complete
	if t.pruned || t.cut {
		state = search.Pruned
	}
	if t.cut {
		about["ended_by"] = "budget"
	}
	if err := t.Storage.Tell(ctx, t.Attempt, state, tried.Best, about); err != nil {
		return err
	}
	t.show(state, tried.Epochs, tried.Best, nil)
	return nil
}

// failed ends the worker where one trial after the other fails for another
// reason than its own settings.
func (t *trial) failed(err error) error {
	var setting *trainer.SettingError
	var diverged *trainer.DivergedError
	if errors.As(err, &setting) || errors.As(err, &diverged) {
		return nil
	}
	if t.Attempt.Number > mostAttempts {
		return nil
	}
	t.workspace.Forget()
	if t.failures++; t.failures == mostFailures {
		return fmt.Errorf("%d trials in a row failed, trial %d with: %w", mostFailures, t.Attempt.Trial, err)
	}
	return nil
}

func (t *trial) show(state search.State, epoch int, value float64, err error) {
	if t.Progress == nil {
		return
	}
	t.lock.Lock()
	defer t.lock.Unlock()
	t.Progress(Progress{Worker: t.index, Trial: t.Attempt.Trial, Point: t.Point, State: state,
		Epoch: epoch, Epochs: t.recipe.Epochs, Value: value, Err: err})
}
