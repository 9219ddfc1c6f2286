"""What of a model folder is sent."""

import hashlib
import os

import pytest

from ser_brain.errors import SERError
from ser_brain.publishing.contents import read_contents


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("README.md", "config.json", "model.safetensors"):
        (folder / name).write_text(name)
    return folder


def names(folder):
    return [file.name for file in read_contents(folder).sent]


def test_known_files_are_sent_and_others_listed(voice):
    contents = read_contents(voice)
    assert [file.name for file in contents.sent] == [
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
    assert contents.left == ["drafts/", "figures/draft.png", "notes.txt"]


def test_a_figure_is_sent_that_the_list_names_and_the_card_no_longer_shows(voice):
    (voice / "README.md").write_text("# A voice")
    assert "figures/confusion.png" in names(voice)
    assert "figures/draft.png" not in names(voice)


def test_an_onnx_model_is_sent(model):
    (model / "model.onnx").write_bytes(b"onnx")
    assert "model.onnx" in names(model)


def test_size_and_checksum(model):
    first = read_contents(model).sent[0]
    digest = hashlib.sha256(b"README.md").hexdigest()
    assert (first.name, first.size, first.sha256) == ("README.md", 9, digest)


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
        ("../secret.png", "outside of its folder"),
        ("a/../../secret.png", "outside of its folder"),
        ("/etc/a.png", "outside of its folder"),
        ("%2e%2e/secret.png", "outside of its folder"),
        ("gone.png", "not there"),
        ("notes.txt", "no figure"),
        ("<//[a.png>", "no address: Invalid IPv6 URL"),
    ],
)
def test_a_figure_that_cannot_be_sent(model, target, problem):
    (model / "notes.txt").write_text("to myself")
    (model.parent / "secret.png").write_bytes(b"secret")
    (model / "README.md").write_text(f"![a]({target})")
    with pytest.raises(SERError, match=problem):
        read_contents(model)


def test_links_are_refused(model):
    secret = model.parent / "secret"
    secret.write_text("secret")
    os.symlink(secret, model / "hyperparams.yaml")
    with pytest.raises(SERError, match="hyperparams.yaml is a link.*cp -rL"):
        read_contents(model)


def test_a_link_to_nowhere_is_refused(model):
    os.symlink("nowhere", model / "model.onnx")
    with pytest.raises(SERError, match="model.onnx is a link"):
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


def test_a_link_nobody_knows_is_not_sent(model):
    os.symlink("/etc", model / "etc")
    assert read_contents(model).left == ["etc"]


def test_what_is_no_regular_file_is_refused(model):
    (model / "config.json").unlink()
    os.mkfifo(model / "config.json")
    with pytest.raises(SERError, match="config.json is no regular file"):
        read_contents(model)


def test_no_folder(tmp_path):
    with pytest.raises(SERError, match="No folder .*nothing"):
        read_contents(tmp_path / "nothing")


def test_a_card_that_is_no_text(model):
    (model / "README.md").write_bytes(b"\xff\xfe")
    with pytest.raises(SERError, match="no UTF-8 text"):
        read_contents(model)
