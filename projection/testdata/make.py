"""Writes the files of this folder: the same small projection, saved by numpy and
by safetensors in the ways that they have, and seeds for the fuzz targets.

    python3 make.py        needs numpy and safetensors 0.8

The order of the metadata in both.safetensors changes from run to run; that is
safetensors' own doing.
"""

import io
import json
import pathlib
import struct

import numpy as np
from safetensors import TensorSpec, serialize
from safetensors.numpy import save

HERE = pathlib.Path(__file__).parent
D, K = 4, 3

# Multiples of 1/8 that every dtype holds exactly: M[i, j] = (i*K + j - 5) / 8.
M = ((np.arange(D * K).reshape(D, K) - 5) / 8).astype("<f4")
RIGHT = (-2 * M).astype("<f4")
OFFSET = (np.arange(D) / 4).astype("<f4")
METADATA = {
    "schema_version": "1",
    "model": "text-embedding-3-small <é>",
    "side": "dual",
    "threshold": "0.815",
    "calibration_scale": "12.5",
    "calibration_bias": "-6.25",
    "normalise": "true",
    "label_range": "-1..1",
    "metric": "cosine",
}


def write(name, data):
    (HERE / name).write_bytes(data)


def npy(array, version=(1, 0)):
    f = io.BytesIO()
    np.lib.format.write_array(f, array, version=version)
    return f.getvalue()


def bfloat16():
    # numpy has no bfloat16: it is the upper half of a float32.
    upper = (M.view("<u4") >> 16).astype("<u2")
    spec = TensorSpec(dtype="bfloat16", shape=[D, K], data_ptr=upper.ctypes.data, data_len=upper.nbytes)
    return bytes(serialize({"matrix": spec}))


def edges():
    """The float16 numbers where the encoding changes, widened by numpy: the
    smallest and the largest subnormal, the smallest normal, the largest."""
    bits = np.array([[0x0001, 0x03FF, 0x0400, 0x7BFF, 0x3C01], [0x8001, 0x83FF, 0x8400, 0xFBFF, 0x8000]], "<u2")
    return bits.view("<f2")


def applied():
    """y = (x - o)·M in float64, the last x equal to the offset."""
    rng = np.random.default_rng(7)
    x = np.vstack([rng.standard_normal((5, D)), OFFSET]).astype("<f4").astype("f8")
    cases = {"x": x.tolist()}
    for name, m in ("left", M), ("right", RIGHT):
        y = (x - OFFSET) @ m.astype("f8")
        norm = np.linalg.norm(y, axis=1, keepdims=True)
        cases[name] = y.tolist()
        cases[name + "_normalized"] = (y / np.where(norm == 0, 1, norm)).tolist()
    return cases


def seed(target, name, data):
    """A file of Go's corpus format."""
    folder = HERE / "fuzz" / target
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\x{b:02x}" for b in data)
    (folder / name).write_text(f'go test fuzz v1\n[]byte("{text}")\n')


def frame(header, data=b""):
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return struct.pack("<Q", len(header)) + header + data


def entry(begin, end, shape=(1, 1), dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def seeds():
    st = "FuzzReadSafetensors"
    one = struct.pack("<f", 0.5)
    seed(st, "plain", save({"matrix": M}))
    seed(st, "both", save({"matrix": M, "matrix_right": RIGHT, "offset": OFFSET}, {"side": "dual", "label_range": "0..1"}))
    seed(st, "bfloat16", bfloat16())
    seed(st, "newer", frame({"__metadata__": {"schema_version": "2"}, "matrix": entry(0, 4)}, one))
    seed(st, "overlap", frame({"matrix": entry(0, 4), "matrix_right": entry(0, 4)}, one))
    seed(st, "hole", frame({"matrix": entry(4, 8)}, one + one))
    seed(st, "huge_shape", frame({"matrix": entry(0, 4, (1 << 62, 1 << 62))}, one))
    seed(st, "huge_header", struct.pack("<Q", (1 << 64) - 1) + b"{}")
    seed(st, "twice", frame(b'{"matrix":' + json.dumps(entry(0, 4)).encode() + b',"matrix":' + json.dumps(entry(0, 4)).encode() + b"}", one))
    seed(st, "not_finite", frame({"matrix": entry(0, 4)}, struct.pack("<f", float("nan"))))

    ny = "FuzzReadNPY"
    seed(ny, "plain", npy(M))
    seed(ny, "fortran", npy(np.asfortranarray(M)))
    seed(ny, "double_v3", npy(M.astype("<f8"), (3, 0)))
    seed(ny, "big_endian", npy(M.astype(">f4")))
    seed(ny, "scalar", npy(np.float32(1)))
    seed(ny, "fields", npy(np.zeros((1, 1), [("a", "<f4"), ("b", "<f4")])))
    seed(ny, "huge_shape", npy(M).replace(b"(4, 3), }" + b" " * 18, b"(4611686018427387904, 3), }"))
    seed(ny, "python2", npy(M).replace(b"(4, 3), }  ", b"(4L, 3L), }"))


def main():
    write("plain.safetensors", save({"matrix": M}))
    write("both.safetensors", save({"matrix": M, "matrix_right": RIGHT, "offset": OFFSET}, METADATA))
    write("float64.safetensors", save({"matrix": M.astype("<f8"), "offset": OFFSET.astype("<f2")}))
    write("float16.safetensors", save({"matrix": M.astype("<f2")}))
    write("bfloat16.safetensors", bfloat16())
    write("float16_edges.safetensors", save({"matrix": edges()}))
    write("float16_edges.npy", npy(edges().astype("<f4")))

    write("c.npy", npy(M))
    write("fortran.npy", npy(np.asfortranarray(M)))
    write("double.npy", npy(M.astype("<f8")))
    write("double_fortran_v2.npy", npy(np.asfortranarray(M.astype("<f8")), (2, 0)))
    write("v3.npy", npy(M, (3, 0)))

    (HERE / "applied.json").write_text(json.dumps(applied(), indent=1) + "\n")
    seeds()


main()
