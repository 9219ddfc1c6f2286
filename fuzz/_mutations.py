"""Damage to the bytes, lines and fields of a valid file.

Every function takes a random generator, which decides everything.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Mapping, Sequence

LARGEST = 1 << 18  # bytes of a file that is blown up
MOST_ROUNDS = 4
DEEP = 400
NUMBERS = (
    *("0", "-0", "-1", "1", "2", "7", "0.5", "-0.5", "1e308", "-1e308", "1e-320", "1e999"),
    *("NaN", "Infinity", "-Infinity", "nan", "inf", "1_000", "0x10", "٣", "²", "1,5", "1.2.3"),
    *(str(2**31), str(2**32 - 1), str(2**63), str(2**64), "-9223372036854775809", "9" * 400),
)
TEXTS = (
    *("", " ", "\0", "{", "}", "{}", "{0}", "{data_root}", "{data_root}/{data_root}/"),
    *("%s", "null"),
    *("..", "../..", "../../../etc/passwd", "/", "/etc/passwd", "a/b", "a\\b", "~", "-"),
    *("#", "=1+1"),
    *("ängstlich", "שָׁלוֹם", "‮cod.wav", "🎤", "\ufeff", "\u2028", "\x85", "\ud800"),
    *("e\u0301", "ﬁ", "İ"),
    *('"', "'", '""', ",", ";", "\t", "|", "\r", "\n", "\r\n", ":", "[", "]", "(", "*"),
    *("!!", "&a", "*a"),
    *("NaN", "None", "none", "true", "x" * 300, "a" * 100_000, "wav", ".wav", "._a.wav"),
)  # fmt: skip
VALUES = (
    *(None, True, False, 0, 1, -1, 3, 0.5, -0.5, 1e308, -1e308, 2**63, 10**400),
    *(float("nan"), float("inf"), float("-inf"), [], {}, [None], {"": None}, [[]], [0], ["a"]),
    *({"emotion": "anger"}, {"valence": 1}, {"a": {"a": {}}}, [1, 2], [2, 1], ["a", "a"]),
    *TEXTS,
)


def mutated(case: Mapping[str, bytes], rng: random.Random) -> dict[str, bytes]:
    """A case with one file damaged; sometimes two files, or one file missing.

    JSON is mostly damaged in its fields, everything else in its lines and bytes.
    """
    damaged = dict(case)
    for _ in range(rng.choice((1, 1, 1, 2))):
        name = rng.choice(sorted(damaged))
        if len(damaged) > 1 and rng.random() < 0.02:
            del damaged[name]
        elif name.endswith((".json", ".jsonl")) and rng.random() < 0.7:
            damaged[name] = fields(damaged[name], rng)
        else:
            damaged[name] = content(damaged[name], rng)
    return damaged


def content(data: bytes, rng: random.Random) -> bytes:
    """Flip, cut, repeat, swap, replace or inflate bytes and lines."""
    for _ in range(rng.randint(1, MOST_ROUNDS)):
        data = rng.choice(DAMAGE)(data, rng)[:LARGEST]
    return data


def _cut_points(data: Sequence, rng: random.Random) -> tuple[int, int]:
    first, last = sorted((rng.randint(0, len(data)), rng.randint(0, len(data))))
    return first, min(last, first + rng.choice((1, 4, 64, len(data))))


def _flip(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8)) if data else 0):
        changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _set(data: bytes, rng: random.Random) -> bytes:
    first, last = _cut_points(data, rng)
    fill = rng.choice((b"\0", b"\xff", b"\x7f", b"\x80", rng.randbytes(1)))
    return data[:first] + fill * (last - first) + data[last:]


def _truncate(data: bytes, rng: random.Random) -> bytes:
    return data[: rng.randint(0, len(data))]


def _remove(data: bytes, rng: random.Random) -> bytes:
    first, last = _cut_points(data, rng)
    return data[:first] + data[last:]


def _repeat(data: bytes, rng: random.Random) -> bytes:
    first, last = _cut_points(data, rng)
    return data[:last] + data[first:last] * rng.choice((1, 2, 10)) + data[last:]


def _blow_up(data: bytes, rng: random.Random) -> bytes:
    if rng.random() > 0.05:  # rare: large cases are slow
        return _repeat(data, rng)
    first, last = _cut_points(data, rng)
    times = LARGEST // (last - first) if last > first else 0
    return data[:last] + data[first:last] * times + data[last:]


def _swap(data: bytes, rng: random.Random) -> bytes:
    a, b = _cut_points(data, rng)
    c, d = (b + at for at in _cut_points(data[b:], rng))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def _insert(data: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(data))
    said = rng.choice((_encoded(rng.choice(TEXTS)), rng.randbytes(rng.choice((1, 2, 4, 16)))))
    return data[:at] + said + data[at:]


def _token(data: bytes, rng: random.Random) -> bytes:
    """Replace one number or word."""
    pattern, choices = rng.choice(((rb"-?\d[\d.,e]*", NUMBERS), (rb"\w+", TEXTS)))
    found = list(re.finditer(pattern, data[:20_000]))
    if not found:
        return _insert(data, rng)
    match = rng.choice(found)
    return data[: match.start()] + _encoded(rng.choice(choices)) + data[match.end() :]


def _lines(data: bytes, rng: random.Random) -> bytes:
    """Remove, double or swap lines, or change the line ends."""
    lines = data.split(b"\n")
    a, b = rng.randrange(len(lines)), rng.randrange(len(lines))
    what = rng.randrange(4)
    if what == 0:
        del lines[a]
    elif what == 1:
        lines.insert(b, lines[a])
    elif what == 2:
        lines[a], lines[b] = lines[b], lines[a]
    else:
        return rng.choice((b"\r", b"\r\n", b"\n\n", b"")).join(lines)
    return b"\n".join(lines)


def _cells(data: bytes, rng: random.Random) -> bytes:
    """Replace or swap cells between separators."""
    separator = rng.choice((b",", b"\t", b";", b" ", b"_"))
    cells = data.split(separator)
    a, b = rng.randrange(len(cells)), rng.randrange(len(cells))
    if rng.random() < 0.5:
        cells[a], cells[b] = cells[b], cells[a]
    else:
        cells[a] = _encoded(rng.choice((*NUMBERS, *TEXTS)))
    return separator.join(cells)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


DAMAGE = (
    *(_flip, _set, _truncate, _remove, _repeat, _blow_up, _swap, _insert),
    *(_token, _token, _lines, _cells, _cells),
)


def fields(data: bytes, rng: random.Random) -> bytes:
    """Replace, remove or swap fields of JSON, or of one of several lines of JSON."""
    try:
        documents = [json.loads(data)]
        separator = b""
    except ValueError:
        try:
            documents = [json.loads(line) for line in data.split(b"\n") if line]
            separator = b"\n"
        except ValueError:
            documents = []
    if not documents:
        return content(data, rng)
    at = rng.randrange(len(documents))
    for _ in range(rng.choice((1, 1, 2, 4))):
        documents[at] = changed(documents[at], rng)
    if rng.random() < 0.03:
        documents = documents + documents
    dumped = [json.dumps(d, ensure_ascii=rng.random() < 0.5) for d in documents]
    return separator.join(_encoded(text) for text in dumped) + separator


def changed(document: object, rng: random.Random) -> object:
    """A copy of a JSON document with one node changed, at any depth."""
    if isinstance(document, dict | list) and document and rng.random() < 0.85:
        keys = list(document) if isinstance(document, dict) else range(len(document))
        key = rng.choice(keys)
        copy = dict(document) if isinstance(document, dict) else list(document)
        what = rng.random()
        if what < 0.1:
            del copy[key]
        elif what < 0.2:
            other = rng.choice(keys)
            copy[key], copy[other] = copy[other], copy[key]
        elif what < 0.25 and isinstance(copy, dict):
            copy = {rng.choice(TEXTS) if k == key else k: v for k, v in copy.items()}
        elif what < 0.3 and isinstance(copy, list):
            copy = copy * rng.choice((2, 3, 100))
        else:
            copy[key] = changed(copy[key], rng)
        return copy
    if rng.random() < 0.03:
        nested: object = document
        for _ in range(rng.choice((3, 50, DEEP))):
            nested = [nested] if rng.random() < 0.5 else {"a": nested}
        return nested
    return rng.choice(VALUES)
