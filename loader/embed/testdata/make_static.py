#!/usr/bin/env python3
"""Makes small static models in static/ and records what model2vec embeds with
them, in static/vectors.json.

    pip install model2vec==0.10.0 tokenizers==0.23.3
    python make_static.py

The tokenizers are those of ../tokenizer/testdata.
"""

import json
import pathlib
import shutil

import numpy as np
from model2vec import StaticModel
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

HERE = pathlib.Path(__file__).parent
STATIC = HERE / "static"
recorded = json.loads((HERE.parent / "tokenizer" / "testdata" / "tokens.json").read_text())
tokenizers = {c["name"]: c["tokenizer"] for c in recorded["cases"]}
TEXTS = recorded["texts"] + ["The quick brown fox jumps over the lazy dog. " * 9, "zzz qqq", "the the the the", "日本" * 60 + " the end"]
rng = np.random.default_rng(7)


def make(name, tokenizer, dimensions, dtype=np.float32, clusters=0, weights=None, **settings):
    spec = {"version": "1.0", "truncation": None, "padding": None, "post_processor": None, "decoder": None, **tokenizers[tokenizer]}
    t = Tokenizer.from_str(json.dumps(spec))
    n = t.get_vocab_size()
    rows = rng.normal(size=(clusters or n, dimensions)) * rng.uniform(0.1, 3, size=(clusters or n, 1))
    vectors = np.rint(rows * 30).clip(-127, 127).astype(np.int8) if dtype == np.int8 else rows.astype(dtype)
    mapping = rng.integers(clusters, size=n).astype(np.int32) if clusters else None
    if weights:
        weights = rng.uniform(0.01, 2, size=n).astype(weights)
    StaticModel(vectors, t, weights=weights, token_mapping=mapping, **settings).save_pretrained(STATIC / name)
    (STATIC / name / "README.md").unlink()


shutil.rmtree(STATIC, ignore_errors=True)
make("wordpiece", "bert uncased", 12, normalize=True)
make("float16", "words", 140, np.float16, normalize=True, max_length=7)
make("int8", "unigram", 9, np.int8, max_length=20)
make("mapped", "bert, more tokens", 16, np.float16, clusters=40, weights=np.float16, normalize=True)
make("weighted", "bpe of bytes, as Llama", 8, np.float64, weights=np.float64, max_length=None)
make("mapped-int8", "unigram, whole text", 11, np.int8, clusters=30, weights=np.float32, normalize=True)
make("transformers", "words, NFKD", 10, max_length=3)

# As sentence-transformers lays it out, with its own name for the vectors.
folder = STATIC / "transformers"
inner = folder / "0_StaticEmbedding"
inner.mkdir()
save_file({"embedding.weight": load_file(folder / "model.safetensors")["embeddings"]}, inner / "model.safetensors")
(folder / "model.safetensors").unlink()
(folder / "tokenizer.json").rename(inner / "tokenizer.json")
(folder / "config.json").unlink()
(folder / "config_sentence_transformers.json").write_text('{"__version__": {"sentence_transformers": "5.1.0"}, "prompts": {}}\n')
(folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}]) + "\n")

vectors = {}
for folder in sorted(f for f in STATIC.iterdir()):
    model = StaticModel.from_pretrained(folder)
    vectors[folder.name] = [[float(f"{x:.8g}") for x in v] for v in model.encode(TEXTS).astype(np.float32).tolist()]
lines = ",\n".join(f"{json.dumps(name)}:{json.dumps(v, separators=(',', ':'))}" for name, v in vectors.items())
(STATIC / "vectors.json").write_text(f'{{"texts":{json.dumps(TEXTS)},\n"vectors":{{\n{lines}}}}}\n')
