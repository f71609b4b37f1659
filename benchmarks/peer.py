"""The peers of cosfit bench that are written in Python: PyTorch, the
notebook's formulas in PyTorch, JAX, pyarrow, and OpenBLAS through ctypes.

Prints a line of JSON about who is here, then answers each request line with the
times that a task took. `peer.py openblas FILE` offers that library alone, which
starts quickly: its kernel is chosen by OPENBLAS_CORETYPE when it is loaded.
"""

import sys

sys.path[:] = [p for p in sys.path if p]  # a folder named torch where we stand is none of it

import ctypes
import ctypes.util
import json
import os
import platform
import re
import tempfile
import time

DROPOUT, RATE = 0.1, 0.1  # of a step
PEAK_RATE, HIGH_MOMENTUM, LOW_MOMENTUM = 1000.0, 0.95, 0.85  # of a run


class OpenBLAS:
    """The library by itself. Its operands are ctypes arrays."""

    def __init__(self, path):
        self.lib = ctypes.CDLL(path)
        # Wheels of numpy and scipy add a prefix and a suffix to every name.
        for before, after in (("", ""), ("scipy_", ""), ("scipy_", "64_"), ("", "64_")):
            if hasattr(self.lib, f"{before}cblas_sgemm{after}"):
                self.wide = after == "64_"
                self.name = lambda name: getattr(self.lib, before + name + after)
                break
        else:
            raise OSError(f"{path} has no cblas_sgemm")
        text = lambda name: self._text(name)
        words = text("openblas_get_config").split()
        self.version = words[1] if len(words) > 1 else "unknown"
        self.core = text("openblas_get_corename")

    def _text(self, name):
        function = self.name(name)
        function.restype = ctypes.c_char_p
        return function().decode()

    def threads(self, n):
        self.name("openblas_set_num_threads")(ctypes.c_int(n))

    def product(self, task):
        self.threads(task["threads"])
        whole = ctypes.c_int64 if self.wide else ctypes.c_int
        call = self.name("cblas_sgemm")
        matrix = ctypes.POINTER(ctypes.c_float)
        call.argtypes = [ctypes.c_int] * 3 + [whole] * 3 + [ctypes.c_float, matrix, whole, matrix, whole, ctypes.c_float, matrix, whole]
        call.restype = None
        n, d, k = task["batch"], task["d"], task["k"]
        row_major, plain, transposed = 101, 111, 112
        if task["what"] == "Xᵀ·dP":
            kinds, m, columns, inner, sizes = (transposed, plain), d, k, n, (n * d, n * k, d * k)
            strides = d, k, k
        elif task["what"] == "A·Bᵀ":
            kinds, m, columns, inner, sizes = (plain, transposed), n, d, k, (n * k, d * k, n * d)
            strides = k, k, d
        else:
            kinds, m, columns, inner, sizes = (plain, plain), n, k, d, (n * d, d * k, n * k)
            strides = d, k, k
        a, b, c = (ctypes.cast(filled(size), matrix) for size in sizes)
        return lambda: call(row_major, *kinds, m, columns, inner, 1.0, a, strides[0], b, strides[1], 0.0, c, strides[2])


def filled(size):
    """Numbers that are neither zero nor alike, without numpy."""
    period = [((31 * i) % 61 - 30) / 32 for i in range(6100)]
    pattern = (ctypes.c_float * len(period))(*period)
    memory = (ctypes.c_float * size)()
    for at in range(0, size, len(period)):
        ctypes.memmove(ctypes.byref(memory, 4 * at), pattern, 4 * min(len(period), size - at))
    return memory


