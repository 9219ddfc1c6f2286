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


def metadata(folder, edit):
    path = folder / "README.md"
    _, header, body = path.read_text().split("---\n", 2)
    data = yaml.safe_load(header)
    edit(data)
    path.write_text(f"---\n{yaml.safe_dump(data)}---\n{body}")


def wrong(folder):
    with pytest.raises(SERError) as caught:
        validate(folder)
    return str(caught.value)


def test_what_export_writes_is_right(folder):
    validate(folder)


def test_no_card(tmp_path):
    assert "has a problem:\n  - there is no README.md; `ser export` writes" in wrong(tmp_path)


def test_a_card_without_metadata(folder):
    change(folder, ("---\n", ""))
    assert "has no metadata" in wrong(folder)


@pytest.mark.parametrize("header", ["---\na: [\n---\n", "---\n- a\n---\n"])
def test_metadata_that_cannot_be_read(folder, header):
    (folder / "README.md").write_text(header)
    assert "README.md cannot be read" in wrong(folder)


@pytest.mark.parametrize(
    "key", ["license", "language", "library_name", "pipeline_tag", "model-index"]
)
def test_a_field_is_missing(folder, key):
    metadata(folder, lambda data: data.pop(key))
    assert f"the metadata lack {key}" in wrong(folder)


@pytest.mark.parametrize(
    "value, reason",
    [
        (float("nan"), "nan is no finite number"),
        (float("inf"), "inf is no finite number"),
        ("0.5", "'0.5' is no finite number"),
        (True, "True is no finite number"),
        (1.5, "1.5 is not within 0 and 1"),
        (-0.1, "-0.1 is not within 0 and 1"),
    ],
)
def test_a_value_that_cannot_be(folder, value, reason):
    def edit(data):
        data["model-index"][0]["results"][0]["metrics"][0]["value"] = value

    metadata(folder, edit)
    said = wrong(folder)
    assert f"model-index (fake, UAR): {reason}" in said
    assert "in model-index and" in said  # it is not that of .eval_results either


def test_results_of_training_data_among_the_tests(folder):
    def edit(data):
        data["model-index"][0]["results"][0]["dataset"]["split"] = "heard in training: CLIPS"

    metadata(folder, edit)
    assert "fake, UAR is in .eval_results, but is no test result of model-index" in wrong(
        folder
    )


def test_results_that_are_in_one_place_only(folder):
    (folder / ".eval_results" / "fake.yaml").unlink()
    assert "fake, WA is in model-index, but not in .eval_results" in wrong(folder)


@pytest.mark.parametrize("text", ["a: [", "just words", "- value: 1", "- 3"])
def test_a_file_of_results_that_is_none(folder, text):
    (folder / ".eval_results" / "more.yaml").write_text(text)
    assert ".eval_results/more.yaml is no list of results" in wrong(folder)


def test_an_empty_index_has_to_be_explained(folder):
    shutil.rmtree(folder / ".eval_results")
    metadata(folder, lambda data: data["model-index"][0].update(results=[]))
    assert "model-index is empty, but the card does not say 'Not measured'" in wrong(folder)


@pytest.mark.parametrize(
    "address, reason",
    [
        ("figures/none.png", "picture figures/none.png is missing"),
        ("../secret.png", "picture ../secret.png leads out of the folder"),
        ("/etc/secret.png", "picture /etc/secret.png does not lie in the folder"),
        ("https://example.org/x.png", "picture https://example.org/x.png does not lie in"),
        ("data:image/png;base64,AA==", "does not lie in the folder"),
    ],
)
def test_a_picture_that_is_not_in_the_folder(folder, address, reason):
    (folder.parent / "secret.png").touch()
    change(folder, ("figures/confusion_fake.png", address))
    assert reason in wrong(folder)


def test_a_picture_that_is_a_link(folder):
    picture = folder / "figures" / "confusion_fake.png"
    shutil.move(picture, folder.parent / "elsewhere.png")
    picture.symlink_to(folder.parent / "elsewhere.png")
    assert "picture figures/confusion_fake.png leads out of the folder" in wrong(folder)


