"""The peers of the quality study that are written in Python. They learn from the
same vectors and the same lists of pairs as cosfit, and return cosines.

    pip install torch sentence-transformers llama-index-finetuning llama-index-embeddings-adapter
    PYTHONPATH=a checkout of SantanderAI/linear-adapter-trainer

The first line that this prints says which peers are here. Each request is then a
line of JSON, and so is each answer. A peer that cannot be imported is not offered.

Trial 0 of a peer is its defaults; a later trial draws its settings, which are the
ones that its documentation names, from the ranges below.
"""

import sys

sys.path[:] = [p for p in sys.path if p]  # a folder named torch where we stand is none of it

import importlib.metadata
import itertools
import json
import math
import os
import random
import tempfile
import time
import tomllib

import numpy as np
import torch
from torch.nn.functional import normalize


class Task:
    """Pairs as rows of the table of vectors. Similar pairs are those whose label
    reaches the middle of the scale; labels are brought to 0..1."""

    def __init__(self, table, request):
        self.table = table
        self.dim = table.shape[1]
        self.graded = request["graded"]
        self.train = request["train"]
        self.validation = request["validation"]
        self.middle = 0.5

    def similar(self, part):
        return [(a, b) for a, b, y in zip(part["left"], part["right"], part["labels"]) if y >= self.middle]

    def by_group(self, part):
        """For each group its similar pairs and the right rows of its dissimilar ones."""
        groups = {}
        for a, b, y, g in zip(part["left"], part["right"], part["labels"], part["groups"]):
            positives, negatives = groups.setdefault(g, ([], []))
            if y >= self.middle:
                positives.append((a, b))
            else:
                negatives.append(b)
        return groups

    def triplets(self, part):
        """Each similar pair and each dissimilar one of a group in a triplet at least
        once, the shorter list over again. Groups that lack one kind have none."""
        out = []
        for positives, negatives in self.by_group(part).values():
            if positives and negatives:
                n = max(len(positives), len(negatives))
                out += [(*p, q) for p, q, _ in zip(itertools.cycle(positives), itertools.cycle(negatives), range(n))]
        return out


def log_uniform(rng, low, high):
    return math.exp(rng.uniform(math.log(low), math.log(high)))


class LlamaIndex:
    """LlamaIndex' adapter engine: a linear adapter for queries, its own training
    function and loss. The engine itself embeds texts one by one; here its data
    loader is a list of the batches that it would make, of queries in random
    order, each similar pair an example."""

    name, side, package = "llamaindex", "query", "llama-index-finetuning"

    def __init__(self):
        from llama_index.embeddings.adapter import LinearLayer
        from llama_index.finetuning.embeddings.adapter_utils import train_model

        self.layer, self.train_model = LinearLayer, train_model

    def defaults(self, task):
        return {"epochs": 1, "batch_size": 10, "lr": 2e-5, "bias": False}

    def draw(self, rng, task):
        return {
            "epochs": rng.choice([1, 2, 4, 8, 16]),
            "batch_size": rng.choice([10, 32, 64, 128]),
            "lr": log_uniform(rng, 1e-5, 1e-2),
            "bias": rng.random() < 0.5,
        }

    def fit(self, task, settings, seed):
        pairs = task.similar(task.train)
        random.Random(seed).shuffle(pairs)
        rows = torch.tensor(pairs)
        batches = [(task.table[part[:, 0]], task.table[part[:, 1]]) for part in rows.split(settings["batch_size"])]
        model = self.layer(task.dim, task.dim, bias=settings["bias"])
        with tempfile.TemporaryDirectory() as folder:
            self.train_model(
                model, batches, torch.device("cpu"), epochs=settings["epochs"], output_path=folder,
                warmup_steps=int(len(batches) * settings["epochs"] * 0.1),
                optimizer_params={"lr": settings["lr"]}, show_progress_bar=False,
            )
        return model, None


