package study

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/cosfit/cosfit/trainer/sweep/search"
	"github.com/cosfit/cosfit/trainer/sweep/space"
)

// testPython has .ci/study.py read a study through optuna, with the Python
// that COSFIT_TEST_OPTUNA names, while a trial of it runs, and add trials.
func testPython(t *testing.T, storage string) {
	python := os.Getenv("COSFIT_TEST_OPTUNA")
	if python == "" {
		t.Skip("COSFIT_TEST_OPTUNA names no Python with optuna")
	}
	s := create(t, storage, example(), Options{})
	for n, end := range []struct {
		state search.State
		value float64
	}{
		{search.Complete, 0.30000000000000004}, {search.Complete, math.Inf(-1)}, {search.Pruned, 0.9}, {search.Pruned, math.NaN()}, {search.Failed, 0}, {search.Complete, 0.75}, {search.Complete, -1e-300},
	} {
		a := ask(t, s, "w")
		for step, value := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), 1.0 / 3, 0}[:n%6] {
			must(t, s.Report(t.Context(), a, step+1, value))
		}
		must(t, s.Tell(t.Context(), a, end.state, end.value, map[string]any{"seconds": float64(n) / 4, "worker": "ö \"w\""}))
	}
	running := ask(t, s, "w")
	must(t, s.Report(t.Context(), running, 1, 0.5))

	address := PythonURL(storage)
	if isPostgres(storage) {
		address = strings.Replace(address, "postgresql:", "postgresql+psycopg2:", 1)
	}
	c := exec.Command(python, "../../../.ci/study.py", "--add", address)
	c.Stdin = bytes.NewReader(say(t, s))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	// Python's trial is one of ours; what it enqueued, and what is no point of the
	// space, are not.
	all := trials(t, s)
	if len(all) != 9 || all[8].Number != 8 || all[8].State != search.Complete || all[8].Value != 0.25 || len(all[8].Reports) != 1 || all[8].Reports[0] != (search.Report{Step: 1, Value: 0.125}) {
		t.Errorf("Python's trial: %+v", all[len(all)-1])
	}
	must(t, s.Tell(t.Context(), running, search.Complete, 0.5, nil))
	if a := ask(t, s, "w"); a.Trial != 11 {
		t.Errorf("the next trial is %d, want 11", a.Trial)
	}
}

// say is the JSON that .ci/study.py reads.
func say(t *testing.T, s *Study) []byte {
	t.Helper()
	d := s.Definition()
	type trial struct {
		Number        int               `json:"number"`
		State         string            `json:"state"`
		Value         any               `json:"value"`
		Parameters    map[string]string `json:"parameters"`
		Distributions map[string]string `json:"distributions"`
		Reports       [][2]any          `json:"reports"`
		Attributes    map[string]any    `json:"attributes"`
	}
	var all []trial
	best, highest := 0, math.Inf(-1)
	for _, t := range trials(t, s) {
		said := trial{t.Number, t.State.String(), nil, map[string]string{}, map[string]string{}, [][2]any{}, t.Attributes}
		if !math.IsNaN(t.Value) {
			said.Value = word(t.Value)
		}
		for _, setting := range d.Space.Settings(t.Point) {
			said.Parameters[setting.Name] = setting.Value
		}
		for _, p := range d.Space {
			if d.Space.Exists(indexOf(d.Space, p.Name), t.Point) {
				said.Distributions[p.Name] = distributionJSON(p.Distribution)
			}
		}
		for _, r := range t.Reports {
			said.Reports = append(said.Reports, [2]any{r.Step, word(r.Value)})
		}
		if t.State == search.Complete && t.Value > highest {
			best, highest = t.Number, t.Value
		}
		all = append(all, said)
	}
	text, err := json.Marshal(map[string]any{"name": d.Name, "metric": d.Metric, "best": best, "trials": all})
	must(t, err)
	return text
}

// word is a number that JSON may not have.
func word(x float64) string { return strings.ToLower(strconv.FormatFloat(x, 'g', -1, 64)) }

func indexOf(s space.Space, name string) int {
	for i, p := range s {
		if p.Name == name {
			return i
		}
	}
	return -1
}
