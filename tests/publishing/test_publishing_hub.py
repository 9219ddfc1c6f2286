"""Which hub, how large files are sent, and what is never said."""

import os

import huggingface_hub.constants as constants
import pytest

from ser_brain.__main__ import main
from ser_brain.errors import SERError
from ser_brain.publishing.hub import choose_storage, endpoint
from tests.publishing.hub_server import TOKEN


@pytest.mark.parametrize(
    "endpoint, expected",
    [
        (None, None),
        ("", None),
        ("https://huggingface.co", None),
        ("https://hub-ci.huggingface.co/", None),
        ("http://127.0.0.1:8000", "1"),
        ("https://nothuggingface.co", "1"),
        ("https://huggingface.co.example.org", "1"),
    ],
)
def test_xet_is_for_the_real_hub(monkeypatch, endpoint, expected):
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "x")  # so that it is put back in the end
    monkeypatch.delenv("HF_HUB_DISABLE_XET")
    if endpoint is None:
        monkeypatch.delenv("HF_ENDPOINT", raising=False)
    else:
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
    choose_storage()
    assert os.environ.get("HF_HUB_DISABLE_XET") == expected


def test_what_the_user_has_set_holds(monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:8000")
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "0")
    choose_storage()
    assert os.environ["HF_HUB_DISABLE_XET"] == "0"


def test_an_endpoint_that_is_no_address(monkeypatch):
    for address in ("hub.example", "ftp://hub.example", "https://", "https://[hub"):
        monkeypatch.setenv("HF_ENDPOINT", address)
        with pytest.raises(SERError, match="HF_ENDPOINT is no address of a hub; expected"):
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
    assert "HF_ENDPOINT holds a user name or password" in said and "s3cret" not in said
    assert not with_password.calls


@pytest.mark.parametrize("how", ["reset", (503, "maintenance of http://me:s3cret@hub.example")])
def test_loading_does_not_say_the_password(with_password, tmp_path, how, capsys):
    with_password.fail("GET", "/api/models", how, 10)
    (tmp_path / "a.wav").write_bytes(b"")
    assert main(["predict", str(tmp_path / "a.wav"), "--model", "lab/voice"]) == 2
    streams = capsys.readouterr()
    said = streams.out + streams.err
    assert "cannot be fetched" in said
    assert "s3cret" not in said and TOKEN not in said
