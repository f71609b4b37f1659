package study

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cosfit/cosfit/internal/pgtest"
	"github.com/cosfit/cosfit/trainer/sweep/search"
)

// TestMain makes this program a worker where the environment says so.
func TestMain(m *testing.M) {
	if storage := os.Getenv("COSFIT_TEST_STORAGE"); storage != "" {
		if err := workAsProcess(storage); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func workAsProcess(storage string) error {
	target, err := strconv.Atoi(os.Getenv("COSFIT_TEST_TRIALS"))
	if err != nil {
		return err
	}
	lease, err := time.ParseDuration(os.Getenv("COSFIT_TEST_LEASE"))
	if err != nil {
		return err
	}
	ctx := context.Background()
	s, err := Create(ctx, storage, example(), Options{Lease: lease})
	if err != nil {
		return err
	}
	defer s.Close()
	return work(ctx, s, fmt.Sprint(os.Getpid()), target, func(trial int) { fmt.Println(trial) })
}

// A process works on a study, and says which trials it has ended.
type process struct {
	*exec.Cmd
	out   io.ReadCloser
	lines chan int // closed when the process is gone
}

func start(t *testing.T, storage string, trials int, lease time.Duration) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(os.Args[0]), lines: make(chan int, trials)}
	p.Env = append(os.Environ(), "COSFIT_TEST_STORAGE="+storage, fmt.Sprint("COSFIT_TEST_TRIALS=", trials), fmt.Sprint("COSFIT_TEST_LEASE=", lease))
	p.Stderr = os.Stderr
	var err error
	p.out, err = p.StdoutPipe()
	must(t, err)
	must(t, p.Start())
	go func() {
		defer close(p.lines)
		for scan := bufio.NewScanner(p.out); scan.Scan(); {
			if n, err := strconv.Atoi(strings.TrimSpace(scan.Text())); err == nil {
				p.lines <- n
			}
		}
	}()
	return p
}

// rest is what the process still says to its end.
func (p *process) rest() (told []int) {
	for n := range p.lines {
		told = append(told, n)
	}
	return told
}

// testProcesses also has four of them make the tables at once.
func testProcesses(t *testing.T, storage string) {
	target := busy(200)
	var processes []*process
	for range 4 {
		processes = append(processes, start(t, storage, target, DefaultLease))
	}
	var told []int
	for _, p := range processes {
		told = append(told, p.rest()...)
		must(t, p.Wait())
	}
	checkWork(t, storage, target, told)
	if len(told) != target {
		t.Errorf("%d trials were ended, want %d", len(told), target)
	}
}

// testKilled kills two of three workers in the middle, and one that follows.
func testKilled(t *testing.T, storage string) {
	target := busy(60)
	lease := 500 * time.Millisecond
	var told []int
	var processes []*process
	for range 3 {
		processes = append(processes, start(t, storage, target, lease))
	}
	for i, after := range []int{3, 7} {
		for range after {
			if n, ok := <-processes[i].lines; ok {
				told = append(told, n)
			}
		}
		must(t, processes[i].Process.Kill())
	}
	late := start(t, storage, target, lease)
	time.Sleep(30 * time.Millisecond) // somewhere in its beginnings
	must(t, late.Process.Kill())
	processes = append(processes, late, start(t, storage, target, lease))
	for i, p := range processes {
		told = append(told, p.rest()...)
		if err := p.Wait(); err != nil && i != 0 && i != 1 && i != 3 { // those that were killed
			t.Errorf("worker %d: %v", i, err)
		}
	}
	checkWork(t, storage, target, told)
}

// testServerGone restarts the server under a report.
func testServerGone(t *testing.T, server *pgtest.Server) {
	s := create(t, server.Database(t), example(), Options{Lease: time.Hour})
	a := ask(t, s, "w")
	for step := 1; step <= 2; step++ {
		server.Stop(t)
		reported := make(chan error)
		go func() { reported <- s.Report(t.Context(), a, step, 0.5) }()
		time.Sleep(200 * time.Millisecond)
		server.Resume(t)
		must(t, <-reported)
	}
	server.Stop(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	if err := s.Beat(ctx, a); err == nil {
		t.Error("a beat reached no server")
	}
	cancel()
	server.Resume(t)
	must(t, s.Tell(t.Context(), a, search.Complete, 0.5, nil))
	if all := trials(t, s); len(all) != 1 || len(all[0].Reports) != 2 {
		t.Errorf("trials %+v", all)
	}
}
