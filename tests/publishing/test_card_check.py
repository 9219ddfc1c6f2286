"""The check before publishing names every problem."""

import shutil

import pytest
import yaml

from ser_brain.core.errors import SERError
from ser_brain.publishing.card import write_card
from ser_brain.publishing.card_check import validate
from tests.publishing.made_run import facts_of, write_run


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "model"
    write_card(folder, facts_of(write_run(folder.parent / "run")))
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "model")


def change(folder, *pairs):
    path = folder / "README.md"
    text = path.read_text()
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)


def edit_metadata(folder, edit):
    path = folder / "README.md"
    _, header, body = path.read_text().split("---\n", 2)
    data = yaml.safe_load(header)
    edit(data)
    path.write_text(f"---\n{yaml.safe_dump(data)}---\n{body}")


def edit_result(folder, edit):
    """Change the first result of model-index: UAR on fake."""
    edit_metadata(folder, lambda data: edit(data["model-index"][0]["results"][0]))


def problems(folder):
    with pytest.raises(SERError) as caught:
        validate(folder)
    return str(caught.value)


def test_no_card(tmp_path):
    assert "has a problem:\n  - there is no README.md; `ser export`" in problems(tmp_path)


def test_a_card_without_metadata(folder):
    change(folder, ("---\n", ""))
    assert "has no metadata" in problems(folder)


@pytest.mark.parametrize("header", ["---\na: [\n---\n", "---\n- a\n---\n"])
def test_metadata_that_cannot_be_read(folder, header):
    (folder / "README.md").write_text(header)
    assert "README.md cannot be read" in problems(folder)


@pytest.mark.parametrize(
    "key", ["license", "language", "library_name", "pipeline_tag", "model-index"]
)
def test_a_field_is_missing(folder, key):
    edit_metadata(folder, lambda data: data.pop(key))
    assert f"the metadata lack {key}" in problems(folder)


@pytest.mark.parametrize(
    "value, reason",
    [
        (float("nan"), "nan is not a finite number"),
        (float("inf"), "inf is not a finite number"),
        ("0.5", "'0.5' is not a finite number"),
        (True, "True is not a finite number"),
        (1.5, "1.5 is not between 0 and 1"),
        (-0.1, "-0.1 is not between 0 and 1"),
    ],
)
def test_a_value_that_cannot_be(folder, value, reason):
    edit_result(folder, lambda result: result["metrics"][0].update(value=value))
    found = problems(folder)
    assert f"model-index (fake, UAR): {reason}" in found
    assert "in model-index and" in found  # it differs from .eval_results, too


def test_results_of_training_data_among_the_tests(folder):
    edit_result(folder, lambda result: result["dataset"].update(split="overlaps: CLIPS"))
    expected = "fake, UAR is in .eval_results, but is no test result of model-index"
    assert expected in problems(folder)


def test_results_that_are_in_one_place_only(folder):
    (folder / ".eval_results" / "fake.yaml").unlink()
    assert "fake, WA is in model-index, but not in .eval_results" in problems(folder)


@pytest.mark.parametrize("text", ["a: [", "just words", "- value: 1", "- 3"])
def test_a_damaged_file_of_results(folder, text):
    (folder / ".eval_results" / "more.yaml").write_text(text)
    assert ".eval_results/more.yaml is not a list of results" in problems(folder)


def test_an_empty_index_has_to_be_explained(folder):
    shutil.rmtree(folder / ".eval_results")
    edit_metadata(folder, lambda data: data["model-index"][0].update(results=[]))
    expected = "model-index is empty, but the card does not say 'Not measured'"
    assert expected in problems(folder)


@pytest.mark.parametrize(
    "address, reason",
    [
        ("figures/none.png", "picture figures/none.png is missing"),
        ("../secret.png", "picture ../secret.png leads out of the folder"),
        ("/etc/secret.png", "picture /etc/secret.png is outside the folder"),
        ("https://example.org/x.png", "https://example.org/x.png is outside the folder"),
        ("data:image/png;base64,AA==", "is outside the folder"),
    ],
)
def test_a_picture_that_is_not_in_the_folder(folder, address, reason):
    (folder.parent / "secret.png").touch()
    change(folder, ("figures/confusion_fake.png", address))
    assert reason in problems(folder)


