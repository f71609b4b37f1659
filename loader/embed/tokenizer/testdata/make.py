#!/usr/bin/env python3
"""Records how the library tokenizers cuts nasty texts, in tokens.json.

    pip install tokenizers==0.23.3 sentencepiece==0.2.1
    python make.py

Each case is a small tokenizer, trained on the sample's texts or made of the
words that it finds, with the ids of the tokens of each text.
"""

import base64
import json
import pathlib
import tempfile

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers as n, pre_tokenizers as p, trainers

HERE = pathlib.Path(__file__).parent
SAMPLE = HERE.parents[2] / "sample" / "source"

TEXTS = [
    "Hello, world!", "", " ", " \t\n ", "a", "The quick brown fox jumps over the lazy dog.",
    "Ångström naïve café résumé Zürich", "e\u0301 e\u0301\u0323 n\u0303a", "東京タワーは高い。漢字かな交じり文", "中文english混合123",
    "한국어 텍스트", "नमस्ते दुनिया", "مرحبا بالعالم", "Привет, МИР", "ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ", "İstanbul ıı ſ ẞ ß ǅ",
    "emoji 🤩 👩‍👩‍👧‍👦 🇩🇪 👍🏽 ok", "tab\tnew\nline\r\nend", "no\u00a0break\u2003em\u3000wide\u2028sep\u0085nel",
    "ctrl\x00\x01\x1b\x7f\x9f\u200b\ufeff\ufffd\u00ad\ue000x", "a" * 101 + " end", "b" * 100, "supercalifragilisticexpialidocious",
    "[CLS] inside [MASK]text[SEP] [UNK] [PAD]", "x [mask] [Mask]y", "<s>  </s> <unk> <mask>", "a <mask>  b<mask>c", "new york New York NEW  YORK newyork",
    "don't stop—it's 'ok' ..!?$+<>^`|~ we'll they've I'm you'd", "##ing ## ##s a##b", "http://a.b/c?d=e&f=g#h me@x.org", "ﬁ ligature ① ½ ™ Ⅷ ｆｕｌｌ ㌀",
    "z\u0338\u0353\u033fa\u0337l\u0338g\u0334o", "1234567890 12,345.67 ٣٤٥ ⅷ ²", "  two  spaces   three ", "trailing space ", " leading",
    "snake_case camelCase kebab-case", "«quotes» “curly” „low“ ‹x›", "¿Qué? ¡Sí!", "\u2581under \u2581 \u2581\u2581x", "\\n \\u0041 \"q\" \t'",
    "\U00020000\U0002b820\U0002b920 ext", "x\u20e3 1\ufe0f\u20e3", "line\n\n\nbreaks  \n  mix", "ab" * 40, "𝕳𝖊𝖑𝖑𝖔 Ａ", "word\u200dword\u200cword _x_",
    "…---...", "AT&T R&D C++ C# .NET", "aaa bbb aaa\u0301", "day Today yesterday 42nd",
]

corpus = []
for path in sorted(SAMPLE.glob("*.json")):
    for document in json.loads(path.read_text())["documents"]:
        corpus += document["passages"]
corpus = corpus[:160] + TEXTS


def trained(model, trainer, normalizer=None, pre=None, added=()):
    t = Tokenizer(model)
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.train_from_iterator(corpus, trainer)
    for token in added:
        t.add_tokens([token]) if not token.special else t.add_special_tokens([token])
    return t


def of_words(normalizer=None, pre=None, added=(), drop=7):
    """A WordLevel of what the splitter finds, but for every seventh word."""
    words = {}
    for text in TEXTS:
        if normalizer:
            text = normalizer.normalize_str(text)
        for word, _ in pre.pre_tokenize_str(text) if pre else [(text, None)]:
            words.setdefault(word, len(words))
    vocab = {w: i for i, w in enumerate(["<unk>"] + [w for w, i in words.items() if w and w != "<unk>" and i % drop])}
    t = Tokenizer(models.WordLevel(vocab, unk_token="<unk>"))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.add_tokens(list(added))
    return t


