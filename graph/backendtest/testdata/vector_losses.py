#!/usr/bin/env python3
"""Writes vector_losses.json: losses of projected vectors and their derivatives.

    pip install sentence-transformers
    python vector_losses.py

All are classes of sentence-transformers, in float64. A batch has for each query
a pair with its passage and pairs with two others.
"""

import json
import pathlib

import torch
from sentence_transformers.sentence_transformer.losses import (
    AnglELoss, CoSENTLoss, MatryoshkaLoss, MultipleNegativesRankingLoss, MultipleNegativesSymmetricRankingLoss)

torch.manual_seed(20261128)
torch.set_default_dtype(torch.float64)
QUERIES, K = 5, 12


class Given(torch.nn.Module):
    """A model whose input is its embeddings."""

    def forward(self, features):
        return {"sentence_embedding": features["embeddings"]}

    def get_embedding_dimension(self):
        return K


def features(*tensors):
    return [{"embeddings": t} for t in tensors]


def ranking(p, labels, loss):
    """p is [2B, K]: lefts of (positive, negative, negative) for each query, then rights."""
    left, right = p.chunk(2)
    return loss(features(left[0::3], right[0::3], right[1::3], right[2::3]), None)


def infonce(p, labels, settings):
    return ranking(p, labels, MultipleNegativesRankingLoss(Given(), scale=1 / settings["temperature"]))


def symmetric(p, labels, settings):
    left, right = p.chunk(2)
    loss = MultipleNegativesSymmetricRankingLoss(Given(), scale=1 / settings["temperature"])
    return loss(features(left[0::3], right[0::3], right[1::3], right[2::3]), None)


def angle(p, labels, settings):
    return AnglELoss(Given(), scale=settings["scale"])(features(*p.chunk(2)), labels)


def matryoshka(p, labels, settings, dims):
    model = Given()
    loss = MatryoshkaLoss(model, CoSENTLoss(model, scale=settings["scale"]), dims)
    return loss(features(*p.chunk(2)), labels)


def main():
    out = []
    for name, function, settings, dims in (
        ("infonce", infonce, {"temperature": 0.05}, None),
        ("infonce", infonce, {"temperature": 0.5}, None),
        ("infonce", symmetric, {"temperature": 0.1, "symmetric": True}, None),
        ("angle", angle, {"scale": 20.0}, None),
        ("angle", angle, {"scale": 2.0}, None),
        ("cosent", lambda p, y, s: matryoshka(p, y, s, [K, 7, 4]), {"scale": 20.0}, [K, 7, 4]),
    ):
        pairs = 3 * QUERIES
        labels = torch.tensor([1.0, 0, 0] * QUERIES)
        queries = torch.randn(QUERIES, K).repeat_interleave(3, dim=0)
        p = torch.cat([queries, torch.randn(pairs, K)]).float().double().requires_grad_()
        value = function(p, labels, settings)
        value.backward()
        out.append({
            "loss": name, "settings": settings, "dims": dims, "k": K, "labels": labels.tolist(),
            "groups": [i // 3 for i in range(pairs)], "p": p.flatten().tolist(),
            "value": value.item(), "gradient": p.grad.flatten().tolist(),
        })
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(x) for x in out) + "\n]\n")


if __name__ == "__main__":
    main()
