"""What lets somebody in is not shown."""

import logging

import pytest

from data_prep.__main__ import main as data_prep
from ser_brain.__main__ import main as ser
from ser_brain.log import show_progress, take_over
from ser_brain.redaction import redacted


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:pass@hub.example/a", "https://***@hub.example/a"),
        ("proxy http://me@10.0.0.1:3128.", "proxy http://***@10.0.0.1:3128."),
        ("http://a:b@c and http://d:e@f", "http://***@c and http://***@f"),
        ("?X-Amz-Credential=AK%2F1&part=2", "?X-Amz-Credential=***&part=2"),
        ("'https://s/x?a=1&Signature=ab+c' failed", "'https://s/x?a=1&Signature=***' failed"),
        ("https://hub.example/me@home?page=1", "https://hub.example/me@home?page=1"),
        ("write to me@hub.example", "write to me@hub.example"),
    ],
)
def test_logins_and_signatures(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize("command", [ser, data_prep])
def test_an_error_of_a_command_is_redacted(command, capsys):
    assert command(["https://me:s3cret@hub.example"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Bad ") and "'https://***@hub.example'" in said


@pytest.fixture
def client():
    """A library that prints its own warnings, as the client of the hub does."""
    logger, root = logging.getLogger("a_client"), logging.getLogger()
    kept, level = root.handlers[:], root.level
    logger.addHandler(logging.StreamHandler())
    yield logger
    logger.handlers.clear()
    root.handlers[:], root.level = kept, level


def test_a_librarys_lines_are_redacted_and_said_once(client, capsys):
    show_progress()
    take_over("a_client")
    client.warning("thrown while requesting GET https://me:s3cret@hub.example")
    said = capsys.readouterr().err
    assert said == "warning: thrown while requesting GET https://***@hub.example\n"