def char_map():
    """A precompiled map of some rules, for these are 300 KB in full."""
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        rules = {"ﬁ": "fi", "①": "1", "½": "1⁄2", "Ａ": "A", "ｆ": "f", "e\u0301": "é", "n\u0303": "ñ", "\u200b": " ", "\u00a0": " ", "\u3000": " ", "\x01": "", "ǅ": "Dž", "\r\n": " ", "\t": " ", "㌀": "アパート", "🇩🇪": "DE"}
        (work / "rules.tsv").write_text("".join(" ".join(f"{ord(c):X}" for c in a) + "\t" + " ".join(f"{ord(c):X}" for c in b) + "\n" for a, b in rules.items()))
        (work / "corpus.txt").write_text("\n".join(corpus))
        sentencepiece.SentencePieceTrainer.train(input=str(work / "corpus.txt"), model_prefix=str(work / "m"), vocab_size=300, hard_vocab_limit=False, normalization_rule_tsv=str(work / "rules.tsv"), minloglevel=2)
        model = sentencepiece_model_pb2.ModelProto()
        model.ParseFromString((work / "m.model").read_bytes())
        return model.normalizer_spec.precompiled_charsmap


def precompiled():
    return n.Precompiled(char_map())


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
bert = dict(vocab_size=500, special_tokens=SPECIAL)
unigram = dict(vocab_size=400, special_tokens=["<s>", "<pad>", "</s>", "<unk>"], unk_token="<unk>", shrinking_factor=0.5)
punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"
LLAMA = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"

bytes_vocab = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
letters = sorted({c for t in corpus[:100] for c in t if c.isalpha() and c.isascii()} | {"▁"})


def sentencepiece_bpe(normalizer, pre, byte_fallback, fuse_unk):
    """As Llama's: spaces are signs, and unknown characters bytes."""
    base = trained(models.BPE(unk_token="<unk>"), trainers.BpeTrainer(vocab_size=300, special_tokens=["<unk>"], initial_alphabet=letters, limit_alphabet=60), None, p.Metaspace())
    spec = json.loads(base.to_str())["model"]
    vocab = {t: i for i, t in enumerate(bytes_vocab)} if byte_fallback else {"<unk>": 0}
    for token in spec["vocab"]:
        vocab.setdefault(token, len(vocab))
    t = Tokenizer(models.BPE(vocab, [tuple(m) for m in spec["merges"]], unk_token="<unk>", fuse_unk=fuse_unk, byte_fallback=byte_fallback))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.add_special_tokens(["<s>", "</s>"])
    return t


