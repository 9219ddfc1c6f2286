"""How large files are sent."""

import os

import pytest

from ser_brain.publishing.hub import choose_storage


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
