package study

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// A Trial is one that the storage knows.
type Trial struct {
	search.Trial
	// Attributes are those given to Tell, as encoding/json reads them.
	Attributes map[string]any
}

// A history is the trials of a study as they were seen last. A trial that has
// ended stays as it is, so only the others and new ones are read again.
type history struct {
	trials map[int64]*entry // by id
	last   int64            // greatest id
}

// An entry is a trial and whether it is a point of the space.
type entry struct {
	Trial
	inSpace bool
}

// Trials are those that are points of the space, in the order of their numbers.
// They stay the study's: do not change what they hold.
func (s *Study) Trials(ctx context.Context) ([]Trial, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Without a transaction: a trial is read after its state, so one that has ended
	// is whole.
	if err := s.refresh(ctx, session{s.db, s.dialect}); err != nil {
		return nil, named(s.storage, err)
	}
	return s.history.inSpace(), nil
}

func (h *history) inSpace() (trials []Trial) {
	for _, id := range h.ids() {
		if e := h.trials[id]; e.inSpace {
			trials = append(trials, e.Trial)
		}
	}
	return trials
}

// ids ascend, and so do the numbers.
func (h *history) ids() []int64 { return slices.Sorted(maps.Keys(h.trials)) }

// ended reports whether Optuna lets nothing change any more.
func ended(s search.State) bool {
	return s == search.Complete || s == search.Pruned || s == search.Failed
}

// refresh reads what may have changed.
func (s *Study) refresh(ctx context.Context, now session) error {
	h := &s.history
	var live []int64
	for id, e := range h.trials {
		if !ended(e.State) {
			live = append(live, id)
		}
	}
	read := map[int64]*entry{}
	where := fmt.Sprintf(`study_id = %d AND (trial_id > %d OR trial_id IN (%s))`, s.id, h.last, list(live))
	if err := now.each(ctx, func(rows *sql.Rows) error { return scanTrial(rows, read) },
		`SELECT trial_id, number, state FROM trials WHERE `+where); err != nil {
		return err
	}
	const most = 500 // ids in a statement
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(read)), most) {
		if err := s.readTrials(ctx, now, ids, read); err != nil {
			return err
		}
	}
	if h.trials == nil {
		h.trials = map[int64]*entry{}
	}
	maps.Copy(h.trials, read)
	for id := range read {
		h.last = max(h.last, id)
	}
	return nil
}

// list is ids as SQL has them between brackets, one at least.
func list(ids []int64) string {
	text := []string{"-1"}
	for _, id := range ids {
		text = append(text, strconv.FormatInt(id, 10))
	}
	return strings.Join(text, ",")
}

func scanTrial(rows *sql.Rows, into map[int64]*entry) error {
	var id int64
	var number sql.NullInt64
	var state string
	if err := rows.Scan(&id, &number, &state); err != nil {
		return err
	}
	for s := search.Running; s <= search.Waiting; s++ {
		if s.String() == state {
			into[id] = &entry{Trial: Trial{search.Trial{Number: int(number.Int64), State: s, Point: space.Point{}, Value: math.NaN()}, map[string]any{}}, inSpace: true}
			return nil
		}
	}
	return fmt.Errorf("trial %d has the unknown state %s", number.Int64, state)
}

// readTrials reads the rest of trials whose number and state are known.
func (s *Study) readTrials(ctx context.Context, now session, ids []int64, into map[int64]*entry) error {
	of := ` WHERE trial_id IN (` + list(ids) + `)`
	distributions := map[string]space.Distribution{}
	for _, p := range s.definition.Space {
		distributions[p.Name] = p.Distribution
	}
	var id int64
	err := now.each(ctx, func(rows *sql.Rows) error {
		var name, distribution string
		var value float64
		if err := rows.Scan(&id, &name, &value, &distribution); err != nil {
			return err
		}
		into[id].Point[name] = value
		d, ok := distributions[name]
		into[id].inSpace = into[id].inSpace && ok && sameNumbers(d, distribution)
		return nil
	}, `SELECT trial_id, param_name, param_value, distribution_json FROM trial_params`+of)
	if err != nil {
		return err
	}
	for _, id := range ids {
		e := into[id]
		e.inSpace = e.inSpace && s.definition.Space.Check(e.Point) == nil
	}
	if err := now.each(ctx, func(rows *sql.Rows) error {
		var value sql.NullFloat64
		var kind string
		if err := rows.Scan(&id, &value, &kind); err != nil {
			return err
		}
		if e := into[id]; e.State == search.Complete || e.State == search.Pruned {
			e.Value = number(value, kind)
		}
		return nil
	}, `SELECT trial_id, value, value_type FROM trial_values`+of+` AND objective = 0`); err != nil {
		return err
	}
	if err := now.each(ctx, func(rows *sql.Rows) error {
		var step int
		var value sql.NullFloat64
		var kind string
		if err := rows.Scan(&id, &step, &value, &kind); err != nil {
			return err
		}
		into[id].Reports = append(into[id].Reports, search.Report{Step: step, Value: number(value, kind)})
		return nil
	}, `SELECT trial_id, step, intermediate_value, intermediate_value_type FROM trial_intermediate_values`+of+` ORDER BY trial_id, step`); err != nil {
		return err
	}
	return now.each(ctx, func(rows *sql.Rows) error {
		var key, text string
		if err := rows.Scan(&id, &key, &text); err != nil {
			return err
		}
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			value = text // Python writes NaN, which is no JSON
		}
		into[id].Attributes[key] = value
		return nil
	}, `SELECT trial_id, key, value_json FROM trial_user_attributes`+of)
}
