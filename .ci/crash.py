"""Ends runs in every rude way, resumes them, and demands the results of the
run that nothing happened to: kill -9 at random moments, while the results are
written and while another run is replaced, Ctrl-C, SIGTERM, a full disk, files
with times from another century; with the data in memory and streamed, by any
number of threads. After each end, whatever has its name in the run's folder is
whole.

    crash.py COSFIT [EPOCHS [SEED]]      more epochs make a longer run
"""

import csv
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib

cosfit = str(pathlib.Path(sys.argv[1]).resolve())
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 30
seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.randrange(10**6)
rng = random.Random(seed)
folder = tempfile.TemporaryDirectory()
work = pathlib.Path(folder.name)
scratch = work / "scratch"
scratch.mkdir()
results = {"config.json", "history.csv", "matrix.safetensors", "scores.parquet", "summary.json"}


def settings(count=epochs, *more):
    return ["--data", "sample", "--epochs", str(count), "--patience", "0", *more]


# Results, without what a clock says.


def history(run):
    with open(run / "history.csv", newline="") as f:
        return [{k: v for k, v in row.items() if k not in ("seconds", "pairs_per_second")} for row in csv.DictReader(f)]


def summary(run):
    s = json.loads((run / "summary.json").read_text())
    return {k: v for k, v in s.items() if k != "timing"}


readers = {
    "config.json": lambda run: json.loads((run / "config.json").read_text()),
    "history.csv": history,
    "matrix.safetensors": lambda run: (run / "matrix.safetensors").read_bytes(),
    "scores.parquet": lambda run: (run / "scores.parquet").read_bytes(),
    "summary.json": summary,
}


def visible(run):
    return {f.name for f in run.iterdir() if not f.name.startswith(".")} if run.exists() else set()


def check_whole(run, reference, temporary_too):
    """Each file that has its name is whole, and already as it should become."""
    for name in visible(run):
        if name == "checkpoint":
            state = run / name / "state"
            if state.exists():
                b = state.read_bytes()
                assert zlib.crc32(b[:-4]) == int.from_bytes(b[-4:], "little"), "half a checkpoint"
            continue
        assert name in results, f"{name} is no file of a run"
        got, want = readers[name](run), readers[name](reference)
        if name == "history.csv":
            want = want[: len(got)]
        assert got == want, f"{name} differs from the undisturbed run's"
    hidden = [f.name for where in (run, run / "checkpoint") if where.exists() for f in where.iterdir() if f.name.startswith(".") and f.name != ".lock"]
    for name in hidden:
        assert temporary_too, f"{name} is left behind"
        assert re.fullmatch(r"\.[a-z.]+-[0-9a-f]{16}", name), f"{name} is no temporary file"
    return len(hidden)


def check_results(run, reference):
    assert visible(run) == results, f"the finished run holds {visible(run)}"
    check_whole(run, reference, temporary_too=False)


# Processes.


