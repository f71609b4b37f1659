"""Records how Python's csv module and pandas read texts: csv.json beside this.

python3 make.py, with pandas installed (recorded with Python 3.11.7, pandas 3.1.1)
"""
import csv
import io
import json
import random

import pandas

random.seed(8)
PIECES = ['"', '""', ",", ",", "\n", "\r\n", "a", "b c", "é", '","', '"\n', "x,y\n"]


def by_csv(text):
    """Rows up to the first that strict reading refuses, and whether it did."""
    rows = []
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            if row:  # an empty line
                rows.append(row)
    except csv.Error as e:
        return rows, str(e)
    return rows, None


def by_pandas(text):
    """Rows, or None where pandas wants the same number of fields in all."""
    try:
        frame = pandas.read_csv(io.BytesIO(text.encode()), header=None, dtype=str, keep_default_na=False)
    except Exception:
        return None
    return frame.values.tolist()


cases = []
seen = set()
while len(cases) < 600:
    text = "".join(random.choice(PIECES) for _ in range(random.randint(1, 9)))
    if text in seen:
        continue
    seen.add(text)
    rows, error = by_csv(text)
    cases.append({"text": text, "rows": rows, "error": error, "pandas": by_pandas(text)})

with open("csv.json", "w") as f:
    json.dump(cases, f, ensure_ascii=False, indent=0)

pandas.DataFrame({
    "sentence1": ["a", "b", "c", "d"],
    "sentence2": ["e", "f", None, "h"],
    "label": pandas.array([True, False, True, None], dtype="boolean"),
    "qid": [2**60 + 1, 2**60 + 2, 3, 4],
    "embedding": [[1.0], [2.0], None, [3.0]],
}).to_parquet("pandas.parquet", index=False)
