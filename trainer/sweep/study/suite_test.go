package study

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cosfit/cosfit/internal/pgtest"
	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// TestStorages runs every test on every storage, each on a database of its own.
func TestStorages(t *testing.T) {
	tests := []struct {
		name string
		run  func(t *testing.T, storage string)
	}{
		{"a trial from end to end", testTrial},
		{"a study is found again", testFoundAgain},
		{"another definition", testAnotherDefinition},
		{"studies side by side", testSideBySide},
		{"a proposal that fails", testProposal},
		{"a lease that has run out", testTakeover},
		{"a lease runs out in time", testShortLease},
		{"release and reclaim", testRelease},
		{"an attempt tells twice", testTellTwice},
		{"ends that are none", testBadEnds},
		{"a trial that Python ends", testEndedElsewhere},
		{"trials that Python adds", testAddedElsewhere},
		{"a study that Python deletes", testDeleted},
		{"a study is made by several at once", testCreatedTogether},
		{"goroutines share a study", testGoroutines},
		{"processes share a study", testProcesses},
		{"workers are killed", testKilled},
		{"unknown schemas", testUnknownSchemas},
		{"Python reads it, and adds a trial", testPython},
	}
	for _, test := range tests {
		t.Run("sqlite/"+test.name, func(t *testing.T) { test.run(t, filepath.Join(t.TempDir(), "study.db")) })
	}
	t.Run("postgres", func(t *testing.T) {
		server := pgtest.Start(t)
		for _, test := range tests {
			t.Run(test.name, func(t *testing.T) { test.run(t, server.Database(t)) })
		}
		t.Run("the server goes and comes back", func(t *testing.T) { testServerGone(t, server) })
	})
}

// example is a definition with a parameter of each kind, one under a condition.
func example() Definition {
	return Definition{
		Name: "ada's pairs",
		Space: space.Space{
			{Name: "learning-rate", Distribution: space.Float{Low: 1e-5, High: 1e-2, Log: true}},
			{Name: "dropout", Distribution: space.Float{Low: 0, High: 0.5, Step: 0.1}},
			{Name: "dims", Distribution: space.Int{Low: 64, High: 384, Step: 64}},
			{Name: "loss", Distribution: space.Categorical{Choices: []string{"mse", "infonce"}}},
			{Name: "temperature", Distribution: space.Float{Low: 0.01, High: 1}, When: &space.Condition{Parameter: "loss", Values: []string{"infonce"}}},
		},
		Flags:   map[string]string{"epochs": "5", "side": "both"},
		Metric:  "roc_auc",
		Sampler: "tpe",
		Pruner:  "asha",
		Seed:    math.MaxUint64,
		Data:    "5f2c",
	}
}

