"""ShEMO: nested or flat, labelled by name or by one of its JSON files."""

import json

import pytest


@pytest.fixture
def shemo(tmp_path, wav):
    folder = tmp_path / "shemo"
    wav(folder / "male" / "M01A01.wav", rate_hz=44100)
    wav(folder / "female" / "F01N05.wav", rate_hz=22050)
    wav(folder / "female" / "F21W09.wav", rate_hz=44100)
    (folder / "transcript").mkdir()
    return folder


def published(**emotions):
    """The first edition: a list of objects with an id."""
    facts = {"gender": "x", "transcript": "\ufeffفرانسه؟", "ipa": "f"}
    return json.dumps([{"id": i, "emotion": e, **facts} for i, e in emotions.items()])


def test_labels_from_file_names(shemo, run):
    result = run("shemo", shemo)
    entry = result.manifest["shemo_F21W09"]
    assert entry["wav"] == "{data_root}/female/F21W09.wav"
    assert (entry["speaker"], entry["gender"]) == ("shemo_F21", "female")
    assert (entry["language"], entry["text"]) == ("fas", None)
    assert entry["labels"] == {"consensus": {"emotion": "surprise", "raw": "W"}}
    assert {e["sample_rate"] for e in result.entries} == {44100, 22050}
    assert result.card["left_out"] == {}


def test_flat_layout(tmp_path, run, wav):
    wav(tmp_path / "flat" / "M01H01.wav", rate_hz=44100)
    (entry,) = run("shemo", tmp_path / "flat").entries
    assert entry["labels"]["consensus"]["emotion"] == "happiness"


def test_a_json_file_wins_over_names(shemo, run):
    (shemo / "shemo.json").write_text(
        published(M01A01="sad", F01N05="neutral", F21W09="surprised")
    )
    manifest = run("shemo", shemo).manifest
    label = {"emotion": "sadness", "raw": "sad"}
    assert manifest["shemo_M01A01"]["labels"]["consensus"] == label
    assert manifest["shemo_F21W09"]["text"] == "فرانسه؟"


def test_the_corrected_edition_is_read(shemo, run):
    content = {
        f"{key}.wav": {"path": "x", "speech_name": name, "emotion": emotion, "transcript": ""}
        for key, name, emotion in [
            ("M01A99", "M01A01", "anger"),  # renamed; the audio's first name counts
            ("F01N05", "F01N05", "neutral"),
            ("F21W09", "F21W09", "fear"),
        ]
    }
    (shemo / "modified_shemo.json").write_text(json.dumps(content))
    manifest = run("shemo", shemo).manifest
    assert manifest["shemo_F21W09"]["labels"]["consensus"]["emotion"] == "fear"
    assert manifest["shemo_M01A01"]["text"] is None


def test_audio_and_labels_that_do_not_meet(shemo, error):
    labels = published(M01A01="angry", F01N05="neutral", M56W01="surprised")
    (shemo / "shemo.json").write_text(labels)
    message = error("shemo", shemo)
    assert "1 without a label: female/F21W09.wav" in message
    assert "1 missing: M56W01.wav" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "Cannot read"),
        ('[{"emotion": "sad"}]', "KeyError: 'id'"),
        ("3", "expected a list of objects with id, emotion and transcript"),
        (published(M01A01="angre"), "Bad emotion of M01A01 in shemo.json 'angre'"),
    ],
)
def test_a_broken_json_file(shemo, error, content, message):
    (shemo / "shemo.json").write_text(content)
    assert message in error("shemo", shemo)


def test_two_editions_at_once_and_a_file_twice(shemo, error, wav):
    wav(shemo / "M01A01.wav", rate_hz=44100)
    assert "1 utterance names occur more than once (M01A01)" in error("shemo", shemo)
    for name in ("shemo.json", "modified_shemo.json"):
        (shemo / name).write_text("[]")
    assert "keep only the one to use" in error("shemo", shemo)
