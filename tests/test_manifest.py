"""Manifests: written for SpeechBrain, read back as they were."""

import json

import pytest

from ser_brain import manifest
from ser_brain.corpus_card import CorpusCard, Utterance
from ser_brain.errors import SERError
from ser_brain.labels import annotation


def card(**changes):
    facts = {
        "name": "mine",
        "title": "Mine",
        "version": "1",
        "licence": "none",
        "citation": "none",
        "languages": ("eng",),
        "style": "acted",
        "emotions": {"A": "anger"},
        "sources": ("consensus", "intended"),
        "layout": "*.wav",
    }
    return CorpusCard(**{**facts, **changes})


def entry(**facts):
    utterance = Utterance("x", "a/x.wav", {"intended": annotation("anger", "A")}, **facts)
    return manifest.entry_of(utterance, card(), 1.23456789, 16000)


def test_an_entry_has_every_key_and_null_for_the_unknown():
    found = entry()
    assert tuple(found) == manifest.ENTRY_KEYS
    assert found["wav"] == "{data_root}/a/x.wav" and found["duration"] == 1.234568
    assert [key for key, value in found.items() if value is None] == [
        "start",
        "stop",
        "speaker",
        "gender",
        "group",
        "split",
        "text",
    ]


def test_speakers_and_groups_are_unique_over_corpora():
    found = entry(speaker="01", group="s1", gender="female")
    assert (found["speaker"], found["group"]) == ("mine_01", "mine_s1")


def test_the_language_is_the_cards_only_one():
    assert entry()["language"] == "eng" and entry(language="deu")["language"] == "deu"
    two = card(languages=("eng", "deu"))
    assert manifest.entry_of(Utterance("x", "x.wav", {}), two, 1, 16000)["language"] is None


NASTY = ["", "{}", "{a} {0}", "}{", "{{", "}}}", "{data_root}", "{x!r:>9}", "غم {1}"]


@pytest.mark.parametrize("text", NASTY)
def test_braces_survive_our_reader_and_speechbrains(tmp_path, text):
    dataio = pytest.importorskip("speechbrain.dataio.dataio")
    labels = {"intended": {**annotation("anger", text), "raters": {text: [text]}}}
    utterance = Utterance(text, f"{text}.wav", labels, text=text)
    written = manifest.write_manifest(
        tmp_path, "mine", {f"mine_{text}": manifest.entry_of(utterance, card(), 1, 16000)}, {}
    )
    theirs = dataio.load_data_json(written, replacements={"data_root": "/data"})
    ours = manifest.read_manifest(written, "/data")
    for found in (theirs, ours):
        (one_id, one), *_ = found.items()
        assert one_id == f"mine_{text}"
        assert one["text"] == text and one["labels"] == labels
        assert one["wav"] == f"/data/{text}.wav"


def test_the_card_goes_with_the_manifest(tmp_path):
    content = card(vad_scale=(1.0, 5.0)).as_dict()
    path = manifest.write_manifest(tmp_path, "mine", {"mine_x": entry()}, content)
    assert path == tmp_path / "mine.json"
    found = manifest.read_card(path)
    assert found["default_source"] == "consensus" and found["vad_scale"] == [1.0, 5.0]
    assert found["manifest_sha256"] == manifest.sha256_of(path)


def test_one_line_per_utterance_and_no_nan(tmp_path):
    entries = {"mine_x": entry(), "mine_y": entry(text="a\nb")}
    path = manifest.write_manifest(tmp_path, "mine", entries, {})
    assert len(path.read_text().splitlines()) == 4
    assert json.loads(path.read_text()) == entries
    manifest.write_manifest(tmp_path, "mine", {}, {})
    assert manifest.read_manifest(path, "/data") == {}
    with pytest.raises(ValueError, match="not JSON compliant"):
        manifest.write_manifest(tmp_path, "mine", {"mine_x": {"duration": float("nan")}}, {})


def test_a_manifest_that_cannot_be_finished_has_no_card(tmp_path, monkeypatch):
    manifest.write_manifest(tmp_path, "mine", {"mine_x": entry()}, {})

    def full(*_):
        raise SERError("Cannot write: No space left on device.")

    monkeypatch.setattr(manifest, "write_json", full)
    with pytest.raises(SERError, match="No space"):
        manifest.write_manifest(tmp_path, "mine", {}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["mine.json"]


def test_known_codes():
    assert card().emotion("A") == "anger"
    with pytest.raises(SERError, match="Bad emotion code in mine 'B'; expected one of: A"):
        card().emotion("B")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"x": {"wav": "a.wav"}}, "entry 'x' lacks start, stop, .*Prepare the corpus again"),
        ({"x": 3}, "entry 'x' lacks wav"),
        ([], "expected a JSON object"),
    ],
)
def test_what_is_no_manifest(tmp_path, content, message):
    (tmp_path / "m.json").write_text(json.dumps(content))
    with pytest.raises(SERError, match=message):
        manifest.read_manifest(tmp_path / "m.json", "/data")


def test_the_card_notes_where_the_audio_lies(tmp_path):
    path = tmp_path / "a.json"
    (tmp_path / "a.card.json").write_text('{"name": "a"}')
    with pytest.raises(SERError, match="does not say where the audio lies; give --data_folder"):
        manifest.data_folder_of(path)
    manifest.note_data_folder(path, tmp_path)
    assert manifest.data_folder_of(path) == tmp_path.resolve()
    (tmp_path / "other").mkdir()
    assert manifest.data_folder_of(path, tmp_path / "other") == tmp_path / "other"
    with pytest.raises(SERError, match="No folder .*gone with the audio of"):
        manifest.data_folder_of(path, tmp_path / "gone")
    assert manifest.read_card(path)["name"] == "a"
