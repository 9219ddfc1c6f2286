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


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([], "These arguments are missing: config. See ser x --help."),
        (["a", "b"], "Unexpected argument 'b'. See ser x --help."),
        (["a", "--out"], "argument --out: it needs a value. See ser x --help."),
        (
            ["a", "--all=yes"],
            "argument --all: it takes no value; found 'yes'. See ser x --help.",
        ),
        (["a", "--out="], "--out= has no value; is a variable of the shell not set?"),
        (["a", "--out", ""], "An argument is empty; is a variable of the shell not set?"),
        (["a", "--al"], "Bad argument '--al'; expected one of: --all, "),
    ],
)
def test_a_mistake_is_told_in_plain_words(line, said):
    parser = Parser("ser x", "Do it.")
    parser.add_argument("config")
    parser.add_argument("--out")
    parser.add_argument("--all", action="store_true")
    with pytest.raises(SERError) as raised:
        parser.parse(line)
    assert str(raised.value).startswith(said)


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