def start(*args):
    """Starts a training, with its data in memory or streamed: the results must not show which."""
    environment = {**os.environ, "COSFIT_SCRATCH": str(scratch), "COSFIT_MEMORY": rng.choice(["1MB", "1GB"]), "COSFIT_THREADS": rng.choice(["1", "2", "3"])}
    return subprocess.Popen([cosfit, "train", *map(str, args)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=work, env=environment)


def end(process):
    """Waits for a process; returns its exit code and what it said last."""
    said = process.communicate()[1].strip().splitlines()
    return process.returncode, said[-1] if said else ""


def done(*args):
    code, said = end(start(*args))
    assert code == 0, f"exit code {code}: {said}"


def refused(want, *args):
    code, said = end(start(*args))
    assert code == 1 and want in said, f"exit code {code}: {said!r}, want one with {want!r}"


def kill(process, seconds):
    """Kills a process some time after its start, if it runs that long."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
    process.communicate()
    return process.returncode == -signal.SIGKILL


def how_to_go_on(run, *begin):
    """The arguments that continue a run that was killed; None where it is finished."""
    there = visible(run)
    if (run / "checkpoint" / "state").exists():
        return ["--resume", "--out", run]
    if "summary.json" in there:
        refused("the run is finished", "--resume", "--out", run)
        return None
    if there:
        refused("--force", "--resume", "--out", run) if "config.json" in there else refused("is not a run", "--resume", "--out", run)
        return [*begin, "--force", "--out", run]
    return [*begin, "--out", run]


def go_on(run, reference, *begin):
    """Continues until the run is finished, and compares. Sometimes kills it again on the way."""
    killed, left = 0, 0
    while (args := how_to_go_on(run, *begin)) is not None:
        if killed < 2 and rng.random() < 0.4:
            killed += kill(start(*args), rng.uniform(0, duration))
            left += check_whole(run, reference, temporary_too=True)
            continue
        done(*args)
        break
    check_results(run, reference)
    return f"; killed {killed} more times" * (killed > 0) + f"; {left} temporary files" * (left > 0)


def epochs_of(run):
    return len(history(run)) // 2 - 1 if (run / "history.csv").exists() else 0


def wait_for_epoch(process, run, share):
    """Waits until a share of the epochs is done, and somewhat into the next."""
    while process.poll() is None and epochs_of(run) < share * epochs:
        time.sleep(0.005)
    time.sleep(rng.uniform(0, 0.03))


# Scenarios. Each returns what there is to say about it.


def killed_at(run, share):
    """Kills after a share of the undisturbed run's time, less where this machine has become faster."""
    for moment in (share * duration * 0.8**i for i in range(9)):
        if kill(start(*settings(), "--out", run), moment):
            break
        subprocess.run(["rm", "-rf", run], check=True)
    else:
        raise AssertionError("every run was over before its kill")
    left = check_whole(run, whole, temporary_too=True)
    return f"{moment:.2f} s, epoch {epochs_of(run)}; {left} temporary files" + go_on(run, whole, *settings())


def killed_when(run, appears):
    """Kills as soon as a file appears, which is in the milliseconds in which the results are written."""
    process = start(*settings(), "--out", run)
    while process.poll() is None:
        if run.exists() and any(re.fullmatch(appears, f) for f in os.listdir(run)):
            process.kill()
        time.sleep(0.0003)
    process.communicate()
    if process.returncode != -signal.SIGKILL:
        return "missed" + go_on(run, whole, *settings())
    left = check_whole(run, whole, temporary_too=True)
    there = sorted(visible(run) & {"matrix.safetensors", "scores.parquet", "summary.json", "checkpoint"})
    return f"left {', '.join(there)} and {left} temporary files" + go_on(run, whole, *settings())


def resume_sentence(run):
    return rf"cosfit: interrupted (in epoch \d+ of {epochs}|while the result was scored); a checkpoint is saved, go on with: cosfit train --resume --out {re.escape(str(run))}"


def interrupted(run, number):
    args = [*settings(), "--out", run]
    want = resume_sentence(run)
    for share in (0.4, 0.8):
        process = start(*args)
        wait_for_epoch(process, run, rng.uniform(share - 0.3, share))
        process.send_signal(number)
        code, said = end(process)
        assert code == 1 and re.fullmatch(want, said), f"exit code {code}: {said!r}"
        check_whole(run, whole, temporary_too=False)
        args = ["--resume", "--out", run]
    reached = f"twice, last in epoch {epochs_of(run)}"
    done(*args)
    check_results(run, whole)
    return reached


def interrupted_early(run, number):
    """Sends a signal while the program starts, reads the data and chooses a start."""
    process = start(*settings(), "--out", run)
    time.sleep(rng.uniform(0, 0.1))
    process.send_signal(number)
    code, said = end(process)
    if visible(run):
        assert code == 1 and re.fullmatch(resume_sentence(run), said), f"exit code {code}: {said!r}"
    else:  # the very first milliseconds belong to the system
        early = ("cosfit: interrupted, nothing was written", "cosfit: interrupted before the first epoch, no run was kept")
        assert code == -number or (code == 1 and said in early), f"exit code {code}: {said!r}"
    check_whole(run, whole, temporary_too=False)
    return said.removeprefix("cosfit: ").partition(";")[0] + go_on(run, whole, *settings())


def replaced_at(run, share):
    """Kills a run that replaces a finished one: that one is whole again, or the new one goes on or is whole."""
    new = run.with_name(run.name + "-whole")
    begin = settings(epochs, "--seed", "1")
    done(*begin, "--out", new)
    shutil.copytree(whole, run)
    killed = kill(start(*begin, "--force", "--out", run), share * duration)
    subprocess.run([cosfit, "eval", "--run", run], capture_output=True, timeout=60)  # any command that opens the run settles it
    if (run / "checkpoint" / "state").exists():
        said, reference = f"the new run, in epoch {epochs_of(run)}, goes on", new
        done("--resume", "--out", run)
    else:
        old = json.loads((run / "config.json").read_text())["seed"] == 0
        said, reference = ("the old run is there", whole) if old else ("the new run is there", new)
    check_results(run, reference)
    return said if killed else "over before its kill; " + said


def other_times(run, when):
    """Nothing may depend on which file is newer, or older than now."""
    process = start(*settings(), "--out", run)
    wait_for_epoch(process, run, rng.uniform(0.2, 0.7))
    assert kill(process, 0), "the run was over already"
    for f in [run, *run.rglob("*")]:
        os.utime(f, (when, when))
    return f"epoch {epochs_of(run)}" + go_on(run, whole, *settings())


def mount(at, size, *options):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join([f"size={size}", *options]), "tmpfs", at], capture_output=True, text=True)


