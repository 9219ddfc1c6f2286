"""Errors, and text that is safe to print."""

import json
import logging

import pytest
import torch

from data_prep.__main__ import main as data_prep
from ser_brain.__main__ import main as ser
from ser_brain.core.errors import (
    SERError,
    nearest,
    one_line,
    redacted,
    shown,
    shown_json,
    shown_message,
)
from tests.inference.stand_in import noise, stand_in_model, write


def test_the_most_similar_name_comes_first():
    known = ["demo", "cremad", "emodb", "iemocap"]
    assert nearest("emdb", known)[0] == "emodb"
    assert sorted(nearest("emdb", known)) == sorted(known)
    assert nearest("zzz", known) == sorted(known)
    assert nearest(3, ["1", "3"]) == ["3", "1"]


class Unreadable(torch.utils.data.Dataset):
    def __len__(self):
        return 1

    def __getitem__(self, number):
        raise SERError("Cannot use a.wav: missing.")


def test_an_error_in_a_dataloader_worker_is_one_sentence_too():
    with pytest.raises(SERError) as caught:
        list(torch.utils.data.DataLoader(Unreadable(), num_workers=1))
    assert str(caught.value) == "Cannot use a.wav: missing."


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
        ("https://me:p@ss@hub.example/a@b", "https://***@hub.example/a@b"),
        ("https://me:p/s?s@hub.example", "https://***@hub.example"),
        ("http://hub.example:80/me@home", "http://hub.example:80/me@home"),
        ("proxy me:p@ss@hub:3128", "proxy ***@hub:3128"),
        ("clip: a@b.wav", "clip: a@b.wav"),
        ("https://h/a?api_key=1f&page=2", "https://h/a?api_key=***&page=2"),
        ("https://h/a?page=2&password=a+b#x", "https://h/a?page=2&password=***#x"),
        ("https://h/a#access_token=1f", "https://h/a#access_token=***"),
        ("HF_TOKEN=abc ser publish", "HF_TOKEN=*** ser publish"),
        ('{"api_key": "a b", "n": 1}', '{"api_key": "***", "n": 1}'),
        ("Bearer hf_abc", "Bearer ***"),
        ("authorization: bearer abc.def", "authorization: bearer ***"),
        ("'Authorization': 'Basic bWU6cGFzcw=='", "'Authorization': 'Basic ***'"),
        ("sent X-Api-Key: s3cret to hub", "sent X-Api-Key: *** to hub"),
        ("{'x-auth-token': 's3cret'}", "{'x-auth-token': '***'}"),
        ("X-Amz-Security-Token: s3cret", "X-Amz-Security-Token: ***"),
        ("no model hf_abcdefghijklmnopqrstuvwxyz0123456789", "no model ***"),
        ("batch_size=4, monologue=1", "batch_size=4, monologue=1"),
        ("C:\\data\\a.wav: a@b", "C:\\data\\a.wav: a@b"),
    ],
)
def test_logins_and_signatures_are_hidden(text, shown):
    assert redacted(text) == shown


@pytest.mark.parametrize("command", [ser, data_prep])
def test_an_error_of_a_command_is_redacted(command, capsys):
    assert command(["https://me:s3cret@hub.example"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("error: Bad ") and "'https://***@hub.example'" in said


ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\x7f\u202egnp\r"
OBEYED = [c for c in map(chr, range(0xA0)) if c not in "\n\t" and not c.isprintable()]


def test_control_codes_are_escaped():
    said = shown(f"no file {ESCAPES}a\tb\nc")
    assert said == "no file \\x1b[2J\\x1b]0;title\\x07\\x9b31m\\x7f\\u202egnp\\ra\tb\nc"
    assert shown("é 中 😀 עברית \udcff") == "é 中 😀 עברית \\udcff"
    assert one_line("a\nb\tc") == "a\\nb\\tc"
    assert shown_message("a\nerror: b\n  - c") == "a\n  error: b\n  - c"
    text = shown_json(json.dumps({"file": ESCAPES}, ensure_ascii=False))
    assert json.loads(text) == {"file": ESCAPES} and not set(OBEYED) & set(text)


def test_no_command_prints_control_codes_of_a_file_name(tmp_path, monkeypatch, capsys):
    """Issue 13, S7."""
    stand_in_model(tmp_path, monkeypatch)
    name = f"{ESCAPES}\nerror: b"
    write(tmp_path / f"{name}.wav", noise(1))
    (tmp_path / f"x{name}.wav").write_text("no recording")
    assert ser(["predict", ".", "--model", "model"]) == 1
    assert ser(["predict", ".", "--model", "model", "--json"]) == 1
    assert ser(["predict", f"{name}.none", "--model", "model"]) == 2
    assert ser([name]) == 2
    assert ser(["verify", f"./{name}"]) == 2
    table = ["table", "--data_folder", name, "--manifest_folder", f"to {name}"]
    assert data_prep([*table, "--csv", name, "--name", "a"]) == 2
    logging.getLogger("ser_brain").warning(f"clip {name}")
    said = capsys.readouterr()
    assert not set(OBEYED) & {*said.out, *said.err} and "\u202e" not in said.out + said.err
    assert "\nerror: b" not in said.out and said.out.count("x1b[2J") == 2
