package cache

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test's program is its own child: it appends or compacts until it is
// killed or done.
func TestMain(m *testing.M) {
	if command := os.Getenv("CACHE_TEST_CHILD"); command != "" {
		if err := child(strings.Fields(command)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

const childDims = 16

// child runs "append DIR FIRST BATCHES SIZE", and says each batch that is kept,
// or "compact DIR N", or "claim DIR N" and waits.
func child(command []string) error {
	number := func(i int) int {
		n, err := strconv.Atoi(command[i])
		if err != nil {
			panic(err)
		}
		return n
	}
	s, err := Open(command[1]).Store(space(childDims))
	if err != nil {
		return err
	}
	if command[0] == "compact" {
		for range number(2) {
			if s.Dir() == "" { // nobody has begun
				time.Sleep(10 * time.Millisecond)
				if _, err := s.opened(); err != nil {
					return err
				}
				continue
			}
			if _, err := s.Compact(context.Background()); err != nil {
				return err
			}
		}
		return nil
	}
	if command[0] == "claim" {
		ours, err := s.Claim(textIDs(0, number(2)))
		if err == nil {
			fmt.Println(len(ours))
			time.Sleep(time.Minute)
		}
		return err
	}
	s.mergeAt = 4 // merge often
	first, batches, size := number(2), number(3), number(4)
	for i := range batches {
		if err := appendTexts(s, childDims, first+i*size, size); err != nil {
			return err
		}
		fmt.Println(i)
	}
	return s.Close()
}

func startChild(t *testing.T, command ...any) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), "CACHE_TEST_CHILD="+fmt.Sprint(command...))
	c.Stderr = os.Stderr
	return c
}

// A process that is killed at any moment, while it appends or merges, loses
// nothing that was kept, and leaves nothing damaged.
func TestKilled(t *testing.T) {
	kills := 50
	if testing.Short() {
		kills = 8
	}
	dir := t.TempDir()
	const size = 20
	next := 0 // batches kept, by all children
	for kill := range kills {
		c := startChild(t, "append ", dir, " ", next*size, " 100000 ", size)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Duration(20+rand.IntN(100))*time.Millisecond, func() { c.Process.Kill() })
		kept := 0
		for lines := bufio.NewScanner(out); lines.Scan(); kept++ {
		}
		c.Wait()
		v, err := Open(dir).Verify(context.Background(), "test-numbers-16")
		if err != nil && next+kept == 0 {
			continue // killed before it began
		}
		if err != nil || len(v.Damaged) > 0 || len(v.Strange) > 0 {
			t.Fatalf("after kill %d: %+v, %v", kill, v, err)
		}
		next += kept
		s := mustStore(t, dir, space(childDims))
		missing, err := s.Missing(textIDs(0, next*size))
		if err != nil || len(missing) > 0 || len(s.Damaged()) > 0 {
			t.Fatalf("after kill %d: %d of %d texts that were kept are missing, %v", kill, len(missing), next*size, err)
		}
	}
	s := mustStore(t, dir, space(childDims))
	extra, err := s.Missing(textIDs(0, (next+1)*size)) // what the last was about to say
	if err != nil {
		t.Fatal(err)
	}
	wantTexts(t, s, childDims, (next+1)*size, func(i int) bool { return slices.Contains(extra, textID(i)) })
	if _, err := s.Compact(context.Background()); err != nil {
		t.Fatal(err)
	}
	wantTexts(t, s, childDims, (next+1)*size, func(i int) bool { return slices.Contains(extra, textID(i)) })
	t.Logf("%d kills, %d batches kept", kills, next)
}

func textIDs(first, n int) (ids []string) {
	for i := first; i < first+n; i++ {
		ids = append(ids, textID(i))
	}
	return ids
}

// Two processes append, partly the same texts, while a third compacts and this
// one reads.
func TestProcessesTogether(t *testing.T) {
	batches := 120
	if testing.Short() {
		batches = 30
	}
	const size = 10
	dir := t.TempDir()
	all := []*exec.Cmd{
		startChild(t, "append ", dir, " 0 ", batches, " ", size),
		startChild(t, "append ", dir, " ", batches*size/2, " ", batches, " ", size),
		startChild(t, "compact ", dir, " ", batches),
	}
	for _, c := range all {
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error, len(all))
	for _, c := range all {
		go func() { done <- c.Wait() }()
	}
	n := batches * size * 3 / 2
	s := mustStore(t, dir, space(childDims))
	lacking := n
	for left := len(all); left > 0; {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("a child failed: %v", err)
			}
			left--
		default:
		}
		missing, err := s.Missing(textIDs(0, n))
		if err != nil || len(missing) > lacking {
			t.Fatalf("%d texts are missing after %d, %v", len(missing), lacking, err)
		}
		lacking = len(missing)
	}
	wantTexts(t, s, childDims, n, nil)
	if v, err := Open(dir).Verify(context.Background(), "test-numbers-16"); err != nil || len(v.Damaged) > 0 {
		t.Errorf("%+v, %v", v, err)
	}
	if len(s.Damaged()) > 0 {
		t.Errorf("put aside: %q", s.Damaged())
	}
}