def test_a_folder_below_a_link_is_as_good_as_any(folder):
    link = folder.parent / "link"
    link.symlink_to(folder.parent)
    validate(link / "model")


def test_a_folder_of_pictures_that_is_a_link(folder):
    (folder / "figures").rename(folder / "real")
    (folder / "figures").symlink_to(folder / "real")
    assert "picture figures/confusion_fake.png leads out of the folder" in wrong(folder)


def test_metadata_of_other_kinds_than_they_should_be(folder):
    metadata(folder, lambda data: data.update(language=3))
    assert "language 3 is no ISO 639 code" in wrong(folder)
    metadata(folder, lambda data: data["model-index"][0]["results"][0].update(source="x"))
    assert "README.md cannot be read" in wrong(folder)


def test_a_card_that_is_a_link(folder):
    shutil.move(folder / "README.md", folder.parent / "README.md")
    (folder / "README.md").symlink_to(folder.parent / "README.md")
    assert "README.md is no regular file" in wrong(folder)


def test_links(folder):
    change(folder, ("## Limits", "[a](https://x.org) [b](#x) [c](config.json)\n\n## Limits"))
    assert "link config.json is missing" in wrong(folder)
    change(folder, ("(config.json)", "(config.json) [d](a%00)"))
    assert r"link 'a\x00' is no address" in wrong(folder)
    change(folder, (" [d](a%00)", ""))
    (folder / "config.json").touch()
    validate(folder)


def test_html_cannot_be_checked(folder):
    change(folder, ("## Limits", '<img src="../x.png">\n\n## Limits'))
    assert 'it has HTML that cannot be checked: <img src="../x.png">' in wrong(folder)


@pytest.mark.parametrize("word", ["{{ name }}", "TODO", "[More Information Needed]", "nan"])
def test_placeholders(folder, word):
    change(folder, ("## Limits", f"{word}\n\n## Limits"))
    assert f"placeholder {word[:2]!r}" in wrong(folder) or f"placeholder {word!r}" in wrong(
        folder
    )


@pytest.mark.parametrize(
    "heading, section",
    [("## What it is not for", "not for"), ("## Training data", "training data")],
)
def test_sections_have_to_be_there(folder, heading, section):
    change(folder, (heading, "## Something else"))
    assert f"there is no section '{section}', or nothing in it" in wrong(folder)


def test_every_problem_is_named_at_once(folder):
    metadata(
        folder, lambda data: data.update(language=["german"], pipeline_tag="x", license="")
    )
    change(folder, ("## Limits", "TODO [x](../y)\n\n## Limits"))
    said = wrong(folder)
    assert "has 5 problems:" in said
    for part in (
        "lack license",
        "'german' is no ISO 639",
        "pipeline_tag is 'x'",
        "TODO",
        "../y",
    ):
        assert part in said, part


def test_a_number_that_is_edited_in_the_table_of_results(folder):
    text = (folder / "README.md").read_text()
    row = next(line for line in text.splitlines() if line.startswith("| fake | "))
    value = row.split(" | ")[5]
    change(folder, (row, row.replace(value, "0.999 [0.998, 1.000]", 1)))
    assert (
        f"fake, UAR is {value.strip()} in model-index, and the text says 0.999 [0.998, 1.000]"
        in wrong(folder)
    )


def test_a_number_that_is_edited_in_the_line_that_sums_it_up(folder):
    change(folder, ("fake: UAR 0.", "fake: UAR 1."))
    assert "in model-index, and the text says 1." in wrong(folder)


def test_an_interval_that_is_none(folder):
    def edit(data):
        data["model-index"][0]["results"][0]["metrics"][0]["args"] = {"low": "a"}

    metadata(folder, edit)
    assert "fake, UAR: {'low': 'a'} is no interval" in wrong(folder)


def test_a_card_without_a_table_says_nothing_wrong(folder):
    text = (folder / "README.md").read_text()
    kept = [line for line in text.splitlines() if not line.startswith(("| Test set", "| fake"))]
    (folder / "README.md").write_text("\n".join(kept))
    validate(folder)
