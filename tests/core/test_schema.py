"""Kinds and sizes of untrusted values."""

import math

import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.schema import (
    ANY,
    FINITE,
    TEXT,
    check,
    list_of,
    mapping_of,
    nullable,
    number,
    one_of,
    plain,
    text,
    whole,
)


@pytest.mark.parametrize(
    "bound, fits, does_not",
    [
        (whole(1, 96), [1, 96], [0, 97, True, 1.0, "1", None, 10**30]),
        (number(0, 1), [0, 1, 0.5], [-0.1, math.nan, math.inf, True, "0"]),
        (one_of(True, False), [True, False], [1, 0, None]),
        (one_of("group", "layer"), ["group"], ["batch", ["group"]]),
        (text(3), ["abc", "ä"], ["", "abcd", "a\n", "\x1b[", b"a", 1]),
        (list_of(whole(1, 9), 1, 2), [[1], [1, 9]], [[], [1, 1, 1], [0], (1,), "1"]),
        (list_of(TEXT), [[], ["", "a\n"]], [[1], "a", None]),
        (mapping_of(whole(1, 2)), [{}, {"a": 1}], [{"a": 3}, [1], None]),
        (mapping_of(FINITE, ["a"]), [{}, {"a": 1}], [{"b": 1}, {"a": math.inf}]),
        (FINITE, [-1e308, 0, 10**300], [math.nan, math.inf, 10**400, True, "0"]),
        (plain(9, 1), [None, "", {"a": 1}, [True, 9.0]], [10, [[1]], object(), b"a"]),
        (nullable(whole(1, 2)), [None, 1], [3, "None"]),
        (ANY, [None, {}], []),
    ],
)
def test_bounds(bound, fits, does_not):
    assert [value for value in fits if not bound.holds(value)] == []
    assert [value for value in does_not if bound.holds(value)] == []


def test_the_keys_of_an_object():
    bounds = {"layers": whole(1, 9), "width": whole(1, 9)}
    check({"layers": 1, "width": 2}, bounds, "the model")
    with pytest.raises(SERError, match="Bad the model: it lacks width"):
        check({"layers": 1}, bounds, "the model")
    with pytest.raises(SERError, match="unknown key 'import'"):
        check({"layers": 1, "width": 2, "import": "os"}, bounds, "the model")
    with pytest.raises(SERError, match="found \\[1\\], expected a JSON object"):
        check([1], bounds, "the model")
    check({"layers": 1, "more": "os"}, bounds, "the model", optional=["width"], others=True)
    with pytest.raises(SERError, match="it lacks layers, width. Train again.$"):
        check({}, bounds, "the model", advice="Train again.")


def test_an_error_quotes_little_of_a_value():
    with pytest.raises(SERError) as error:
        check({"name": "x" * 10_000}, {"name": text(10)}, "the model")
    assert "expected printable text of at most 10 characters" in str(error.value)
    assert len(str(error.value)) < 200
