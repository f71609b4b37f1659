"""Writes the same pairs in every way that people write Parquet, and demands
that cosfit reads what was written: each label, split, kind and text exactly,
each vector bit for bit, each cosine to 1e-6. Then reads a scores.parquet with
pandas, Polars and DuckDB. Prints a line for each file and a count."""

import hashlib
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

cosfit = str(pathlib.Path(sys.argv[1]).resolve())
folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
columns = ["question_text", "candidate_answers", "label", "split", "kind", "question_text_EMB", "candidate_answers_EMB"]
vectors = columns[-2:]

# 600 pairs of 120 questions and 200 answers, which recur as texts do.
rows, d, queries, answers = 600, 48, 120, 200
rng = np.random.default_rng(4)
question = np.repeat(np.arange(queries), rows // queries)
answer = rng.integers(answers, size=rows)
label = np.where(np.arange(rows) % 5 < 2, 1, 0)
left = rng.normal(size=(queries, d))[question]
right = rng.normal(size=(answers, d))[answer]
texts = [[f"question {i} – é" for i in question], [f"answer {i} – é" for i in answer]]
split = np.array(["train", "validation", "test"])[np.minimum(question // 40, 2)]
kind = np.where(label == 1, "positive", np.where(np.arange(rows) % 5 == 2, "hard", "weak"))


def pairs(dtype):
    """The pairs with their vectors rounded to a type, as float32 can hold them."""
    return left.astype(dtype), right.astype(dtype)


# Writers: each is called with a path and writes the pairs.


def arrow_table(dtype="f4", make=pa.list_, labels=pa.int64(), text=pa.string()):
    """The pairs as Arrow has them, with lists of one of its kinds."""
    element = {"f2": pa.float16(), "f4": pa.float32(), "f8": pa.float64()}[dtype]

    def lists(v):
        flat = pa.array(v.ravel(), element)
        offsets = np.arange(0, v.size + 1, d)
        if make is pa.list_:
            return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)
        if make is pa.large_list:
            return pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat)
        if make is pa.binary:
            return pa.array([row.tobytes() for row in v], pa.binary(v.itemsize * d))
        return pa.FixedSizeListArray.from_arrays(flat, d)

    names = [pa.array(x, pa.string()).cast(text) for x in (*texts, split, kind)]
    return pa.table([names[0], names[1], pa.array(label).cast(labels), names[2], names[3], *map(lists, pairs(dtype))], columns)


def arrow(path, dtype="f4", make=pa.list_, labels=pa.int64(), text=pa.string(), **options):
    pq.write_table(arrow_table(dtype, make, labels, text), path, **options)


def pandas(path, dtype="f4", labels="int64", category=False, **options):
    a, b = pairs(dtype)
    frame = pd.DataFrame(dict(zip(columns, (*texts, label.astype(labels), split, kind, list(a), list(b)))))
    if category:
        frame[columns[3:5]] = frame[columns[3:5]].astype("category")
    frame.to_parquet(path, **options)


def polars_frame(dtype="f4", array=False, labels=pl.Int64, category=False):
    element = {"f2": pl.Float16, "f4": pl.Float32, "f8": pl.Float64}[dtype]
    of = pl.Array(element, d) if array else pl.List(element)
    a, b = (pl.Series(v.tolist(), dtype=pl.List(pl.Float64)).cast(of) for v in pairs(dtype))
    frame = pl.DataFrame(dict(zip(columns, (*texts, label, split, kind, a, b))))
    frame = frame.with_columns(pl.col("label").cast(labels))
    return frame.with_columns(pl.col("split", "kind").cast(pl.Categorical)) if category else frame


def polars(path, dtype="f4", array=False, labels=pl.Int64, category=False, lazy=False, **options):
    frame = polars_frame(dtype, array, labels, category)
    frame.lazy().sink_parquet(path, **options) if lazy else frame.write_parquet(path, **options)


def duck(path, dtype="f4", array=False, labels="BIGINT", **options):
    pairs_as_arrow = arrow_table(dtype)  # DuckDB finds it by its name
    of = {"f4": "FLOAT", "f8": "DOUBLE"}[dtype] + ("[%d]" % d if array else "[]")
    select = ", ".join(f"{c}::{of} AS {c}" if c in vectors else f"{c}::{labels} AS {c}" if c == "label" else c for c in columns)
    written = ", ".join(["FORMAT parquet", *(f"{k} {v}" for k, v in options.items())])
    duckdb.sql(f"COPY (SELECT {select} FROM pairs_as_arrow) TO '{path}' ({written})")


codecs = ["snappy", "zstd", "gzip", "lz4", "none"]
pages = dict(data_page_size=2048, write_batch_size=7)  # rows begin in one page and end in the next, where the writer lets them
leaves = [f"{v}.list.element" for v in vectors]
plain = dict(use_dictionary=False)
split_bytes = plain | dict(use_byte_stream_split=leaves)


def cases():
    """Yields a name, the type of the vectors, a writer and its options."""
    for codec, version in itertools.product(codecs, ["1.0", "2.0"]):
        yield f"pyarrow, {codec}, pages {version}", "f4", arrow, dict(compression=codec, data_page_version=version)
    for dtype, version in itertools.product(["f2", "f4", "f8"], ["1.0", "2.0"]):
        some = dict(data_page_version=version)
        yield f"pyarrow, {dtype}, dictionary, pages {version}", dtype, arrow, some | dict(use_dictionary=True, dictionary_pagesize_limit=1 << 22)
        yield f"pyarrow, {dtype}, full dictionary, pages {version}", dtype, arrow, some | dict(use_dictionary=True, dictionary_pagesize_limit=4096)
        yield f"pyarrow, {dtype}, plain, pages {version}", dtype, arrow, some | plain
        yield f"pyarrow, {dtype}, BYTE_STREAM_SPLIT, pages {version}", dtype, arrow, some | split_bytes
        yield f"pyarrow, {dtype}, small pages {version}", dtype, arrow, some | plain | pages
        yield f"pyarrow, {dtype}, BYTE_STREAM_SPLIT, zstd, 7 row groups, small pages {version}", dtype, arrow, some | split_bytes | pages | dict(row_group_size=91, compression="zstd")
        yield f"pyarrow, {dtype}, large_list, pages {version}", dtype, arrow, some | dict(make=pa.large_list)
        yield f"pyarrow, {dtype}, fixed_size_list, pages {version}", dtype, arrow, some | dict(make=None)
        yield f"pyarrow, {dtype}, list name item, pages {version}", dtype, arrow, some | dict(use_compliant_nested_type=False)
    for dtype in ["f4", "f8"]:
        yield f"pyarrow, {dtype}, spark", dtype, arrow, dict(flavor="spark")
        yield f"pyarrow, {dtype}, spark, gzip, 4 row groups, item", dtype, arrow, dict(flavor="spark", compression="gzip", row_group_size=150, use_compliant_nested_type=False)
        yield f"pyarrow, {dtype}, format 1.0", dtype, arrow, dict(version="1.0")
    yield "pyarrow, f4, fixed-length bytes", "f4", arrow, dict(make=pa.binary)
    yield "pyarrow, f4, fixed-length bytes, plain, pages 2.0", "f4", arrow, dict(make=pa.binary, data_page_version="2.0") | plain
    yield "pyarrow, page index, checksums, sorted", "f4", arrow, dict(write_page_index=True, write_page_checksum=True) | pages
    yield "pyarrow, 600 row groups", "f4", arrow, dict(row_group_size=1)
    yield "pyarrow, delta texts", "f4", arrow, plain | dict(column_encoding={"question_text": "DELTA_BYTE_ARRAY", "candidate_answers": "DELTA_LENGTH_BYTE_ARRAY", "label": "DELTA_BINARY_PACKED"})
    for labels in [pa.int8(), pa.uint8(), pa.int32(), pa.uint64(), pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.decimal128(21, 2)]:
        yield f"pyarrow, label {labels}", "f4", arrow, dict(labels=labels)
    for text in [pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.string_view()]:
        yield f"pyarrow, texts {text}", "f4", arrow, dict(text=text)

    for codec in [*codecs, "brotli"]:
        yield f"pandas, {codec}", "f8", pandas, dict(compression=None if codec == "none" else codec)
    for dtype in ["f2", "f4"]:
        yield f"pandas, {dtype}", dtype, pandas, dict(dtype=dtype)
    yield "pandas, bool, category", "f4", pandas, dict(labels="bool", category=True)
    yield "pandas, row groups, no index, pages 2.0", "f8", pandas, dict(index=False, row_group_size=100, data_page_version="2.0")

    for codec in ["snappy", "zstd", "gzip", "lz4", "uncompressed", "brotli"]:
        yield f"Polars, {codec}", "f4", polars, dict(compression=codec)
    for dtype in ["f2", "f8"]:
        yield f"Polars, {dtype}", dtype, polars, {}
    for dtype in ["f2", "f4", "f8"]:
        yield f"Polars, {dtype}, Array", dtype, polars, dict(array=True)
    yield "Polars, row groups, small pages", "f4", polars, dict(row_group_size=77, data_page_size=2048)
    yield "Polars, sink", "f8", polars, dict(lazy=True, row_group_size=128)
    yield "Polars, Boolean, Categorical", "f4", polars, dict(labels=pl.Boolean, category=True)
    yield "Polars, Decimal", "f4", polars, dict(labels=pl.Decimal(6, 3))
    yield "Polars by pyarrow", "f4", polars, dict(use_pyarrow=True)

    for codec, version in itertools.product(["snappy", "zstd", "gzip", "lz4", "lz4_raw", "brotli", "uncompressed"], ["V1", "V2"]):
        yield f"DuckDB, {codec}, {version}", "f4", duck, dict(COMPRESSION=codec, PARQUET_VERSION=version)
    for dtype, version in itertools.product(["f4", "f8"], ["V1", "V2"]):
        yield f"DuckDB, {dtype}, fixed array, {version}", dtype, duck, dict(array=True, PARQUET_VERSION=version)
        yield f"DuckDB, {dtype}, no dictionary, {version}", dtype, duck, dict(DICTIONARY_SIZE_LIMIT=0, PARQUET_VERSION=version)
    yield "DuckDB, f8, row groups", "f8", duck, dict(ROW_GROUP_SIZE=128)
    for labels in ["BOOLEAN", "TINYINT", "FLOAT", "DOUBLE", "DECIMAL(2,1)", "DECIMAL(12,4)"]:
        yield f"DuckDB, label {labels}", "f4", duck, dict(labels=labels)


# What cosfit read.


def short_hash(b):
    return hashlib.sha256(b).hexdigest()[:32]


def cosines(a, b):
    a, b = a.astype("f8"), b.astype("f8")
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def scores(path, *options):
    """Trains for one epoch on a file and returns scores.parquet."""
    run = work / "run"
    done = subprocess.run(
        [cosfit, "train", "--data", path, "--out", run, "--force", "--epochs", "1", "--dims", "4", "--init", "pca", *options],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr.strip()
    return pd.read_parquet(run / "scores.parquet")


def equal(what, got, want):
    wrong = np.flatnonzero(np.asarray(got) != np.asarray(want))
    assert not len(wrong), f"{what} differs in {len(wrong)} rows, first in {wrong[0]}: {got[wrong[0]]}, want {want[wrong[0]]}"


def check(path, dtype):
    a, b = (v.astype("f4") for v in pairs(dtype))
    s = scores(path)
    assert len(s) == rows, f"{len(s)} rows, want {rows}"
    for name, want in ("label", label), ("split", split), ("kind", kind):
        equal(name, s[name], want)
    for name, want in zip(("left", "right"), texts):
        equal(name, s[name], [short_hash(t.encode()) for t in want])
    worst = np.abs(s.before - cosines(a, b)).max()
    assert worst < 1e-6, f"a cosine is off by {worst}"
    # Without texts, the id of a vector is the hash of its float32 bytes.
    s = scores(path, "--left-text-column", "-", "--right-text-column", "-")
    for name, v in ("left", a), ("right", b):
        equal(name + " vector", s[name], [short_hash(x.tobytes()) for x in v])


def check_reading():
    """Pandas, Polars, DuckDB and pyarrow read one scores.parquet alike."""
    path = work / "pandas, snappy.parquet"
    run = work / "run"
    if not path.exists():
        pandas(path, "f8")
    want = scores(path)
    matrix = np.frombuffer((run / "matrix.safetensors").read_bytes()[-4 * 4 * d:], "<f4").reshape(d, 4).astype("f8")
    a, b = (v.astype("f4").astype("f8") for v in pairs("f8"))
    for name, v in ("before", cosines(a, b)), ("after", cosines(a @ matrix, b @ matrix)):
        worst = np.abs(want[name] - v).max()
        assert worst < 1e-6, f"{name}: a cosine is off by {worst}"
    file = run / "scores.parquet"
    readers = {
        "Polars": pl.read_parquet(file).to_dict(as_series=False),
        "Polars, lazy": pl.scan_parquet(file).collect().to_dict(as_series=False),
        "DuckDB": {k: list(v) for k, v in duckdb.sql(f"FROM '{file}'").fetchnumpy().items()},
        "pyarrow": pq.read_table(file).to_pydict(),
    }
    for reader, got in readers.items():
        assert list(got) == list(want), f"{reader}: columns {list(got)}, want {list(want)}"
        for name in want:
            equal(f"{reader}: {name}", got[name], want[name])
    # An aggregate touches the statistics and dictionaries that a plain reading leaves alone.
    sql = duckdb.sql(f"SELECT split, count(*), min(before), max(after) FROM '{file}' WHERE kind = 'hard' AND after > -1 GROUP BY split ORDER BY split").fetchall()
    hard = want[(want.kind == "hard") & (want.after > -1)].groupby("split")
    assert sql == list(zip(hard.size().index, hard.size(), hard.before.min(), hard.after.max())), sql
    lazy = pl.scan_parquet(file).filter(pl.col("split") == "test", pl.col("before") > 0).collect()
    assert len(lazy) == ((want.split == "test") & (want.before > 0)).sum(), "Polars filters another number of rows"
    json.loads((run / "summary.json").read_text())


def attempt(name, f, *args, **options):
    try:
        f(*args, **options)
    except Exception as e:
        print(f"FAIL  {name}: {type(e).__name__}: {e}")
        return False
    print(f"ok    {name}")
    return True


def check_encodings(path, options):
    """A file tests an encoding only if its writer used it for the vectors."""
    group = pq.read_metadata(path).row_group(0)
    for i in range(group.num_columns):
        column = group.column(i)
        if "EMB" in column.path_in_schema and "use_byte_stream_split" in options:
            assert "BYTE_STREAM_SPLIT" in column.encodings, column.encodings
        if "EMB" in column.path_in_schema and options.get("use_dictionary"):
            assert "RLE_DICTIONARY" in column.encodings, column.encodings
        if options.get("use_compliant_nested_type") is False and "EMB" in column.path_in_schema:
            assert column.path_in_schema.endswith(".item"), column.path_in_schema


def write_and_check(path, dtype, write, options):
    write(path, **{"dtype": dtype, **options})
    check_encodings(path, options)
    check(path, dtype)


done = [attempt(name, write_and_check, work / f"{name.replace('/', '-')}.parquet", dtype, write, options)
        for name, dtype, write, options in cases()]
print()
done.append(attempt("scores.parquet read by pandas, Polars, DuckDB and pyarrow", check_reading))
print(f"\n{sum(done)} passed, {len(done) - sum(done)} failed; pandas {pd.__version__}, pyarrow {pa.__version__}, Polars {pl.__version__}, DuckDB {duckdb.__version__}")
sys.exit(not all(done))