def full_disk(run, size, names, *begin):
    """Trains on a small disk until it is full, then enlarges it."""
    reference = run.with_name(run.name + "-whole")
    done(*begin, "--out", reference)
    run.mkdir()
    mounted = mount(run, size)
    if mounted.returncode != 0:
        raise Skip(f"mount is not permitted: {mounted.stderr.strip()}")
    try:
        inside = run / "run"
        code, said = end(start(*begin, "--out", inside))
        want = f"cosfit: write {inside / names}: no space left on device"
        assert code == 1 and said == want, f"exit code {code}: {said!r}, want {want!r}"
        check_whole(inside, reference, temporary_too=False)
        reached = f"full in epoch {epochs_of(inside)}"
        assert mount(run, "64m", "remount").returncode == 0, "the disk cannot be enlarged"
        done(*how_to_go_on(inside, *begin))
        check_results(inside, reference)
        return reached
    finally:
        subprocess.run(["umount", run], check=True)


class Skip(Exception):
    pass


counts = {"ok": 0, "FAIL": 0, "skip": 0}


def attempt(name, scenario, *args):
    run = work / f"run-{sum(counts.values())}"
    verdict = "ok"
    try:
        said = scenario(run, *args)
    except Skip as e:
        verdict, said = "skip", str(e)
    except Exception as e:
        verdict, said = "FAIL", f"{type(e).__name__}: {e}"
    counts[verdict] += 1
    print(f"{verdict:5} {name}: {said}", flush=True)
    if verdict == "ok":
        subprocess.run(["rm", "-rf", run, run.with_name(run.name + "-whole")], check=True)


whole = work / "whole"
began = time.monotonic()
done(*settings(), "--out", whole)
duration = time.monotonic() - began
print(f"the undisturbed run: {epochs} epochs in {duration:.2f} s; seed {seed}")
attempt("again", lambda run: done(*settings(), "--out", run) or check_results(run, whole) or "the same")

for i in range(20):
    attempt(f"kill -9, {i + 1} of 20", killed_at, rng.uniform(0, 1))
for i in range(3):
    attempt("kill -9 near the end", killed_at, rng.uniform(0.92, 1))
for appears in (r"\.matrix.*", r"matrix\.safetensors", r"\.scores.*", r"scores\.parquet", r"\.summary.*", r"summary\.json"):
    attempt(f"kill -9 when {appears} appears", killed_when, appears)
for number in (signal.SIGINT, signal.SIGTERM):
    for i in range(2):
        attempt(number.name, interrupted, number)
    attempt(f"{number.name} at the start", interrupted_early, number)
for i in range(6):
    attempt("kill -9 of a run with --force", replaced_at, rng.uniform(0, 0.25 if i < 3 else 1))
attempt("files from 2099", other_times, 4_070_908_800)
attempt("files from 1999", other_times, 915_148_800)
attempt("a disk of 2 MB, full in the second checkpoint", full_disk, "2m", "checkpoint/state", *settings(5, "--dims", "150"))
attempt("a disk of 2 MB, full in the first checkpoint", full_disk, "2m", "checkpoint/state", *settings(5))
attempt("a disk of 72 KB, full in the results", full_disk, "72k", "scores.parquet", *settings(5, "--dims", "2"))

def nothing_in_scratch(_):
    left = os.listdir(scratch)
    assert not left, f"{len(left)} files of vectors are left behind"
    return "after all these streamed runs"


attempt("the scratch folder is empty", nothing_in_scratch)

print(f"\n{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
sys.exit(counts["FAIL"] > 0)
