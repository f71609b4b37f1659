"""Makes regrets.json: how far from the optimum Optuna's TPE is after 100 trials.

    pip install optuna==5.0.0
    python3 regrets.py > regrets.json

The functions were written down before either sampler had seen them. Each is
minimised and returns how far above its minimum it is. functions_test.go has them
again, and checks that they are the same at the points that stand in the file.
"""

import csv
import json
import math
import os
import random
import sys
import warnings

import optuna

REPEATS, TRIALS = 40, 100


def branin(t):
    x, y = t.suggest_float("x", -5, 10), t.suggest_float("y", 0, 15)
    f = (y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6) ** 2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
    return f - 0.397887357729738


def hartmann(t):
    """Six-dimensional, as in Dixon and Szegö 1978."""
    x = [t.suggest_float(f"x{i}", 0, 1) for i in range(6)]
    alpha = [1.0, 1.2, 3.0, 3.2]
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
         [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]
    s = 0.0
    for i in range(4):
        s += alpha[i] * math.exp(-sum(a[i][j] * (x[j] - p[i][j] / 1e4) ** 2 for j in range(6)))
    return 3.32236801141551 - s


def rosenbrock(t):
    """In the logarithms of three rates."""
    z = [math.log10(t.suggest_float(f"rate{i}", 1e-2, 1e2, log=True)) for i in range(3)]
    return sum(100 * (z[i + 1] - z[i] ** 2) ** 2 + (1 - z[i]) ** 2 for i in range(2))


def conditional(t):
    """Each loss has settings of its own, one of them none."""
    rate = t.suggest_float("rate", 1e-5, 1, log=True)
    schedule = t.suggest_categorical("schedule", ["constant", "cosine", "onecycle", "linear"])
    loss = t.suggest_categorical("loss", ["mse", "contrastive", "infonce", "cosent"])
    f = 0.5 * (math.log10(rate) + 2.5) ** 2 + {"constant": 0.3, "cosine": 0.0, "onecycle": 0.15, "linear": 0.6}[schedule]
    if loss == "mse":
        f += 0.4
    elif loss == "contrastive":
        f += 0.2 + 2 * (t.suggest_float("margin", 0, 2) - 0.6) ** 2
    elif loss == "infonce":
        temperature, negatives = t.suggest_float("temperature", 0.005, 1, log=True), t.suggest_int("negatives", 1, 64, log=True)
        f += 2 * (math.log10(temperature) + 1.2) ** 2 + 0.1 * (math.log2(negatives) - 5) ** 2
    else:
        f += 0.3 + ((t.suggest_int("scale", 1, 60) - 25) / 20) ** 2
    return f


def mixed(t):
    """Whole numbers, steps and a choice, none independent of the others."""
    n, k = t.suggest_int("n", 64, 1024, log=True), t.suggest_int("k", 0, 20)
    s, c = t.suggest_float("s", 0, 1, step=0.05), t.suggest_categorical("c", ["a", "b", "c", "d", "e"])
    away = abs(s - 0.35)
    f = (math.log2(n) - 8.2) ** 2 / 2 + ((k - 13) / 5) ** 2 * (1 + 2 * away) + 3 * away + {"a": 0.5, "b": 0.0, "c": 0.3, "d": 0.8, "e": 1.2}[c]
    return f - (math.log2(294) - 8.2) ** 2 / 2


def read_table():
    """The best epoch's score of each setting in scores.csv."""
    with open(os.path.join(os.path.dirname(__file__), "scores.csv")) as f:
        rows = list(csv.DictReader(f))
    table = {}
    for r in rows:
        best = max(float(v) for k, v in r.items() if k.startswith("epoch-"))
        table[r["loss"], float(r["learning-rate"]), float(r["dropout"]), r["batch-size"]] = best
    return table


TABLE = read_table()
RATES, DROPOUTS = (sorted({k[i] for k in TABLE}) for i in (1, 2))


def between(knots, x):
    """The knot below, and how far x is on the way to the next."""
    i = max(j for j in range(len(knots) - 1) if j == 0 or knots[j] <= x)
    return i, (x - knots[i]) / (knots[i + 1] - knots[i])


def scores(t):
    """Real trainings on a grid, with straight lines between."""
    loss = t.suggest_categorical("loss", ["cosent", "infonce", "mse", "pairwise"])
    rate, dropout = t.suggest_float("learning-rate", 1e-4, 1e-1, log=True), t.suggest_float("dropout", 0, 0.5)
    batch = t.suggest_categorical("batch-size", ["32", "128", "512"])
    i, u = between([math.log(r) for r in RATES], math.log(rate))
    j, v = between(DROPOUTS, dropout)
    s = 0.0
    for di, wi in ((0, 1 - u), (1, u)):
        for dj, wj in ((0, 1 - v), (1, v)):
            s += wi * wj * TABLE[loss, RATES[i + di], DROPOUTS[j + dj], batch]
    return max(TABLE.values()) - s


FUNCTIONS = [branin, hartmann, rosenbrock, conditional, mixed, scores]


class Point:
    """A random point, asked for like a trial."""

    def __init__(self, seed):
        self.random, self.values = random.Random(seed), {}

    def suggest_float(self, name, low, high, step=None, log=False):
        u = self.random.random()
        if log:
            x = math.exp(math.log(low) + u * (math.log(high) - math.log(low)))
        elif step:
            x = low + step * int(u * ((high - low) / step + 1))
        else:
            x = low + u * (high - low)
        self.values[name] = repr(x)
        return x

    def suggest_int(self, name, low, high, log=False):
        x = self.random.randint(low, high)
        self.values[name] = repr(x)
        return x

    def suggest_categorical(self, name, choices):
        x = self.random.choice(choices)
        self.values[name] = x
        return x


def points(f):
    """Some points, as flags have them, and the function there."""
    made = []
    for seed in range(8):
        p = Point(seed)
        value = f(p)
        made.append({"settings": p.values, "value": value})
    return made


def regrets(f):
    found = []
    for seed in range(REPEATS):
        study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
        study.optimize(f, n_trials=TRIALS)
        found.append(study.best_value)
    return found


def main():
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    out = {"optuna": optuna.__version__, "trials": TRIALS, "functions": {}}
    for f in FUNCTIONS:
        out["functions"][f.__name__] = {"regrets": regrets(f), "points": points(f)}
        print(f.__name__, sorted(out["functions"][f.__name__]["regrets"])[REPEATS // 2], file=sys.stderr)
    json.dump(out, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
