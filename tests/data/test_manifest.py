"""Manifests: written for SpeechBrain, read back as they were."""

import hashlib
import json

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data import manifest
from ser_brain.data.labelling import NEEDED
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import (
    ENTRY,
    CorpusCard,
    Utterance,
    read_card,
    read_manifest,
)


def card(**changes):
    said = dict.fromkeys(("title", "version", "licence", "citation", "style", "layout"), "none")
    facts = {"languages": ("eng",), "sources": ("consensus", "intended"), **changes}
    return CorpusCard(name="mine", emotions={"A": "anger"}, **said, **facts)


def entry(**facts):
    utterance = Utterance("x", "a/x.wav", {"intended": annotation("anger", "A")}, **facts)
    return manifest.entry_of(utterance, card(), 1.23456789, 16000)


def test_an_entry_has_every_key_and_null_for_the_unknown():
    found = entry()
    assert tuple(found) == manifest.ENTRY_KEYS
    assert found["wav"] == "{data_root}/a/x.wav" and found["duration"] == 1.234568
    unknown = {"start", "stop", "speaker", "gender", "group", "split", "text"}
    assert {key for key, value in found.items() if value is None} == unknown

    found = entry(speaker="01", group="s1", gender="female")
    assert (found["speaker"], found["group"]) == ("mine_01", "mine_s1")
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
    ours = manifest.read_manifest(written).located("/data")
    for found in (theirs, ours):
        (one_id, one), *_ = found.items()
        assert one_id == f"mine_{text}"
        assert one["text"] == text and one["labels"] == labels
        assert one["wav"] == f"/data/{text}.wav"


def test_the_card_goes_with_a_manifest_of_one_line_per_utterance(tmp_path):
    entries = {"mine_x": entry(), "mine_y": entry(text="a\nb")}
    content = card(vad_scale=(1.0, 5.0)).as_dict()
    path = manifest.write_manifest(tmp_path, "mine", entries, content)
    assert path == tmp_path / "mine.json" and len(path.read_text().splitlines()) == 4
    assert json.loads(path.read_text()) == entries
    found = manifest.read_card(path)
    assert found["default_source"] == "consensus" and found["vad_scale"] == [1.0, 5.0]
    assert found["manifest_sha256"] == manifest.read_manifest(path).sha256
    manifest.write_manifest(tmp_path, "mine", {}, {})
    assert manifest.read_manifest(path).entries == {}
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


def test_the_card_notes_where_the_audio_lies(tmp_path):
    path = written(tmp_path)
    with pytest.raises(SERError, match="does not say where the audio is; give --data_folder"):
        read_manifest(path).data_folder()
    manifest.note_data_folder(path, tmp_path)
    found = read_manifest(path)
    assert found.data_folder() == tmp_path.resolve() and found.card["name"] == "made"
    (tmp_path / "other").mkdir()
    assert found.data_folder(tmp_path / "other") == tmp_path / "other"
    with pytest.raises(SERError, match="No folder .*gone with the audio of"):
        found.data_folder(tmp_path / "gone")


SOUND = {
    "wav": "{data_root}/a.wav",
    "start": None,
    "stop": 1.5,
    "duration": 1.5,
    "sample_rate": 16000,
    "corpus": "made",
    "speaker": "made_1",
    "gender": None,
    "language": "deu",
    "group": None,
    "split": None,
    "text": None,
    "labels": {
        "intended": {"emotion": "anger", "raw": "W", "vad": {"valence": 2, "arousal": None}}
    },
}
CARD = {"name": "made", "sources": ["intended"], "default_source": "intended"}
CARD["vad_scale"] = [1, 5]
NAN, INFINITE = float("nan"), float("inf")
HUGE = 10**400  # Python makes no float of it


def written(folder, entry=SOUND, card=CARD):
    (folder / "made.json").write_text(json.dumps({"made_1": entry}))
    (folder / "made.card.json").write_text(json.dumps(card))
    return folder / "made.json"


