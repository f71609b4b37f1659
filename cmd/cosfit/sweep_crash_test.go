package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/internal/pgtest"
	"github.com/cosfit/cosfit/trainer/sweep"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/study"
)

// apart starts the program as a process of its own.
func apart(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Dir = dir
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stderr = new(bytes.Buffer)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill() })
	return c
}

// testSweepKilled kills two of four workers of a sweep, each in the middle of a
// trial, and then the process that leads it; the same command ends it. Every
// trial has ended, once, and the killed ones were made again.
func testSweepKilled(t *testing.T, storage string) {
	const trials = 20
	dir := t.TempDir()
	common := []string{"--data", "sample", "--device", "cpu", "--threads", "1", "--workers", "1", "--lease", "2s", "--storage", storage}
	lead := append([]string{"sweep", "--out", "s", "--trials", "20", "--sampler", "tpe", "--pruner", "none", "--epochs", "120", "--patience", "0",
		"--learning-rate", "1e-3..1e-2:log", "--dropout", "0..0.3", "--json"}, common...)
	help := append([]string{"sweep", "worker", "--study", "s", "--json"}, common...)

	leader := apart(t, dir, lead...)
	var workers []*exec.Cmd
	at := seen(t, dir, storage)
	at(func(all []study.Trial) bool { return true })
	for range 3 {
		workers = append(workers, apart(t, dir, help...))
	}
	for i, victim := range []*exec.Cmd{workers[0], workers[1]} {
		at(func(all []study.Trial) bool { return len(all) >= 5+4*i && running(all) >= 4-i })
		victim.Process.Kill()
		victim.Wait()
	}
	at(func(all []study.Trial) bool { return len(all) >= 12 })
	leader.Process.Kill()
	leader.Wait()

	again := apart(t, dir, lead...)
	if err := again.Wait(); err != nil {
		t.Fatalf("the same command again: %v: %s", err, again.Stderr)
	}
	if err := workers[2].Wait(); err != nil {
		t.Errorf("the worker that lived: %v: %s", err, workers[2].Stderr)
	}
	var made int
	at(func(all []study.Trial) bool {
		if len(all) != trials {
			t.Errorf("there are %d trials, want %d", len(all), trials)
		}
		for i, trial := range all {
			if trial.Number != i || trial.State != search.Complete || len(trial.Reports) != 120 {
				t.Errorf("trial %d has number %d, is %v, and has %d reports", i, trial.Number, trial.State, len(trial.Reports))
			}
			if attempt, _ := trial.Attributes["attempt"].(float64); attempt > 1 {
				made++
			}
		}
		if best, ok := sweep.Best(all); !ok || best.Value < 0.9 {
			t.Errorf("the best is %+v", best)
		}
		return true
	})
	if made == 0 { // one is killed between two trials at times, but hardly all
		t.Error("no trial was taken over, of three workers that were killed")
	}
	if _, err := os.Stat(filepath.Join(dir, "s", "best", "summary.json")); err != nil {
		t.Error(err)
	}
	t.Logf("%d of %d trials were taken over", made, trials)
}

func running(all []study.Trial) (n int) {
	for _, t := range all {
		if t.State == search.Running && len(t.Reports) > 0 {
			n++
		}
	}
	return n
}

// seen waits until the trials of the study are as wanted.
func seen(t *testing.T, dir, storage string) func(func([]study.Trial) bool) {
	if !strings.Contains(storage, "://") {
		storage = filepath.Join(dir, storage)
	}
	return func(want func([]study.Trial) bool) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			s, err := study.Open(context.Background(), storage, "s", study.Options{})
			var all []study.Trial
			if err == nil {
				all, err = s.Trials(context.Background())
				s.Close()
			}
			if err == nil && want(all) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("after two minutes there are %d trials, %v", len(all), err)
			}
		}
	}
}

func TestSweepKilledSQLite(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for leases to run out")
	}
	testSweepKilled(t, "trials.db")
}

func TestSweepKilledPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for leases to run out")
	}
	testSweepKilled(t, pgtest.Start(t).Database(t))
}
