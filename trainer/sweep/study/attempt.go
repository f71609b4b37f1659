package study

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/cosfit/cosfit/trainer/sweep/search"
)

// Beat prolongs the lease.
func (s *Study) Beat(ctx context.Context, a Attempt) error {
	return s.do(ctx, func(tx session) error { return s.prolong(ctx, tx, a) })
}

// Report records how good a trial is at a step, and prolongs the lease. A
// second report of a step replaces the first. The value may be any float64.
func (s *Study) Report(ctx context.Context, a Attempt, step int, value float64) error {
	number, kind := stored(value)
	return s.do(ctx, func(tx session) error {
		if err := s.prolong(ctx, tx, a); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) VALUES (?, ?, ?, ?)
			ON CONFLICT (trial_id, step) DO UPDATE SET intermediate_value = excluded.intermediate_value, intermediate_value_type = excluded.intermediate_value_type`,
			a.ID, step, number, kind)
		return err
	})
}

// prolong is the fence: it holds the lease's row to the end of the
// transaction, or returns ErrLost.
func (s *Study) prolong(ctx context.Context, tx session, a Attempt) error {
	n, err := tx.exec(ctx, `UPDATE cosfit_leases SET lease_until = `+tx.later+` WHERE trial_id = ? AND attempt = ?
		AND EXISTS (SELECT 1 FROM trials AS t WHERE t.trial_id = cosfit_leases.trial_id AND t.state = 'RUNNING')`, s.lease.Seconds(), a.ID, a.Number)
	if err == nil && n == 0 {
		err = ownError{ErrLost}
	}
	return err
}

// Release ends the lease, so that the trial is taken over without a wait.
func (s *Study) Release(ctx context.Context, a Attempt) error {
	return s.do(ctx, func(tx session) error {
		if err := s.prolong(ctx, tx, a); err != nil {
			return err
		}
		_, err := tx.exec(ctx, `UPDATE cosfit_leases SET released = released + 1, lease_until = `+tx.now+` WHERE trial_id = ?`, a.ID)
		return err
	})
}

// Reclaim ends the leases of a worker of the study, and returns how many. Only
// who knows that no worker of this name is alive may call it: whoever holds the
// lock of the sweep's folder, say.
func (s *Study) Reclaim(ctx context.Context, worker string) (trials int, err error) {
	err = s.do(ctx, func(tx session) error {
		n, err := tx.exec(ctx, `UPDATE cosfit_leases SET lease_until = `+tx.now+` WHERE worker = ? AND lease_until IS NOT NULL
			AND EXISTS (SELECT 1 FROM trials AS t WHERE t.trial_id = cosfit_leases.trial_id AND t.state = 'RUNNING' AND t.study_id = ?)`, worker, s.id)
		trials = int(n)
		return err
	})
	return trials, err
}

// Tell ends a trial: Complete with its value, Pruned with its value or NaN, or
// Failed, whose value is not kept. Attributes are what else there is to know,
// as encoding/json writes it; Python sees them as user attributes. An attempt
// that tells again changes nothing.
func (s *Study) Tell(ctx context.Context, a Attempt, state search.State, value float64, attributes map[string]any) error {
	if !ended(state) {
		return fmt.Errorf("trial %d: %s is no end", a.Trial, state)
	}
	if state == search.Complete && math.IsNaN(value) {
		return fmt.Errorf("trial %d: complete with a value that is not a number: it has failed", a.Trial)
	}
	texts := map[string]string{}
	for key, value := range attributes {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("trial %d: attribute %s: %w", a.Trial, key, err)
		}
		texts[key] = string(text)
	}
	return s.do(ctx, func(tx session) error {
		if told, err := s.end(ctx, tx, a, state); told || err != nil {
			return err
		}
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			if _, err := tx.exec(ctx, `INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)
				ON CONFLICT (trial_id, key) DO UPDATE SET value_json = excluded.value_json`, a.ID, key, texts[key]); err != nil {
				return err
			}
		}
		if state == search.Failed || math.IsNaN(value) {
			return nil
		}
		number, kind := stored(value)
		_, err := tx.exec(ctx, `INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, ?)
			ON CONFLICT (trial_id, objective) DO UPDATE SET value = excluded.value, value_type = excluded.value_type`, a.ID, number, kind)
		return err
	})
}

// end sets the state, and takes the lease away. told says that this attempt
// has ended the trial before, perhaps without hearing so.
func (s *Study) end(ctx context.Context, tx session, a Attempt, state search.State) (told bool, err error) {
	var attempt int
	var open bool
	err = tx.row(ctx, `SELECT attempt, lease_until IS NOT NULL FROM cosfit_leases WHERE trial_id = ?`+tx.lockRow, a.ID).Scan(&attempt, &open)
	if errors.Is(err, sql.ErrNoRows) || err == nil && attempt != a.Number {
		return false, ownError{ErrLost}
	}
	if err != nil || !open {
		return err == nil, err
	}
	n, err := tx.exec(ctx, `UPDATE trials SET state = ?, datetime_complete = `+tx.now+` WHERE trial_id = ? AND state = 'RUNNING'`, state.String(), a.ID)
	if err == nil && n == 0 {
		err = ownError{ErrLost}
	}
	if err != nil {
		return false, err
	}
	_, err = tx.exec(ctx, `UPDATE cosfit_leases SET lease_until = NULL WHERE trial_id = ?`, a.ID)
	return false, err
}
