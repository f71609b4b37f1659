#!/usr/bin/env python3
"""Writes guard.json: what matrices do to texts they were not learned for, by numpy and scipy.

    pip install scipy
    python guard.py
"""

import json
import pathlib

import numpy as np
from scipy.stats import spearmanr


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def nearest(queries, texts):
    cosines = unit(queries) @ unit(texts).T
    np.fill_diagonal(cosines, -np.inf)
    return np.argsort(-cosines, axis=1)[:, :10], cosines


def main():
    rng = np.random.default_rng(20261128)
    n, d, k = 60, 12, 7
    x = (rng.normal(size=(n, d)) * np.linspace(2, 0.5, d)).astype(np.float32)
    left, right = (rng.normal(size=(d, k)).astype(np.float32) for _ in range(2))
    square = (np.eye(d) + 0.4 * rng.normal(size=(d, d))).astype(np.float32)
    offset = rng.normal(size=d).astype(np.float32)
    wide = x.astype(float)
    cases = []
    for name, a, b in (
        ("both", (wide - offset) @ left, (wide - offset) @ left),
        ("dual", (wide - offset) @ left, (wide - offset) @ right),
        ("query", (wide - offset) @ square, wide),
    ):
        (before, old), (after, new) = nearest(wide, wide), nearest(a, b)
        kept = np.mean([len(set(p) & set(q)) / 10 for p, q in zip(before, after)])
        off = ~np.eye(n, dtype=bool)
        cases.append({"side": name, "kept": kept, "spearman": spearmanr(old[off], new[off]).statistic})
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps({
        "texts": x.tolist(), "left": left.ravel().tolist(), "right": right.ravel().tolist(),
        "square": square.ravel().tolist(), "offset": offset.tolist(), "cases": cases,
    }) + "\n")


if __name__ == "__main__":
    main()
