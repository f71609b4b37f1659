"""Writes the files of this folder with pandas and pyarrow.

    python3 make.py        needs pandas and pyarrow

good/ holds the same 24 pairs in every way in which a wide file may be stored,
wrong/ one mistake in each file, columns.parquet other names, folder/ the pairs as a data set folder, pairs/
files that may take the place of its pairs.parquet. The tests compute the same
contents by the same formulas.
"""

import hashlib
import json
import pathlib
import shutil

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

import cut_pages

HERE = pathlib.Path(__file__).parent
ROWS, DIM, LONG = 24, 4, 64
LEFT, RIGHT = "question_text_EMB", "candidate_answers_EMB"


def vector(i, dim=DIM):
    """Multiples of 1/32 below 1, which every float type holds exactly."""
    return [((31 * i + 17 * j) % 61 - 30) / 32 for j in range(dim)]


def question(row):
    return row // 3


def answer(row):
    return 5 * row % 12


def text(kind, i):
    return f"{kind} {i} – é"


def text_id(t):
    return hashlib.sha256(t.encode()).hexdigest()[:32]


QUESTIONS = [text("question", question(r)) for r in range(ROWS)]
ANSWERS = [text("answer", answer(r)) for r in range(ROWS)]
LABELS = [int(r % 3 == 0) for r in range(ROWS)]
LEFTS = [vector(question(r)) for r in range(ROWS)]
RIGHTS = [vector(100 + answer(r)) for r in range(ROWS)]


def write(name, table, **options):
    path = HERE / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # Without the Arrow schema the files are as other writers make them, and small.
    options = {"store_schema": False, "compression": "none", "write_statistics": False, **options}
    pq.write_table(table, path, **options)


def column(values, vector_type):
    if pa.types.is_fixed_size_binary(vector_type):
        return pa.array([np.array(v, "<f4").tobytes() for v in values], vector_type)
    return pa.array(values, vector_type)


def wide(vector_type=pa.list_(pa.float32()), label_type=pa.int64(), lefts=LEFTS, rights=RIGHTS, labels=LABELS, nullable=True):
    fields = [
        ("question_text", pa.string(), QUESTIONS[: len(lefts)]),
        ("candidate_answers", pa.string(), ANSWERS[: len(lefts)]),
        ("label", label_type, labels),
        (LEFT, vector_type, lefts),
        (RIGHT, vector_type, rights),
    ]
    schema = pa.schema([pa.field(name, t, nullable=nullable) for name, t, _ in fields])
    arrays = [column(v, t) if name.endswith("_EMB") else pa.array(v, t) for name, t, v in fields]
    return pa.table(arrays, schema=schema)