class Torch:
    def __init__(self, torch):
        self.torch, self.F = torch, torch.nn.functional
        torch.manual_seed(1)
        x = torch.randn(64, 64)
        x @ x  # loads what is loaded late
        # numpy, which PyTorch loads too, may bring an OpenBLAS of its own.
        own = torch.backends.mkl.is_available()
        path = None if own else mapped("openblas")
        self.openblas = OpenBLAS(path) if path else None
        version = ".".join(torch.__version__.split("+")[0].split(".")[:2])
        if self.openblas:
            self.blas = f"openblas {self.openblas.core}"
            self.detail = f"{torch.__version__}, OpenBLAS {self.openblas.version}"
        elif own:
            self.blas, self.detail = "mkl", f"{torch.__version__}, {mkl(torch)}"
        else:
            self.blas = "reference BLAS" if mapped("libblas") else platform.machine()
            self.detail = torch.__version__
        self.who = f"pytorch {version} {self.blas}"

    def threads(self, n):
        self.torch.set_num_threads(n)
        if self.openblas:
            self.openblas.threads(n)

    def product(self, task):
        self.threads(task["threads"])
        torch = self.torch
        n, d, k = task["batch"], task["d"], task["k"]
        if task["what"] == "Xᵀ·dP":
            a, b, out = torch.randn(n, d).T, torch.randn(n, k), torch.empty(d, k)
        elif task["what"] == "A·Bᵀ":
            a, b, out = torch.randn(n, k), torch.randn(d, k).T, torch.empty(n, d)
        else:
            a, b, out = torch.randn(n, d), torch.randn(d, k), torch.empty(n, k)
        return lambda: torch.mm(a, b, out=out)

    def step(self, task):
        """One product for both sides, and no optimiser object."""
        self.threads(task["threads"])
        torch, F, n = self.torch, self.F, task["batch"]
        table, rows = torch.randn(2 * n, task["d"]), torch.arange(2 * n)
        labels = (torch.arange(n) % 2).float()
        matrix = torch.randn(task["d"], task["k"], requires_grad=True)

        def step():
            projected = F.dropout(table.index_select(0, rows), DROPOUT) @ matrix
            loss = F.mse_loss(F.cosine_similarity(projected[:n], projected[n:]), labels)
            (gradient,) = torch.autograd.grad(loss, matrix)
            with torch.no_grad():
                matrix.sub_(gradient, alpha=RATE)

        return step

    def notebook_step(self, task):
        """The notebook's formulas, from vectors that are already gathered."""
        self.threads(task["threads"])
        torch, n = self.torch, task["batch"]
        a, b = torch.randn(n, task["d"]), torch.randn(n, task["d"])
        labels = (torch.arange(n) % 2).float()
        matrix = torch.randn(task["d"], task["k"], requires_grad=True)
        optimizer = torch.optim.SGD([matrix], lr=RATE)
        return lambda: self.notebook_train(a, b, labels, matrix, optimizer)

    def notebook_model(self, a, b, matrix):
        F = self.F
        return F.cosine_similarity(F.dropout(a, DROPOUT) @ matrix, F.dropout(b, DROPOUT) @ matrix)

    def notebook_train(self, a, b, labels, matrix, optimizer):
        difference = self.notebook_model(a, b, matrix) - labels
        loss = (difference * difference).sum() / difference.numel()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def data(self, task):
        torch = self.torch

        def split(pairs):
            return torch.randn(pairs, task["d"]), torch.randn(pairs, task["d"]), (torch.arange(pairs) % 3 == 0).float()

        return split(task["pairs"]), split(task["test_pairs"])

    def schedule(self, optimizer, task):
        steps = -(-task["pairs"] // task["batch"])
        return self.torch.optim.lr_scheduler.OneCycleLR(
            optimizer, max_lr=PEAK_RATE, steps_per_epoch=steps, epochs=task["epochs"],
            base_momentum=LOW_MOMENTUM, max_momentum=HIGH_MOMENTUM)

    def run(self, task):
        """The same training, evaluated as one would who knows tensors."""
        self.threads(task["threads"])
        torch, F = self.torch, self.F
        train, test = self.data(task)

        def accuracy(split, matrix):
            a, b, labels = split
            cosines = F.cosine_similarity(a @ matrix, b @ matrix)
            order = torch.argsort(cosines, descending=True)
            hits = 2 * labels[order] - 1
            best = (labels == 0).sum() + torch.clamp(torch.cumsum(hits, 0).max(), min=0)
            return float(best) / len(labels), float(F.mse_loss(cosines, labels))

        def run():
            matrix = torch.randn(task["d"], task["k"], requires_grad=True)
            optimizer = torch.optim.SGD([matrix], lr=PEAK_RATE)
            schedule = self.schedule(optimizer, task)
            best, kept = -1.0, None
            for _ in range(task["epochs"]):
                for rows in torch.randperm(task["pairs"]).split(task["batch"]):
                    a, b, labels = (x[rows] for x in train)
                    both = F.dropout(torch.cat((a, b)), DROPOUT) @ matrix
                    loss = F.mse_loss(F.cosine_similarity(both[: len(rows)], both[len(rows):]), labels)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                with torch.no_grad():
                    accuracy(train, matrix)
                    score, _ = accuracy(test, matrix)
                if score > best:
                    best, kept = score, matrix.detach().clone()
            return kept

        return run

    def notebook_run(self, task):
        """The training loop of the notebook: a DataLoader of single pairs, test
        loss with dropout, and for both splits the best of 2,000 thresholds, each
        counted pair by pair. The new vectors are one product for each side,
        where a data frame would be walked row by row: the peer at its best."""
        self.threads(task["threads"])
        torch, F = self.torch, self.F
        train, test = self.data(task)

        def accuracy(split, matrix):
            a, b, labels = split
            cosines = F.cosine_similarity(a @ matrix, b @ matrix).tolist()
            labels = labels.tolist()
            accuracies = []
            for thousandths in range(-1000, 1000):
                threshold, correct, total = thousandths / 1000, 0, 0
                for cosine, label in zip(cosines, labels):
                    total += 1
                    prediction = 1 if cosine > threshold else 0
                    if prediction == label:
                        correct += 1
                accuracies.append(correct / total)
            best = max(accuracies)
            return best, (best * (1 - best) / len(labels)) ** 0.5

        def run():
            matrix = torch.randn(task["d"], task["k"], requires_grad=True)
            optimizer = torch.optim.SGD([matrix], lr=PEAK_RATE)
            schedule = self.schedule(optimizer, task)
            loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*train), batch_size=task["batch"], shuffle=True)
            history = []
            for _ in range(task["epochs"]):
                for a, b, labels in loader:
                    self.notebook_train(a, b, labels, matrix, optimizer)
                    schedule.step()
                with torch.no_grad():
                    difference = self.notebook_model(test[0], test[1], matrix) - test[2]
                    loss = float((difference * difference).mean())
                    history.append((accuracy(train, matrix), accuracy(test, matrix), loss, matrix.detach().clone()))
            return max(history, key=lambda epoch: epoch[1])

        return run


