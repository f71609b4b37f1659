"""Reads a demo run with the tools that people have, recomputes its figures
with scikit-learn, and trains on a wide file that pandas writes here."""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
from safetensors import safe_open
from safetensors.numpy import load_file
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

cosfit = sys.argv[1]
work = pathlib.Path(tempfile.mkdtemp())


def run(*args):
    subprocess.run([cosfit, *args], cwd=work, check=True, stdout=subprocess.DEVNULL)


def near(what, got, want, tolerance=1e-9):
    assert abs(got - want) <= tolerance, f"{what}: {got}, want {want}"


# The run directory of the demo.
run("demo")
demo = work / "cosfit-demo"
summary = json.loads((demo / "summary.json").read_text())
matrix = load_file(demo / "matrix.safetensors")["matrix"]
assert matrix.shape == (384, 384) and matrix.dtype == np.float32
assert np.array_equal(np.load(demo / "matrix.npy"), matrix)
with safe_open(demo / "matrix.safetensors", "np") as f:
    assert f.metadata()["model"] == "all-MiniLM-L6-v2", f.metadata()
history = pd.read_csv(demo / "history.csv")
assert history.epoch.max() == summary["epochs"] and set(history.split) == {"train", "validation"}

# Its figures, from each pair's cosines.
scores = pd.read_parquet(demo / "scores.parquet")
logistic = summary["learned_loss"]["settings"]
for when in ("before", "after"):
    for split, part in scores.groupby("split"):
        m, positive, cosine = summary[when][split], part.label > 0.5, part[when].astype(float)
        predicted = cosine > m["threshold"]
        near(f"{when} {split} roc_auc", m["roc_auc"], roc_auc_score(positive, cosine))
        near(f"{when} {split} average_precision", m["average_precision"], average_precision_score(positive, cosine))
        near(f"{when} {split} accuracy", m["accuracy"], (predicted == positive).mean())
        near(f"{when} {split} f1", m["f1"], f1_score(positive, predicted))
        z = logistic["scale"] * (cosine - logistic["threshold"])
        near(f"{when} {split} loss", m["loss"], (np.logaddexp(0, z) - part.label * z).mean())

# A wide file as the notebook's users have it: vectors as lists of doubles.
rng = np.random.default_rng(11)
queries, d, k = 500, 256, 128
signal = rng.normal(size=(8, d)) / np.sqrt(8)
noise = rng.normal(size=(6, d)) / np.sqrt(6)


def embed(meaning):
    n = len(meaning)
    return 0.9 * meaning @ signal + 1.6 * rng.normal(size=(n, 6)) @ noise + 0.9 * rng.normal(size=(n, d))


meaning = rng.normal(size=(queries, 8))
label = rng.permuted(np.tile([1, 0, 0, 1], (queries, 1)), axis=1).ravel()
own = np.repeat(meaning, 4, axis=0)
right = embed(np.where(label[:, None] == 1, own, rng.normal(size=own.shape)))
wide = pd.DataFrame({
    "question_text": [f"question {i // 4}" for i in range(len(label))],
    "candidate_answers": [f"answer {i}" for i in range(len(label))],
    "label": label,
    "candidate_ans_len": 9,
    "question_text_EMB": list(np.repeat(embed(meaning), 4, axis=0)),
    "candidate_answers_EMB": list(right),
})
wide.to_parquet(work / "wide.parquet")
run("train", "--data", "wide.parquet", "--recipe", "notebook", "--dims", str(k), "--out", "notebook")
summary = json.loads((work / "notebook" / "summary.json").read_text())
before, after = summary["before"]["test"], summary["after"]["test"]
assert before["accuracy_best_threshold"] < 0.75 < 0.95 < after["accuracy_best_threshold"], (before, after)

# The cosines are those of the vectors that pandas wrote, under the matrix.
scores = pd.read_parquet(work / "notebook" / "scores.parquet")
m = load_file(work / "notebook" / "matrix.safetensors")["matrix"].astype(float)
left, right = np.stack(wide.question_text_EMB), np.stack(wide.candidate_answers_EMB)
for when, a, b in (("before", left, right), ("after", left @ m, right @ m)):
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    worst = np.abs(scores[when] - cosine).max()
    assert worst < 1e-6, f"{when}: a cosine is off by {worst}"
print("demo's ROC AUC on test:", json.loads((demo / "summary.json").read_text())["after"]["test"]["roc_auc"])
print("notebook's accuracy on test:", before["accuracy_best_threshold"], "then", after["accuracy_best_threshold"])

# Vectors in the cache, as pandas, pyarrow (which verifies the checksums of pages), Polars and DuckDB read them.
run("embed", "--data", "sample", "--provider", "hashing", "--cache", "cache")
run("cache", "compact", "--cache", "cache")
(segment,) = (work / "cache" / "hashing-ngrams-1-1024").glob("*.parquet")
assert hashlib.sha256(segment.read_bytes()).hexdigest().startswith(segment.stem)
table = pq.ParquetFile(segment, page_checksum_verification=True).read()
ids, vectors = table["id"].to_pylist(), np.stack(table["embedding"].to_pylist())
assert len(ids) > 1000 and ids == sorted(ids) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
for frame in (pd.read_parquet(segment), pl.read_parquet(segment).to_pandas(), duckdb.sql(f"from '{segment}'").df()):
    assert frame.id.tolist() == ids and np.array_equal(np.stack(frame.embedding), vectors)
assert pl.scan_parquet(segment).filter(pl.col("id") == ids[700]).collect().height == 1
assert len(duckdb.sql(f"from '{segment}' where id = '{ids[700]}'").fetchall()) == 1
run("cache", "export", "--cache", "cache", "--embeddings", "hashing-ngrams-1-1024", "--out", "all.npy")
assert np.array_equal(np.load(work / "all.npy"), vectors) and (work / "all.npy.ids.txt").read_text().split() == ids
pd.DataFrame({"text": ["a", "b"], "embedding": [[1.0, 2.0], [3.0, 4.0]]}).to_parquet(work / "bought.parquet")
run("cache", "import", "--cache", "cache", "--in", "bought.parquet", "--provider", "p", "--model", "m")
(segment,) = (work / "cache" / "p-m-2").glob("*.parquet")
bought = pd.read_parquet(segment).set_index("id").embedding
assert bought[hashlib.sha256(b"b").hexdigest()[:32]].tolist() == [3.0, 4.0]
