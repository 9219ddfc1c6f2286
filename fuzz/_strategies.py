"""Strategies that several targets share. Needs hypothesis."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from fuzz._mutations import NUMBERS, TEXTS


def json_values() -> st.SearchStrategy:
    """Anything that JSON can say, and what Python's reader takes for it (NaN)."""
    leaves = (
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(TEXTS)
    )
    return st.recursive(
        leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        ),
        max_leaves=6,
    )


def like(value: object) -> st.SearchStrategy:
    """A JSON document whose parts are, each, as in ``value`` or anything else."""
    parts = [st.just(value)] * 3
    if isinstance(value, dict):
        parts += [st.fixed_dictionaries({key: like(item) for key, item in value.items()})] * 2
    elif isinstance(value, list):
        parts += [st.tuples(*map(like, value)).map(list)] * 2
    return st.one_of(*parts, json_values())


def dumped(document: object) -> bytes:
    """A document as it stands in a file."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def text_of(*tokens: str) -> st.SearchStrategy[bytes]:
    """Text made of the tokens of a format, of numbers, and of anything else between."""
    piece = st.sampled_from(tokens) | st.sampled_from(NUMBERS) | st.text(max_size=6)
    return st.lists(piece, max_size=40).map(
        lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
    )


def lines_like(data: bytes) -> st.SearchStrategy[bytes]:
    """Text whose lines are, each, one of ``data``'s, one of these with a word replaced, or
    anything else."""
    known = data.decode("latin-1").split("\n")
    word = st.sampled_from([*NUMBERS, *TEXTS]) | st.text(max_size=6)

    def with_word(line: str, at: int, said: str) -> str:
        words = line.split(" ") if " " in line else line.split(",")
        words[at % len(words)] = said
        return (" " if " " in line else ",").join(words)

    line = st.sampled_from(known)
    damaged = st.builds(with_word, line, st.integers(0, 20), word)
    return st.lists(line | line | damaged | st.text(max_size=20), max_size=12).map(
        lambda lines: "\n".join(lines).encode("utf-8", "surrogatepass")
    )