@pytest.mark.parametrize("place", ["..", "."])
@pytest.mark.parametrize("name", ["figures/confusion_fake.png", "figures"])
def test_a_picture_through_a_link(folder, name, place):
    shutil.move(folder / name, folder / place / "elsewhere")
    (folder / name).symlink_to((folder / place / "elsewhere").resolve())
    assert "picture figures/confusion_fake.png leads out of the folder" in problems(folder)


def test_a_folder_below_a_link_is_as_good_as_any(folder):
    link = folder.parent / "link"
    link.symlink_to(folder.parent)
    validate(link / "model")


def test_metadata_of_unexpected_types(folder):
    edit_metadata(folder, lambda data: data.update(language=3))
    assert "language 3 is not an ISO 639 code" in problems(folder)
    edit_result(folder, lambda result: result.update(source="x"))
    assert "README.md cannot be read" in problems(folder)


def test_a_card_that_is_a_link(folder):
    shutil.move(folder / "README.md", folder.parent / "README.md")
    (folder / "README.md").symlink_to(folder.parent / "README.md")
    assert "README.md is not a regular file" in problems(folder)


def test_links(folder):
    change(folder, ("## Limits", "[a](https://x.org) [b](#x) [c](config.json)\n\n## Limits"))
    assert "link config.json is missing" in problems(folder)
    change(folder, ("(config.json)", "(config.json) [d](a%00)"))
    assert r"link 'a\x00' is not an address" in problems(folder)
    change(folder, (" [d](a%00)", ""))
    (folder / "config.json").touch()
    validate(folder)


def test_html_cannot_be_checked(folder):
    change(folder, ("## Limits", '<img src="../x.png">\n\n## Limits'))
    assert 'HTML cannot be checked: <img src="../x.png">' in problems(folder)


@pytest.mark.parametrize("word", ["{{", "TODO", "[More Information Needed]", "nan"])
def test_placeholders(folder, word):
    change(folder, ("## Limits", f"{word} \n\n## Limits"))
    assert f"placeholder {word!r}" in problems(folder)


@pytest.mark.parametrize(
    "heading, section",
    [("## What it is not for", "not for"), ("## Training data", "training data")],
)
def test_sections_have_to_be_there(folder, heading, section):
    change(folder, (heading, "## Something else"))
    assert f"the section '{section}' is missing or empty" in problems(folder)


def test_every_problem_is_named_at_once(folder):
    bad = {"language": ["german"], "pipeline_tag": "x", "license": ""}
    edit_metadata(folder, lambda data: data.update(bad))
    change(folder, ("## Limits", "TODO [x](../y)\n\n## Limits"))
    found = problems(folder)
    assert "has 5 problems:" in found
    for part in ("lack license", "'german'", "pipeline_tag is 'x'", "TODO", "../y"):
        assert part in found, part


def test_a_number_that_is_edited_in_the_table_of_results(folder):
    text = (folder / "README.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| fake | "))
    value = row.split(" | ")[5]
    change(folder, (row, row.replace(value, "0.999 [0.998, 1.000]", 1)))
    expected = f"fake, UAR is {value.strip()} in model-index and 0.999 [0.998, 1.000] in the"
    assert expected in problems(folder)


def test_a_number_that_is_edited_in_the_headline(folder):
    change(folder, ("fake: UAR 0.", "fake: UAR 1."))
    assert "in model-index and 1." in problems(folder)


def test_a_bad_interval(folder):
    edit_result(folder, lambda result: result["metrics"][0].update(args={"low": "a"}))
    assert "fake, UAR: {'low': 'a'} is not an interval" in problems(folder)


def test_a_card_without_a_table_has_no_wrong_value(folder):
    text = (folder / "README.md").read_text()
    kept = [line for line in text.splitlines() if not line.startswith(("| Test set", "| fake"))]
    (folder / "README.md").write_text("\n".join(kept))
    validate(folder)
