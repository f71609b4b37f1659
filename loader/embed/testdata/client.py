"""Embeds texts with OpenAI's own client, for TestClientCPU: client.py URL N."""

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from openai import OpenAI

url, n = sys.argv[1], int(sys.argv[2])
client = OpenAI(base_url=url, api_key="none", max_retries=0)
texts = [f"text {i} says {'something ' * (i % 7 + 1)}" for i in range(n)]


def embed(start):
    answer = client.embeddings.create(model="m", input=texts[start : start + 64], dimensions=1536)
    return [np.asarray(item.embedding, dtype=np.float32) for item in answer.data]


with ThreadPoolExecutor(4) as pool:
    vectors = [v for batch in pool.map(embed, range(0, n, 64)) for v in batch]
assert len(vectors) == n and all(len(v) == 1536 for v in vectors)
