"""A release states one version everywhere, and its wheel has what the project tracks."""

import zipfile

import pytest

from release.__main__ import ROOT, version_problems, wheel_problems
from release.lock import lines
from ser_brain import __version__


def test_another_version_is_named_wherever_it_is_stated():
    assert version_problems(ROOT, __version__) == []
    found = version_problems(ROOT, "9.9")
    assert found[0] == "version '9.9', expected one like 0.2.0"
    assert f"CITATION.cff states {__version__}, expected 9.9" in found and len(found) == 4


@pytest.mark.parametrize(
    "names, problems",
    [
        (["ser_brain/py.typed", "train.py"], []),
        (["train.py"], ["the wheel lacks ser_brain/py.typed"]),
        (
            ["ser_brain/py.typed", "train.py", "tests/a.wav"],
            ["the wheel has tests/a.wav, which is not shipped"],
        ),
    ],
    ids=["complete", "incomplete", "too much"],
)
def test_the_content_of_a_wheel(tmp_path, names, problems):
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        for name in [*names, "a.dist-info/METADATA"]:
            archive.writestr(name, "")
    assert wheel_problems(tmp_path / "a.whl", ["ser_brain/py.typed", "train.py"]) == problems


def test_versions_that_differ_between_pythons_have_a_line_each():
    old, new, newest = (
        {"a": "1", "b": "1", "c": "3"},
        {"a": "1", "b": "2"},
        {"a": "1", "b": "3"},
    )
    assert lines([("3.10", old), ("3.11", new), ("3.12", newest)]) == [
        "a==1",
        'b==1; python_version < "3.11"',
        'b==2; python_version >= "3.11" and python_version < "3.12"',
        'b==3; python_version >= "3.12"',
        'c==3; python_version < "3.11"',
    ]
