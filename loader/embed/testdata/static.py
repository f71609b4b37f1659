"""Embeds with model2vec: a line of JSON with a model's folder, a number of
dimensions (or null) and texts comes in, a line with the vectors goes out."""

import json
import sys

import numpy as np
from model2vec import StaticModel

for line in sys.stdin:
    task = json.loads(line)
    model = StaticModel.from_pretrained(task["dir"], dimensionality=task["dimensions"])
    print(json.dumps(model.encode(task["texts"]).astype(np.float32).tolist()), flush=True)
