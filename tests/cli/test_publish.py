"""``ser publish`` as it is typed."""

import json
import os
import subprocess
import sys

import pytest

from ser_brain.__main__ import main
from ser_brain.core.files import write_checksums
from tests.publishing.hub import TOKEN, Hub, Repository


@pytest.fixture
def ser_publish(voice, hub, monkeypatch):
    monkeypatch.chdir(voice.parent)
    return lambda *options: main(["publish", "voice", "lab/voice", *options])


def test_without_yes_it_only_shows(ser_publish, hub, capsys, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    assert ser_publish("--tag", "v1.0") == 0
    said = capsys.readouterr().out
    head, files = said.split("\n\n")
    assert head == (
        "Nothing was sent. With --yes:\n"
        f"repository: lab/voice at {hub.endpoint}\n"
        "if new:     private\n"
        "as:         one commit on main\n"
        "message:    tiny wav2vec2-base, by SER Recipes\n"
        "tag:        v1.0"
    )
    assert "figures/confusion.png" in files
    assert files.endswith("not sent:\n  drafts/\n  figures/draft.png\n  notes.txt\n")
    assert ser_publish("--public", "--pr", "--message", "Second thoughts") == 0
    said = capsys.readouterr().out
    assert "if new:     public\nas:         a pull request\nmessage:    Second thoughts" in said
    assert not hub.calls
    assert ser_publish("--private", "--public") == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_a_model_of_one_person_names_them(ser_publish, hub, capsys, voice):
    config = json.loads((voice / "config.json").read_text())
    config["ser_brain"]["card"]["adapted"] = {"from": "tiny", "speaker": "anna"}
    (voice / "config.json").write_text(json.dumps(config))
    write_checksums(voice)
    named = "one person, and README.md and config.json contain the name: anna. Publish"
    assert ser_publish() == 0
    assert named in capsys.readouterr().out and not hub.calls
    hub.fail("POST", "/api/repos/create", (500, "try later"))
    assert ser_publish("--yes") == 2  # said before anything is sent
    said = capsys.readouterr().err
    assert 0 <= said.index(named) < said.index("error: ")
    assert ser_publish("--json") == 0
    assert json.loads(capsys.readouterr().out)["adapted_to"] == "anna"


def test_with_yes_it_sends(ser_publish, hub, capsys):
    assert ser_publish("--tag", "v1.0", "--yes") == 0
    said = capsys.readouterr().out
    commit = hub.repositories["lab/voice"].refs["v1.0"]
    lines = said.splitlines()
    assert lines[:4] == [
        "Created lab/voice, private",
        "Uploaded model.safetensors",
        f"Committed {commit[:12]}",
        f"Tagged {commit[:12]} v1.0",
    ]
    assert lines[4].startswith("sent: 9 files, ")
    assert lines[5:] == [
        "not sent: drafts/, figures/draft.png, notes.txt",
        f"repository: {hub.endpoint}/lab/voice (private)",
        f"commit: {commit}",
        "tag: v1.0",
    ]
    assert ser_publish("--tag", "v1.0", "--yes") == 0
    assert capsys.readouterr().out.startswith(
        "nothing to send: the repository already has these files\n"
    )


def test_for_a_machine(ser_publish, hub, capsys, voice):
    assert ser_publish("--json") == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["is_sent"] is False and not hub.calls
    assert planned["files"]["config.json"]["bytes"] == (voice / "config.json").stat().st_size
    assert ser_publish("--pr", "--yes", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["repository"] == "lab/voice"
    assert facts["url"] == f"{hub.endpoint}/lab/voice"
    assert facts["pull_request"] == f"{hub.endpoint}/lab/voice/discussions/1"
    assert facts["commit"] == hub.repositories["lab/voice"].refs["refs/pr/1"]
    assert set(facts["sent"]) == set(planned["files"])
    assert facts["bytes"] == sum(file["bytes"] for file in planned["files"].values())
    assert ser_publish("--pr", "--yes") == 0
    already = "nothing to send: the pull request already has these files"
    assert already in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--yes"], ["--yes", "--json"], ["--json"], []])
def test_no_word_of_the_token_and_a_failure_is_one_line(
    ser_publish, hub, options, everything_said, voice
):
    assert ser_publish(*options) == 0
    assert TOKEN not in everything_said()
    (voice / "config.json").write_text((voice / "config.json").read_text() + "\n")
    hub.fail("POST", "/commit/", (500, "try later"))
    if "--yes" not in options:
        (voice / "config.json").unlink()
    assert ser_publish(*options) == 2
    said = everything_said()
    assert said.count("error: ") == 1 and "Traceback" not in said
    assert TOKEN not in said


def test_another_hub_of_the_environment(voice, tmp_path):
    """In a process of its own, where the client reads the environment and has Xet."""
    with Hub() as hub:
        hub.repositories["lab/voice"] = Repository(private=True)
        unset = {"HF_HUB_DISABLE_XET", "HF_HUB_OFFLINE", "HF_HUB_CACHE", "HF_TOKEN_PATH"}
        environment = {name: v for name, v in os.environ.items() if name not in unset}
        environment |= {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(tmp_path / "home")}
        environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_TOKEN": ""}
        (tmp_path / "home").mkdir()
        (tmp_path / "home/token").write_text(f"{TOKEN}\n")  # as `hf auth login` leaves it
        done = subprocess.run(
            [sys.executable, "-m", "ser_brain", "publish", voice, "lab/voice", "--yes"],
            env=environment,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert f"repository: {hub.endpoint}/lab/voice (private)" in done.stdout
    assert done.stderr == ""  # no progress bar where there is no terminal
    assert hub.called("PUT", "/large/") and not hub.unknown
    assert TOKEN not in done.stdout
