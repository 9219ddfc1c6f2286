"""What may stand in a manifest and its card."""

import copy
import json

import pytest

from ser_brain.corpora import CorpusSetting
from ser_brain.errors import SERError
from ser_brain.labelling import LabelChoice, label_corpus
from ser_brain.manifest import read_card, read_manifest
from ser_brain.manifest_entries import ENTRY, check_entry

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
CARD = {
    "name": "made",
    "sources": ["intended"],
    "default_source": "intended",
    "vad_scale": [1, 5],
}
NAN, INFINITE = float("nan"), float("inf")
HUGE = 10**400  # Python makes no float of it


def written(folder, entry=SOUND, card=CARD):
    (folder / "made.json").write_text(json.dumps({"made_1": entry}))
    (folder / "made.card.json").write_text(json.dumps(card))
    return folder / "made.json"


def test_a_sound_entry(tmp_path):
    assert tuple(ENTRY) == tuple(SOUND)
    assert read_manifest(written(tmp_path), tmp_path)["made_1"]["duration"] == 1.5
    assert read_card(tmp_path / "made.json") == CARD


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
        ("labels", {"intended": {"emotion": None, "vad": [1, 2]}}),
        ("labels", {"intended": {"emotion": None, "vad": {"valence": "2"}}}),
        ("labels", {"intended": {"emotion": None, "vad": {"valence": NAN}}}),
    ],
)
def test_a_value_of_another_kind(tmp_path, key, value):
    path = written(tmp_path, {**SOUND, key: value})
    with pytest.raises(
        SERError, match=f"{key} of 'made_1' is .*; expected .*Prepare the corpus"
    ):
        read_manifest(path, tmp_path)


@pytest.mark.parametrize(
    "entry", [None, [], "a", {}, {k: v for k, v in SOUND.items() if k != "wav"}]
)
def test_a_key_is_missing(tmp_path, entry):
    with pytest.raises(SERError, match="entry 'made_1' lacks .*wav"):
        read_manifest(written(tmp_path, entry), tmp_path)


def test_a_long_value_is_cut_in_the_error():
    with pytest.raises(SERError) as raised:
        check_entry({**SOUND, "wav": ["x" * 10_000]}, "made_1", "m.json")
    assert len(str(raised.value)) < 250


def test_nesting_without_end(tmp_path):
    deep = copy.deepcopy(SOUND)
    nested = {}
    for _ in range(600):
        nested = {"a": nested}
    deep["labels"]["intended"]["more"] = nested
    with pytest.raises(SERError, match="nested too deep|Cannot read the manifest"):
        read_manifest(written(tmp_path, deep), tmp_path)


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
        ("name", {}),
    ],
)
def test_a_card_with_a_value_of_another_kind(tmp_path, key, value):
    with pytest.raises(SERError, match=f"Bad corpus card .*: {key} is .*; expected"):
        read_card(written(tmp_path, card={**CARD, key: value}))


@pytest.mark.parametrize("key", ["name", "sources", "default_source", "vad_scale"])
def test_labelling_needs_more_of_the_card(tmp_path, key):
    path = written(tmp_path, card={k: v for k, v in CARD.items() if k != key})
    choice = LabelChoice(["anger"], {}, (-1, 1), "corpus", "emotion")
    with pytest.raises(SERError, match=f"Bad corpus card .*: it lacks {key}"):
        label_corpus(path, tmp_path, CorpusSetting("made"), choice)
