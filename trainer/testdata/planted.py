#!/usr/bin/env python3
"""Writes planted.parquet: pairs of made-up vectors whose labels follow from a
linear signal that other directions drown.

    pip install pandas pyarrow
    python planted.py

Each text has a hidden meaning z in 8 dimensions, and a similar pair shares it.
A vector is z under one random map, plus a loud nuisance under another, plus
noise, rounded to small integers so that the file stays small.
"""

import pathlib

import numpy as np
import pandas as pd

QUERIES, PER_QUERY, D, HIDDEN, NUISANCE = 500, 4, 256, 8, 6

rng = np.random.default_rng(7)
signal = rng.normal(size=(HIDDEN, D)) / np.sqrt(HIDDEN)
nuisance = rng.normal(size=(NUISANCE, D)) / np.sqrt(NUISANCE)


def embed(z):
    n = len(z)
    x = 0.9 * z @ signal + 1.6 * rng.normal(size=(n, NUISANCE)) @ nuisance + 0.9 * rng.normal(size=(n, D))
    return np.clip(np.rint(x), -4, 4)


queries = rng.normal(size=(QUERIES, HIDDEN))
left = np.repeat(embed(queries), PER_QUERY, axis=0)
label = rng.permuted(np.tile([1, 0, 0, 1], (QUERIES, 1)), axis=1).ravel()
own = np.repeat(queries, PER_QUERY, axis=0)
right = embed(np.where(label[:, None] == 1, own, rng.normal(size=own.shape)))

pd.DataFrame({
    "question_text": [f"question {i // PER_QUERY}" for i in range(len(label))],
    "candidate_answers": [f"answer {i}" for i in range(len(label))],
    "label": label,
    "candidate_ans_len": 9,
    "question_text_EMB": list(left),
    "candidate_answers_EMB": list(right),
}).to_parquet(pathlib.Path(__file__).with_name("planted.parquet"))
