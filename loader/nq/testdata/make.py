"""Writes the fixture of package nq, and what has to come of it.

    python3 -m venv venv && venv/bin/pip install beautifulsoup4 lxml
    venv/bin/python make.py

The pages are invented. Each is built from elements that know their tokens and,
independently of any parser, their text; which texts may be negatives follows from
the tree of elements instead of from spans. seed.jsonl holds the texts that the
notebook's own rule gives, computed with the library that it uses.

    simplified.jsonl      the rows, in the form of NQ's training file
    original.jsonl.gz     the same rows, in the form of NQ's development file
    expected.jsonl        of each row, with passages of 30 and of 1,000 characters: the answer, the passages, and which of
                          them are in the pool and which can never be; by majority where that differs
    seed.jsonl            of each row: the notebook's text of each candidate
"""

import gzip
import html
import io
import json
import math
import random
import re

from bs4 import BeautifulSoup

CANDIDATES = {"P", "Table", "Tr", "Ul", "Ol", "Dl", "Li", "Dd", "Dt"}


def words(text):
    """The text of tokens: entities decoded, any white space one blank."""
    return " ".join(html.unescape(text).split())


class El:
    """An element: a tag, and a list of strings (tokens with blanks) and elements."""

    def __init__(self, tag, *children, answer=False, also=(), says=None):
        self.tag, self.children = tag, children
        self.says = says  # its lines, where tags stand among its words
        self.answer = answer  # of the first annotation, or the only one
        self.also = also  # the other annotations that mark it
        self.parent = None
        for c in children:
            if isinstance(c, El):
                c.parent = self

    @property
    def name(self):
        return self.tag.split("_")[0]

    def emit(self, tokens):
        self.start = len(tokens)
        tokens.append(f"<{self.tag}>")
        for c in self.children:
            if isinstance(c, El):
                c.emit(tokens)
            elif c != "":
                tokens.extend(c.split(" "))
        tokens.append(f"</{self.name}>")
        self.end = len(tokens)

    def walk(self):
        yield self
        for c in self.children:
            if isinstance(c, El):
                yield from c.walk()

    def ancestors(self):
        e = self.parent
        while e is not None:
            yield e
            e = e.parent

    def lines(self):
        """The lines of a block, without empty ones."""
        if self.says:
            return self.says
        if self.name == "Tr":
            return row_lines(self)
        out, here = [], []
        for c in self.children:
            if isinstance(c, El):
                out.append(words(" ".join(here)))
                here = []
                out.extend(c.lines())
            else:
                here.append(c)
        out.append(words(" ".join(here)))
        return [line for line in out if line]

    def text(self):
        return "\n".join(self.lines())


def row_lines(tr):
    """A row: its cells, separated by tabs. A table in a cell breaks the line, and the
    row goes on behind it in the same cell."""
    out, line = [], ""
    for n, cell in enumerate(tr.children):
        if n > 0:
            line += "\t"
        flat = ""
        for c in cell.children:
            if isinstance(c, El) and c.name == "Table":
                out.append(line + words(flat))
                line, flat = "", ""
                out.extend(c.lines())
            elif isinstance(c, El):
                flat += " " + " ".join(c.lines())
            else:
                flat += " " + c
        line += words(flat)
    out.append(line)
    return [line for line in (line.rstrip("\t") for line in out) if line]


def p(text, **k):
    return El("P", text, **k)


def li(*c, **k):
    return El("Li", *c, **k)


def ul(*c, **k):
    return El("Ul", *[x if isinstance(x, El) else li(x) for x in c], **k)


def row(*cells, head=False, colspan=None, **k):
    out = []
    for n, c in enumerate(cells):
        tag = "Th" if head or n == 0 else "Td"
        if colspan:
            tag += f'_colspan="{colspan}"'
        out.append(El(tag, *(c if isinstance(c, tuple) else (c,))))
    return El("Tr", *out, **k)


def table(*rows, caption="", **k):
    return El("Table", *([caption] if caption else []), *rows, **k)


r = random.Random(8)
SUBJECTS = "the old lighthouse|the pilot boat|the keeper of the north tower|a brass fog bell|the harbour council|the survey of the reef|the glass lens|the widow of the last keeper|the mail steamer|a crew of six".split("|")
VERBS = "was moved to|stood beside|gave its name to|was paid for by|kept a record of|lost most of|was built before|could be seen from|was sold together with|replaced".split("|")
OBJECTS = "the southern breakwater|a stone cottage|the winter storms|the coal store|two iron doors|the first chart of the bay|its own well|the customs house|the night watch|an older beacon".split("|")
TAILS = "in 1843|after the flood|, as the log of that year says|-- against the advice of the engineers|( see the list below )|for eleven years|, which nobody had expected|until the new road was opened".split("|")


