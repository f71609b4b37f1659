"""Opens a sweep's storage with optuna, and compares what it reads with what
cosfit says, a JSON on standard input:

    {"name", "metric", "best": NUMBER, "trials": [{"number", "state", "value",
     "parameters": {NAME: WORD}, "distributions": {NAME: JSON},
     "reports": [[STEP, VALUE], ...], "attributes": {...}}, ...]}

Values that are no JSON are the words nan, inf and -inf, and null is none. With
--add, a trial is asked for and told through optuna then, its parameters those
of the best one. Run as: study.py [--add] STORAGE_URL"""

import json
import math
import sys

import optuna
from optuna.distributions import CategoricalDistribution, json_to_distribution

url = sys.argv[-1]
said = json.load(sys.stdin)
optuna.logging.set_verbosity(optuna.logging.WARNING)


def same(a, b):
    a, b = float(a), float(b)
    return a == b or math.isnan(a) and math.isnan(b)


def word(distribution, value):
    """A value as a flag takes it, for comparison as a number where it is one."""
    return value if isinstance(distribution, CategoricalDistribution) else float(value)


study = optuna.load_study(study_name=said["name"], storage=url)
assert study.direction == optuna.study.StudyDirection.MAXIMIZE
assert study.metric_names == [said["metric"]], study.metric_names
assert study.user_attrs["cosfit:metric"] == said["metric"], study.user_attrs
order = [parameter["name"] for parameter in study.user_attrs["cosfit:space"]]
trials = study.get_trials()
assert [t.number for t in trials] == list(range(len(said["trials"]))), "numbers have gaps"
for trial, want in zip(trials, said["trials"]):
    where = f"trial {trial.number}: {trial}"
    assert trial.number == want["number"] and trial.state.name == want["state"], where
    assert (trial.value is None) == (want["value"] is None), where
    assert trial.value is None or same(trial.value, want["value"]), where
    assert list(trial.params) == [name for name in order if name in want["parameters"]], where
    assert len(trial.params) == len(want["parameters"]), where
    for name, distribution in trial.distributions.items():
        assert distribution == json_to_distribution(want["distributions"][name]), where
        assert optuna.distributions.distribution_to_json(distribution) == want["distributions"][name], where
        assert distribution._contains(distribution.to_internal_repr(trial.params[name])), where
        assert word(distribution, trial.params[name]) == word(distribution, want["parameters"][name]), where
    assert list(trial.intermediate_values) == [step for step, _ in want["reports"]], where
    assert all(same(trial.intermediate_values[step], value) for step, value in want["reports"]), where
    assert trial.user_attrs == want["attributes"], where
    if trial.state.is_finished():
        seconds = trial.duration.total_seconds()
        age = (optuna.trial._frozen.datetime.datetime.now() - trial.datetime_complete).total_seconds()
        assert 0 <= seconds < 3600 and -5 < age < 3600, where
assert study.best_trial.number == said["best"], study.best_trial
assert same(study.best_value, max(t.value for t in trials if t.state.name == "COMPLETE"))

if "--add" in sys.argv:
    best = study.best_trial
    study.enqueue_trial(best.params)
    added = study.ask(best.distributions)
    assert added.params == best.params
    added.report(0.125, 1)
    study.tell(added, 0.25)
    study.enqueue_trial(best.params)
    study.add_trial(optuna.create_trial(params={"elsewhere": 1.0}, distributions={"elsewhere": optuna.distributions.FloatDistribution(0, 2)}, value=-1.0))
print(f"{url}: {len(trials)} trials, best is trial {study.best_trial.number} of {study.best_value}")
