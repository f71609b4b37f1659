#!/usr/bin/env python3
"""Writes passage.json: labels predicted from right texts alone, by scikit-learn.

    pip install scikit-learn
    python passage.py

Each case has the vectors of right texts, the training pairs' texts and labels,
and what scikit-learn's default models, fitted to unit vectors, say of every text:
the decision function of LogisticRegression, the prediction of Ridge for labels on
a scale of 0..1.
"""

import json
import pathlib

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge


def case(rng, texts, pairs, d, graded):
    """Some texts come often and some never; lengths differ, and the mean is far from 0."""
    x = (rng.normal(size=(texts, d)) + 1.5 * rng.normal(size=d)) * rng.uniform(0.5, 3, size=(texts, 1))
    x = x.astype(np.float32)
    of = (texts * rng.random(pairs) ** 2).astype(int)
    unit = x / np.linalg.norm(x.astype(float), axis=1, keepdims=True)
    signal = 6 * unit @ rng.normal(size=d)
    signal -= signal.mean()
    if graded:
        labels = np.clip(np.round(2.5 + signal[of] + rng.normal(size=pairs)), 0, 5)
        model = Ridge(tol=1e-12, solver="cholesky").fit(unit[of], labels / 5)
        said = model.predict(unit)
    else:
        labels = (rng.random(pairs) < 1 / (1 + np.exp(-signal[of]))).astype(float)
        model = LogisticRegression(tol=1e-12, max_iter=10000, solver="newton-cholesky").fit(unit[of], labels)
        said = model.decision_function(unit)
    return {
        "graded": graded, "vectors": x.tolist(), "texts": of.tolist(), "labels": labels.tolist(), "said": said.tolist(),
    }


def main():
    rng = np.random.default_rng(20261128)
    cases = [case(rng, 40, 150, 6, False), case(rng, 25, 30, 17, False), case(rng, 40, 150, 6, True)]
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases) + "\n")


if __name__ == "__main__":
    main()
