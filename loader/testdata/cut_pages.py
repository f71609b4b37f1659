"""A Parquet writer that ends its data pages anywhere, inside of lists too.

The format allows that in pages of version 1, and older writers did it; no
writer at hand still does. Only what the fixtures need: required columns that
are texts, floats or lists of optional floats, uncompressed.
"""

import struct

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12  # types of Thrift's compact protocol
FLOAT, BYTE_ARRAY = 4, 6  # physical types
PLAIN, RLE = 0, 3  # encodings
REQUIRED, OPTIONAL, REPEATED = 0, 1, 2
UTF8, LIST_OF = 0, 3  # converted types


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def encode(kind, value):
    if kind in (I32, I64):
        return varint(value << 1)
    if kind == BINARY:
        return varint(len(value)) + value
    if kind == LIST:
        element, items = value
        assert len(items) < 15
        return bytes([len(items) << 4 | element]) + b"".join(encode(element, i) for i in items)
    return value  # a struct


def record(*fields):
    """A struct of (id, type, value)."""
    out, last = b"", 0
    for number, kind, value in fields:
        if value is not None:
            out += bytes([number - last << 4 | kind]) + encode(kind, value)
            last = number
    return out + b"\0"


def element(name, kind=None, repetition=None, children=None, converted=None):
    return record((1, I32, kind), (3, I32, repetition), (4, BINARY, name.encode()), (5, I32, children), (6, I32, converted))


def levels(values, width):
    """Runs of one value each, behind their length in bytes."""
    assert width <= 8
    runs = b"".join(varint(1 << 1) + bytes([v]) for v in values)
    return struct.pack("<I", len(runs)) + runs


def page(body, count):
    data = record((1, I32, count), (2, I32, PLAIN), (3, I32, RLE), (4, I32, RLE))
    return record((1, I32, 0), (2, I32, len(body)), (3, I32, len(body)), (5, STRUCT, data)) + body


def flat_pages(values, pack):
    return page(b"".join(pack(v) for v in values), len(values)), len(values)


def list_pages(rows, cut):
    """One page for every cut elements; a required list of optional floats."""
    flat = [(int(i > 0), x) for row in rows for i, x in enumerate(row)]
    out = b""
    for at in range(0, len(flat), cut):
        part = flat[at : at + cut]
        body = levels([r for r, _ in part], 1) + levels([2 if x is not None else 1 for _, x in part], 2)
        body += b"".join(struct.pack("<f", x) for _, x in part if x is not None)
        out += page(body, len(part))
    return out, len(flat)


def write(path, columns, cut, claim=None):
    """Writes columns, a dict of name to values, all in one row group. The file
    says that it has claim rows, where that is given."""
    schema = [element("schema", children=len(columns))]
    chunks, out = [], b"PAR1"
    for name, values in columns.items():
        names, kind = [name], FLOAT
        if isinstance(values[0], list):
            names += ["list", "element"]
            schema += [element(name, None, REQUIRED, 1, LIST_OF), element("list", None, REPEATED, 1), element("element", FLOAT, OPTIONAL)]
            pages, count = list_pages(values, cut)
        elif isinstance(values[0], str):
            kind = BYTE_ARRAY
            schema.append(element(name, BYTE_ARRAY, REQUIRED, None, UTF8))
            pages, count = flat_pages([v.encode() for v in values], lambda v: struct.pack("<I", len(v)) + v)
        else:
            schema.append(element(name, FLOAT, REQUIRED))
            pages, count = flat_pages(values, lambda v: struct.pack("<f", v))
        meta = record(
            (1, I32, kind), (2, LIST, (I32, [PLAIN, RLE])), (3, LIST, (BINARY, [n.encode() for n in names])), (4, I32, 0),
            (5, I64, count), (6, I64, len(pages)), (7, I64, len(pages)), (9, I64, len(out)),
        )
        chunks.append(record((2, I64, len(out)), (3, STRUCT, meta)))
        out += pages
    rows = claim or len(next(iter(columns.values())))
    group = record((1, LIST, (STRUCT, chunks)), (2, I64, len(out)), (3, I64, rows))
    footer = record((1, I32, 1), (2, LIST, (STRUCT, schema)), (3, I64, rows), (4, LIST, (STRUCT, [group])))
    path.write_bytes(out + footer + struct.pack("<I", len(footer)) + b"PAR1")
