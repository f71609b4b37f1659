"""Writes tokens.json: how OpenAI's tiktoken (0.14.0) counts some texts.

tiktoken downloads its vocabularies; where it can't, TIKTOKEN_CACHE_DIR names a
folder that has them, whose checksums it verifies. For each encoding: the number of
tokens, and what the first three of them spell, or null where these end within a
character or are no more than three by themselves.
"""

import json
import pathlib

import tiktoken

TEXTS = [
    "", "hello world", "tiktoken is great!", "antidisestablishmentarianism", "2 + 2 = 4", "お誕生日おめでとう",
    "a\n \nb", "a  b", "  \r\n \t x", "trailing  ", "\n\n\n", "a\u00a0\u3000b\u2028c", "x \u200b y\ufeff",
    "don't DON'T I'll we'Re 'tis ''ve O'Neill's l'été", "HTTPServer iPhone camelCase XMLHttpRequest ABCdefGHI",
    "ABC日D EF語 かなKANA", "\u0301a e\u0301t\u0301 =\u0301= \u0301\u0301AB \u0301'sX", "ǅungla ʰˀ ªº ßſK",
    "1234567 ½²Ⅷ ٣٤٥٦ 3.14159 1,000,000", " ==\n\n= -- // /* */ a/b/c \n/\n =/\r\n/x", "https://example.org/a?b=c&d=%20#e",
    "😀👍🏽 👨‍👩‍👧 \U0001D11E", "Привет, мир! Здравствуйте.", "العربية لغة", "हिन्दी में", "한국어 문장입니다", "中文字符，标点。",
    "def f(x):\n\treturn x**2  # a comment\n", '{"id": 17, "text": "a\\nb"}', "Die Einbettungen kosten Geld und Stunden.",
    "The cache of DESIGN is content-addressed, so that a text is embedded once, ever, across data sets.",
]


def first(encoding, tokens):
    """What the first three tokens spell."""
    spelled = b"".join(encoding.decode_tokens_bytes(tokens[:3]))
    try:
        text = spelled.decode()
    except UnicodeDecodeError:
        return None
    return text if len(tokens) > 3 and len(encoding.encode(text)) == 3 else None


def main():
    rows = []
    for text in TEXTS:
        row = {"text": text}
        for name in ("cl100k_base", "o200k_base"):
            encoding = tiktoken.get_encoding(name)
            tokens = encoding.encode(text)
            row[name] = {"tokens": len(tokens), "first": first(encoding, tokens)}
        rows.append(row)
    path = pathlib.Path(__file__).parent / "tokens.json"
    path.write_text(json.dumps(rows, ensure_ascii=True, indent=1) + "\n")


if __name__ == "__main__":
    main()
