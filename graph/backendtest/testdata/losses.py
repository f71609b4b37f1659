#!/usr/bin/env python3
"""Writes losses.json: losses and their derivatives by the cosines, in float64.

    pip install sentence-transformers
    python losses.py

Contrastive, CoSENT and triplet are the classes of sentence-transformers. Their
embeddings are made so that a cosine is a leaf: (1, 0) and (s, sqrt(1 - s²)).
The others are written in PyTorch after their papers' formulas.
"""

import itertools
import json
import pathlib

import torch
from sentence_transformers.sentence_transformer.losses import ContrastiveLoss, CoSENTLoss, SiameseDistanceMetric, TripletDistanceMetric, TripletLoss

torch.manual_seed(20261128)
torch.set_default_dtype(torch.float64)


class Given(torch.nn.Module):
    """A model whose input is its embeddings."""

    def forward(self, features):
        return {"sentence_embedding": features["embeddings"]}


def sides(s):
    left = torch.stack([torch.ones_like(s), torch.zeros_like(s)], dim=1)
    right = torch.stack([s, torch.sqrt(1 - s * s)], dim=1)
    return [{"embeddings": left}, {"embeddings": right}]


def triples(y, groups):
    return [(i, j) for i, j in itertools.permutations(range(len(y)), 2) if groups[i] == groups[j] and y[i] > y[j]]


def contrastive(s, y, low, groups, margin):
    loss = ContrastiveLoss(Given(), SiameseDistanceMetric.COSINE_DISTANCE, margin)
    return loss(sides(s), (y - low) / (1 - low))


def cosent(s, y, low, groups, scale):
    return CoSENTLoss(Given(), scale=scale)(sides(s), y)


def triplet(s, y, low, groups, margin):
    pairs = triples(y, groups)
    if not pairs:
        return s.sum() * 0
    high, low = torch.tensor(pairs).T
    (anchor, positive), (_, negative) = sides(s[high]), sides(s[low])
    return TripletLoss(Given(), TripletDistanceMetric.COSINE, margin)([anchor, positive, negative], None)


def pairwise(s, y, low, groups, scale):
    return torch.stack([torch.nn.functional.softplus(-scale * (s[i] - s[j])) for i, j in triples(y, groups)]).mean()


def logistic(s, y, low, groups, scale, threshold):
    return torch.nn.functional.binary_cross_entropy_with_logits(scale * (s - threshold), (y - low) / (1 - low))


def mse(s, y, low, groups):
    return torch.nn.functional.mse_loss(s, y)


CASES = [
    (mse, {}),
    (contrastive, {"margin": 0.5}),
    (contrastive, {"margin": 1.5}),
    (cosent, {"scale": 20.0}),
    (cosent, {"scale": 3.0}),
    (triplet, {"margin": 0.2}),
    (triplet, {"margin": 1.0}),
    (pairwise, {"scale": 20.0}),
    (logistic, {"scale": 20.0, "threshold": 0.5}),
    (logistic, {"scale": 5.0, "threshold": -0.25}),
]


def main():
    out = []
    for (loss, settings), low, graded in itertools.product(CASES, (0.0, -1.0), (False, True)):
        n = 24
        cosines = (torch.rand(n) * 1.9 - 0.95).float().double().requires_grad_()
        unit = torch.randint(0, 5, (n,)) / 4 if graded else torch.randint(0, 2, (n,)).double()
        labels = (low + (1 - low) * unit).float().double()
        groups = torch.randint(0, 6, (n,)).tolist()
        value = loss(cosines, labels, low, groups, **settings)
        value.backward()
        out.append({
            "loss": loss.__name__, "settings": settings, "low": low, "cosines": cosines.tolist(), "labels": labels.tolist(),
            "groups": groups, "value": value.item(), "gradient": cosines.grad.tolist(),
        })
    path = pathlib.Path(__file__).with_suffix(".json")
    path.write_text("[\n" + ",\n".join(json.dumps(x) for x in out) + "\n]\n")


if __name__ == "__main__":
    main()
