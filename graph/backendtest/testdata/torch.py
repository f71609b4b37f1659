"""Writes torch.json: what PyTorch makes of a small training, step by step, for the tests of the model and the optimisers.

    python torch.py            (from this folder; needs torch)

The model is cos(aM, bM) under the mean squared error. Inputs lie on binary grids, so that they are exact in float32;
results are written with the fewest digits that give the same float32 back, learning rates and momenta in full.
"""

import json
import sys

sys.path.pop(0)  # this folder, where this file would be taken for torch itself

import numpy as np
import torch

D, K = 32, 16
TEXTS, PAIRS, BATCH, EPOCHS = 30, 44, 16, 3
MAX_RATE = 100.0
ADAM_RATE, ADAM_STEPS = 0.05, 6


def on_grid(values, steps):
    """Rounds values to multiples of 1/steps and checks that float32 holds them."""
    values = np.round(values * steps) / steps
    assert np.array_equal(values, values.astype(np.float32).astype(np.float64))
    return values


def shortest(tensor):
    return [float(str(x)) for x in tensor.detach().numpy().ravel()]


def draw(rng):
    """The first half of the texts are questions; text i + TEXTS/2 resembles question i and answers it."""
    half = TEXTS // 2
    questions = rng.normal(size=(half, D))
    answers = questions + 1.5 * rng.normal(size=(half, D))
    left = rng.integers(0, half, PAIRS)
    similar = rng.random(PAIRS) < 0.5
    right = half + np.where(similar, left, rng.integers(0, half, PAIRS))
    labels = (right - half == left).astype(float)
    order = [rng.permutation(PAIRS) for _ in range(EPOCHS)]
    return {
        "d": D,
        "k": K,
        "table": on_grid(np.concatenate([questions, answers]), 64).ravel().tolist(),
        "start": on_grid(rng.normal(size=(D, K)), 256).ravel().tolist(),
        "left": left.tolist(),
        "right": right.tolist(),
        "labels": labels.tolist(),
        "batches": [epoch[i : i + BATCH].tolist() for epoch in order for i in range(0, PAIRS, BATCH)],
    }


def train(data, steps, make_optimizer, make_scheduler=None):
    table = torch.tensor(data["table"], dtype=torch.float32).reshape(TEXTS, D)
    matrix = torch.tensor(data["start"], dtype=torch.float32).reshape(D, K).requires_grad_()
    left, right = torch.tensor(data["left"]), torch.tensor(data["right"])
    labels = torch.tensor(data["labels"], dtype=torch.float32)
    optimizer = make_optimizer([matrix])
    scheduler = make_scheduler(optimizer) if make_scheduler else None
    rates, momenta, losses = [], [], []
    for batch in data["batches"][:steps]:
        optimizer.zero_grad()
        cosines = torch.nn.functional.cosine_similarity(table[left[batch]] @ matrix, table[right[batch]] @ matrix)
        loss = torch.nn.functional.mse_loss(cosines, labels[batch])
        loss.backward()
        rates.append(optimizer.param_groups[0]["lr"])
        momenta.append(optimizer.param_groups[0].get("momentum", 0))
        losses.append(loss)
        optimizer.step()
        if scheduler:
            scheduler.step()
    return {"rates": rates, "momenta": momenta, "losses": shortest(torch.stack(losses)), "matrix": shortest(matrix)}


def one_cycle(steps, **options):
    return lambda optimizer: torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=MAX_RATE, epochs=EPOCHS, steps_per_epoch=steps // EPOCHS, **options
    )


def main():
    torch.set_num_threads(1)
    data = draw(np.random.default_rng(20240301))
    steps = len(data["batches"])
    sgd = lambda parameters: torch.optim.SGD(parameters, lr=MAX_RATE)
    data["torch"] = torch.__version__
    data["max_rate"] = MAX_RATE
    data["runs"] = {
        "sgd": train(data, steps, sgd, one_cycle(steps, cycle_momentum=False)),
        # OneCycleLR cycles the momentum unless told not to, even that of an SGD that was made without any.
        "sgd with cycled momentum": train(data, steps, sgd, one_cycle(steps)),
        "adam": train(data, ADAM_STEPS, lambda p: torch.optim.Adam(p, lr=ADAM_RATE)),
        "adamw": train(data, ADAM_STEPS, lambda p: torch.optim.AdamW(p, lr=ADAM_RATE, weight_decay=0.01)),
    }
    with open("torch.json", "w") as file:
        json.dump(data, file, separators=(",", ":"))
        file.write("\n")


main()
