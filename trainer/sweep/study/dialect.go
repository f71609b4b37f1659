package study

import (
	"context"
	"database/sql"
	"strings"
)

// A dialect is what one database does in its own way. Statements are written
// once, with ? for parameters.
type dialect struct {
	types    *strings.Replacer // of the words in braces in schema.sql
	before   string            // statements in front of schema.sql
	after    string            // statements behind leases.sql
	numbered bool              // parameters are called $1, $2, … there

	// now is the database's clock, in UTC, as Optuna writes times; later is the
	// same in so many seconds, a parameter.
	now, later string

	tables     string // names the tables there are
	lockSchema string // lets others wait who make the tables too; "" where a transaction does so
	lockRow    string // behind a SELECT, lets others wait for its row
	skipLocked string // behind a SELECT from cosfit_leases AS l, passes over rows that others hold

	transient func(error) bool // whether it may go well the next time
}

// A querier is a database or a transaction.
type querier interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// A session runs statements in a dialect.
type session struct {
	querier
	*dialect
}

// exec returns how many rows the statement has changed.
func (s session) exec(ctx context.Context, statement string, arguments ...any) (int64, error) {
	result, err := s.ExecContext(ctx, s.bound(statement), arguments...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s session) row(ctx context.Context, statement string, arguments ...any) *sql.Row {
	return s.QueryRowContext(ctx, s.bound(statement), arguments...)
}

// each calls scan for each row.
func (s session) each(ctx context.Context, scan func(*sql.Rows) error, statement string, arguments ...any) error {
	rows, err := s.QueryContext(ctx, s.bound(statement), arguments...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// bound is the statement with parameters as the database calls them.
func (d *dialect) bound(statement string) string {
	if !d.numbered {
		return statement
	}
	var b strings.Builder
	n := byte('0')
	for _, c := range []byte(statement) {
		if c == '?' { // no statement has ten
			n++
			b.WriteByte('$')
			c = n
		}
		b.WriteByte(c)
	}
	return b.String()
}