class Jax:
    """XLA compiles the whole step. Its threads are all that there are."""

    def __init__(self, jax):
        self.jax, self.who = jax, f"jax {jax.__version__}"
        if jax.default_backend() != "cpu":
            raise ImportError("JAX is not on the CPU: set JAX_PLATFORMS=cpu")

    def product(self, task):
        all_threads(task)
        jax, jnp = self.jax, self.jax.numpy
        n, d, k = task["batch"], task["d"], task["k"]
        sizes, multiply = {
            "Xᵀ·dP": (((n, d), (n, k)), lambda a, b: a.T @ b),
            "A·Bᵀ": (((n, k), (d, k)), lambda a, b: a @ b.T),
        }.get(task["what"], (((n, d), (d, k)), lambda a, b: a @ b))
        a, b = (jax.random.normal(jax.random.PRNGKey(i), size, jnp.float32) for i, size in enumerate(sizes))
        multiply = jax.jit(multiply)
        return lambda: multiply(a, b).block_until_ready()

    def step(self, task):
        all_threads(task)
        jax, jnp, n = self.jax, self.jax.numpy, task["batch"]
        table = jax.random.normal(jax.random.PRNGKey(0), (2 * n, task["d"]), jnp.float32)
        rows, labels = jnp.arange(2 * n), (jnp.arange(n) % 2).astype(jnp.float32)
        state = {"m": jax.random.normal(jax.random.PRNGKey(1), (task["d"], task["k"]), jnp.float32), "step": 0}

        def loss(matrix, key):
            x = table[rows]
            keep = jax.random.bernoulli(key, 1 - DROPOUT, x.shape)
            p = jnp.where(keep, x / (1 - DROPOUT), 0) @ matrix
            a, b = p[:n], p[n:]
            s = (a * b).sum(1) / (jnp.linalg.norm(a, axis=1) * jnp.linalg.norm(b, axis=1))
            return jnp.mean((s - labels) ** 2)

        update = jax.jit(lambda m, step: m - RATE * jax.grad(loss)(m, jax.random.fold_in(jax.random.PRNGKey(2), step)), donate_argnums=0)

        def step():
            state["step"] += 1
            state["m"] = update(state["m"], state["step"]).block_until_ready()

        return step


def all_threads(task):
    if task["threads"] != len(os.sched_getaffinity(0)):
        raise ValueError("its threads are all that there are")


