import pytest

from ser_brain.errors import SERError
from ser_brain.parser import Parser, title_of


def test_wrong_arguments_are_one_line():
    parser = Parser("ser x", "Do it.")
    parser.add_argument("--folder", type=int)
    with pytest.raises(SERError, match="Bad argument '--foldr'; expected one of: --folder"):
        parser.parse(["--foldr=3"])
    with pytest.raises(SERError, match="argument --folder: invalid int value: 'a'. See ser x"):
        parser.parse(["--folder", "a"])
    with pytest.raises(SERError, match="Bad argument '--fold'"):
        parser.parse(["--fold=3"])  # No abbreviations.


def test_arguments_for_another_program_are_passed_on():
    parser = Parser("ser x", "Do it.")
    parser.add_argument("config")
    parser.passes_on = True
    assert parser.parse(["a.yaml", "--seed=3"]).rest == ["--seed=3"]


def test_the_title_of_a_file(tmp_path):
    path = tmp_path / "a.py"
    path.write_text('"""Title.\n\nMore."""\nimport nowhere\n')
    assert title_of(path) == "Title."
    path.write_text("def")
    assert title_of(path).startswith("(cannot be read: ")