class LinearAdapterTrainer:
    """LinearAdapterTrainer: its own trainer, adapter and triplets, with an embedder
    that looks vectors up. The negatives are those of the data; where a group has
    none, its own sampler draws them in its default way."""

    name, side, package = "linear-adapter-trainer", "query", "linear-adapter-trainer"

    def __init__(self):
        import linear_adapter_trainer as library
        from linear_adapter_trainer.dataset.negatives import NegativeSampler
        from linear_adapter_trainer.dataset.schema import Triplet, TripletDataset

        self.module, self.sampler = library, NegativeSampler
        self.triplet, self.dataset = Triplet, TripletDataset

    def defaults(self, task):
        return {"epochs": 20, "batch_size": 64, "learning_rate": 1e-3, "weight_decay": 0.0, "margin": 0.2,
                "distance": "cosine", "residual": True, "patience": 5}

    def draw(self, rng, task):
        return {
            "epochs": rng.choice([10, 20, 40]),
            "batch_size": rng.choice([32, 64, 128]),
            "learning_rate": log_uniform(rng, 1e-4, 1e-2),
            "weight_decay": rng.choice([0.0, 1e-5, 1e-4, 1e-3]),
            "margin": rng.choice([0.05, 0.1, 0.2, 0.4]),
            "distance": rng.choice(["cosine", "euclidean"]),
            "residual": rng.random() < 0.5,
            "patience": 5,
        }

    def sampled(self, task, part, seed):
        rows = sorted(set(part["right"]))
        place = {row: i for i, row in enumerate(rows)}
        sampler = self.sampler(task.table[rows].numpy(), seed=seed)
        return [(a, b, rows[sampler.sample(place[b])[0][0]]) for a, b in task.similar(part)]

    def fit(self, task, settings, seed):
        parts = {}
        for name, part in (("train", task.train), ("val", task.validation)):
            triplets = task.triplets(part) or self.sampled(task, part, seed)
            parts[name] = [self.triplet(query=str(a), positive_id=str(b), negative_id=str(n)) for a, b, n in triplets]
        texts = sorted(set(task.train["right"]) | set(task.validation["right"]))
        names = [str(row) for row in texts]
        knowledge = self.module.KnowledgeBase.from_texts(names, ids=names)
        trainer = self.module.AdapterTrainer(
            knowledge, Lookup(task.table), self.module.TrainingConfig(seed=seed, device="cpu", **settings))
        result = trainer.fit(self.dataset(train=parts["train"], val=parts["val"]), verbose=False)
        return result.adapter, None


class Lookup:
    """An embedding model whose texts are numbers of rows."""

    def __init__(self, table):
        self.table, self.dimension = table, table.shape[1]

    def embed(self, texts):
        return self.table[[int(t) for t in texts]].numpy()