CASES = {
    "bert uncased": trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(**bert), n.BertNormalizer(), p.BertPreTokenizer()),
    "bert cased": trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(**bert), n.BertNormalizer(lowercase=False), p.BertPreTokenizer()),
    "bert raw": trained(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=20), trainers.WordPieceTrainer(**bert), n.BertNormalizer(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=True), p.BertPreTokenizer()),
    "bert, more tokens": trained(models.WordPiece(unk_token="[UNK]"), trainers.WordPieceTrainer(**bert), n.BertNormalizer(), p.BertPreTokenizer(), [
        AddedToken("New York", normalized=True), AddedToken("new", single_word=True), AddedToken("<mask>", lstrip=True, special=True), AddedToken("42", rstrip=True), AddedToken("Day", normalized=True, single_word=True), AddedToken("quick brown fox"), AddedToken("aaa", normalized=False), AddedToken(" ok", lstrip=True)]),
    "unigram": trained(models.Unigram(), trainers.UnigramTrainer(**unigram), n.Sequence([precompiled(), n.Replace(Regex(" {2,}"), " ")]), p.Metaspace(), [AddedToken("<mask>", lstrip=True, special=True)]),
    "unigram, whole text": trained(models.Unigram(), trainers.UnigramTrainer(**unigram), n.Sequence([n.NFKC(), n.Lowercase()] + [n.Replace(c, f" {c} ") for c in punctuation] + [n.Replace(Regex(r"\s+"), " "), n.Strip()]), p.Metaspace(split=False)),
    "unigram, Nmt": trained(models.Unigram(), trainers.UnigramTrainer(**unigram), n.Sequence([n.Nmt(), n.NFKC(), n.Strip(left=True, right=False), n.Prepend("▁")]), p.Sequence([p.WhitespaceSplit(), p.Metaspace(prepend_scheme="first")])),
    "bpe of bytes": trained(models.BPE(), trainers.BpeTrainer(vocab_size=500, special_tokens=["<s>"], initial_alphabet=p.ByteLevel.alphabet()), None, p.ByteLevel(add_prefix_space=False)),
    "bpe of bytes, with a space": trained(models.BPE(ignore_merges=True), trainers.BpeTrainer(vocab_size=500, special_tokens=["<s>"], initial_alphabet=p.ByteLevel.alphabet()), n.NFC(), p.ByteLevel(add_prefix_space=True), [AddedToken("<mask>", lstrip=True, special=True)]),
    "bpe of bytes, as Llama": trained(models.BPE(), trainers.BpeTrainer(vocab_size=500, special_tokens=["<s>"], initial_alphabet=p.ByteLevel.alphabet()), None, p.Sequence([p.Split(Regex(LLAMA), "isolated"), p.ByteLevel(add_prefix_space=False, use_regex=False)])),
    "bpe of bytes, normalised": trained(models.BPE(), trainers.BpeTrainer(vocab_size=400, initial_alphabet=p.ByteLevel.alphabet()), n.ByteLevel(), None, [AddedToken("New York", normalized=True)]),
    "bpe with marks": trained(models.BPE(unk_token="[UNK]", continuing_subword_prefix="##", end_of_word_suffix="</w>"), trainers.BpeTrainer(vocab_size=400, special_tokens=["[UNK]"], limit_alphabet=60, continuing_subword_prefix="##", end_of_word_suffix="</w>"), n.BertNormalizer(), p.BertPreTokenizer()),
    "bpe with bytes": sentencepiece_bpe(n.Sequence([n.Prepend("▁"), n.Replace(" ", "▁")]), None, True, True),
    "bpe, first word": sentencepiece_bpe(n.Sequence([n.Replace(Regex("^ +"), "")]), p.Metaspace(prepend_scheme="first", split=False), False, True),
    "bpe, unknown apart": sentencepiece_bpe(None, p.Metaspace(prepend_scheme="never"), False, False),
    "words": of_words(n.Sequence([n.NFD(), n.StripAccents(), n.Lowercase()]), p.Whitespace(), [AddedToken("New York"), AddedToken("<mask>", lstrip=True, rstrip=True)]),
    "words, NFKD": of_words(n.NFKD(), p.WhitespaceSplit()),
    "words, signs removed": of_words(None, p.Punctuation("removed")),
    "words, signs with the next": of_words(None, p.Punctuation("merged_with_next")),
    "words, signs with the previous": of_words(None, p.Punctuation("merged_with_previous")),
    "words, signs in a row": of_words(None, p.Punctuation("contiguous")),
    "words, digits": of_words(None, p.Sequence([p.WhitespaceSplit(), p.Digits(individual_digits=True)])),
    "words, numbers": of_words(None, p.Sequence([p.Digits(), p.CharDelimiterSplit("-")])),
    "words, fixed length": of_words(n.Strip(), p.FixedLength(length=3)),
    "words, split at a text": of_words(None, p.Split("a", "merged_with_previous")),
    "words, split between": of_words(None, p.Split(Regex(r"\w+"), "removed", invert=True)),
    "words, precompiled": of_words(precompiled(), p.Metaspace()),
}

record = {
    "texts": TEXTS,
    "cases": [
        {"name": name, "tokenizer": json.loads(t.to_str()), "ids": [e.ids for e in t.encode_batch(TEXTS, add_special_tokens=False)]}
        for name, t in CASES.items()
    ],
}
for case in record["cases"]:  # what is not read
    for part in ("truncation", "padding", "post_processor", "decoder"):
        case["tokenizer"].pop(part)
(HERE / "tokens.json").write_text(json.dumps(record, ensure_ascii=True, separators=(",", ":")).replace('{"name"', '\n{"name"') + "\n")
