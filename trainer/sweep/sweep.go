package sweep

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cosfit/cosfit/graph"
	"github.com/cosfit/cosfit/loader"
	"github.com/cosfit/cosfit/trainer"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// A Storage keeps the trials of a sweep and hands them out; *study.Study is
// one.
type Storage interface {
	// Ask begins the next trial, or takes over one whose worker is gone.
	Ask(ctx context.Context, worker string, propose func(number int, history []search.Trial) (space.Point, error)) (study.Attempt, error)
	// Report, Beat, Release and Tell return an error that wraps study.ErrLost
	// where another attempt has taken over.
	Report(ctx context.Context, a study.Attempt, step int, value float64) error
	Beat(ctx context.Context, a study.Attempt) error
	Release(ctx context.Context, a study.Attempt) error
	Tell(ctx context.Context, a study.Attempt, state search.State, value float64, attributes map[string]any) error
	Trials(ctx context.Context) ([]study.Trial, error)
}

// Options say how to sweep. All but those that say otherwise are required.
type Options struct {
	Space   space.Space
	Sampler search.Sampler
	Pruner  search.Pruner
	Seed    uint64 // of the sampler
	Storage Storage
	Recipe  func(space.Point) (trainer.Recipe, error)
	Workers []Worker

	// Trials is how many there are to be in all, whoever makes them; 0 means as
	// many as the sampler has points.
	Trials int
	// Deadline is when the last trial begins, and those under way end with their
	// epoch. The zero value means never.
	Deadline time.Time
	Beat     time.Duration  // how often a worker says that it lives; 0 means 5 s
	Progress func(Progress) // is called by one worker at a time; may be nil
}

// A Worker is where trials run, one after the other.
type Worker struct {
	Name string // for people who look into the storage
	Data *loader.Dataset
	Open func() (graph.Backend, error)
}

// Progress is what has become of a trial.
type Progress struct {
	Worker        int // index in Options.Workers
	Trial         int // its number
	Point         space.Point
	State         search.State
	Epoch, Epochs int     // done, and at most
	Value         float64 // of the epoch while the trial runs, then of the trial
	Err           error   // why it failed
}

// Run works until there are as many trials as there are to be and all of them
// have ended, those of other processes too, or until the deadline. Where ctx
// ends first, trials under way are given back, and the error is ctx's.
func Run(ctx context.Context, o Options) error {
	if o.Beat == 0 {
		o.Beat = 5 * time.Second
	}
	inside, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	var lock sync.Mutex
	var first error
	for i := range o.Workers {
		w := &worker{Options: &o, Worker: o.Workers[i], index: i, lock: &lock}
		group.Go(func() {
			if err := w.run(inside); err != nil {
				lock.Lock()
				defer lock.Unlock()
				if first == nil {
					first = err
				}
				cancel()
			}
		})
	}
	group.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return first
}

// errEnough says that there are as many trials as there are to be.
var errEnough = errors.New("there are enough trials")

// propose chooses the point of trial n. Its random numbers follow from the seed
// and n, whichever worker asks.
func (o *Options) propose(n int, history []search.Trial) (space.Point, error) {
	if o.Trials > 0 && n >= o.Trials {
		return nil, errEnough
	}
	return o.Sampler.Next(o.Space, n, history, rand.New(rand.NewPCG(o.Seed, uint64(n))))
}

func (o *Options) over() bool { return !o.Deadline.IsZero() && time.Now().After(o.Deadline) }
