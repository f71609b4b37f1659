"""Writes metrics.json: what scikit-learn, scipy and numpy say about random data, for the tests of the figures.

    python metrics.py          (from this folder; needs numpy, scipy, scikit-learn)

Inputs lie on binary grids, so that they are exact in float32 and coarse grids give ties. null stands for a figure
that is not defined.
"""

import json
import math
import warnings

import numpy as np
import scipy
import sklearn
from scipy import stats
from sklearn import metrics

warnings.filterwarnings("ignore")
rng = np.random.default_rng(20240229)


def on_grid(values, steps):
    """Rounds values in -1..1 to multiples of 1/steps and checks that float32 holds them."""
    values = np.round(np.asarray(values, dtype=np.float64) * steps) / steps
    assert np.array_equal(values, values.astype(np.float32).astype(np.float64))
    return values


def figure(value):
    value = float(value)
    return None if math.isnan(value) else value


def brute_best_accuracy(cosines, positive):
    thresholds = np.concatenate([cosines, [cosines.min() - 1]])
    return max(np.mean((cosines > t) == positive) for t in thresholds)


def cluster_se(correct, groups):
    """The cluster-robust standard error of the constant in a regression of correct on a constant."""
    design = np.ones((len(correct), 1))
    bread = np.linalg.inv(design.T @ design)
    residual = correct - correct.mean()
    names = np.unique(groups)
    if len(names) < 2:
        return float("nan")
    meat = sum((design[groups == g].T @ residual[groups == g])[0] ** 2 for g in names)
    scale = len(names) / (len(names) - 1)
    return math.sqrt(scale * bread[0, 0] * meat * bread[0, 0])


