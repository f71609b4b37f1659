"""Makes parzen.json: Optuna's estimates of densities, to compare ours with.

    pip install optuna==5.0.0
    python3 parzen.py > parzen.json

Each case has observations of parameters, in order, and the logarithm of the
density at some points. A case of a single parameter says more about where a
mistake is.

Optuna orders equal observations as numpy's argsort happens to, which differs
between processors, and their bandwidths with them. Here they keep their order.
And the least bandwidth over ranges with steps is ours, which is lower.
"""

import json
import math
import sys

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers._tpe import parzen_estimator
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
from optuna.samplers._tpe.sampler import default_weights

DISTRIBUTIONS = {
    "plain": FloatDistribution(-2, 3),
    "log": FloatDistribution(1e-4, 1e-1, log=True),
    "step": FloatDistribution(0, 1, step=0.25),
    "whole": IntDistribution(1, 9, step=2),
    "logwhole": IntDistribution(1, 300, log=True),
    "choice": CategoricalDistribution(["a", "b", "c"]),
}
CASES = [([name], n) for name in DISTRIBUTIONS for n in (0, 1, 2, 7)] + [(["plain"], n) for n in (25, 26, 27, 40, 120)] + [(list(DISTRIBUTIONS), n) for n in (0, 3, 40)]


def draw(rng, d, size):
    if isinstance(d, CategoricalDistribution):
        return rng.integers(0, len(d.choices), size).astype(float)
    if d.log:
        x = np.exp(rng.uniform(math.log(d.low), math.log(d.high), size))
    else:
        x = rng.uniform(d.low, d.high, size)
    if d.step is not None:
        x = np.clip(d.low + np.round((x - d.low) / d.step) * d.step, d.low, d.high)
    return x


def with_our_least_bandwidth():
    """Optuna's is (high − low) / min(100, n + 2), of n observations."""
    theirs = _ParzenEstimator._calculate_numerical_distributions

    def ours(self, observations, distribution, parameters):
        power = 1 if distribution.step is None else 1.25
        parzen_estimator.min = lambda most, few: min(most, few**power)
        return theirs(self, observations, distribution, parameters)

    _ParzenEstimator._calculate_numerical_distributions = ours


def main():
    with_our_least_bandwidth()
    argsort = np.argsort
    np.argsort = lambda a, kind="stable": argsort(a, kind="stable")
    parameters = _ParzenEstimatorParameters(1.0, True, False, default_weights, True)
    cases = []
    for seed, (names, n) in enumerate(CASES):
        rng = np.random.default_rng(seed)
        space = {name: DISTRIBUTIONS[name] for name in names}
        observed = {name: draw(rng, d, n) for name, d in space.items()}
        points = {name: draw(rng, d, 6) for name, d in space.items()}
        density = _ParzenEstimator(observed, space, parameters).log_pdf(points)
        lists = lambda by_name: {name: v.tolist() for name, v in by_name.items()}
        cases.append({"observed": lists(observed), "points": lists(points), "log_density": density.tolist()})
    json.dump({"optuna": optuna.__version__, "cases": cases}, sys.stdout)


main()
