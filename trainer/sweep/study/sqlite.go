package study

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/cenkalti/backoff/v5"
	driver "modernc.org/sqlite" // which calls itself "sqlite"
)

// sqlite has no enumerations and no row locks: a transaction that writes is
// alone from its beginning (_txlock). Its clock is the machine's.
var sqlite = &dialect{
	types: strings.NewReplacer(
		"{id}", "INTEGER NOT NULL", "{float}", "FLOAT", "{time}", "DATETIME", "{state}", "VARCHAR(8)", "{direction}", "VARCHAR(8)",
		"{value}", "VARCHAR(7)", "{intermediate}", "VARCHAR(7)"),
	// SQLite gives the id of a deleted row to the next one, and Python deletes
	// without minding foreign keys.
	after: `CREATE TRIGGER cosfit_leases_of_deleted AFTER DELETE ON trials
		BEGIN DELETE FROM cosfit_leases WHERE trial_id = OLD.trial_id; END`,
	now:       `strftime('%Y-%m-%d %H:%M:%f000', 'now')`,
	later:     `strftime('%Y-%m-%d %H:%M:%f000', 'now', ? || ' seconds')`,
	tables:    `SELECT name FROM sqlite_master WHERE type = 'table'`,
	transient: sqliteBusy,
}

// openSQLite opens the database in a file, which it makes where create says so.
//
// A new database keeps a write-ahead log (path-wal), so that the dashboard
// reads while workers write and a report costs no wait for the disk; what a
// process has written survives its kill, and a power cut costs the last
// moments as a whole. The last process to close it leaves one file. A database
// that is there keeps its own way.
func openSQLite(ctx context.Context, path string, create bool) (*sql.DB, error) {
	if err := checkFile(path, create); err != nil {
		return nil, err
	}
	mode := "rw"
	if create {
		mode = "rwc"
	}
	const wait = "60000" // ms for others who write
	settings := url.Values{"mode": {mode}, "_busy_timeout": {wait}, "_txlock": {"immediate"}, "_dqs": {"0"}, "_error_rc": {"1"}}
	journal, err := backoff.Retry(ctx, func() (string, error) {
		mode, err := sqliteJournal(ctx, sqliteName(path, settings))
		if err != nil && !sqliteBusy(err) {
			err = backoff.Permanent(err)
		}
		return mode, err
	}, backoff.WithMaxElapsedTime(patience))
	if err != nil {
		return nil, err
	}
	if journal == "wal" {
		settings.Set("_synchronous", "NORMAL")
	}
	db, err := sql.Open("sqlite", sqliteName(path, settings))
	if err != nil {
		return nil, err
	}
	// One connection: goroutines take turns here and not by trying.
	db.SetMaxOpenConns(1)
	return db, nil
}

// sqliteBusy reports whether another process was in the way, for which SQLite does
// not always wait by itself: not where a journal's mode changes, nor where its log
// is begun or given up.
func sqliteBusy(err error) bool {
	e, ok := errors.AsType[*driver.Error](err)
	const busy, primary = 5, 0xff
	return ok && e.Code()&primary == busy
}

// checkFile says in words what SQLite would call "unable to open".
func checkFile(path string, create bool) error {
	info, err := os.Stat(path)
	switch {
	case err == nil && info.IsDir():
		return errors.New("it is a folder, want a file")
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return errors.Unwrap(err)
	case !create:
		return errors.New("there is no such file")
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("there is no folder %s", filepath.Dir(path))
	}
	return nil
}

// sqliteName is what the driver opens. Characters that mean something in a
// URL are escaped.
func sqliteName(path string, settings url.Values) string {
	path = filepath.ToSlash(path)
	if filepath.VolumeName(path) != "" {
		path = "/" + path
	}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + settings.Encode()
}

// sqliteJournal is the journal's mode, after an empty database was given a
// write-ahead log.
func sqliteJournal(ctx context.Context, name string) (mode string, err error) {
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var pages int
	if err := db.QueryRowContext(ctx, "PRAGMA page_count").Scan(&pages); err != nil {
		return "", err
	}
	change := "PRAGMA journal_mode"
	if pages == 0 {
		change = "PRAGMA journal_mode = WAL"
	}
	err = db.QueryRowContext(ctx, change).Scan(&mode)
	return mode, err
}
