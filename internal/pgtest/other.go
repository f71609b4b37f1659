//go:build !unix

package pgtest

import "testing"

// A Server is none on this system.
type Server struct{}

// Start skips the test.
func Start(t testing.TB) *Server {
	t.Helper()
	t.Skip("PostgreSQL is started for tests on Unix only")
	return nil
}

// Database is not reached.
func (*Server) Database(testing.TB) string { return "" }

// Stop is not reached.
func (*Server) Stop(testing.TB) {}

// Resume is not reached.
func (*Server) Resume(testing.TB) {}
