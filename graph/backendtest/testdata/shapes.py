#!/usr/bin/env python3
"""Writes shapes.json: losses of batches under matrices of a shape, and their derivatives.

    pip install torch
    python shapes.py

In float64, from numbers that float32 holds. The matrix is the start S plus U·Vᵀ, or S
with weighted columns; the derivatives are by U and V, or by the deviation of the
weights from 1 in units of √k. One matrix is for both sides, for the left one alone
(query), or each side has its own (dual).
"""

import json
import pathlib

import torch

torch.manual_seed(20261129)
torch.set_default_dtype(torch.float64)
TEXTS, PAIRS = 20, 15


def numbers(*shape):
    return torch.randn(*shape).float().double()


def low_rank(start, rank):
    u, v = numbers(start.shape[0], rank).requires_grad_(), numbers(start.shape[1], rank).requires_grad_()
    return start + u @ v.T, (u, v)


def diagonal(start, _):
    theta = (0.2 * numbers(start.shape[1])).float().double().requires_grad_()
    return start * (1 + start.shape[1] ** 0.5 * theta), (theta,)


def main():
    out = []
    for shape, rank in ((low_rank, 1), (low_rank, 3), (diagonal, None)):
        for side in ("both", "query", "dual"):
            d = 9
            k = 9 if side == "query" else 6
            table, labels = numbers(TEXTS, d), torch.randint(0, 2, (PAIRS,)).double()
            left, right = torch.randint(0, TEXTS // 2, (PAIRS,)), torch.randint(TEXTS // 2, TEXTS, (PAIRS,))
            starts = [numbers(d, k) for _ in range(2 if side == "dual" else 1)]
            matrices, learned = zip(*(shape(s, rank) for s in starts))
            a = table[left] @ matrices[0]
            b = table[right] if side == "query" else table[right] @ matrices[-1]
            loss = torch.nn.functional.mse_loss(torch.nn.functional.cosine_similarity(a, b), labels)
            loss.backward()
            theta = [x for per_side in learned for x in per_side]
            flat = lambda tensors: torch.cat([x.detach().flatten() for x in tensors]).tolist()
            out.append({
                "shape": shape.__name__.replace("_", "-"), "rank": rank, "side": side, "d": d, "k": k,
                "table": flat([table]), "left": left.tolist(), "right": right.tolist(), "labels": labels.tolist(),
                "start": flat(starts), "theta": flat(theta), "matrix": flat(matrices),
                "value": loss.item(), "gradient": flat([x.grad for x in theta]),
            })
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(x) for x in out) + "\n]\n")


if __name__ == "__main__":
    main()