def ranking(name, cosines, positive, groups_of_one=False):
    n = len(cosines)
    positive = np.asarray(positive, dtype=bool)
    weights = rng.integers(0, 4, n) + rng.integers(0, 4, n) / 4
    groups = rng.integers(0, max(1, n // 3), n) * 1000 - 500  # sparse
    if groups_of_one:
        groups = rng.permutation(n)
    threshold = float(np.median(cosines))
    called = cosines > threshold
    both = 0 < positive.sum() < n
    kept = positive[weights > 0]
    both_kept = both and 0 < kept.sum() < len(kept)
    nan = float("nan")
    return {
        "name": name,
        "cosines": cosines.tolist(),
        "positive": positive.tolist(),
        "weights": weights.tolist(),
        "groups": groups.tolist(),
        "roc_auc": figure(metrics.roc_auc_score(positive, cosines) if both else nan),
        "weighted_roc_auc": figure(metrics.roc_auc_score(positive, cosines, sample_weight=weights) if both_kept else nan),
        # scikit-learn warns and says 0 where no pair is positive; there is nothing to average
        "average_precision": figure(metrics.average_precision_score(positive, cosines) if positive.any() else nan),
        "threshold": threshold,
        "accuracy": metrics.accuracy_score(positive, called),
        "precision": metrics.precision_score(positive, called, zero_division=0),
        "recall": metrics.recall_score(positive, called, zero_division=0),
        "f1": metrics.f1_score(positive, called, zero_division=0),
        "best_accuracy": float(brute_best_accuracy(cosines, positive)),
        "accuracy_se": figure(cluster_se((called == positive).astype(float), groups)),
    }


def labelled(n, steps, spread=0.35):
    positive = rng.random(n) < 0.4
    cosines = np.clip(rng.normal(0.1 + 0.3 * positive, spread), -1, 1)
    return on_grid(cosines, steps), positive


def rankings():
    yield ranking("one positive pair", on_grid([0.3], 64), [True])
    yield ranking("one negative pair", on_grid([0.3], 64), [False])
    yield ranking("two pairs in order", np.array([0.75, 0.25]), [True, False])
    yield ranking("two pairs reversed", np.array([0.25, 0.75]), [True, False])
    yield ranking("two pairs tied", np.array([0.5, 0.5]), [True, False])
    yield ranking("only positives", labelled(9, 8)[0], [True] * 9)
    yield ranking("only negatives", labelled(9, 8)[0], [False] * 9)
    yield ranking("all cosines equal", np.full(13, 0.625), rng.random(13) < 0.6)
    yield ranking("all cosines equal, balanced", np.full(10, -0.5), [True, False] * 5)
    yield ranking("zeros of both signs", np.array([0.0, -0.0, 0.5, -0.0, -0.5, 0.0]), [True, False, True, True, False, False])
    yield ranking("separable", np.array([0.9375, 0.5, -0.25, 0.875, -1.0]), [True, False, False, True, False])
    for n, steps in [(7, 4), (60, 8), (60, 1 << 20), (301, 32), (301, 1 << 23), (800, 64)]:
        yield ranking(f"{n} pairs on a grid of 1/{steps}", *labelled(n, steps))
    yield ranking("groups of one", *labelled(120, 16), groups_of_one=True)


def correlation(name, x, y):
    constant = len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0
    nan = float("nan")
    return {
        "name": name,
        "x": x.tolist(),
        "y": y.tolist(),
        "pearson": figure(nan if constant else stats.pearsonr(x, y).statistic),
        "spearman": figure(nan if constant else stats.spearmanr(x, y).statistic),
    }


def related(n, steps_x, steps_y):
    x = rng.uniform(-1, 1, n)
    return on_grid(x, steps_x), on_grid(np.clip(0.6 * x**3 + rng.normal(0, 0.3, n), -1, 1), steps_y)


def correlations():
    yield correlation("one pair", np.array([0.5]), np.array([1.0]))
    yield correlation("two pairs", np.array([0.5, 0.25]), np.array([0.0, 1.0]))
    yield correlation("constant left", np.full(6, 0.1875), on_grid(rng.uniform(-1, 1, 6), 64))
    yield correlation("constant right", on_grid(rng.uniform(-1, 1, 6), 64), np.full(6, -1.0))
    yield correlation("both constant", np.full(4, 0.5), np.full(4, 0.5))
    yield correlation("falling line", np.arange(5) / 8, 1 - np.arange(5) / 4)
    yield correlation("far from zero", 4096 + on_grid(rng.uniform(-1, 1, 40), 512), on_grid(rng.uniform(-1, 1, 40), 64))
    yield correlation("two labels", related(200, 1 << 20, 1)[0], (rng.random(200) < 0.5).astype(float))
    for n, steps_x, steps_y in [(3, 64, 64), (50, 4, 8), (300, 1 << 20, 16), (500, 1 << 20, 1 << 20)]:
        yield correlation(f"{n} pairs on grids of 1/{steps_x}, 1/{steps_y}", *related(n, steps_x, steps_y))


def search(passages, relevant, steps):
    similarities = on_grid(rng.uniform(-1, 1, passages), steps)
    chosen = rng.choice(passages, relevant, replace=False)
    similarities[chosen] = on_grid(np.clip(similarities[chosen] + 0.9, -1, 1), steps)
    tie_order = rng.permutation(passages)
    order = np.lexsort((tie_order, -similarities))
    rank_of = np.empty(passages, dtype=int)
    rank_of[order] = np.arange(1, passages + 1)
    ranks = np.sort(rank_of[chosen])

    is_relevant = np.zeros(passages)
    is_relevant[chosen] = 1
    discounts = 1 / np.log2(np.arange(2, 12))
    gain = (is_relevant[order][:10] * discounts[: min(10, passages)]).sum()
    ndcg = gain / discounts[: min(10, relevant)].sum()
    if passages > 1:
        # scikit-learn averages over the orders of tied passages, so it is given the order itself
        untied = metrics.ndcg_score([is_relevant], [-rank_of], k=10)
        assert abs(untied - ndcg) < 1e-12
        if len(np.unique(similarities)) == passages:
            assert abs(metrics.ndcg_score([is_relevant], [similarities], k=10) - ndcg) < 1e-12
        ndcg = untied
    return {
        "similarities": similarities.tolist(),
        "relevant": chosen.tolist(),
        "tie_order": tie_order.tolist(),
        "ranks": ranks.tolist(),
        "mrr": 1 / (1 + int(np.argmax(is_relevant[order]))),
        "recall_at_1": is_relevant[order][:1].sum() / relevant,
        "recall_at_10": is_relevant[order][:10].sum() / relevant,
        "ndcg_at_10": ndcg,
    }


def retrievals():
    shapes = [(1, 1, 8), (5, 5, 2), (12, 1, 2), (40, 3, 4), (40, 1, 1 << 20), (90, 14, 8), (90, 12, 1 << 20), (200, 2, 1), (300, 5, 16)]
    return [search(*shape) for shape in shapes]


def percentiles():
    for n in [2, 3, 41, 200]:
        values = np.sort(rng.normal(size=n))
        yield {"sorted": values.tolist(), "low": np.percentile(values, 2.5), "high": np.percentile(values, 97.5), "se": np.std(values, ddof=1)}


golden = {
    "written_with": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
    "rankings": list(rankings()),
    "correlations": list(correlations()),
    "retrievals": retrievals(),
    "percentiles": list(percentiles()),
}
with open("metrics.json", "w", encoding="utf-8") as file:
    file.write("{\n")
    sections = [f"{json.dumps(key)}: " + ("[\n" + ",\n".join(map(json.dumps, value)) + "\n]" if isinstance(value, list) else json.dumps(value)) for key, value in golden.items()]
    file.write(",\n".join(sections) + "\n}\n")