class Arrow:
    """Reading a file's vectors, as pandas and Polars users would at best."""

    def __init__(self, pyarrow):
        import pyarrow.parquet

        self.parquet, self.pyarrow, self.who = pyarrow.parquet, pyarrow, f"pyarrow {pyarrow.__version__}"

    def open(self, task, file):
        self.pyarrow.set_cpu_count(task["threads"])

        def read():
            table = self.parquet.read_table(file, memory_map=True)
            for name in ("question_text_EMB", "candidate_answers_EMB"):
                vectors = table.column(name).combine_chunks().flatten()
                if len(vectors) != task["pairs"] * task["d"]:
                    raise ValueError(f"read {len(vectors)} numbers")

        return read


def mapped(name):
    """The file of a loaded library whose name has this in it."""
    try:
        lines = open("/proc/self/maps").read().splitlines()
    except OSError:
        return None
    found = {line.split(None, 5)[5] for line in lines if len(line.split(None, 5)) == 6}
    files = sorted(f for f in found if name in os.path.basename(os.path.realpath(f)))
    return files[0] if files else None


def mkl(torch):
    """MKL's version, and the instructions that it chose, from what it prints
    of its first product when asked to."""
    version = re.search(r"Math Kernel Library Version ([0-9.]+)", torch.__config__.show())
    text = "MKL " + (version.group(1) if version else "of unknown version")
    try:
        with tempfile.TemporaryFile() as file:
            before = os.dup(1)
            os.dup2(file.fileno(), 1)
            try:
                with torch.backends.mkl.verbose(torch.backends.mkl.VERBOSE_ON):
                    x = torch.randn(64, 64)
                    x @ x
                ctypes.CDLL(None).fflush(None)
            finally:
                os.dup2(before, 1)
                os.close(before)
            file.seek(0)
            printed = file.read().decode(errors="replace")
    except (AttributeError, OSError):
        return text
    kind = re.search(r"architecture (.*? processors)", printed)
    return f"{text} for {kind.group(1)}" if kind else text


def discover():
    """Returns peers as pairs of a description and their functions, and notes."""
    peers, path, notes = [], None, []

    def add(who, detail, functions):
        peers.append(({"who": who, "with": detail, "tasks": sorted(functions)}, functions))

    try:
        import torch

        t = Torch(torch)
        add(t.who, t.detail, {"core": t.product, "step": t.step, "run": t.run})
        add("notebook", f"{t.who}, {t.detail}", {"step": t.notebook_step, "run": t.notebook_run})
        path = mapped("openblas")
    except Exception as error:  # one that fails is no reason to miss the others
        notes.append(f"PyTorch is not there ({error})")
    try:
        os.environ.setdefault("JAX_PLATFORMS", "cpu")
        import jax

        j = Jax(jax)
        add(j.who, "XLA", {"core": j.product, "step": j.step})
    except Exception as error:
        notes.append(f"JAX is not there ({error})")
    try:
        import pyarrow

        a = Arrow(pyarrow)
        add(a.who, "", {"load:open": a.open})
    except Exception:
        pass  # it does one small thing
    return peers, path or ctypes.util.find_library("openblas"), notes


def openblas(path):
    library = OpenBLAS(path)
    peer = {"who": "openblas", "with": f"{library.version} {library.core}", "tasks": ["core", "machine:sgemm"]}
    return [(peer, {"core": library.product, "machine:sgemm": library.product})], path, []


def turn(do, request):
    if request["warm"]:
        do()
    times, begun = [], time.perf_counter()
    while True:
        start = time.perf_counter()
        do()
        now = time.perf_counter()
        times.append(1e3 * (now - start))
        if now - begun >= request["seconds"]:
            return times


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    peers, path, notes = openblas(sys.argv[2]) if sys.argv[1:2] == ["openblas"] else discover()
    print(json.dumps({"peers": [p for p, _ in peers], "openblas": path or "", "notes": notes}), file=answers, flush=True)
    ready, do = None, None
    for line in sys.stdin:
        request = json.loads(line)
        task, answer = request["task"], {"ms": []}
        try:
            if request.get("forget"):
                ready, do = None, None
            else:
                if ready != (request["who"], task):
                    ready, do = None, None  # the last one's memory goes first
                    functions = next(f for p, f in peers if p["who"] == request["who"])
                    name = task["benchmark"] if task["benchmark"] in functions else f"{task['benchmark']}:{task['what']}"
                    arguments = (task, request["file"]) if "file" in request else (task,)
                    do = functions[name](*arguments)
                    ready = request["who"], task
                answer["ms"] = turn(do, request)
        except Exception as error:  # it is the other side's to report
            answer = {"ms": [], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