func create(t *testing.T, storage string, d Definition, o Options) *Study {
	t.Helper()
	s, err := Create(t.Context(), storage, d, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// propose returns points that differ by n.
func propose(n int, _ []search.Trial) (space.Point, error) {
	p := space.Point{"learning-rate": 1e-5 * float64(1+n%900), "dropout": 0.2, "dims": 128, "loss": float64(n % 2)}
	if n%2 == 1 {
		p["temperature"] = 0.5
	}
	return p, nil
}

func ask(t *testing.T, s *Study, worker string) Attempt {
	t.Helper()
	a, err := s.Ask(t.Context(), worker, propose)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func trials(t *testing.T, s *Study) []Trial {
	t.Helper()
	all, err := s.Trials(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a statement on the study's database.
func run(t *testing.T, s *Study, statement string, arguments ...any) {
	t.Helper()
	_, err := session{s.db, s.dialect}.exec(t.Context(), statement, arguments...)
	must(t, err)
}

// expire ends a lease a second ago.
func expire(t *testing.T, s *Study, a Attempt) {
	t.Helper()
	run(t, s, `UPDATE cosfit_leases SET lease_until = `+s.dialect.later+` WHERE trial_id = ?`, -1.0, a.ID)
}

// dump is all that the database holds.
func dump(t *testing.T, s *Study) string {
	t.Helper()
	now := session{s.db, s.dialect}
	names, err := now.tableNames(t.Context())
	must(t, err)
	slices.Sort(names)
	var b strings.Builder
	for _, name := range names {
		fmt.Fprintln(&b, name)
		var lines []string
		must(t, now.each(t.Context(), func(rows *sql.Rows) error {
			columns, err := rows.Columns()
			if err != nil {
				return err
			}
			values := make([]any, len(columns))
			for i := range values {
				values[i] = new(any)
			}
			if err := rows.Scan(values...); err != nil {
				return err
			}
			var line []string
			for _, v := range values {
				line = append(line, fmt.Sprint(*v.(*any)))
			}
			lines = append(lines, strings.Join(line, " | "))
			return nil
		}, "SELECT * FROM "+name))
		slices.Sort(lines)
		fmt.Fprintln(&b, strings.Join(lines, "\n"))
	}
	return b.String()
}

func testTrial(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	a := ask(t, s, "w")
	if a.Trial != 0 || a.Number != 1 {
		t.Fatalf("attempt %+v", a)
	}
	live := trials(t, s)
	if len(live) != 1 || live[0].State != search.Running || !math.IsNaN(live[0].Value) || !reflect.DeepEqual(live[0].Point, a.Point) {
		t.Fatalf("running: %+v", live)
	}
	reports := []search.Report{{Step: 1, Value: math.NaN()}, {Step: 2, Value: math.Inf(1)}, {Step: 3, Value: math.Inf(-1)}, {Step: 4, Value: 0.30000000000000004}}
	for _, i := range []int{3, 0, 2, 1} {
		must(t, s.Report(t.Context(), a, reports[i].Step, 7))
		must(t, s.Report(t.Context(), a, reports[i].Step, reports[i].Value))
	}
	must(t, s.Beat(t.Context(), a))
	must(t, s.Tell(t.Context(), a, search.Complete, 0.30000000000000004, map[string]any{"seconds": 1.5, "worker": "ö\"", "nested": map[string]any{"a": []any{1.0, nil}}}))

	pruned := ask(t, s, "w")
	must(t, s.Tell(t.Context(), pruned, search.Pruned, math.NaN(), nil))
	infinite := ask(t, s, "w")
	must(t, s.Tell(t.Context(), infinite, search.Complete, math.Inf(-1), nil))
	failed := ask(t, s, "w")
	must(t, s.Tell(t.Context(), failed, search.Failed, 3, map[string]any{"error": "diverged"}))

	other, err := Open(t.Context(), storage, "ada's pairs", Options{})
	must(t, err)
	defer other.Close()
	for _, from := range []*Study{s, other} {
		all := trials(t, from)
		if len(all) != 4 {
			t.Fatalf("%d trials, want 4", len(all))
		}
		first := all[0]
		if first.Value != 0.30000000000000004 || first.State != search.Complete || !reflect.DeepEqual(first.Point, a.Point) {
			t.Errorf("trial 0: %+v", first)
		}
		if got := fmt.Sprint(first.Reports); got != fmt.Sprint(reports) || first.Reports[3].Value != 0.30000000000000004 {
			t.Errorf("reports %s", got)
		}
		want := map[string]any{"seconds": 1.5, "worker": "ö\"", "nested": map[string]any{"a": []any{1.0, nil}}}
		if !reflect.DeepEqual(first.Attributes, want) {
			t.Errorf("attributes %v", first.Attributes)
		}
		if all[1].State != search.Pruned || !math.IsNaN(all[1].Value) || !math.IsInf(all[2].Value, -1) || all[3].State != search.Failed || !math.IsNaN(all[3].Value) {
			t.Errorf("ends: %+v", all[1:])
		}
	}
}

func testFoundAgain(t *testing.T, storage string) {
	if _, err := Open(t.Context(), storage, "a", Options{}); err == nil {
		t.Fatal("a study in an empty storage")
	}
	first := create(t, storage, example(), Options{Lease: time.Minute})
	target, err := first.Target(t.Context())
	must(t, err)
	if target != 0 || first.Lease() != time.Minute {
		t.Errorf("target %d, lease %v", target, first.Lease())
	}
	must(t, first.SetTarget(t.Context(), 50))
	must(t, first.SetTarget(t.Context(), 100))
	again := create(t, storage, example(), Options{})
	opened, err := Open(t.Context(), storage, example().Name, Options{})
	must(t, err)
	defer opened.Close()
	for _, s := range []*Study{again, opened} {
		if !reflect.DeepEqual(s.Definition(), example()) {
			t.Errorf("definition %+v", s.Definition())
		}
		if target, err := s.Target(t.Context()); err != nil || target != 100 {
			t.Errorf("target %d, %v", target, err)
		}
		if s.Lease() != DefaultLease {
			t.Errorf("lease %v", s.Lease())
		}
	}
	_, err = Open(t.Context(), storage, "b", Options{})
	if err == nil || !strings.HasSuffix(err.Error(), "there is no study b; there are: ada's pairs") {
		t.Errorf("%v", err)
	}
}

func testAnotherDefinition(t *testing.T, storage string) {
	create(t, storage, example(), Options{})
	for _, test := range []struct {
		change func(*Definition)
		want   string // "" where it is the same
	}{
		{func(d *Definition) { d.Metric = "mrr" }, "metric roc_auc, not mrr"},
		{func(d *Definition) { d.Data = "77aa" }, "data 5f2c, not 77aa"},
		{func(d *Definition) { d.Seed = 1 }, "seed 18446744073709551615, not 1"},
		{func(d *Definition) { d.Sampler, d.Pruner = "random", "none" }, "sampler tpe, not random; pruner asha, not none"},
		{func(d *Definition) { d.Flags = map[string]string{"epochs": "6", "side": "both"} }, "--epochs 5, not 6"},
		{func(d *Definition) { d.Flags = map[string]string{"epochs": "5", "recipe": ""} }, `--recipe none, not ""; --side both, not none`},
		{func(d *Definition) { d.Space[0].Distribution = space.Float{Low: 1e-5, High: 1e-2} }, "--learning-rate 1e-05..0.01:log, not 1e-05..0.01"},
		{func(d *Definition) { d.Space[2].Distribution = space.Int{Low: 64, High: 128, Step: 1, Log: true} }, "--dims 64..384:64, not 64..128:log"},
		{func(d *Definition) { d.Space[3].Distribution = space.Categorical{Choices: []string{"infonce", "mse"}} }, "--loss mse,infonce, not infonce,mse"},
		{func(d *Definition) { d.Space = d.Space[:4] }, "--temperature 0.01..1:loss=infonce, not none"},
		{func(d *Definition) { d.Space[4].When = nil }, "--temperature 0.01..1:loss=infonce, not 0.01..1"},
		{func(d *Definition) {}, ""},
	} {
		d := example()
		test.change(&d)
		s, err := Create(t.Context(), storage, d, Options{})
		if err == nil {
			s.Close()
		}
		switch want := "the study ada's pairs is of another sweep: it has " + test.want; {
		case test.want == "" && err != nil:
			t.Errorf("the same definition: %v", err)
		case test.want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)):
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

func testSideBySide(t *testing.T, storage string) {
	first := create(t, storage, example(), Options{})
	d := example()
	d.Name, d.Metric = "b", "mrr"
	second := create(t, storage, d, Options{})
	for i := range 3 {
		a := ask(t, first, "w")
		expire(t, first, a)
		b := ask(t, second, "w") // not the other study's trial
		if a.Trial != i || b.Trial != i || b.Number != 1 || a.ID == b.ID {
			t.Fatalf("attempts %+v and %+v", a, b)
		}
		must(t, first.Tell(t.Context(), a, search.Complete, 1, nil))
		must(t, second.Tell(t.Context(), b, search.Complete, 2, nil))
	}
	if n := len(trials(t, first)); n != 3 {
		t.Errorf("%d trials of the first study", n)
	}
}

func testProposal(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	before := dump(t, s)
	if _, err := s.Ask(t.Context(), "w", func(int, []search.Trial) (space.Point, error) { return nil, search.ErrExhausted }); err != search.ErrExhausted {
		t.Errorf("got %v, want the proposal's own error", err)
	}
	if _, err := s.Ask(t.Context(), "w", func(int, []search.Trial) (space.Point, error) { return space.Point{"dims": 65}, nil }); err == nil {
		t.Error("a point outside of the space was taken")
	}
	if after := dump(t, s); after != before {
		t.Errorf("something is left:\n%s", after)
	}
	for n := range 3 {
		a, err := s.Ask(t.Context(), "w", func(next int, history []search.Trial) (space.Point, error) {
			if next != n || len(history) != n {
				t.Errorf("trial %d is proposed with %d before it, want %d", next, len(history), n)
			}
			for i, past := range history {
				if want := search.Complete + search.State(i%2); past.Number != i || past.State != want || past.Value != float64(i) {
					t.Errorf("trial %d is %+v, want %v", i, past, want)
				}
			}
			return propose(next, history)
		})
		must(t, err)
		must(t, s.Tell(t.Context(), a, search.Complete+search.State(n%2), float64(n), nil))
	}
}

func testTakeover(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	other := create(t, storage, example(), Options{})
	old := ask(t, s, "old")
	must(t, s.Report(t.Context(), old, 1, 0.5))
	must(t, s.Report(t.Context(), old, 2, 0.6))
	expire(t, s, old)
	// Late, but nobody has come yet.
	must(t, s.Beat(t.Context(), old))
	if a := ask(t, other, "new"); a.Trial != 1 {
		t.Fatalf("a trial with a lease was taken over: %+v", a)
	}
	expire(t, s, old)
	a, err := other.Ask(t.Context(), "new", func(int, []search.Trial) (space.Point, error) {
		t.Error("a point is proposed for a trial that has one")
		return nil, nil
	})
	must(t, err)
	if a.Trial != 0 || a.ID != old.ID || a.Number != 2 || !reflect.DeepEqual(a.Point, old.Point) {
		t.Fatalf("took over %+v, want the second attempt of %+v", a, old)
	}
	if reports := trials(t, other)[0].Reports; len(reports) != 0 {
		t.Errorf("reports of the dead attempt: %v", reports)
	}
	must(t, other.Report(t.Context(), a, 1, 0.7))

	before := dump(t, s)
	for name, err := range map[string]error{
		"beat":    s.Beat(t.Context(), old),
		"report":  s.Report(t.Context(), old, 1, 0.1),
		"release": s.Release(t.Context(), old),
		"tell":    s.Tell(t.Context(), old, search.Complete, 0.1, map[string]any{"a": 1}),
		"fail":    s.Tell(t.Context(), old, search.Failed, 0, nil),
		"unknown": s.Beat(t.Context(), Attempt{ID: 999, Number: 1}),
		"never":   s.Tell(t.Context(), Attempt{ID: 999, Number: 1}, search.Failed, 0, nil),
	} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s of the old attempt: %v", name, err)
		}
	}
	if after := dump(t, s); after != before {
		t.Errorf("the old attempt has changed\n%s\ninto\n%s", before, after)
	}
	must(t, other.Tell(t.Context(), a, search.Complete, 0.7, nil))
	if err := s.Tell(t.Context(), old, search.Complete, 0.1, nil); !errors.Is(err, ErrLost) {
		t.Errorf("after the end: %v", err)
	}
	if err := other.Beat(t.Context(), a); !errors.Is(err, ErrLost) {
		t.Errorf("a beat after the end: %v", err)
	}
	if got := trials(t, s)[0]; got.Value != 0.7 || len(got.Reports) != 1 || got.Reports[0].Value != 0.7 {
		t.Errorf("trial 0 ended as %+v", got)
	}
}

// testShortLease takes no shortcut through the clock.
func testShortLease(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{Lease: 300 * time.Millisecond})
	start := time.Now()
	first := ask(t, s, "first")
	for n := 1; ; n++ {
		a := ask(t, s, "second")
		if a.Trial == first.Trial {
			if waited := time.Since(start); a.Number != 2 || waited < 300*time.Millisecond {
				t.Errorf("attempt %d after %v", a.Number, waited)
			}
			return
		}
		must(t, s.Tell(t.Context(), a, search.Complete, 1, nil))
		if time.Since(start) > time.Minute {
			t.Fatal("the lease does not run out")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func testRelease(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	a, b := ask(t, s, "one"), ask(t, s, "two")
	must(t, s.Release(t.Context(), b))
	if got := ask(t, s, "three"); got.Trial != b.Trial || got.Number != 2 {
		t.Errorf("released %+v, then %+v", b, got)
	}
	for name, want := range map[string]int{"nobody": 0, "two": 0, "one": 1} {
		if n, err := s.Reclaim(t.Context(), name); err != nil || n != want {
			t.Errorf("reclaimed %d of %s, want %d: %v", n, name, want, err)
		}
	}
	if got := ask(t, s, "one"); got.Trial != a.Trial || got.Number != 2 {
		t.Errorf("reclaimed %+v, then %+v", a, got)
	}
}

func testTellTwice(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	a := ask(t, s, "w")
	must(t, s.Tell(t.Context(), a, search.Complete, 1, map[string]any{"a": 1}))
	before := dump(t, s)
	must(t, s.Tell(t.Context(), a, search.Complete, 2, map[string]any{"a": 2}))
	if after := dump(t, s); after != before {
		t.Errorf("changed into\n%s", after)
	}
}

func testBadEnds(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	a := ask(t, s, "w")
	before := dump(t, s)
	for name, err := range map[string]error{
		"running":   s.Tell(t.Context(), a, search.Running, 1, nil),
		"waiting":   s.Tell(t.Context(), a, search.Waiting, 1, nil),
		"NaN":       s.Tell(t.Context(), a, search.Complete, math.NaN(), nil),
		"attribute": s.Tell(t.Context(), a, search.Complete, 1, map[string]any{"a": math.Inf(1)}),
	} {
		if err == nil || errors.Is(err, ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if after := dump(t, s); after != before {
		t.Errorf("changed into\n%s", after)
	}
}

func testEndedElsewhere(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	a := ask(t, s, "w")
	run(t, s, `UPDATE trials SET state = 'FAIL' WHERE trial_id = ?`, a.ID)
	for name, err := range map[string]error{
		"beat":   s.Beat(t.Context(), a),
		"report": s.Report(t.Context(), a, 1, 1),
		"tell":   s.Tell(t.Context(), a, search.Complete, 1, nil),
	} {
		if !errors.Is(err, ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	expire(t, s, a)
	if a := ask(t, s, "w"); a.Trial != 1 {
		t.Errorf("took over a trial that has ended: %+v", a)
	}
}

// testAddedElsewhere adds trials by the rows that Optuna writes.
func testAddedElsewhere(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	number := 0
	add := func(state string, value float64, parameters map[string]string) {
		t.Helper()
		var id int64
		must(t, session{s.db, s.dialect}.row(t.Context(), `INSERT INTO trials (number, study_id, state) VALUES (?, ?, ?) RETURNING trial_id`, number, s.id, state).Scan(&id))
		number++
		for name, distribution := range parameters {
			run(t, s, `INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)`, id, name, value, distribution)
		}
	}
	const float = `{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}`
	d := example()
	d.Space = space.Space{
		{Name: "dropout", Distribution: space.Float{Low: 0, High: 0.5}},
		{Name: "loss", Distribution: space.Categorical{Choices: []string{"mse", "infonce"}}},
	}
	s.Close()
	d.Name = "small"
	s = create(t, storage, d, Options{})
	loss := distributionJSON(d.Space[1].Distribution)
	add("COMPLETE", 0, map[string]string{"dropout": float, "loss": loss})                                   // in the space, from a wider range
	add("COMPLETE", 0.7, map[string]string{"dropout": float, "loss": loss})                                 // outside of it
	add("RUNNING", 0, map[string]string{"dropout": float})                                                  // a parameter is missing
	add("COMPLETE", 0, map[string]string{"dropout": float, "loss": loss, "other": float})                   // one too many
	add("COMPLETE", 0, map[string]string{"dropout": float, "loss": strings.ToUpper(loss)})                  // not read
	add("COMPLETE", 0, map[string]string{"dropout": loss, "loss": loss})                                    // of another kind
	add("COMPLETE", 0, map[string]string{"dropout": float, "loss": strings.Replace(loss, "mse", "mae", 1)}) // other choices
	add("WAITING", 0, nil)
	a, err := s.Ask(t.Context(), "w", func(n int, history []search.Trial) (space.Point, error) {
		if n != number || len(history) != 1 || history[0].Number != 0 {
			t.Errorf("trial %d is proposed with %+v", n, history)
		}
		return space.Point{"dropout": 0.1, "loss": 1}, nil
	})
	must(t, err)
	if all := trials(t, s); len(all) != 2 || all[1].Number != a.Trial {
		t.Errorf("trials %+v", all)
	}
}

// testDeleted deletes as Optuna does, on SQLite without minding foreign keys.
func testDeleted(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	a := ask(t, s, "w")
	for _, table := range []string{"trial_params", "trials"} {
		run(t, s, `DELETE FROM `+table+` WHERE trial_id = ?`, a.ID)
	}
	for _, table := range []string{"study_user_attributes", "study_system_attributes", "study_directions", "studies"} {
		run(t, s, `DELETE FROM `+table)
	}
	if d := dump(t, s); strings.Contains(d, "cosfit_leases\n1") {
		t.Errorf("a lease is left:\n%s", d)
	}
	if err := s.Report(t.Context(), a, 1, 1); !errors.Is(err, ErrLost) {
		t.Errorf("report: %v", err)
	}
	if _, err := s.Ask(t.Context(), "w", propose); err == nil || !strings.HasSuffix(err.Error(), "the study ada's pairs was deleted") {
		t.Errorf("ask: %v", err)
	}
	if again := create(t, storage, example(), Options{}); ask(t, again, "w").Trial != 0 {
		t.Error("the new study goes on with the old one's numbers")
	}
}

func testUnknownSchemas(t *testing.T, storage string) {
	s := create(t, storage, example(), Options{})
	for _, test := range []struct{ change, undo, want string }{
		{`UPDATE alembic_version SET version_num = 'v9.0.0.a'`, `UPDATE alembic_version SET version_num = 'v3.2.0.a'`,
			"its schema is Optuna's v9.0.0.a, and only v3.2.0.a is known: if it is older, run `optuna storage upgrade --storage URL`, else take another storage"},
		{`UPDATE version_info SET schema_version = 13`, `UPDATE version_info SET schema_version = 12`,
			"its version_info says schema 13, and only 12 is known: take another storage"},
		{`UPDATE study_user_attributes SET value_json = '2' WHERE key = 'cosfit:version'`, `UPDATE study_user_attributes SET value_json = '1' WHERE key = 'cosfit:version'`,
			"the study ada's pairs was made by a newer cosfit (version 2 of its attributes, and only 1 is known)"},
		{`UPDATE study_user_attributes SET value_json = '"x"' WHERE key = 'cosfit:seed'`, `UPDATE study_user_attributes SET value_json = '1' WHERE key = 'cosfit:seed'`,
			"the study ada's pairs has a damaged attribute cosfit:seed: json: cannot unmarshal string into Go value of type uint64"},
		{`UPDATE study_user_attributes SET value_json = '[]' WHERE key = 'cosfit:space'`, ``, "*"},
		{`DELETE FROM study_user_attributes`, ``, "the study ada's pairs is none of cosfit's: take another name"},
		{`DELETE FROM alembic_version`, ``, "its alembic_version is empty: Optuna has not finished making it"},
	} {
		run(t, s, test.change)
		before := dump(t, s)
		_, opened := Open(t.Context(), storage, example().Name, Options{})
		_, created := Create(t.Context(), storage, example(), Options{})
		for _, err := range []error{opened, created} {
			if err == nil || test.want != "*" && !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("after %s: %v", test.change, err)
			}
		}
		if after := dump(t, s); after != before {
			t.Errorf("changed into\n%s", after)
		}
		if test.undo != "" {
			run(t, s, test.undo)
		}
	}
	run(t, s, `DROP TABLE alembic_version`)
	if _, err := Create(t.Context(), storage, example(), Options{}); err == nil || !strings.Contains(err.Error(), "it has tables of the names studies, version_info, ") {
		t.Errorf("%v", err)
	}
}

// work asks and tells until there are so many trials and all have ended. Each
// reports three steps, whose values follow from the point. told hears of each
// trial that this worker has ended.
func work(ctx context.Context, s *Study, worker string, target int, told func(trial int)) error {
	enough := errors.New("enough")
	for {
		a, err := s.Ask(ctx, worker, func(n int, history []search.Trial) (space.Point, error) {
			if n >= target {
				return nil, enough
			}
			if len(history) != n {
				return nil, fmt.Errorf("%d trials before trial %d", len(history), n)
			}
			return propose(n, history)
		})
		if err == enough {
			all, err := s.Trials(ctx)
			if err != nil || !slices.ContainsFunc(all, func(t Trial) bool { return !ended(t.State) }) {
				return err
			}
			time.Sleep(20 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		if err := try(ctx, s, a); errors.Is(err, ErrLost) {
			continue
		} else if err != nil {
			return err
		}
		told(a.Trial)
	}
}

func value(p space.Point, step int) float64 { return p["learning-rate"] * float64(step) }

func try(ctx context.Context, s *Study, a Attempt) error {
	for step := 1; step <= 3; step++ {
		if err := s.Report(ctx, a, step, value(a.Point, step)); err != nil {
			return err
		}
	}
	return s.Tell(ctx, a, search.Complete, value(a.Point, 3), map[string]any{"attempt": a.Number})
}

// checkWork demands that every trial has ended once, as it should. told are
// the numbers that the workers say they have ended.
func checkWork(t *testing.T, storage string, target int, told []int) {
	t.Helper()
	s, err := Open(t.Context(), storage, example().Name, Options{})
	must(t, err)
	defer s.Close()
	all := trials(t, s)
	if len(all) != target {
		t.Fatalf("%d trials, want %d", len(all), target)
	}
	for i, trial := range all {
		if trial.Number != i || trial.State != search.Complete || trial.Value != value(trial.Point, 3) {
			t.Errorf("trial %d: %+v", i, trial)
		}
		for k, r := range trial.Reports {
			if r != (search.Report{Step: k + 1, Value: value(trial.Point, k+1)}) || len(trial.Reports) != 3 {
				t.Errorf("reports of trial %d: %v", i, trial.Reports)
			}
		}
	}
	slices.Sort(told)
	for i := 1; i < len(told); i++ {
		if told[i] == told[i-1] {
			t.Errorf("trial %d was ended twice", told[i])
		}
	}
}

// busy is how many trials a test of many workers has.
func busy(trials int) int {
	if testing.Short() {
		return trials / 3
	}
	return trials
}

// testCreatedTogether has eight connections make the tables and the study at
// once.
func testCreatedTogether(t *testing.T, storage string) {
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			s, err := Create(t.Context(), storage, example(), Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			if _, err := s.Ask(t.Context(), "w", propose); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	s, err := Open(t.Context(), storage, example().Name, Options{})
	must(t, err)
	defer s.Close()
	if all := trials(t, s); len(all) != 8 || all[7].Number != 7 {
		t.Errorf("trials %+v", all)
	}
}

func testGoroutines(t *testing.T, storage string) {
	target := busy(200)
	s := create(t, storage, example(), Options{})
	var mu sync.Mutex
	var told []int
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			if err := work(t.Context(), s, fmt.Sprint(i), target, func(n int) { mu.Lock(); told = append(told, n); mu.Unlock() }); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	checkWork(t, storage, target, told)
	if len(told) != target {
		t.Errorf("%d trials were ended, want %d", len(told), target)
	}
}
