"""Makes scores.csv: real trainings on the sample over a grid of settings.

    go build -o cosfit ./cmd/cosfit
    python3 scores.py ./cosfit > scores.csv

A row is a setting and the ROC AUC on validation after each of its epochs.
What else a training has is the default recipe's.
"""

import csv
import itertools
import subprocess
import sys
import tempfile

EPOCHS = 9
GRID = {
    "loss": ["cosent", "infonce", "mse", "pairwise"],
    "learning-rate": [1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1],
    "dropout": [0, 0.25, 0.5],
    "batch-size": [32, 128, 512],
}


def train(cosfit, setting, folder):
    flags = [f"--{name}={value}" for name, value in setting.items()]
    command = [cosfit, "train", "--data=sample", f"--out={folder}/run", "--force", f"--epochs={EPOCHS}", "--patience=0", "--json"]
    subprocess.run(command + flags, check=True, capture_output=True)
    with open(f"{folder}/run/history.csv") as f:
        rows = [r for r in csv.DictReader(f) if r["split"] == "validation" and int(r["epoch"]) > 0]
    return [float(r["roc_auc"]) for r in rows]


def main():
    out = csv.writer(sys.stdout, lineterminator="\n")
    out.writerow(list(GRID) + [f"epoch-{e + 1}" for e in range(EPOCHS)])
    with tempfile.TemporaryDirectory() as folder:
        for values in itertools.product(*GRID.values()):
            scores = train(sys.argv[1], dict(zip(GRID, values)), folder)
            assert len(scores) == EPOCHS, (values, scores)
            out.writerow(list(values) + [f"{s:.6f}" for s in scores])
            sys.stdout.flush()


main()