def sentence():
    s = f"{r.choice(SUBJECTS)} {r.choice(VERBS)} {r.choice(OBJECTS)} {r.choice(TAILS)} ."
    return s[0].upper() + s[1:]


def prose(n):
    return " ".join(sentence() for _ in range(n))


DOCS = []


def doc(question, *elements, url=None, yes_no=("NONE",), id=None, none=False, annotations=1, blanks=False):
    DOCS.append(dict(question=question, elements=elements, url=url, yes_no=yes_no, id=id, none=none, annotations=annotations, blanks=blanks))


# What is special about each.
doc("how high is the north tower",
    table(row("North tower", head=True, colspan=2), row("Height", "31 m"), row("Built", "1843"), row("", "since 1901 unmanned"), row("Light", ""),
          caption="The tower", answer=True),
    p(prose(3)), p("Short ."), ul(*[prose(1) for _ in range(4)]), id=-7782631728452019337)
doc("when was the fog bell cast",
    table(row("Year", "Event", head=True), row("1840", "The bell is ordered from the foundry"), row("1841", "The fog bell is cast in brass and tried", answer=True),
          row("1850", "The bell cracks in a winter storm and is mended")),
    p(prose(2)), p(prose(2)))
doc("who wound the clock of the harbour",
    ul("The pilots paid for the clock", li("The widow of the keeper wound it on Sundays", answer=True), li("The council bought it :", ul("once in the spring of a year", "and again when it had been lost"))),
    p(prose(2)))
doc("which boats were sold",
    table(row("Boat", "Crews"), row("Marie", (table(row("summer crew", "six men and a boy"), row("winter crew", "four men")),)),
          row("Anna", ("before :", table(row("first year", "two men")), "after : none"), "sold to the south"), caption=""),
    p(prose(2), answer=True), p(prose(1)))
doc("what do the signs mean",
    p("Fish &amp; ships : 3 &lt; 4 , caf&eacute; , 10 &#8211; 12 knots , non&nbsp;breaking and &quot; quoted &quot; signs .", answer=True),
    p("An &amp;amp; that was escaped twice , and &unknown; which is no entity , and AT&T without a semicolon ."), p(prose(2)))
doc("which letter has no width",
    p("Between a\u180eb there is a Mongolian vowel separator , which is no white space ; a\u00a0no-break space is .", answer=True),
    p("Here stands a line\u2028separator , an ideographic\u3000space and a \ttab , all of which count as one blank ."), p(prose(2)))
doc("is there an answer on this page", p(prose(3)), p(prose(2)), none=True)
doc("is the lighthouse still in use", p(prose(2)), p("It is in use to this day , although nobody lives there any more .", answer=True), yes_no=("YES",))
doc("was the bell ever stolen", p("Nobody has ever stolen the bell , since it weighs two tons .", answer=True), p(prose(2)), yes_no=("NO",))
doc("who painted the tower",
    p("The tower was painted by the crew of the mail steamer .", answer=True), p("THE TOWER   was painted by the  crew OF the mail steamer ."),
    ul("The tower was painted by the crew of the mail steamer ."), p("The tower was painted by the crew of the mail steamer !"), p(prose(2)))
doc("what does the picture show", table(row("", ""), row("", ""), answer=True), p(prose(2)))
doc("what is less than what",
    p("In code one writes x<y or <stdio.h> , and <3 is a heart ; a<b>c is text too , and so is </3> or <> and < alone .", answer=True),
    p('A tag such as <Br> breaks a line , <B> bold </B> is nothing , <!--_a_comment_--> neither , <Img_src="a.png"/> too .',
      says=["A tag such as", "breaks a line , bold is nothing , neither , too ."]), p(prose(2)))
doc("how many storms were there", *[p(prose(1 + n % 3)) for n in range(30)], p(prose(2), answer=True), *[p(prose(2)) for _ in range(30)])
doc("which of the many rows is right",
    table(*[row(f"{1700 + n}", prose(1), str(n)) for n in range(150)]), p(prose(2), answer=True))
