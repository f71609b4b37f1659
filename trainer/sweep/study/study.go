package study

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// ErrLost says that the trial is another worker's by now, or has ended.
var ErrLost = errors.New("another worker has taken the trial over")

// DefaultLease is how long a worker is believed to be alive after it was heard
// of last.
const DefaultLease = 30 * time.Second

// patience is how long a server may be gone before an operation fails.
const patience = 2 * time.Minute

// Options are settings of one opening of a study. The zero value is the
// recommended one.
type Options struct {
	Lease time.Duration // 0 means DefaultLease. Workers beat several times within it
}

// A Study is open in a storage. Its methods may be called by several
// goroutines, and other processes may have the same study open.
type Study struct {
	storage    string
	db         *sql.DB
	dialect    *dialect
	id         int64
	definition Definition
	lease      time.Duration

	mu      sync.Mutex // taken before a connection
	history history
}

// Create opens the study of this definition, and makes it where it is not
// there yet, with the database's tables if need be. A study of the name but of
// another definition is an error that says what differs. An existing database
// may hold other studies, which stay as they are.
func Create(ctx context.Context, storage string, d Definition, o Options) (*Study, error) {
	if d.Name == "" || len([]rune(d.Name)) > 512 {
		return nil, errors.New("the name of a study has 1 to 512 characters")
	}
	if _, err := space.New(d.Space); err != nil {
		return nil, err
	}
	s, err := connect(ctx, storage, true, d.Name, o)
	if err != nil {
		return nil, named(storage, err)
	}
	err = s.transact(ctx, func(tx session) error {
		if err := prepareSchema(ctx, tx); err != nil {
			return err
		}
		return s.findOrMake(ctx, tx, d)
	})
	if err != nil {
		return nil, errors.Join(named(storage, err), s.db.Close())
	}
	return s, nil
}

// Open opens a study that is there.
func Open(ctx context.Context, storage, name string, o Options) (*Study, error) {
	s, err := connect(ctx, storage, false, name, o)
	if err != nil {
		return nil, named(storage, err)
	}
	now := session{s.db, s.dialect}
	if err = checkSchema(ctx, now); err == nil {
		if s.id, err = find(ctx, now, name); errors.Is(err, sql.ErrNoRows) {
			err = s.noStudy(ctx, now)
		}
	}
	if err == nil {
		s.definition, err = readDefinition(ctx, now, name, s.id)
	}
	if err != nil {
		return nil, errors.Join(named(storage, err), s.db.Close())
	}
	return s, nil
}

func connect(ctx context.Context, storage string, create bool, name string, o Options) (*Study, error) {
	db, dialect, err := open(ctx, storage, create)
	if err != nil {
		return nil, err
	}
	return &Study{storage: storage, db: db, dialect: dialect, definition: Definition{Name: name}, lease: cmp.Or(o.Lease, DefaultLease)}, nil
}

// Close lets go of the storage. Leases stay as they are.
func (s *Study) Close() error { return s.db.Close() }

// Definition is what the study was made with. It stays the study's.
func (s *Study) Definition() Definition { return s.definition }

// Lease is how long a trial stays a worker's after Ask, Report or Beat.
func (s *Study) Lease() time.Duration { return s.lease }

func find(ctx context.Context, now session, name string) (id int64, err error) {
	err = now.row(ctx, `SELECT study_id FROM studies WHERE study_name = ?`, name).Scan(&id)
	return id, err
}

func (s *Study) noStudy(ctx context.Context, now session) error {
	var names []string
	err := now.each(ctx, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		names = append(names, name)
		return err
	}, `SELECT study_name FROM studies ORDER BY study_id`)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return fmt.Errorf("there is no study %s, nor any other", s.definition.Name)
	}
	return fmt.Errorf("there is no study %s; there are: %s", s.definition.Name, strings.Join(names, ", "))
}

// An OtherSweepError says that a name is that of a study with another definition.
type OtherSweepError struct {
	Name string
	Err  error // what differs
}

func (e *OtherSweepError) Error() string {
	return fmt.Sprintf("the study %s is of another sweep: %v", e.Name, e.Err)
}

func (e *OtherSweepError) Unwrap() error { return e.Err }

// findOrMake sets the study's id and definition.
func (s *Study) findOrMake(ctx context.Context, tx session, d Definition) error {
	id, err := find(ctx, tx, d.Name)
	if err == nil {
		there, err := readDefinition(ctx, tx, d.Name, id)
		if err != nil {
			return err
		}
		if err := d.differs(there); err != nil {
			return &OtherSweepError{d.Name, err}
		}
		s.id, s.definition = id, there
		return nil
	}
	if !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	attributes, err := d.attributes()
	if err != nil {
		return err
	}
	if err := tx.row(ctx, `INSERT INTO studies (study_name) VALUES (?) RETURNING study_id`, d.Name).Scan(&id); err != nil {
		return err
	}
	if _, err := tx.exec(ctx, `INSERT INTO study_directions (direction, study_id, objective) VALUES ('MAXIMIZE', ?, 0)`, id); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		if err := setStudyAttribute(ctx, tx, id, key, attributes[key]); err != nil {
			return err
		}
	}
	metric, err := json.Marshal([]string{d.Metric})
	if err != nil {
		return err
	}
	// What Optuna's Study.set_metric_names sets: the dashboard labels its axes so.
	_, err = tx.exec(ctx, `INSERT INTO study_system_attributes (study_id, key, value_json) VALUES (?, 'study:metric_names', ?)`, id, string(metric))
	s.id, s.definition = id, d
	return err
}

func setStudyAttribute(ctx context.Context, s session, id int64, key, value string) error {
	_, err := s.exec(ctx, `INSERT INTO study_user_attributes (study_id, key, value_json) VALUES (?, ?, ?)
		ON CONFLICT (study_id, key) DO UPDATE SET value_json = excluded.value_json`, id, key, value)
	return err
}

// targetKey is the attribute that says how many trials are wanted. It is not
// part of the definition: a sweep may go on.
const targetKey = attributePrefix + "trials"

// SetTarget records how many trials the sweep is to have, for workers that
// join.
func (s *Study) SetTarget(ctx context.Context, trials int) error {
	return s.do(ctx, func(tx session) error {
		return setStudyAttribute(ctx, tx, s.id, targetKey, fmt.Sprint(trials))
	})
}

// Target is how many trials the sweep is to have, 0 where nobody has said so.
func (s *Study) Target(ctx context.Context) (trials int, err error) {
	now := session{s.db, s.dialect}
	err = now.row(ctx, `SELECT CAST(value_json AS INTEGER) FROM study_user_attributes WHERE study_id = ? AND key = ?`, s.id, targetKey).Scan(&trials)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, named(s.storage, err)
	}
	return trials, nil
}

// transact runs f in a transaction, which is undone when f fails.
func (s *Study) transact(ctx context.Context, f func(session) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(session{tx, s.dialect}); err != nil {
		// The rollback's own error adds nothing: the connection goes back or is dropped.
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// do is transact, again and again while the server is gone for the moment. f
// must bear to run after a transaction of its own that was committed without
// an answer. Errors name the storage, but for those that f has wrapped as own.
func (s *Study) do(ctx context.Context, f func(session) error) error {
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := s.transact(ctx, f)
		if err != nil && (ctx.Err() != nil || !s.dialect.transient(err)) {
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxElapsedTime(patience))
	if own, ok := errors.AsType[ownError](err); ok {
		return own.error
	}
	if err != nil && ctx.Err() == nil {
		return named(s.storage, err)
	}
	return err
}

// An ownError is none of the storage's.
type ownError struct{ error }