def good():
    frame = pd.DataFrame({
        "question_text": QUESTIONS,
        "candidate_answers": ANSWERS,
        "label": LABELS,
        "candidate_ans_len": [len(a) for a in ANSWERS],
        LEFT: LEFTS,
        RIGHT: RIGHTS,
    })
    path = HERE / "good"
    path.mkdir()
    frame.to_parquet(path / "pandas.parquet")
    frame[LEFT] = frame[LEFT].map(lambda v: np.array(v, np.float32))
    frame[RIGHT] = frame[RIGHT].map(lambda v: np.array(v, np.float32))
    frame.iloc[:, [5, 4, 3, 2, 1, 0]].to_parquet(path / "pandas_numpy_zstd.parquet", compression="zstd")

    lists = {"double": pa.float64(), "float": pa.float32(), "half": pa.float16()}
    for name, t in lists.items():
        write(f"good/{name}_dictionary.parquet", wide(pa.list_(t)), compression="snappy")
        write(f"good/{name}_plain.parquet", wide(pa.list_(t)), use_dictionary=False)
        split = {f"{c}.list.element": "BYTE_STREAM_SPLIT" for c in (LEFT, RIGHT)}
        write(f"good/{name}_split.parquet", wide(pa.list_(t)), use_dictionary=False, column_encoding=split, compression="zstd")
        for version in ("1.0", "2.0"):
            pages = {"write_batch_size": 5, "row_group_size": 11, "data_page_version": version}
            write(f"good/{name}_pages_v{version[0]}.parquet", wide(pa.list_(t)), use_dictionary=False, data_page_size=64, **pages)
            if name == "double":
                # Indices are small and pyarrow counts a few hundred bytes on top of them, so these vectors are long.
                table = wide(pa.list_(t), lefts=[vector(question(r), LONG) for r in range(ROWS)], rights=[vector(100 + answer(r), LONG) for r in range(ROWS)])
                write(f"good/dictionary_pages_v{version[0]}_long.parquet", table, data_page_size=600, **pages)

    write("good/fixed_size_list.parquet", wide(pa.list_(pa.float32(), DIM)), compression="gzip")
    write("good/large_list.parquet", wide(pa.large_list(pa.float64())), compression="brotli")
    write("good/list_view.parquet", wide(pa.list_view(pa.float32())), compression="lz4")
    required = pa.list_(pa.field("element", pa.float64(), nullable=False))
    write("good/required.parquet", wide(required, nullable=False))
    write("good/required_elements.parquet", wide(required))
    write("good/required_lists.parquet", wide(pa.list_(pa.float32()), nullable=False), data_page_version="2.0", compression="zstd")
    write("good/named_item.parquet", wide(), use_compliant_nested_type=False)
    write("good/checksums.parquet", wide(), write_page_checksum=True, compression="snappy", data_page_version="2.0")

    binary = pa.binary(4 * DIM)
    write("good/bytes_plain.parquet", wide(binary), use_dictionary=False)
    write("good/bytes_dictionary.parquet", wide(binary), compression="snappy")
    write("good/bytes_required.parquet", wide(binary, nullable=False), data_page_version="2.0")
    write("good/bytes_pages_v1.parquet", wide(binary), use_dictionary=False, data_page_size=64, write_batch_size=5, row_group_size=11)

    labels = {
        "bool": (pa.bool_(), [bool(x) for x in LABELS]),
        "half": (pa.float16(), LABELS),
        "int8": (pa.int8(), LABELS),
        "uint64": (pa.uint64(), LABELS),
        "float": (pa.float32(), LABELS),
        "double": (pa.float64(), LABELS),
        "decimal": (pa.decimal128(3, 1), LABELS),
        "decimal_bytes": (pa.decimal128(3, 1), LABELS),
    }
    for name, (t, values) in labels.items():
        options = {"store_decimal_as_integer": True} if name == "decimal" else {}
        write(f"good/label_{name}.parquet", wide(label_type=t, labels=values), **options)
    for name, words in {"words": ("no", "Yes"), "digits": ("0", "1.0")}.items():
        write(f"good/label_{name}.parquet", wide(label_type=pa.string(), labels=[words[x] for x in LABELS]))
    delta = {"question_text": "DELTA_BYTE_ARRAY", "candidate_answers": "DELTA_LENGTH_BYTE_ARRAY", "label": "DELTA_BINARY_PACKED"}
    write("good/delta.parquet", wide(), use_dictionary=False, column_encoding=delta)


    columns = {"question_text": QUESTIONS, "candidate_answers": ANSWERS, "label": LABELS, LEFT: LEFTS, RIGHT: RIGHTS}
    cut_pages.write(path / "cut_inside_rows.parquet", columns, cut=5)
    back = pq.read_table(path / "cut_inside_rows.parquet").to_pydict()
    assert back == columns, "pyarrow reads something else"


def changed(values, row, value):
    return values[:row] + [value] + values[row + 1 :]


