"""YAML that would grow, sink or take for ever."""

import pytest

from ser_brain.config import load_settings, plain_settings, read_settings
from ser_brain.errors import SERError
from ser_brain.yaml_keys import MOST_CHARACTERS, split_keys

LAUGHS = "a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "with its aliases written out it has over 10,000 values"),
        ("a: &a [*a]\n", "nested too deep, or within itself"),
        ("a: " + "[" * 600 + "]" * 600, "nested too deep"),
        ("a: " + "x" * MOST_CHARACTERS, "over 100,000 characters"),
    ],
)
def test_what_would_grow_is_refused_before_it_does(text, message):
    with pytest.raises(SERError, match=message):
        split_keys(text, "a.yaml")


def test_aliases_in_measure_are_allowed(tmp_path):
    (tmp_path / "a.yaml").write_text("a: &a [1, 2]\nb: *a\n")
    assert load_settings(read_settings(tmp_path / "a.yaml"))["b"] == [1, 2]


def test_a_number_without_end(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 1\n")
    for number in ("0x" + "f" * 5000, "9" * 5000):
        text = read_settings(tmp_path / "a.yaml", [("seed", number)])
        with pytest.raises(SERError, match="Bad seed|Cannot build the settings"):
            load_settings(text)


def test_references_in_a_circle(tmp_path):
    (tmp_path / "a.yaml").write_text("x: !ref <y>1\ny: !ref <x>1\n")
    with pytest.raises(SERError, match="Cannot read the settings"):
        plain_settings(read_settings(tmp_path / "a.yaml"))


def test_an_error_shows_the_beginning_of_a_long_override(tmp_path):
    (tmp_path / "a.yaml").write_text("seed: 1\n")
    with pytest.raises(SERError) as raised:
        read_settings(tmp_path / "a.yaml", [("seed", "{a: " * 3000)])
    assert len(str(raised.value)) < 400
