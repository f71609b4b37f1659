"""Records what Optuna makes: its tables on both databases, and the JSON of
distributions. Run as: schema.py postgresql+psycopg2://user@/empty?host=/socket

The queries are in sqlite.sql and postgres.sql, which the test asks as well."""

import json
import pathlib
import random
import sqlite3
import sys
import tempfile

import optuna
import psycopg2
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution, distribution_to_json

here = pathlib.Path(__file__).parent
optuna.logging.set_verbosity(optuna.logging.WARNING)


def record(name, url, connect):
    optuna.create_study(storage=url)
    cursor = connect().cursor()
    cursor.execute((here / f"{name}.sql").read_text())
    rows = sorted(" | ".join(str(v) for v in row) for row in cursor.fetchall())
    (here / f"{name}.txt").write_text("\n".join(rows) + "\n")


file = tempfile.mkdtemp() + "/optuna.db"
record("sqlite", f"sqlite:///{file}", lambda: sqlite3.connect(file))
url = sys.argv[1]
record("postgres", url, lambda: psycopg2.connect(url.replace("+psycopg2", "")))

rng = random.Random(1)
distributions = [
    FloatDistribution(1e-4, 1e-2, log=True),
    FloatDistribution(1e-5, 1.0),
    FloatDistribution(0, 0.5, step=0.1),
    FloatDistribution(-1e16, 1e16),
    FloatDistribution(-9999999999999998.0, 123456789012345680.0),
    FloatDistribution(5e-324, 1.7976931348623157e308, log=True),
    IntDistribution(64, 384, step=64),
    IntDistribution(1, 4096, log=True),
    IntDistribution(-(2**53), 2**53),
    CategoricalDistribution(["mse", "infonce"]),
    CategoricalDistribution(["0.1"]),
    CategoricalDistribution(['a"b\\c/<&>', "ö 漢 😀 \u2028", "\n\r\t\b\f\x00\x1f\x7f\x80", ""]),
]
for _ in range(100):
    low, high = sorted(rng.uniform(-1, 1) * 10.0 ** rng.randint(-20, 20) for _ in range(2))
    distributions.append(FloatDistribution(low, high))
lines = [distribution_to_json(d) for d in distributions]
(here / "distributions.jsonl").write_text("\n".join(lines) + "\n")
