"""The peers of cosfit bench that are written in Python: PyTorch, the
notebook's formulas in PyTorch, JAX, pyarrow, and OpenBLAS through ctypes.

Prints a line of JSON about who is here, then answers each request line with the
times that a task took. `peer.py openblas FILE` offers that library alone, which
starts quickly: its kernel is chosen by OPENBLAS_CORETYPE when it is loaded.
`peer.py cuda NUMBER PRECISION` offers PyTorch on a GPU, and nothing of the CPU's.
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
PAIRS_PER_QUERY = 3  # the first of them similar
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
    device = "cpu"
    precision = "highest"  # of products of float32, as PyTorch names it

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
        self.torch.set_float32_matmul_precision(self.precision)
        self.torch.set_num_threads(n)
        if self.openblas:
            self.openblas.threads(n)

    def product(self, task):
        self.threads(task["threads"])
        torch = self.torch
        n, d, k = task["batch"], task["d"], task["k"]
        if task["what"] == "Xᵀ·dP":
            a, b, out = self.normal(n, d).T, self.normal(n, k), (d, k)
        elif task["what"] == "A·Bᵀ":
            a, b, out = self.normal(n, k), self.normal(d, k).T, (n, d)
        else:
            a, b, out = self.normal(n, d), self.normal(d, k), (n, k)
        a, b = self.factor(a), self.factor(b)
        out = torch.empty(out, device=self.device, dtype=a.dtype)
        return lambda: torch.mm(a, b, out=out)

    def normal(self, *size):
        return self.torch.randn(*size, device=self.device)

    def factor(self, x):
        """What is multiplied, at the precision."""
        return x

    def parameter(self, task):
        return self.normal(task["d"], task["k"]).requires_grad_()

    def labels(self, n, period):
        return (self.torch.arange(n, device=self.device) % period == 0).float()

    def step(self, task):
        """One product for both sides, and no optimiser object."""
        return self.train(task, self.loss)

    def loss(self, table, rows, labels, matrix):
        F, n = self.F, len(labels)
        projected = self.factor(F.dropout(table.index_select(0, rows), DROPOUT)) @ self.factor(matrix)
        projected = projected.float()
        return F.mse_loss(F.cosine_similarity(projected[:n], projected[n:]), labels)

    def train(self, task, loss_of):
        self.threads(task["threads"])
        torch, n = self.torch, task["batch"]
        table, rows = self.normal(2 * n, task["d"]), torch.arange(2 * n, device=self.device)
        labels, matrix = self.labels(n, 2), self.parameter(task)

        def step():
            loss = loss_of(table, rows, labels, matrix)
            (gradient,) = torch.autograd.grad(loss, matrix)
            with torch.no_grad():
                matrix.sub_(gradient, alpha=RATE)

        return step

    def notebook_step(self, task):
        """The notebook's formulas, from vectors that are already gathered."""
        self.threads(task["threads"])
        torch, n = self.torch, task["batch"]
        a, b = self.normal(n, task["d"]), self.normal(n, task["d"])
        labels, matrix = self.labels(n, 2), self.parameter(task)
        optimizer = torch.optim.SGD([matrix], lr=RATE)
        return lambda: self.notebook_train(a, b, labels, matrix, optimizer)

    def notebook_model(self, a, b, matrix):
        F, m = self.F, self.factor(matrix)
        a, b = (self.factor(F.dropout(x, DROPOUT)) @ m for x in (a, b))
        return F.cosine_similarity(a.float(), b.float())

    def notebook_train(self, a, b, labels, matrix, optimizer):
        difference = self.notebook_model(a, b, matrix) - labels
        loss = (difference * difference).sum() / difference.numel()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    def data(self, task):
        def split(pairs):  # a query has three pairs, the first of them similar
            queries = -(-pairs // PAIRS_PER_QUERY)
            return (self.normal(queries, task["d"]), self.normal(pairs, task["d"]), self.labels(pairs, PAIRS_PER_QUERY),
                    self.torch.arange(pairs, device=self.device) // PAIRS_PER_QUERY)

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
            queries, b, labels, query = split
            cosines = F.cosine_similarity((queries @ matrix)[query], b @ matrix)
            order = torch.argsort(cosines, descending=True)
            hits = 2 * labels[order] - 1
            best = (labels == 0).sum() + torch.clamp(torch.cumsum(hits, 0).max(), min=0)
            return float(best) / len(labels), float(F.mse_loss(cosines, labels))

        def run():
            matrix = self.parameter(task)
            optimizer = torch.optim.SGD([matrix], lr=PEAK_RATE)
            schedule = self.schedule(optimizer, task)
            best, kept = -1.0, None
            for _ in range(task["epochs"]):
                for rows in torch.randperm(task["pairs"], device=self.device).split(task["batch"]):
                    a, b, labels = train[0][train[3][rows]], train[1][rows], train[2][rows]
                    both = (self.factor(F.dropout(torch.cat((a, b)), DROPOUT)) @ self.factor(matrix)).float()
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
        loss with dropout, and after each epoch the new vectors of all pairs, a
        row of the data frame at a time and as many copies of a query as it has
        pairs, their cosines, and for both splits the best of 2,000 thresholds,
        each counted pair by pair."""
        self.threads(task["threads"])
        torch = self.torch
        train, test = ((queries[query], b, labels) for queries, b, labels, query in self.data(task))
        frames = [([[row.double() for row in side.unbind()] for side in (a, b)], labels.tolist()) for a, b, labels in (train, test)]

        def embedded(row, matrix):
            return (row.float() @ matrix).detach()

        def cosine(a, b):
            return float(a @ b / (a.norm() * b.norm()))

        def accuracy(frame, matrix):
            sides, labels = frame
            new = [[embedded(row, matrix) for row in side] for side in sides]
            cosines = [cosine(a, b) for a, b in zip(*new)]
            accuracies = []
            for thousandths in range(-1000, 1000):
                threshold, correct, total = thousandths / 1000, 0, 0
                for score, label in zip(cosines, labels):
                    total += 1
                    prediction = 1 if score > threshold else 0
                    if prediction == label:
                        correct += 1
                accuracies.append(correct / total)
            best = max(accuracies)
            return best, (best * (1 - best) / len(labels)) ** 0.5

        def run():
            matrix = self.parameter(task)
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
                    history.append((*(accuracy(frame, matrix) for frame in frames), loss, matrix.detach().clone()))
            return max(history, key=lambda epoch: epoch[1])

        return run


class CoarseTorch(Torch):
    """PyTorch that may multiply in bfloat16, where the processor is faster so."""

    precision = "medium"

    def __init__(self, torch):
        super().__init__(torch)
        self.who = " ".join(self.who.split()[:2]) + " bf16"

    def rounds(self):
        x = self.normal(256, 256)
        self.torch.set_float32_matmul_precision("highest")
        exact = x @ x
        self.torch.set_float32_matmul_precision(self.precision)
        return not self.torch.equal(x @ x, exact)


class Cuda(Torch):
    """PyTorch on a GPU. Everything stays there, the rows of a batch too, which
    a training would bring anew: the peer at its best."""

    def __init__(self, torch, number, precision):
        self.torch, self.F, self.device, self.precision = torch, torch.nn.functional, f"cuda:{number}", precision
        torch.cuda.set_device(self.device)
        torch.manual_seed(1)
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        version = ".".join(torch.__version__.split("+")[0].split(".")[:2])
        self.who = f"pytorch {version} {precision}"
        self.detail = f"{torch.__version__}, CUDA {torch.version.cuda}"
        x = self.factor(self.normal(64, 64))
        (x @ x).float().sum().item()  # loads what is loaded late

    def threads(self, n):
        pass

    def factor(self, x):
        return x.bfloat16() if self.precision == "bf16" else x

    def wait(self):
        self.torch.cuda.synchronize()

    def compiled(self, task):
        return self.train(task, self.torch.compile(self.loss))

    def captured(self, task):
        return self.capture(self.step(task))

    def compiled_and_captured(self, task):
        return self.capture(self.compiled(task))

    def capture(self, step):
        """The step as one launch of a CUDA graph."""
        torch = self.torch
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            step()
        return graph.replay


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
        coarse = CoarseTorch(torch)
        if coarse.rounds():
            add(coarse.who, coarse.detail, {"step": coarse.step, "run": coarse.run})
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


def cuda(number, precision):
    """Returns what discover does, of a GPU."""
    try:
        import torch
    except Exception as error:
        return [], None, [f"PyTorch is not there ({error})"]
    if not torch.cuda.is_available():
        return [], None, [f"PyTorch {torch.__version__} sees no GPU"]
    try:
        t = Cuda(torch, number, precision)
    except Exception as error:
        return [], None, [f"PyTorch {torch.__version__} cannot use the GPU ({error})"]
    peers = []

    def add(who, functions):
        functions = {task: (do, t.wait) for task, do in functions.items()}
        peers.append(({"who": who, "with": t.detail, "tasks": sorted(functions)}, functions))

    add(t.who, {"core": t.product, "step": t.step, "run": t.run})
    add(f"{t.who} compile", {"step": t.compiled})
    add(f"{t.who} graph", {"step": t.captured})
    add(f"{t.who} compile graph", {"step": t.compiled_and_captured})
    add("notebook", {"step": t.notebook_step, "run": t.notebook_run})
    peers[-1][0]["with"] = f"{t.who}, {t.detail}"
    return peers, None, []


def openblas(path):
    library = OpenBLAS(path)
    peer = {"who": "openblas", "with": f"{library.version} {library.core}", "tasks": ["core", "machine:sgemm"]}
    return [(peer, {"core": library.product, "machine:sgemm": library.product})], path, []


def turn(do, wait, request):
    """Times calls, on a GPU as many together as are queued there."""
    calls = max(1, request["task"].get("queued", 0))

    def once():
        for _ in range(calls):
            do()
        wait()

    if request["warm"]:
        once()
    times, begun = [], time.perf_counter()
    while True:
        start = time.perf_counter()
        once()
        now = time.perf_counter()
        times.append(1e3 * (now - start) / calls)
        if now - begun >= request["seconds"]:
            return times


def ask(arguments):
    """Who is here."""
    if arguments[:1] == ["openblas"]:
        return openblas(arguments[1])
    if arguments[:1] == ["cuda"]:
        return cuda(int(arguments[1]), arguments[2])
    return discover()


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is not an answer
    peers, path, notes = ask(sys.argv[1:])
    print(json.dumps({"peers": [p for p, _ in peers], "openblas": path or "", "notes": notes}), file=answers, flush=True)
    ready, do, wait = None, None, None
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
                    prepare, wait = functions[name] if isinstance(functions[name], tuple) else (functions[name], lambda: None)
                    do = prepare(*arguments)
                    ready = request["who"], task
                answer["ms"] = turn(do, wait, request)
        except Exception as error:  # it is the other side's to report
            answer = {"ms": [], "error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


main()
