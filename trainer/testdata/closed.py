#!/usr/bin/env python3
"""Writes closed.json: cosines under closed forms and starts, by numpy and scikit-learn.

    pip install scikit-learn
    python closed.py

Vectors a of queries and b of passages; the first POSITIVE pairs are similar. For
each closed form the cosines of all pairs follow, similar or not, and for each start
its matrix, or cosines where the signs of columns are open.
"""

import json
import pathlib

import numpy as np
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import Ridge

N, POSITIVE, D = 60, 45, 10


def root(covariance, power=1.0):
    """The symmetric inverse root, or a power of it: cosines do not tell roots apart."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors @ np.diag(values ** (-power / 2)) @ vectors.T


def shrunk(x, share=None):
    """Of x about zero."""
    if share is None:
        return ledoit_wolf(x, assume_centered=True)[0]
    s = x.T @ x / len(x)
    return (1 - share) * s + share * np.trace(s) / len(s) * np.eye(len(s))


def polar(x):
    u, _, v = np.linalg.svd(x)
    return u @ v


def cosines(a, b):
    return (np.sum(a * b, 1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).tolist()


def main():
    rng = np.random.default_rng(20261128)
    mix = rng.normal(size=(D, D)) * 0.4 + np.eye(D)
    a = (rng.normal(size=(N, D)) * np.linspace(2, 0.5, D) + 0.5).astype(np.float32).astype(float)
    b = a @ mix + rng.normal(size=(N, D)) * 0.3 - 0.2
    b[POSITIVE:] = rng.normal(size=(N - POSITIVE, D))
    b = b.astype(np.float32).astype(float)
    pa, pb = a[:POSITIVE], b[:POSITIVE]
    texts = np.concatenate([a, b])
    eye, penalty = np.eye(D), np.trace(pa.T @ pa) / D
    out = {"a": a.tolist(), "b": b.tolist(), "positive": POSITIVE, "cosines": {}, "starts": {}}

    def both(name, m, offset):
        out["cosines"][name] = cosines((a - offset) @ m, (b - offset) @ m)

    def query(name, m, offset=0.0):
        out["cosines"][name] = cosines((a - offset) @ m, b)

    mean = texts.mean(0)
    both("whitening", root(shrunk(texts - mean)), mean)
    both("whitening 0.2", root(shrunk(texts - mean, 0.2)), mean)
    values, vectors = np.linalg.eigh(shrunk(texts - mean, 0.2))
    both("whitening 0.2 to 4", vectors[:, -4:] @ np.diag(values[-4:] ** -0.5), mean)
    both("wccn", root(shrunk(pa - pb)), mean)
    both("wccn 0.5", root(shrunk(pa - pb, 0.5)), mean)
    for p in (0.1, 3.0):
        # The identity takes the place of zero: what is missing to it is regressed.
        ridge = Ridge(alpha=p * penalty, fit_intercept=False).fit(pa, pb - pa)
        query(f"ridge {p:g}", ridge.coef_.T + eye)
        query(f"procrustes {p:g}", polar(pa.T @ pb + p * penalty * eye))
    query("mean-difference", eye, pa.mean(0) - pb.mean(0))
    centre = np.concatenate([pa, pb]).mean(0)
    # Roots that differ by a rotation give other left-overs, so the roots are those
    # of the Cholesky factors, as in the program.
    l, r = (np.linalg.inv(np.linalg.cholesky(shrunk(x - centre, 0.3))).T for x in (pa, pb))
    q = polar(l.T @ (pa - centre).T @ (pb - centre) @ r / POSITIVE + 0.1 * eye)
    out["cosines"]["cca 0.3"] = cosines((a - centre) @ l @ q, (b - centre) @ r)

    def start(name, m):
        out["starts"][name] = {"matrix": m.ravel().tolist()}

    def of_length(m):
        return m * np.sqrt(m.shape[1]) / np.linalg.norm(m)

    start("whitening", of_length(root(shrunk(texts - mean))))
    for power in (1.0, 0.5, 0.15):
        start(f"whitening 0.2 power {power:g}", of_length(root(shrunk(texts - mean, 0.2), power)))
    m = vectors[:, -4:] @ np.diag(values[-4:] ** -0.25)
    out["starts"]["whitening 0.2 power 0.5 to 4"] = {"cosines": cosines((a - mean) @ m, (b - mean) @ m)}
    u, _, _ = np.linalg.svd((texts - mean).T)
    for name, count, k in (("top-removed", 1, D), ("top-removed 3", 3, D), ("top-removed 3 to 4", 3, 4)):
        start(name, (eye - u[:, :count] @ u[:, :count].T)[:, :k])
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
