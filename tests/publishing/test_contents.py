"""Which files of a model folder are published, and what a plan refuses."""

import hashlib
import os

import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_checksums
from ser_brain.publishing.contents import NAMES, plan_upload, read_contents

VOICE = [
    ".eval_results/emodb.yaml",
    "README.md",
    "SHA256SUMS",
    "config.json",
    "custom_interface.py",
    "figures/confusion.png",
    "hyperparams.yaml",
    "model.safetensors",
    "preprocessor_config.json",
]


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("README.md", "config.json", "model.safetensors"):
        (folder / name).write_text(name)
    return folder


def names(folder):
    return [file.name for file in read_contents(folder)[0]]


def test_known_files_are_published_and_others_listed(voice):
    files, skipped = read_contents(voice)
    assert [file.name for file in files] == VOICE
    assert skipped == ["drafts/", "figures/draft.png", "notes.txt"]
    exported = {path.name for path in voice.iterdir() if path.is_file()}
    asked_for = {"model.onnx", "model.int8.onnx", "adaptation.safetensors"}
    assert exported - {"notes.txt"} == set(NAMES) - asked_for
    for file in files:
        content = (voice / file.name).read_bytes()
        known = (len(content), hashlib.sha256(content).hexdigest())
        assert (file.size, file.sha256) == known
    # A figure that was exported is published even if the card no longer shows it.
    (voice / "README.md").write_text("# A voice")
    assert names(voice) == VOICE


@pytest.mark.parametrize(
    "shown",
    [
        "![a](fig%20ures/a.png)",
        '![a](<fig%20ures/a.png> "title")',
        "![a][1]\n\n[1]: fig%20ures/a.png",
        "[![a](./fig%20ures/a.png)](https://example.org)",
    ],
)
def test_a_figure_that_the_card_shows(model, shown):
    (model / "fig ures").mkdir()
    (model / "fig ures/a.png").write_bytes(b"png")
    (model / "README.md").write_text(f"text {shown}")
    assert "fig ures/a.png" in names(model)


def test_figures_elsewhere_are_no_files(model):
    (model / "README.md").write_text(
        "![a](https://example.org/a.png) ![b](//example.org/b.png) "
        "![c](data:image/png;base64,x)"
    )
    assert names(model) == ["README.md", "config.json", "model.safetensors"]


@pytest.mark.parametrize(
    "target, problem",
    [
        ("../secret.png", "outside the folder"),
        ("a/../../secret.png", "outside the folder"),
        ("/etc/a.png", "outside the folder"),
        ("%2e%2e/secret.png", "outside the folder"),
        ("gone.png", "missing"),
        ("notes.txt", "not a figure"),
        ("<//[a.png>", "not an address: Invalid IPv6 URL"),
    ],
)
def test_a_figure_that_cannot_be_published(model, target, problem):
    (model / "notes.txt").write_text("to myself")
    (model.parent / "secret.png").write_bytes(b"secret")
    (model / "README.md").write_text(f"![a]({target})")
    with pytest.raises(SERError, match=problem):
        read_contents(model)


@pytest.mark.parametrize("target", ["secret", "nowhere"])
def test_links_are_refused(model, target):
    (model.parent / "secret").write_text("secret")
    os.symlink(model.parent / target, model / "hyperparams.yaml")
    with pytest.raises(SERError, match="hyperparams.yaml is a link.*cp -rL"):
        read_contents(model)


@pytest.mark.parametrize("name", [".eval_results/a.yaml", "figures/a.png"])
def test_a_linked_folder_is_refused(model, name):
    folder, file = name.split("/")
    elsewhere = model.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / file).write_text("secret")
    os.symlink(elsewhere, model / folder)
    (model / "README.md").write_text("![a](figures/a.png)" if folder == "figures" else "")
    with pytest.raises(SERError, match=f"{folder} is a link"):
        read_contents(model)


def test_an_unknown_link_is_skipped(model):
    os.symlink("/etc", model / "etc")
    assert read_contents(model)[1] == ["etc"]


def test_what_is_no_model_folder(model):
    with pytest.raises(SERError, match="No folder .*nothing"):
        read_contents(model / "nothing")
    (model / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(SERError, match="not UTF-8 text"):
        read_contents(model)
    (model / "config.json").unlink()
    os.mkfifo(model / "config.json")
    with pytest.raises(SERError, match="config.json is not a regular file"):
        read_contents(model)


def test_private_and_direct_by_default(voice):
    plan = plan_upload(voice, "lab/voice")
    assert (plan.public, plan.pull_request, plan.tag) == (False, False, None)
    assert plan.message == "tiny wav2vec2-base, by SER Recipes"
    assert plan.size == sum(file.size for file in plan.files) > 1000
    write_checksums(voice, "config.json", "model.safetensors")  # as an earlier version did
    assert len(plan_upload(voice, "lab/voice").files) == 9


@pytest.mark.parametrize("name", ["voice", "a/b/c", "lab/..", "lab/vo ice", "lab/a--b", "-/x"])
def test_a_bad_repository(tmp_path, name):
    with pytest.raises(SERError, match="Bad repository"):
        plan_upload(tmp_path, name)


@pytest.mark.parametrize("tag", ["", "v 1", "-v1", "v1..2", "v1.", "main", "refs/tags/v1", "é"])
def test_a_bad_tag(tmp_path, tag):
    with pytest.raises(SERError, match="Bad tag"):
        plan_upload(tmp_path, "lab/voice", tag=tag)
    with pytest.raises(SERError, match="When it is merged, run the command again with --tag"):
        plan_upload(tmp_path, "lab/voice", pull_request=True, tag=tag)


@pytest.mark.parametrize("tag", ["v1.0", "1", "2026-11-22", "v1.0.0+emodb_2"])
def test_a_tag(voice, tag):
    assert plan_upload(voice, "lab/voice", tag=tag).tag == tag


def test_a_folder_that_does_not_load(voice):
    (voice / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(SERError, match="model.safetensors"):
        plan_upload(voice, "lab/voice")


def test_a_card_that_is_not_valid(voice):
    text = (voice / "README.md").read_text()
    (voice / "README.md").write_text(text.replace("license: cc-by-4.0\n", ""))
    write_checksums(voice, *VOICE)
    with pytest.raises(SERError, match="the metadata lack license"):
        plan_upload(voice, "lab/voice")


@pytest.mark.parametrize("name", ["README.md", "figures/confusion.png", "custom_interface.py"])
def test_a_file_that_was_changed_since_the_export(voice, name):
    (voice / name).write_bytes((voice / name).read_bytes() + b"\n")
    accept = f"; or, to publish an edit, remove {name} from SHA256SUMS"
    accept = "" if name.endswith(".py") else accept
    with pytest.raises(SERError, match=rf"export: {name} .* again{accept}\.$"):
        plan_upload(voice, "lab/voice")


@pytest.mark.parametrize(
    "name, message",
    [
        (
            "custom_interface.py",
            r"^Missing since the export: custom_interface.py of .* again\.$",
        ),
        ("figures/confusion.png", r"figures/confusion.png is missing. Export the model again"),
    ],
)
def test_a_file_that_is_missing_since_the_export(voice, name, message):
    (voice / name).unlink()
    with pytest.raises(SERError, match=message):
        plan_upload(voice, "lab/voice")


def test_a_damaged_list_of_checksums(voice):
    (voice / "SHA256SUMS").write_text("damaged")
    with pytest.raises(SERError, match="SHA256SUMS is damaged. Export the model again"):
        plan_upload(voice, "lab/voice")
