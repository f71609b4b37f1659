"""Cuts texts with the library tokenizers: a line of JSON with a tokenizer and
texts comes in, a line with the ids of each text goes out."""

import json
import sys

from tokenizers import Tokenizer

for line in sys.stdin:
    task = json.loads(line)
    tokenizer = Tokenizer.from_str(json.dumps(task["tokenizer"]))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    print(json.dumps([e.ids for e in tokenizer.encode_batch(task["texts"], add_special_tokens=False)]), flush=True)