SHARED = prose(3)
doc("what do both pages say", p(SHARED), p(prose(2), answer=True), url="https://example.org//w/index.php?title=Shared_page&amp;oldid=831")
doc("what does the second page say", p(SHARED), p(prose(2), answer=True), p(prose(1)), url="https://example.org//w/index.php?title=Shared_page&amp;oldid=907")
doc("is a passage that says it twice a negative", p(prose(2)), p("The lamp was lit at dusk and put out at dawn .", answer=True), ul("The lamp was lit at dusk and put out at dawn .", "Oil was brought by boat twice a month ."))
doc("which terms are explained", El("Dl", El("Dt", "Beacon"), El("Dd", "A light that is seen from far away at sea"), El("Dt", "Reef"), El("Dd", "A bank of rocks that lies under the water", answer=True)), p(prose(2)))
doc("what stands between two blanks", p(prose(2)), p("Two  blanks make an  empty token , which counts .", answer=True), blanks=True)
doc("what stands in the long list", ul(*[li(prose(1), ul(prose(1), prose(1))) for _ in range(6)], answer=True), p(prose(6)))
doc("what is around the answer", ul(li(prose(1)), li(prose(1), ul(li(prose(1), answer=True), li(prose(1))))), p(prose(2)))
doc("what did five people mark",
    p("The first one marked this sentence about the tower .", answer=True), p("Three of the five marked this sentence about the bell .", also=(1, 2, 3)),
    p(prose(2)), p("The last one marked this sentence about the reef .", also=(4,)), p(prose(2)), yes_no=("NONE",) * 5, annotations=5)
doc("what did most people not mark", p("Only one of five marked this sentence .", answer=True), p(prose(2)), p(prose(2)), yes_no=("NONE",) * 5, annotations=5)
doc("what did only the others mark", p("The last two marked this sentence about the keeper .", also=(3, 4)), p(prose(2)), yes_no=("NONE",) * 5, annotations=5)
doc("does everybody agree", p("All five marked this sentence about the steamer .", answer=True, also=(1, 2, 3, 4)), p(prose(2)), yes_no=("YES", "YES", "NONE", "NO", "YES"), annotations=5)
doc("which passage is long", p(prose(14)), p(prose(15), answer=True), p(prose(16)), ul(*[prose(2) for _ in range(12)]), table(*[row(str(n), prose(2)) for n in range(12)]))
doc("what is written in another alphabet", p("Маяк стоит на скале с 1843 года , и его свет виден издалека .", answer=True), p("灯台は千八百四十三年に岩の上に建てられ、今日まで灯りをともしている。"), p("The sign \U0001D11E is a clef and \U0001F6A2 is a ship \\ and this is a \" quote ."))
doc("who made the lens", p(prose(2)), p(prose(2)), id=-1, none=True)
doc("which table has nothing but heads",
    table(row("Season", "Winner", "Score", head=True, colspan=3), row("1901", "The pilots of the south", "3 : 2"), row("", "", ""), row("1902", "The keepers of the north", "", "replayed")),
    table(El("Tr", El("Td", p("A paragraph in a cell ."), ul("and a list", "of two things")), El("Td", "beside it")), answer=True), p(prose(1)))
for n in range(16):
    parts = [p(prose(r.randint(1, 8))) for _ in range(r.randint(2, 7))]
    if n % 2:
        parts.append(ul(*[prose(1) for _ in range(r.randint(2, 6))]))
    if n % 3 == 0:
        parts.append(table(*[row(str(1800 + k), prose(1), str(r.randint(1, 99))) for k in range(r.randint(2, 9))]))
    r.shuffle(parts)
    none = n % 4 == 3
    if not none:
        inner = [e for part in parts for e in part.walk() if e.name in CANDIDATES]
        r.choice(inner).answer = True
    doc(f"what does page {n} say", *parts, none=none, id=r.randint(-2**62, 2**62))
DOCS.append(DOCS[0])  # the same row again


def fold(text):
    return " ".join(text.upper().lower().split())


def passages(candidates, marked, answer_text, marked_texts, least, pool=128):
    """The texts that are long enough, and those that hard negatives are chosen from."""
    relatives = set()
    for a in marked:
        relatives |= {id(a)} | {id(x) for x in a.ancestors()} | {id(x) for x in a.walk()}
    long = [c for c in candidates if len(c.text()) >= least]
    texts = list(dict.fromkeys(c.text() for c in long))
    never = {c.text() for c in long if id(c) in relatives}
    never |= {t for t in texts if fold(t) in {fold(m) for m in marked_texts}}
    hard = sorted((t for t in texts if t not in never), key=len, reverse=True)[:pool]
    if len(hard) > 20:
        hard = hard[: max(20, len(hard) - math.ceil(len(long) / 3))]
    return dict(passages=texts, hard=[texts.index(t) for t in hard], never=sorted(texts.index(t) for t in never))