class Dense:
    """sentence-transformers' Dense after the embeddings: without an activation,
    without a bias, begun at the identity, trained with the library's own loss
    classes. Its trainer wants texts; this loop has that trainer's defaults:
    3 epochs of batches of 8 in random order, AdamW at 5e-5 that falls linearly,
    gradients clipped to 1."""

    side, package = "both", "sentence-transformers"

    def __init__(self, loss=None):
        from sentence_transformers.sentence_transformer import losses
        try:
            from sentence_transformers.sentence_transformer.modules import Dense as Layer
        except ImportError:
            from sentence_transformers.base.modules.dense import Dense as Layer

        self.layer, self.losses, self.loss = Layer, losses, loss
        self.name = "dense" if loss is None else f"dense-{loss}"

    def recommended(self, task):
        """What its documentation says for the kind of data: CoSENT for scores, and for
        queries with their passages multiple negatives ranking."""
        return "cosent" if task.graded else "mnrl"

    def defaults(self, task):
        return {"loss": self.loss or self.recommended(task), "epochs": 3, "batch_size": 8, "lr": 5e-5,
                "warmup": 0.0, "weight_decay": 0.0, "scale": 20.0}

    def draw(self, rng, task):
        return {
            "loss": rng.choice(["cosine", "cosent"] if task.graded else ["cosine", "cosent", "mnrl"]),
            "epochs": rng.choice([1, 3, 6, 10]),
            "batch_size": rng.choice([16, 32, 64, 128]),
            "lr": log_uniform(rng, 1e-5, 1e-2),
            "warmup": rng.choice([0.0, 0.1]),
            "weight_decay": rng.choice([0.0, 0.01, 0.1]),
            "scale": rng.choice([10.0, 20.0, 40.0]),
        }

    def examples(self, task, loss):
        """Columns of rows, and labels. For multiple negatives ranking a pair has a
        dissimilar passage of its group beside it where there are any."""
        part = task.train
        if loss != "mnrl":
            return [torch.tensor(part["left"]), torch.tensor(part["right"])], torch.tensor(part["labels"], dtype=torch.float32)
        rows = task.triplets(part) or task.similar(part)
        return list(torch.tensor(rows).T), torch.zeros(len(rows))

    def fit(self, task, settings, seed):
        torch.manual_seed(seed)
        layer = self.layer(task.dim, task.dim, bias=False, activation_function=None, init_weight=torch.eye(task.dim))
        loss = self.losses_by_name(layer, settings)
        columns, labels = self.examples(task, settings["loss"])
        size, count = settings["batch_size"], len(labels)
        steps = math.ceil(count / size) * settings["epochs"]
        warmup = int(steps * settings["warmup"])
        optimizer = torch.optim.AdamW(layer.parameters(), lr=settings["lr"], weight_decay=settings["weight_decay"])
        falling = lambda step: (step + 1) / (warmup + 1) if step < warmup else (steps - step) / max(1, steps - warmup)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, falling)
        for _ in range(settings["epochs"]):
            for part in torch.randperm(count).split(size):
                optimizer.zero_grad()
                loss([{"sentence_embedding": task.table[c[part]]} for c in columns], labels[part]).backward()
                torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
                optimizer.step()
                schedule.step()
        turn = lambda x: layer({"sentence_embedding": x})["sentence_embedding"]
        return turn, turn

    def losses_by_name(self, layer, settings):
        if settings["loss"] == "cosine":
            return self.losses.CosineSimilarityLoss(layer)
        if settings["loss"] == "cosent":
            return self.losses.CoSENTLoss(layer, scale=settings["scale"])
        return self.losses.MultipleNegativesRankingLoss(layer, scale=settings["scale"])


def peers():
    found, notes = {}, []
    for make in (LlamaIndex, LinearAdapterTrainer, Dense, lambda: Dense("cosine")):
        try:
            peer = make()
            found[peer.name] = peer
        except ImportError as e:
            notes.append(str(e))
    return found, notes


def version(peer):
    """The package with its version; a checkout has it in its pyproject.toml."""
    try:
        return f"{peer.package} {importlib.metadata.version(peer.package)}"
    except importlib.metadata.PackageNotFoundError:
        pass
    for folder in sys.path:
        try:
            with open(os.path.join(folder, "pyproject.toml"), "rb") as f:
                project = tomllib.load(f)["project"]
        except (OSError, KeyError):
            continue
        if project.get("name") == peer.package:
            return f"{peer.package} {project['version']}"
    return peer.package


def cosines(table, pairs, left, right):
    a, b = table[torch.tensor(pairs["left"])], table[torch.tensor(pairs["right"])]
    with torch.no_grad():
        a = left(a) if left else a
        b = right(b) if right else b
        return (normalize(a, dim=1) * normalize(b, dim=1)).sum(dim=1).tolist()


def answer(found, table, request):
    peer, task, trial = found[request["peer"]], Task(table, request), request["trial"]
    settings = peer.defaults(task) if trial == 0 else peer.draw(random.Random(1000 * request["seed"] + trial), task)
    begun = time.perf_counter()
    random.seed(request["seed"])
    np.random.seed(request["seed"])
    torch.manual_seed(request["seed"])
    left, right = peer.fit(task, settings, request["seed"])
    seconds = time.perf_counter() - begun
    return {"settings": settings, "seconds": seconds, "cosines": cosines(table, request["score"], left, right)}


def main():
    out, sys.stdout = os.fdopen(os.dup(1), "w"), sys.stderr  # what libraries print is no answer
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    table = torch.from_numpy(np.load(sys.argv[1]))
    found, notes = peers()
    say = lambda line: print(json.dumps(line), file=out, flush=True)
    say({"peers": [{"name": p.name, "side": p.side, "version": version(p)} for p in found.values()], "notes": notes})
    for line in sys.stdin:
        try:
            say(answer(found, table, json.loads(line)))
        except Exception as e:
            say({"error": f"{type(e).__name__}: {e}"})


if __name__ == "__main__":
    main()
