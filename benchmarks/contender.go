package benchmarks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Peer is who takes part, and what with.
type Peer struct {
	Who  string `json:"who"`
	With string `json:"with,omitempty"` // versions, BLAS and its kernel
	// Tasks are the benchmarks that it can do, or of one with several tasks the
	// single ones, as in "machine:sgemm".
	Tasks []string `json:"tasks"`
}

func (p Peer) can(t Task) bool {
	return slices.Contains(p.Tasks, t.Benchmark) || slices.Contains(p.Tasks, t.Benchmark+":"+t.What)
}

// plain is whose the row is, without what it was done with.
func (p Peer) plain() string {
	word, _, _ := strings.Cut(p.Who, " ")
	return word
}

// A request asks one peer of a process for a turn.
type request struct {
	Who     string  `json:"who"`
	Task    Task    `json:"task"`
	File    string  `json:"file,omitempty"`   // of the loader's tasks
	Seconds float64 `json:"seconds"`          // that the turn lasts, at least one call
	Warm    bool    `json:"warm"`             // begin with a call that does not count
	Forget  bool    `json:"forget,omitempty"` // let the last task's memory go, and do nothing
}

// A contender takes turns at tasks.
type contender interface {
	peer() Peer
	// turn does a task over and over and returns how long each time took, in
	// milliseconds.
	turn(context.Context, request) ([]float64, error)
	// child is the process that it is in, nil for this one.
	child() *child
}

// A job does a task once.
type job struct {
	do    func() error
	timed func() (time.Duration, error) // instead of do, where the job knows best how long once took
	close func()                        // lets its memory go; may be nil
	said  func() string                 // a remark on the last time, for the notes; may be nil
}

// once does the task and returns how long it took.
func (j *job) once() (time.Duration, error) {
	if j.timed != nil {
		return j.timed()
	}
	start := time.Now()
	err := j.do()
	return time.Since(start), err
}

// A local contender is in this process.
type local struct {
	is      Peer
	prepare func(context.Context, request) (job, error)

	last Task // the task that ready is for
	job  *job
}

func (l *local) peer() Peer    { return l.is }
func (l *local) child() *child { return nil }

func (l *local) turn(ctx context.Context, r request) ([]float64, error) {
	if l.job != nil && (r.Forget || l.last != r.Task) {
		if l.job.close != nil {
			l.job.close()
		}
		l.job = nil
	}
	if r.Forget {
		return nil, nil
	}
	if l.job == nil {
		j, err := l.prepare(ctx, r)
		if err != nil {
			return nil, err
		}
		l.job, l.last = &j, r.Task
	}
	return repeat(ctx, l.job.once, r)
}

// remark is what the job at hand has to say.
func (l *local) remark() string {
	if l.job == nil || l.job.said == nil {
		return ""
	}
	return l.job.said()
}

// repeat calls once until the turn is over.
func repeat(ctx context.Context, once func() (time.Duration, error), r request) (ms []float64, err error) {
	if r.Warm {
		if _, err := once(); err != nil {
			return nil, err
		}
	}
	for begun := time.Now(); ; {
		took, err := once()
		if err != nil {
			return nil, err
		}
		ms = append(ms, float64(took.Nanoseconds())/1e6)
		if time.Since(begun).Seconds() >= r.Seconds {
			return ms, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// unable is the error of a contender that is asked for what it never offered.
func unable(who string, t Task) error {
	return fmt.Errorf("%s cannot do %s %s", who, t.Benchmark, t.What)
}