def notebook_text(tokens):
    """The notebook's rule: a table by its rows and cells, else what BeautifulSoup says."""
    if "<Table" in tokens:
        tokens_ = tokens.replace("\n", "").replace("\t", "")
        title = re.search(r"<Table>\s*(.*?)\s*<Tr>", tokens_)
        if title:
            rows = ""
            for tr in re.findall(r"<Tr>\s*(.*?)\s*</Tr>", tokens_):
                for cell in re.findall(r"<T[dh]>\s*(.*?)\s*</T[dh]>", tr):
                    rows += re.sub(r"<.*?>", "", cell).strip() + "\t"
                rows += "\n"
            return title.group(1).strip() + "\n" + rows.strip()
    return BeautifulSoup(tokens, "lxml").get_text()


files = {name: open(name + ".jsonl", "w") for name in ("simplified", "expected", "seed")}
files["original"] = io.TextIOWrapper(gzip.GzipFile("original.jsonl.gz", "wb", mtime=0))


def write(name, value, **k):
    files[name].write(json.dumps(value, **k) + "\n")


for n, d in enumerate(DOCS):
    tokens = ["Page", "about", "lighthouses"]
    for e in d["elements"]:
        e.emit(tokens)
    everything = [e for top in d["elements"] for e in top.walk()]
    candidates = [e for e in everything if e.name in CANDIDATES]

    def span(e):
        return dict(start_token=-1, end_token=-1, candidate_index=-1) if e is None else dict(start_token=e.start, end_token=e.end, candidate_index=candidates.index(e))

    marks = []
    for k in range(d["annotations"]):
        found = [e for e in candidates if (k == 0 and e.answer) or k in e.also]
        marks.append(found[0] if found and not d["none"] else None)
    value = dict(
        example_id=d["id"] if d["id"] is not None else 5000 + n,
        question_text=d["question"],
        document_url=d["url"] or f"https://example.org//w/index.php?title=Page_{n}&amp;oldid={800000 + n}",
        long_answer_candidates=[dict(start_token=e.start, end_token=e.end, top_level=not any(a.name in CANDIDATES for a in e.ancestors())) for e in candidates],
        annotations=[dict(annotation_id=r.randint(1, 2**64 - 1), yes_no_answer=y, long_answer=span(m), short_answers=[] if m is None else [dict(start_token=m.start + 1, end_token=m.start + 2)]) for y, m in zip(d["yes_no"], marks)],
    )
    write("simplified", dict(document_text=" ".join(tokens), **value), ensure_ascii=n % 3 > 0)
    at, listed = 0, []
    for t in tokens:
        tag = re.fullmatch(r"</?[A-Z][a-z]*(_.*)?>", t) is not None
        t = t.replace("_", " ") if tag else t
        listed.append(dict(token=t, start_byte=at, end_byte=at + len(t.encode()), html_token=tag))
        at += len(t.encode()) + 1
    for s in value["long_answer_candidates"] + [a["long_answer"] for a in value["annotations"]]:
        has = s["start_token"] >= 0
        s["start_byte"], s["end_byte"] = (listed[s["start_token"]]["start_byte"], listed[s["end_token"] - 1]["end_byte"]) if has else (-1, -1)
    value["question_tokens"] = d["question"].split()
    value["document_tokens"], value["document_html"], value["document_title"] = listed, "<html>" + "\n".join(tokens), f"Page {n}"
    write("original", value)

    want = dict(question=d["question"])
    for rule in ("first", "majority"):
        answer = marks[0]
        if rule == "majority":
            answer = max(marks, key=lambda m: (sum(x is m for x in marks), -marks.index(m)))
        if rule == "majority":
            want["differs"] = answer is not marks[0]
        if answer is None or not answer.text() or want.get("differs") is False:
            continue
        marked = [m for m in marks if m is not None]
        want[rule] = dict(answer=answer.text())
        for least in (30, 1000):
            want[rule][str(least)] = passages(candidates, marked, answer.text(), [m.text() for m in marked], least)
    write("expected", want)
    write("seed", [notebook_text(" ".join(tokens[e.start : e.end])) for e in candidates])

for f in files.values():
    f.close()
