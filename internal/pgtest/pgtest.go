//go:build unix

package pgtest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// A Server runs until its test ends.
type Server struct {
	folder    string
	programs  string
	owner     *syscall.Credential // nil: who runs the test
	command   *exec.Cmd
	stop      io.Closer
	databases atomic.Int32
}

// Start starts a server, or skips the test where there is none to start.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{}
	var err error
	if s.programs, err = find(); err == nil {
		s.owner, err = owner()
	}
	if err != nil {
		missing(t, err.Error())
	}
	if s.folder, err = os.MkdirTemp("", "cosfit-postgres-"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(s.folder); err != nil {
			t.Error(err)
		}
	})
	if s.owner != nil {
		if err := os.Chown(s.folder, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	c := s.program("initdb", "--pgdata", s.data(), "--username", "cosfit", "--auth", "trust", "--no-sync", "--encoding", "UTF8", "--locale", "C")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	t.Cleanup(func() { s.Stop(t) })
	s.Resume(t)
	return s
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

func (s *Server) program(name string, arguments ...string) *exec.Cmd {
	c := exec.Command(filepath.Join(s.programs, name), arguments...)
	c.Dir = s.folder
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner}
	return c
}

// Resume starts a server that was stopped, and waits until it answers.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	postgres := s.program("postgres", "-D", s.data(), "-k", s.folder, "-c", "listen_addresses=", "-c", "fsync=off")
	// The shell ends the server when its input does: with Stop, or when the test's
	// process is gone, however that came about.
	s.command = exec.Command("/bin/sh", append([]string{"-c", `"$@" & read -r _; kill -INT $!; wait $!`, "sh", postgres.Path}, postgres.Args[1:]...)...)
	s.command.Dir, s.command.SysProcAttr = postgres.Dir, postgres.SysProcAttr
	log, err := os.OpenFile(filepath.Join(s.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	s.command.Stderr = log
	if s.stop, err = s.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	if err := s.await(time.Minute); err != nil {
		said, _ := os.ReadFile(log.Name())
		t.Fatalf("PostgreSQL does not answer: %v\n%s", err, said)
	}
}

// await returns when the server answers.
func (s *Server) await(most time.Duration) error {
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	for end := time.Now().Add(most); ; time.Sleep(50 * time.Millisecond) {
		if err = db.Ping(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Stop ends the server as its administrator would: sessions are cut, and what
// was committed stays. It may be stopped already.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if s.command == nil {
		return
	}
	err := errors.Join(s.stop.Close(), s.command.Wait())
	s.command = nil
	if err != nil {
		t.Errorf("PostgreSQL has ended badly: %v", err)
	}
}

// Database makes an empty database and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	db, err := sql.Open("pgx", s.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(context.Background(), "CREATE DATABASE "+name); err != nil {
		t.Fatal(err)
	}
	return s.url(name)
}

// url is also what SQLAlchemy takes, with postgresql+psycopg2 for its scheme.
func (s *Server) url(database string) string {
	return "postgres://cosfit@/" + database + "?host=" + url.QueryEscape(s.folder)
}

// find returns the folder with PostgreSQL's programs, of the newest version
// where Debian has several.
func find() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		return filepath.Dir(path), nil
	}
	const debian = "/usr/lib/postgresql"
	newest := 0
	versions, _ := os.ReadDir(debian)
	for _, v := range versions {
		n, err := strconv.Atoi(v.Name())
		if _, missing := os.Stat(filepath.Join(debian, v.Name(), "bin", "postgres")); err == nil && missing == nil {
			newest = max(newest, n)
		}
	}
	if newest == 0 {
		return "", errors.New("PostgreSQL is not installed: apt-get install postgresql")
	}
	return filepath.Join(debian, strconv.Itoa(newest), "bin"), nil
}

// owner is who the server runs as: it refuses to be root.
func owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres")
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

// missing skips the test, or fails it.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("COSFIT_TEST_POSTGRES") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}
