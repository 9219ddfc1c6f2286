"""Strategies that several targets share. Needs hypothesis."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from fuzz._mutations import NUMBERS, TEXTS


def json_values() -> st.SearchStrategy:
    """Any JSON value, and NaN, which Python accepts."""
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
    """A JSON document each part of which is that of ``value`` or any other value."""
    parts = [st.just(value)] * 3
    if isinstance(value, dict):
        parts += [st.fixed_dictionaries({key: like(item) for key, item in value.items()})] * 2
    elif isinstance(value, list):
        parts += [st.tuples(*map(like, value)).map(list)] * 2
    return st.one_of(*parts, json_values())


def dumped(document: object) -> bytes:
    """A document as the bytes of a file."""
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def text_of(*tokens: str) -> st.SearchStrategy[bytes]:
    """Text of the tokens of a format, numbers and arbitrary characters."""
    piece = st.sampled_from(tokens) | st.sampled_from(NUMBERS) | st.text(max_size=6)
    return st.lists(piece, max_size=40).map(
        lambda pieces: "".join(pieces).encode("utf-8", "surrogatepass")
    )


def lines_like(data: bytes) -> st.SearchStrategy[bytes]:
    """Text of lines of ``data``, of such lines with a word replaced, and of any lines."""
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
