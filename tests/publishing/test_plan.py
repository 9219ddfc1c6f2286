"""What is checked before anything is sent."""

import pytest

from ser_brain.checksums import write_checksums
from ser_brain.errors import SERError


@pytest.fixture
def make_plan(voice, monkeypatch):
    """Plan for a folder whose card, which has tests of its own, is good."""
    monkeypatch.setattr("ser_brain.model_card.validate", lambda folder: None)
    from ser_brain.publishing.plan import make_plan

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

    monkeypatch.setattr("ser_brain.model_card.validate", refuse)
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
