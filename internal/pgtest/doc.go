// Package pgtest starts a PostgreSQL server of a test's own: in a temporary
// folder, reached through a Unix socket there, gone with the test. It needs
// PostgreSQL's programs, which Debian's package postgresql has. Without them
// tests are skipped, or fail where COSFIT_TEST_POSTGRES=1 says that they must
// run.
package pgtest