def wrong():
    def bad(name, table, **options):
        write(f"wrong/{name}.parquet", table, **options)

    inside = lambda x: changed(LEFTS[5], 2, x)
    bad("no_label", wide().drop_columns(["label"]))
    bad("no_left", wide().drop_columns([LEFT]))
    bad("no_right", wide().rename_columns({RIGHT: "passage vector"}))
    bad("shorter", wide(rights=changed(RIGHTS, 5, RIGHTS[5][:3])))
    bad("shorter_right", wide(rights=[v[:3] for v in RIGHTS]))
    bad("longer_left", wide(lefts=changed(LEFTS, 23, vector(1, 7))))
    bad("nan", wide(lefts=changed(LEFTS, 5, inside(float("nan")))))
    bad("infinite", wide(lefts=changed(LEFTS, 5, inside(float("-inf")))))
    bad("too_large", wide(pa.list_(pa.float64()), lefts=changed(LEFTS, 5, inside(1e300))))
    bad("zeros", wide(rights=changed(RIGHTS, 7, [0.0] * DIM)))
    bad("bytes_nan", wide(pa.binary(4 * DIM), lefts=changed(LEFTS, 5, inside(float("nan")))))
    bad("null_vector", wide(lefts=changed(LEFTS, 5, None)))
    bad("empty_vector", wide(lefts=changed(LEFTS, 5, [])))
    bad("null_inside", wide(lefts=changed(LEFTS, 5, inside(None))))
    bad("null_alone", wide(lefts=changed(LEFTS, 5, [None])))
    # The null stands alone in the second page of its row.
    columns = {"label": LABELS, LEFT: changed(LEFTS, 5, inside(None)), RIGHT: RIGHTS}
    cut_pages.write(HERE / "wrong/null_inside_cut.parquet", columns, cut=1)
    columns = {"label": LABELS, LEFT: LEFTS, RIGHT: RIGHTS}
    cut_pages.write(HERE / "wrong/fewer_rows.parquet", columns, cut=999, claim=2**31 - 1)
    cut_pages.write(HERE / "wrong/more_rows.parquet", columns, cut=999, claim=ROWS - 1)
    cut_pages.write(HERE / "too_many_rows.parquet", columns, cut=999, claim=2**31)
    bad("null_required", wide(pa.list_(pa.field("element", pa.float32(), nullable=False)), lefts=changed(LEFTS, 5, None)))
    null = wide(pa.binary(4 * DIM))
    index = null.column_names.index(LEFT)
    bad("null_bytes", null.set_column(index, LEFT, pa.array(changed(null[LEFT].to_pylist(), 5, None), pa.binary(4 * DIM))))

    bad("null_label", wide(labels=changed(LABELS, 5, None)))
    bad("nan_label", wide(labels=changed(LABELS, 5, float("nan")), label_type=pa.float64()))
    bad("text_label", wide(labels=changed([str(x) for x in LABELS], 7, "perhaps"), label_type=pa.string()))
    bad("list_label", wide(labels=[[x] for x in LABELS], label_type=pa.list_(pa.int64())))
    bad("large_label", wide(labels=changed(LABELS, 5, 7)))
    bad("negative_label", wide(labels=changed(LABELS, 5, -2)))

    bad("scalars", wide(pa.float64(), lefts=[0.5] * ROWS, rights=[0.5] * ROWS))
    bad("texts", wide(pa.string(), lefts=["[1, 2]"] * ROWS, rights=["[1, 2]"] * ROWS))
    bad("binary", wide(pa.binary(), lefts=[b"1234"] * ROWS, rights=[b"1234"] * ROWS))
    bad("odd_bytes", null.set_column(index, LEFT, pa.array([b"12345"] * ROWS, pa.binary(5))))
    bad("uuids", null.set_column(index, LEFT, pa.array([b"0123456789abcdef"] * ROWS, pa.uuid())))
    bad("structs", wide(pa.struct([("a", pa.float32()), ("b", pa.float32())]), lefts=[{"a": 1, "b": 2}] * ROWS, rights=[{"a": 1, "b": 2}] * ROWS))
    bad("boxes", wide(pa.struct([("a", pa.float32())]), lefts=[{"a": 1}] * ROWS, rights=[{"a": 1}] * ROWS))
    bad("matrices", wide(pa.list_(pa.list_(pa.float32())), lefts=[[v] for v in LEFTS], rights=[[v] for v in RIGHTS]))
    bad("integers", wide(pa.list_(pa.int32()), lefts=[[1, 2]] * ROWS, rights=[[1, 2]] * ROWS))
    decimals = pa.list_(pa.decimal128(38, 2))
    bad("decimals", wide(decimals, lefts=[[1, 2]] * ROWS, rights=[[1, 2]] * ROWS))
    bad("no_rows", wide(lefts=[], rights=[], labels=[]))
    pd.DataFrame({"label": [], LEFT: [], RIGHT: []}).to_parquet(HERE / "wrong/no_rows_pandas.parquet")

    group = pa.array([f"g{r // 2}" for r in range(ROWS)])
    split = pa.array(["train" if r < 11 else "test" for r in range(ROWS)])
    bad("torn_group", wide().append_column("group", group).append_column("split", split))
    bad("unknown_split", wide().append_column("split", pa.array(changed(["train"] * ROWS, 9, "fold1"))))
    bad("null_group", wide().append_column("group", pa.array(changed(group.to_pylist(), 4, None))))


