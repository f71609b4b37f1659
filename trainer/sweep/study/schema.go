package study

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// What Optuna writes beside its tables, and knows them by.
const (
	alembicVersion = "v3.2.0.a" // since Optuna 3.2
	schemaVersion  = 12
	libraryVersion = "5.0.0" // whose tables schema.sql repeats
)

//go:embed schema.sql
var optunaTables string

//go:embed leases.sql
var leaseTable string

// prepareSchema makes the tables that are not there yet, and refuses tables
// that are not known.
func prepareSchema(ctx context.Context, s session) error {
	if s.lockSchema != "" {
		if _, err := s.exec(ctx, s.lockSchema); err != nil {
			return err
		}
	}
	tables, err := s.tableNames(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(tables, "alembic_version") {
		if clash := clashes(tables); len(clash) > 0 {
			return fmt.Errorf("it has tables of the names %s, but not Optuna's alembic_version: it is no database of Optuna 3.2 or later", strings.Join(clash, ", "))
		}
		if err := s.makeOptunaTables(ctx); err != nil {
			return err
		}
	} else if err := checkVersion(ctx, s); err != nil {
		return err
	}
	if slices.Contains(tables, "cosfit_leases") {
		return nil
	}
	return s.script(ctx, leaseTable+s.after)
}

// checkSchema refuses a database without the tables, or with unknown ones.
func checkSchema(ctx context.Context, s session) error {
	tables, err := s.tableNames(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(tables, "alembic_version") || !slices.Contains(tables, "cosfit_leases") {
		return errors.New("it has no sweep of cosfit")
	}
	return checkVersion(ctx, s)
}

// clashes are Optuna's names among those of tables.
func clashes(tables []string) (clash []string) {
	for _, line := range strings.Split(optunaTables, "\n") {
		if name, ok := strings.CutPrefix(line, "CREATE TABLE "); ok {
			if name = strings.TrimSuffix(name, " ("); slices.Contains(tables, name) {
				clash = append(clash, name)
			}
		}
	}
	return clash
}

func (s session) tableNames(ctx context.Context) (names []string, err error) {
	err = s.each(ctx, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, s.tables)
	return names, err
}

func (s session) makeOptunaTables(ctx context.Context) error {
	if err := s.script(ctx, s.before+";"+optunaTables); err != nil {
		return err
	}
	if _, err := s.exec(ctx, `INSERT INTO version_info (version_info_id, schema_version, library_version) VALUES (1, ?, ?)`, schemaVersion, libraryVersion); err != nil {
		return err
	}
	_, err := s.exec(ctx, `INSERT INTO alembic_version (version_num) VALUES (?)`, alembicVersion)
	return err
}

// script runs statements that have no parameters.
func (s session) script(ctx context.Context, statements string) error {
	_, err := s.ExecContext(ctx, s.types.Replace(statements))
	return err
}

func checkVersion(ctx context.Context, s session) error {
	var alembic string
	err := s.row(ctx, `SELECT version_num FROM alembic_version`).Scan(&alembic)
	if errors.Is(err, sql.ErrNoRows) {
		return errors.New("its alembic_version is empty: Optuna has not finished making it")
	}
	if err != nil {
		return err
	}
	if alembic != alembicVersion {
		return fmt.Errorf("its schema is Optuna's %s, and only %s is known: if it is older, run `optuna storage upgrade --storage URL`, else take another storage", alembic, alembicVersion)
	}
	var version sql.NullInt64
	if err := s.row(ctx, `SELECT schema_version FROM version_info`).Scan(&version); err != nil {
		return err
	}
	if version.Int64 != schemaVersion {
		return fmt.Errorf("its version_info says schema %d, and only %d is known: take another storage", version.Int64, schemaVersion)
	}
	return nil
}
