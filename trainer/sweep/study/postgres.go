package study

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

var postgres = &dialect{
	types: strings.NewReplacer(
		"{id}", "SERIAL", "{float}", "DOUBLE PRECISION", "{time}", "TIMESTAMP", "{state}", "trialstate", "{direction}", "studydirection",
		"{value}", "trialvaluetype", "{intermediate}", "trialintermediatevaluetype"),
	before: `CREATE TYPE studydirection AS ENUM ('NOT_SET', 'MINIMIZE', 'MAXIMIZE');
		CREATE TYPE trialstate AS ENUM ('RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING');
		CREATE TYPE trialvaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG');
		CREATE TYPE trialintermediatevaluetype AS ENUM ('FINITE', 'INF_POS', 'INF_NEG', 'NAN')`,
	numbered: true,
	// Not now(), which is when the transaction began: it may have waited.
	now:        `(clock_timestamp() AT TIME ZONE 'UTC')`,
	later:      `(clock_timestamp() AT TIME ZONE 'UTC' + make_interval(secs => ?))`,
	tables:     `SELECT tablename FROM pg_tables WHERE schemaname = current_schema()`,
	lockSchema: `SELECT pg_advisory_xact_lock(7151023)`, // any number that is ours
	lockRow:    ` FOR UPDATE`,
	skipLocked: ` FOR UPDATE OF l SKIP LOCKED`,
	transient:  postgresTransient,
}

// openPostgres reaches the server once, so that what is wrong shows here.
func openPostgres(ctx context.Context, url string) (*sql.DB, error) {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	db := stdlib.OpenDB(*config)
	db.SetMaxOpenConns(8)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// postgresTransient is true of conflicts that PostgreSQL resolves by giving
// one up, and of a server that is gone for the moment.
func postgresTransient(err error) bool {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return strings.HasPrefix(e.Code, "08") || // connection
			slices.Contains([]string{
				"40001", // serialization failure
				"40P01", // deadlock
				"53300", // too many connections
				"57P01", // the administrator shuts down,
				"57P02", // it crashes
				"57P03", // or starts
			}, e.Code)
	}
	for _, gone := range []error{driver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF} {
		if errors.Is(err, gone) {
			return true
		}
	}
	_, network := errors.AsType[net.Error](err)
	_, connecting := errors.AsType[*pgconn.ConnectError](err)
	return network || connecting || pgconn.SafeToRetry(err)
}

// postgresReason is why no server was reached, which the driver says in a line
// for each address that it has tried. Other errors stay as they are.
func postgresReason(err error) error {
	connect, ok := errors.AsType[*pgconn.ConnectError](err)
	if !ok {
		return err
	}
	if e, ok := errors.AsType[*pgconn.PgError](connect); ok {
		return fmt.Errorf("the server refuses: %w", e)
	}
	if e, ok := errors.AsType[*net.OpError](connect); ok {
		return fmt.Errorf("the server is not reached: %w", e)
	}
	return errors.New(strings.Join(strings.Fields(connect.Error()), " "))
}
