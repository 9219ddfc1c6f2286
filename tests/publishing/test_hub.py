"""Publishing on a hub: which hub, what is sent, failures at any step, and no leaked secret."""

import os

import huggingface_hub.constants as constants
import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.core.hub import choose_storage, endpoint
from ser_brain.publishing.contents import plan_upload, read_contents
from ser_brain.publishing.hub import publish as publish_plan
from tests.publishing.hub import TOKEN, Repository


@pytest.mark.parametrize(
    "endpoint, chosen, expected",
    [
        ("", None, None),
        ("https://huggingface.co", None, None),
        ("https://hub-ci.huggingface.co/", None, None),
        ("http://127.0.0.1:8000", None, "1"),
        ("http://127.0.0.1:8000", "0", "0"),
        ("https://nothuggingface.co", None, "1"),
        ("https://huggingface.co.example.org", None, "1"),
    ],
)
def test_xet_is_for_the_real_hub(monkeypatch, endpoint, chosen, expected):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", chosen or "x")  # so that it is put back
    if chosen is None:
        monkeypatch.delenv("HF_HUB_DISABLE_XET")
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    choose_storage()
    assert os.environ.get("HF_HUB_DISABLE_XET") == expected


def test_an_endpoint_that_is_no_address(monkeypatch):
    for address in ("hub.example", "ftp://hub.example", "https://", "https://[hub"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(SERError, match="HF_ENDPOINT is not the address of a hub; expected"):
            choose_storage()


@pytest.fixture
def with_password(hub, monkeypatch):
    """The hub under an address with a login, which the client sends in place of the token."""
    address = hub.endpoint.replace("://", "://me:s3cret@")
    monkeypatch.setattr(constants, "ENDPOINT", address)
    template = address + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    return hub


@pytest.mark.parametrize("options", [[], ["--yes"], ["--json"]])
def test_a_password_in_the_endpoint_is_refused_and_not_said(
    with_password, voice, options, everything_said
):
    with pytest.raises(SERError, match="sent in place of the token"):
        endpoint()
    assert main(["publish", str(voice), "lab/voice", *options]) == 2
    said = everything_said()
    assert "HF_ENDPOINT contains a user name or password" in said and "s3cret" not in said
    assert not with_password.calls


@pytest.mark.parametrize("how", ["reset", (503, "maintenance of http://me:s3cret@hub.example")])
def test_loading_does_not_say_the_password(with_password, tmp_path, how, capsys):
    with_password.fail("GET", "/api/models", how, 10)
    (tmp_path / "a.wav").write_bytes(b"")
    assert main(["predict", str(tmp_path / "a.wav"), "--model", "lab/voice"]) == 2
    streams = capsys.readouterr()
    said = streams.out + streams.err
    assert "cannot be downloaded" in said
    assert "s3cret" not in said and TOKEN not in said


ORIGINAL = [".gitattributes"]


@pytest.fixture
def publish(voice, hub):
    """Publish the folder as it is now."""
    return lambda **options: publish_plan(plan_upload(voice, "lab/voice", **options))


def same_as(folder, repository, revision="main"):
    """Whether a revision contains a folder's known files and no others."""
    sent = {file.name: file.path.read_bytes() for file in read_contents(folder)[0]}
    there = {path: repository.content(revision, path) for path in repository.at(revision)}
    return {**there, ".gitattributes": None} == {**sent, ".gitattributes": None}


def edit_card(folder, old="# A voice", new="# Another"):
    """Change the card as an error of publishing advises."""
    text = (folder / "README.md").read_text()
    (folder / "README.md").write_text(text.replace(old, new))
    lines = (folder / "SHA256SUMS").read_text().splitlines(keepends=True)
    kept = [line for line in lines if "README.md" not in line]
    (folder / "SHA256SUMS").write_text("".join(kept))


def test_a_new_repository_is_private_and_gets_one_commit(publish, hub, voice):
    made = publish(tag="v1.0")
    repository = hub.repositories["lab/voice"]
    assert repository.private and made.private
    assert len(repository.commits) == 2  # its own first, and the model
    assert same_as(voice, repository)
    assert repository.refs == {"main": made.commit, "v1.0": made.commit}
    assert hub.called("POST", f"/tag/{made.commit}$")  # not what main is by then
    assert made.url == f"{hub.endpoint}/lab/voice"
    assert len(made.sent) == 9 and made.pull_request is None
    steps = ["created", "uploaded", "committed", "tagged"]
    assert [step.split()[0] for step in made.done] == steps
    calls = len(hub.calls)
    again = publish(tag="v1.0")  # with nothing changed
    assert (again.sent, again.done, again.commit) == ([], [], made.commit)
    assert len(repository.commits) == 2
    assert not [c for c in hub.calls[calls:] if c[0] == "PUT" or "/commit/" in c[1]]


def test_only_what_changed_is_sent(publish, hub, voice):
    publish()
    edit_card(voice)
    made = publish()
    assert made.sent == ["README.md", "SHA256SUMS"]
    assert same_as(voice, hub.repositories["lab/voice"])
    assert len(hub.called("PUT", "/large/")) == 1  # the weights, the first time


def test_of_the_repositorys_own_files_only_those_of_an_older_model_are_removed(
    publish, hub, voice
):
    hub.repositories["lab/voice"] = repository = Repository(private=True)
    for name in (".eval_results/older.yaml", "model.onnx", "LICENSE"):
        repository.put(name, b"of the older model")
    assert publish().removed == [".eval_results/older.yaml", "model.onnx"]
    assert repository.at("main").pop("LICENSE")
    assert same_as(voice, repository)


def test_a_pull_request_leaves_main_as_it_was(publish, hub, voice):
    made = publish(pull_request=True)
    repository = hub.repositories["lab/voice"]
    assert list(repository.at("main")) == ORIGINAL
    assert same_as(voice, repository, "refs/pr/1")
    assert made.pull_request == f"{hub.endpoint}/lab/voice/discussions/1"
    again = publish(pull_request=True)
    assert (again.sent, again.done) == ([], [])
    assert (again.pull_request, again.commit) == (made.pull_request, made.commit)
    assert repository.proposals == ["tiny wav2vec2-base, by SER Recipes"]


def test_another_model_is_another_pull_request(publish, hub, voice):
    publish(pull_request=True)
    repository = hub.repositories["lab/voice"]
    repository.refs["main"] = repository.refs["refs/pr/1"]  # merged
    made = publish(tag="v1.0")
    assert (made.sent, repository.refs["v1.0"]) == ([], repository.refs["main"])
    edit_card(voice)
    assert publish(pull_request=True).pull_request.endswith("/discussions/2")


def test_who_may_only_read_proposes(publish, hub):
    hub.may_write = False
    with pytest.raises(SERError, match="403.*the right to write in 'lab'.*so far: nothing"):
        publish()
    hub.repositories["lab/voice"] = Repository(private=True)
    with pytest.raises(SERError, match="don't have the rights.*--pr needs only"):
        publish()
    assert publish(pull_request=True).pull_request


def test_a_public_repository_is_not_taken_for_a_private_one(publish, hub, everything_said):
    hub.repositories["lab/voice"] = repository = Repository(private=False)
    with pytest.raises(SERError, match="exists and is public. Give --public"):
        publish()
    assert list(repository.at("main")) == ORIGINAL
    assert not publish(public=True).private and not repository.private
    hub.repositories["lab/voice"] = Repository(private=True)
    assert publish(public=True).private
    assert "exists and stays private" in everything_said()
    hub.repositories.clear()
    assert not publish(public=True).private
    assert not hub.repositories["lab/voice"].private


def test_a_tag_of_another_model_is_not_moved(publish, hub, voice):
    first = publish(tag="v1.0")
    edit_card(voice)
    with pytest.raises(SERError, match="v1.0 of lab/voice is at commit .* would be another"):
        publish(tag="v1.0")
    repository = hub.repositories["lab/voice"]
    assert repository.refs == {"main": first.commit, "v1.0": first.commit}
    publish()
    with pytest.raises(
        SERError, match="this model is at .* not moved, .* choose another --tag"
    ):
        publish(tag="v1.0")
    assert publish(tag="v1.1").done[0].endswith("v1.1")


FIRST = Repository(private=True).commits[0]  # of every new repository
FAILURES = {
    "the server is gone during an upload": ("PUT", "/large/", "reset", 6),
    "the upload is refused": ("PUT", "/large/", (500, "storage is down"), 6),
    "the check of the upload": ("POST", "/verify/", (500, "storage is down"), 6),
    "an error at the commit": ("POST", "/commit/", (500, "try later"), 1),
    "reset at the commit": ("POST", "/commit/", "reset", 1),
    "reset when it is committed": ("POST", "/commit/", "reset after", 1),
    "reset when it is created": ("POST", "/create", "reset after", 1),
    "at the tag": ("POST", "/tag/", (500, "try later"), 1),
    "reset when it is tagged": ("POST", "/tag/", "reset after", 1),
    "at the first look": ("GET", "/api/models", (503, "maintenance"), 1),
    "at the comparison": ("GET", "/tree/", "reset", 6),
    "at the check at the end": ("GET", f"/tree/(?!{FIRST})", (500, "try later"), 6),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_the_same_command_goes_on(publish, hub, voice, failure, everything_said):
    method, pattern, how, times = FAILURES[failure]
    hub.fail(method, pattern, how, times)
    with pytest.raises(SERError, match="The same command continues from there") as error:
        publish(tag="v1.0")
    assert not hub.failures
    repository = hub.repositories.get("lab/voice")
    if repository is not None:  # whole, or as it was
        assert list(repository.at("main")) == ORIGINAL or same_as(voice, repository)
    made = publish(tag="v1.0")
    repository = hub.repositories["lab/voice"]
    assert len(repository.commits) == 2
    assert same_as(voice, repository)
    assert repository.refs == {"main": made.commit, "v1.0": made.commit}
    assert TOKEN not in everything_said() + str(error.value)


def test_an_error_says_how_far_things_got_and_the_weights_are_sent_once(publish, hub):
    hub.fail("POST", "/commit/", (500, "try later"))
    with pytest.raises(SERError) as error:
        publish()
    assert str(error.value) == (
        f"Publishing to lab/voice at {hub.endpoint} stopped: try later. Done so far: "
        "created lab/voice, private; uploaded model.safetensors. The same command continues "
        "from there."
    )
    publish()
    assert len(hub.called("PUT", "/large/")) == 1


def test_somebody_else_was_faster(publish, hub, voice):
    publish()
    repository = hub.repositories["lab/voice"]
    edit_card(voice)
    hub.fail("POST", "/preupload/", lambda: repository.put("LICENSE", b"free"))
    with pytest.raises(SERError, match="Somebody else changed lab/voice meanwhile"):
        publish()
    assert b"# Another" not in repository.content("main", "README.md")


def test_what_a_gitignore_left_out_is_noticed(publish, hub):
    hub.ignored = {"hyperparams.yaml"}
    with pytest.raises(SERError, match="does not match .*: hyperparams.yaml.*gitignore"):
        publish()


@pytest.mark.parametrize("token", [None, "hf_wrong", "hf_töken", "hf_a b", "hf_a\x00b"])
def test_no_token_or_a_wrong_one(publish, hub, monkeypatch, token, everything_said):
    monkeypatch.setattr("ser_brain.publishing.hub.get_token", lambda: token)
    with pytest.raises(SERError, match="hf auth login") as error:
        publish()
    assert (token or TOKEN) not in everything_said() + repr(error.value)
    assert not hub.repositories


def test_signing_in_fails(publish, hub, monkeypatch):
    hub.fail("POST", "/create", (500, f"no such user {TOKEN}"))
    with pytest.raises(SERError, match=r"no such user \*\*\*") as error:
        publish()
    assert TOKEN not in str(error.value)

    def refuse():
        raise RuntimeError("the service that signs this machine in is down")

    monkeypatch.setattr("ser_brain.publishing.hub.get_token", refuse)
    with pytest.raises(SERError, match="Cannot get the token of the hub: the service"):
        publish()


def test_no_hub_there(publish, hub):
    hub.__exit__()
    with pytest.raises(SERError, match="stopped: .*[Cc]onnect.* Done so far: nothing"):
        publish()


def test_what_may_not_be_seen_is_not_taken_for_missing(publish, hub):
    hub.fail("GET", "/api/models", (401, "Invalid username or password"))
    with pytest.raises(SERError, match="does not accept the token"):
        publish()
    assert not hub.repositories
