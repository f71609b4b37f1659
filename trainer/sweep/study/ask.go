package study

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// An Attempt is a worker's right to work on a trial.
type Attempt struct {
	Trial    int         // its number
	ID       int64       // its id in the database
	Number   int         // of the attempt, from 1
	Released int         // attempts before this one that were given back
	Point    space.Point // what is tried
}

// Ask starts the next trial, or takes over one whose lease has run out: then
// the point is the same, the attempt's number the next, and the reports of the
// attempts before are removed. worker says in words who asks.
//
// propose returns the point of trial number n. It sees every trial before it
// that is a point of the space, and nobody else begins or ends a trial
// meanwhile; so it must not call the study. It may be called again for the
// same trial, and its errors are returned as they are.
func (s *Study) Ask(ctx context.Context, worker string, propose func(n int, history []search.Trial) (space.Point, error)) (Attempt, error) {
	s.mu.Lock() // not within the transaction, whose connection Trials may wait for
	defer s.mu.Unlock()
	var a Attempt
	err := s.do(ctx, func(tx session) error {
		a = Attempt{}
		err := tx.row(ctx, `SELECT study_id FROM studies WHERE study_id = ?`+tx.lockRow, s.id).Scan(new(int64))
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("the study %s was deleted", s.definition.Name)
		}
		if err != nil {
			return err
		}
		if a, err = s.takeOver(ctx, tx, worker); err != nil || a.Number > 0 {
			return err
		}
		if err := s.refresh(ctx, tx); err != nil {
			return err
		}
		a, err = s.begin(ctx, tx, worker, propose)
		return err
	})
	if err != nil {
		return Attempt{}, err
	}
	return a, nil
}

// takeOver returns an attempt whose number is 0 where there is nothing to take
// over.
func (s *Study) takeOver(ctx context.Context, tx session, worker string) (a Attempt, err error) {
	err = tx.row(ctx, `SELECT t.trial_id, t.number, l.attempt, l.released FROM cosfit_leases AS l JOIN trials AS t ON t.trial_id = l.trial_id
		WHERE l.lease_until <= `+tx.now+` AND t.study_id = ? AND t.state = 'RUNNING' ORDER BY t.number LIMIT 1`+tx.skipLocked, s.id).
		Scan(&a.ID, &a.Trial, &a.Number, &a.Released)
	if errors.Is(err, sql.ErrNoRows) {
		return Attempt{}, nil
	}
	if err != nil {
		return a, err
	}
	a.Number++
	if _, err := tx.exec(ctx, `UPDATE cosfit_leases SET attempt = ?, worker = ?, lease_until = `+tx.later+` WHERE trial_id = ?`,
		a.Number, worker, s.lease.Seconds(), a.ID); err != nil {
		return a, err
	}
	if _, err := tx.exec(ctx, `DELETE FROM trial_intermediate_values WHERE trial_id = ?`, a.ID); err != nil {
		return a, err
	}
	// How long a trial took is how long the attempt took that ended it.
	if _, err := tx.exec(ctx, `UPDATE trials SET datetime_start = `+tx.now+` WHERE trial_id = ?`, a.ID); err != nil {
		return a, err
	}
	a.Point = space.Point{}
	err = tx.each(ctx, func(rows *sql.Rows) error {
		var name string
		var value float64
		err := rows.Scan(&name, &value)
		a.Point[name] = value
		return err
	}, `SELECT param_name, param_value FROM trial_params WHERE trial_id = ?`, a.ID)
	return a, err
}

// begin makes the next trial.
func (s *Study) begin(ctx context.Context, tx session, worker string, propose func(int, []search.Trial) (space.Point, error)) (Attempt, error) {
	a := Attempt{Trial: len(s.history.trials), Number: 1}
	var past []search.Trial
	for _, t := range s.history.inSpace() {
		past = append(past, t.Trial)
	}
	var err error
	if a.Point, err = propose(a.Trial, past); err != nil {
		return a, ownError{err}
	}
	if err := s.definition.Space.Check(a.Point); err != nil {
		return a, ownError{fmt.Errorf("trial %d: %w", a.Trial, err)}
	}
	err = tx.row(ctx, `INSERT INTO trials (number, study_id, state, datetime_start) VALUES (?, ?, 'RUNNING', `+tx.now+`) RETURNING trial_id`, a.Trial, s.id).Scan(&a.ID)
	if err != nil {
		return a, err
	}
	for _, p := range s.definition.Space { // in its order, which Python keeps
		if x, ok := a.Point[p.Name]; ok {
			if _, err := tx.exec(ctx, `INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)`,
				a.ID, p.Name, x, distributionJSON(p.Distribution)); err != nil {
				return a, err
			}
		}
	}
	_, err = tx.exec(ctx, `INSERT INTO cosfit_leases (trial_id, attempt, worker, lease_until) VALUES (?, 1, ?, `+tx.later+`)`, a.ID, worker, s.lease.Seconds())
	return a, err
}
