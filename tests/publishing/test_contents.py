"""What of a model folder is sent."""

import hashlib
import os

import pytest

from ser_brain.core.errors import SERError
from ser_brain.core.files import write_checksums
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


@pytest.fixture
def make_plan(voice, monkeypatch):
    """Plan for a folder whose card, which has tests of its own, is good."""
    monkeypatch.setattr("ser_brain.publishing.card_check.validate", lambda folder: None)
    from ser_brain.publishing.contents import make_plan

    def plan(repo_id="lab/voice", **options):
        return make_plan(voice, repo_id, **options)

    return plan


def test_private_and_direct_by_default(make_plan):
    plan = make_plan()
    assert (plan.public, plan.pull_request, plan.tag) == (False, False, None)
    assert plan.message == "tiny wav2vec2-base, by SER Recipes"
    assert plan.size == sum(file.size for file in plan.files) > 1000
    assert plan.left == ["drafts/", "figures/draft.png", "notes.txt"]


@pytest.mark.parametrize("name", ["voice", "a/b/c", "lab/..", "lab/vo ice", "lab/a--b", "-/x"])
def test_a_bad_repository(make_plan, name):
    with pytest.raises(SERError, match="Bad repository"):
        make_plan(name)


@pytest.mark.parametrize("tag", ["", "v 1", "-v1", "v1..2", "v1.", "main", "refs/tags/v1", "é"])
def test_a_bad_tag(make_plan, tag):
    with pytest.raises(SERError, match="Bad tag"):
        make_plan(tag=tag)


@pytest.mark.parametrize("tag", ["v1.0", "1", "2026-11-22", "v1.0.0+emodb_2"])
def test_a_tag(make_plan, tag):
    assert make_plan(tag=tag).tag == tag


def test_a_pull_request_has_no_tag(make_plan):
    with pytest.raises(SERError, match="when it is merged run the command again with --tag"):
        make_plan(pull_request=True, tag="v1.0")


def test_a_folder_that_does_not_load(make_plan, voice):
    (voice / "model.safetensors").write_bytes(b"\0" * 100)
    with pytest.raises(SERError, match="model.safetensors"):
        make_plan()


def test_a_card_that_is_not_valid(make_plan, monkeypatch, voice):
    def refuse(folder):
        raise SERError(f"The card of {folder.name} names no licence.")

    monkeypatch.setattr("ser_brain.publishing.card_check.validate", refuse)
    with pytest.raises(SERError, match="The card of voice names no licence"):
        make_plan()


@pytest.mark.parametrize(
    ("name", "accept"),
    [
        ("README.md", "; or, to publish an edit, take README.md out of SHA256SUMS"),
        ("figures/confusion.png", "; or, .*, take figures/confusion.png out of SHA256SUMS"),
        ("custom_interface.py", ""),
    ],
)
def test_a_file_that_is_not_as_it_was_exported(make_plan, voice, name, accept):
    (voice / name).write_bytes((voice / name).read_bytes() + b"\n")
    with pytest.raises(SERError, match=rf"exported: {name} .* again{accept}\.$"):
        make_plan()


def test_a_damaged_list_of_checksums(make_plan, voice):
    (voice / "SHA256SUMS").write_text("damaged")
    with pytest.raises(SERError, match="SHA256SUMS is damaged. Export the model again"):
        make_plan()


def test_a_folder_of_an_earlier_version(make_plan, voice):
    write_checksums(voice, "config.json", "model.safetensors")
    assert len(make_plan().files) == 9
