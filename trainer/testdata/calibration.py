#!/usr/bin/env python3
"""Writes calibration.json: Platt's calibration of cosines, by scikit-learn.

    pip install scikit-learn
    python calibration.py
"""

import json
import pathlib

import numpy as np
from sklearn.calibration import _SigmoidCalibration


def main():
    rng = np.random.default_rng(20261128)
    out = []
    for n, gap in ((200, 0.3), (31, 0.05), (400, 1.2)):
        positive = rng.random(n) < 0.3
        cosines = np.clip(rng.normal(0.3, 0.15, n) + gap * positive, -1, 1).astype(np.float32)
        fitted = _SigmoidCalibration().fit(cosines.astype(float), positive)
        out.append({"cosines": cosines.tolist(), "positive": positive.tolist(), "scale": -fitted.a_, "bias": -fitted.b_})
    pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