def test_a_sound_entry(tmp_path):
    assert tuple(ENTRY) == tuple(SOUND)
    found = read_manifest(written(tmp_path))
    assert found.entries == {"made_1": {**SOUND, "wav": "a.wav"}} and found.card == CARD
    assert found.located("b")["made_1"]["wav"] == "b/a.wav"
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("wav", bad) for bad in (None, 1, ["a"])),
        *(("start", bad) for bad in ("0", -1, NAN, True, {})),
        *(("duration", bad) for bad in (None, "1", 0, -1, NAN, INFINITE, HUGE, [1])),
        *(("sample_rate", bad) for bad in (0, 16000.0, "16000", None)),
        *(("speaker", bad) for bad in (1, ["a"], {"a": 1})),
        *(("text", bad) for bad in (0, False)),
        *(("labels", bad) for bad in (None, [], {"intended": None}, {"intended": {}})),
        ("labels", {"intended": {"emotion": "joy"}}),
        ("labels", {"intended": {"emotion": ["anger"]}}),
        ("labels", {"intended": {"emotion": "anger", "votes": {"anger": "2"}}}),
        ("labels", {"intended": {"emotion": "anger", "votes": {"anger": -1}}}),
        ("labels", {"intended": {"emotion": "anger", "recognition_rate": "high"}}),
        ("labels", {"intended": {"emotion": None, "vad": [1, 2]}}),
        ("labels", {"intended": {"emotion": None, "vad": {"valence": "2"}}}),
        ("labels", {"intended": {"emotion": None, "vad": {"valence": NAN}}}),
    ],
)
def test_a_value_of_another_kind(tmp_path, key, value):
    path = written(tmp_path, {**SOUND, key: value})
    match = f"Bad {key} in entry 'made_1' of the manifest .*expected .*Prepare the corpus"
    with pytest.raises(SERError, match=match):
        read_manifest(path)


@pytest.mark.parametrize(
    "entry, message",
    [
        (None, "found None, expected a JSON object"),
        ([], r"found \[\], expected a JSON object"),
        ({}, "it lacks wav, start, stop, "),
        ({k: v for k, v in SOUND.items() if k != "wav"}, "it lacks wav"),
        ({**SOUND, "start": 2.0}, "found 1.5, expected more than its start, 2.0"),
        ({**SOUND, "wav": ["x" * 10_000]}, r"found .{60}\.\.\., expected text"),
    ],
)
def test_other_bad_entries(tmp_path, entry, message):
    match = f"entry 'made_1' of the manifest .*{message}.*Prepare the corpus again"
    with pytest.raises(SERError, match=match):
        read_manifest(written(tmp_path, entry))


def test_a_manifest_that_is_edited_or_not_a_mapping_is_refused(tmp_path):
    path = written(tmp_path, card={**CARD, "manifest_sha256": "0"})
    with pytest.raises(SERError, match='made.json is not as it was written.*: "[0-9a-f]{64}"'):
        read_manifest(path)
    (tmp_path / "m.json").write_text("[]")
    with pytest.raises(SERError, match="expected a JSON object"):
        read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize("name", ["labels.csv", "Labels.XLSX", "labels.jsonl.gz"])
@pytest.mark.parametrize("needed", [(), NEEDED])
def test_a_table_is_no_manifest(tmp_path, name, needed):
    (tmp_path / name).write_text("path,emotion\n")
    with pytest.raises(
        SERError, match=f"{name} is a table, not a manifest; .* table --name NAME --csv"
    ):
        read_manifest(tmp_path / name, needed)


def test_nesting_without_end(tmp_path):
    label = {**SOUND["labels"]["intended"], "more": "NESTED"}
    path = written(tmp_path, {**SOUND, "labels": {"intended": label}})
    nested = '{"a":' * 1500 + "0" + "}" * 1500  # older Pythons cannot read so deep
    path.write_text(path.read_text().replace('"NESTED"', nested))
    with pytest.raises(SERError, match="nested too deep|Cannot read the manifest"):
        read_manifest(path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sources", "intended"),
        ("default_source", None),
        ("vad_scale", [5, 1]),
        ("vad_scale", [1, NAN]),
        ("left_out", {"silent": 3}),
        ("same_audio", [[1]]),
        ("data_folder", 5),
        ("expected", 535),
        ("name", {}),
    ],
)
def test_a_card_with_a_value_of_another_kind(tmp_path, key, value):
    with pytest.raises(SERError, match=f"Bad {key} in corpus card .*, expected .*Prepare the"):
        read_card(written(tmp_path, card={**CARD, key: value}))


@pytest.mark.parametrize("key", ["name", "sources", "default_source", "vad_scale"])
def test_labelling_needs_more_of_the_card(tmp_path, key):
    path = written(tmp_path, card={k: v for k, v in CARD.items() if k != key})
    assert read_manifest(path).entries
    with pytest.raises(SERError, match=f"Bad corpus card .*: it lacks {key}"):
        read_manifest(path, NEEDED)