def columns():
    """Columns of other names, with all the optional ones."""
    names = {"question_text": "text a", "candidate_answers": "text b", LEFT: "a", RIGHT: "b", "label": "similar"}
    table = wide().rename_columns(names)
    table = table.append_column("topic", pa.array([r // 4 for r in range(ROWS)]))
    table = table.append_column("part", pa.array([("train", "validation", "test")[r // 8] for r in range(ROWS)]))
    table = table.append_column("how", pa.array([("positive", "weak", "hard", "given")[r % 4] for r in range(ROWS)]))
    write("columns.parquet", table)


def pairs_table(metadata=None, **columns):
    groups = [text_id(q) for q in QUESTIONS]
    splits = ["train"] * 12 + ["validation"] * 6 + ["test"] * 6
    kinds = ["positive", "weak", "hard"] * 8
    all = {
        "left": pa.array(groups),
        "right": pa.array([text_id(a) for a in ANSWERS]),
        "label": pa.array(LABELS, pa.float32()),
        "split": pa.array(splits),
        "group": pa.array(groups),
        "kind": pa.array(kinds),
        **columns,
    }
    all = {name: c for name, c in all.items() if c is not None}
    table = pa.table(list(all.values()), list(all))
    return table.replace_schema_metadata(metadata or {"schema_version": "1"})


def folder():
    texts = list(dict.fromkeys(QUESTIONS + ANSWERS))
    vectors = {text("question", i): vector(i) for i in range(8)}
    vectors |= {text("answer", i): vector(100 + i) for i in range(12)}
    ids = [text_id(t) for t in texts]
    # pyarrow keeps metadata with its schema.
    write("folder/pairs.parquet", pairs_table({"schema_version": "1", "label_range": "0..1"}), store_schema=True)
    table = pa.table([ids, texts], ["id", "text"])
    write("folder/texts.parquet", table.replace_schema_metadata({"schema_version": "1"}), store_schema=True)
    # One text more than the pairs name, and the segments in no order of theirs.
    ids.append(text_id("unused"))
    data = [vectors[t] for t in texts] + [vector(500)]
    for model, factor in (("alpha", 1), ("beta", 2)):
        scaled = pa.array([[factor * x for x in v] for v in data], pa.list_(pa.float32()))
        table = pa.table([ids, scaled], ["id", "embedding"])
        where = f"folder/embeddings/{model}"
        write(f"{where}/0000.parquet", table.slice(13), use_dictionary=False)
        write(f"{where}/0001.parquet", table.slice(0, 13), use_dictionary=False)
        manifest = {"schema_version": 1, "model": f"model {model}", "dimensions": DIM}
        (HERE / where / "manifest.json").write_text(json.dumps(manifest) + "\n")


def pairs():
    def p(name, metadata=None, **columns):
        write(f"pairs/{name}.parquet", pairs_table({"schema_version": "1", **(metadata or {})}, **columns), store_schema=True)

    graded = pa.array([r % 6 for r in range(ROWS)], pa.int32())
    signed = pa.array([1 if x else -1 for x in LABELS], pa.int32())
    p("range_0_5", {"label_range": "0..5"}, label=graded)
    p("range_signed", {"label_range": "-1..1"}, label=signed)
    p("range_exceeded", {"label_range": "0..4"}, label=graded)
    p("range_odd", {"label_range": "5"}, label=graded)
    p("range_backwards", {"label_range": "1..0"})
    p("range_derived", label=signed)
    p("newer", {"schema_version": "2"})
    p("no_split", split=None)
    p("plain", split=None, group=None, kind=None)
    p("no_left", left=None)
    p("unknown_text", right=pa.array(changed([text_id(a) for a in ANSWERS], 5, "ffffffff")))
    p("null_left", left=pa.array(changed([text_id(q) for q in QUESTIONS], 5, None)))
    p("unknown_kind", kind=pa.array(changed(["hard"] * ROWS, 5, "easy")))
    p("torn_group", split=pa.array(changed(["train"] * ROWS, 5, "test")))
    write("pairs/no_rows.parquet", pairs_table().slice(0, 0))


def main():
    for name in ("good", "wrong", "folder", "pairs"):
        shutil.rmtree(HERE / name, ignore_errors=True)
    good()
    wrong()
    columns()
    folder()
    pairs()


if __name__ == "__main__":
    main()
