"""Trains on vectors that are larger than the memory it may use, and demands the
result of a run that has them all in memory.

    stream.py COSFIT [TEXTS DIMENSIONS MEMORY PEAK]

MEMORY, in MB, is what --memory gets; PEAK what the whole process may take.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

cosfit = str(pathlib.Path(sys.argv[1]).resolve())
texts, d, memory, peak = map(int, sys.argv[2:6]) if len(sys.argv) > 2 else (60_000, 384, 40, 220)
passages = 10  # of a query, of which the first answers it
folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
rng = np.random.default_rng(1)


def text_id(text):
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def vectors(x):
    return pa.ListArray.from_arrays(pa.array(np.arange(0, x.size + 1, d, dtype=np.int32)), pa.array(x.astype(np.float32).ravel()))


def write_set(data, queries):
    """Writes queries, each with its passages, as segments of some thousand vectors."""
    segments = data / "embeddings" / "made-up"
    segments.mkdir(parents=True)
    (segments / "manifest.json").write_text(json.dumps({"schema_version": 1, "model": "made-up", "dimensions": d}))
    noise = np.where(np.arange(d) < d // 2, 3, 1).astype(np.float32) / np.sqrt(8 * d)
    pairs = {name: [] for name in ("left", "right", "label", "split", "group")}
    for first in range(0, queries, 1000):
        names = [f"query {i}" for i in range(first, min(first + 1000, queries))]
        q = unit(rng.standard_normal((len(names), d), dtype=np.float32))
        p = rng.standard_normal((len(names), passages, d), dtype=np.float32) * noise
        p[:, 0] += 0.3 * q
        ids = [text_id(n) for n in names]
        of_passages = [text_id(f"{n}, passage {j}") for n in names for j in range(passages)]
        rows = pa.table({"id": ids + of_passages, "embedding": vectors(np.concatenate([q, unit(p.reshape(-1, d))]))})
        pq.write_table(rows, segments / f"{first:06d}.parquet", use_dictionary=False, compression="none")
        pairs["left"] += np.repeat(ids, passages).tolist()
        pairs["right"] += of_passages
        pairs["label"] += ([1.0] + [0.0] * (passages - 1)) * len(names)
    splits = ["train"] * 7 + ["validation"] + ["test"] * 2
    pairs["split"] = [splits[i // passages % len(splits)] for i in range(len(pairs["left"]))]
    pairs["group"] = pairs["left"]
    pq.write_table(pa.table(pairs), data / "pairs.parquet")


def peak_of(pid):
    """The most memory that a process has had so far, in MB: of the program alone, where wait4 counts the fork."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def train(out, budget):
    """Returns the summary, the digest of the matrix, and the peak of the process's memory in MB."""
    out = work / out
    args = [cosfit, "train", "--data", work / "set", "--out", out, "--memory", budget, "--epochs", "2", "--scratch", work / "scratch"]
    used = 0
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(args, stdout=subprocess.DEVNULL, stderr=said)
        while process.poll() is None:
            used = max(used, peak_of(process.pid))
            time.sleep(0.01)
        said.seek(0)
        assert process.returncode == 0, said.read().decode()
    summary = json.loads((out / "summary.json").read_text())
    files = [(out / name).read_bytes() for name in ("matrix.safetensors", "scores.parquet")]
    return summary, [hashlib.sha256(f).hexdigest() for f in files], used


write_set(work / "set", texts // (passages + 1))
size = sum(f.stat().st_size for f in (work / "set" / "embeddings").rglob("*")) / 1e6
print(f"{texts} texts of {d} dimensions, {size:.0f} MB")
streamed, digest, used = train("streamed", f"{memory}MB")
wait, total = streamed["timing"]["loader_wait_seconds"], streamed["timing"]["total_seconds"]
print(f"--memory {memory}MB: peak {used:.0f} MB, {total:.1f} s, of it waiting for the loader {wait:.2f} s")
whole, other, used_whole = train("whole", "4GB")
print(f"--memory 4GB: peak {used_whole:.0f} MB, {whole['timing']['total_seconds']:.1f} s")
assert digest == other, "the results differ"
assert {**streamed, "timing": 0} == {**whole, "timing": 0}, "the summaries differ"
assert size > 2 * memory and used_whole > size, "there is nothing to stream"
assert used < peak, f"peak of {used:.0f} MB, want less than {peak} MB"
assert wait < 0.1 * total, f"{wait:.1f} of {total:.1f} s of waiting for the loader"
