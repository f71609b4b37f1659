package study

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// isPostgres reports whether a storage is a server's address. SQLAlchemy's
// way to name a driver is let pass: Python's address can be copied.
func isPostgres(storage string) bool {
	scheme, _, ok := strings.Cut(storage, "://")
	scheme, _, _ = strings.Cut(scheme, "+")
	return ok && (scheme == "postgres" || scheme == "postgresql")
}

// open connects to a storage, which is the address of a PostgreSQL server,
// postgres://user:password@host:port/database, or else a SQLite file: its path,
// or Python's sqlite:///path. Only a file is made, and only where create says
// so.
func open(ctx context.Context, storage string, create bool) (*sql.DB, *dialect, error) {
	if isPostgres(storage) {
		_, rest, _ := strings.Cut(storage, "://")
		db, err := openPostgres(ctx, "postgres://"+rest)
		return db, postgres, err
	}
	path, isURL := strings.CutPrefix(storage, "sqlite:///")
	if scheme, _, ok := strings.Cut(storage, "://"); ok && !isURL {
		return nil, nil, fmt.Errorf("%s:// is unknown: give a file, or postgres://user@host/database", scheme)
	}
	if path == "" {
		return nil, nil, errors.New("it has no name: give a file, or postgres://user@host/database")
	}
	db, err := openSQLite(ctx, path, create)
	return db, sqlite, err
}

// PythonURL is what optuna.load_study and optuna-dashboard take for a storage.
// A password is left out, so it can be printed.
func PythonURL(storage string) string {
	if !isPostgres(storage) {
		return "sqlite:///" + strings.TrimPrefix(storage, "sqlite:///")
	}
	_, rest, _ := strings.Cut(storage, "://")
	u, err := url.Parse("postgresql://" + rest)
	if err != nil {
		return "postgresql://…"
	}
	if u.User != nil {
		u.User = url.User(u.User.Username())
	}
	query := u.Query()
	if query.Has("password") {
		query.Del("password")
		u.RawQuery = query.Encode()
	}
	return u.String()
}

// named adds to an error which storage it comes from.
func named(storage string, err error) error {
	scheme, _, isURL := strings.Cut(storage, "://")
	switch {
	case isPostgres(storage):
		storage = PythonURL(storage)
	case !isURL:
	case scheme == "sqlite":
		storage = strings.TrimPrefix(storage, "sqlite:///")
	default:
		storage = scheme + "://…" // it may have a password
	}
	return fmt.Errorf("storage %s: %w", storage, postgresReason(err))
}
