"""Every corpus in every layout that its copies have: ids, labels, speakers, texts, problems."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep import corpora, load
from data_prep.common.prepare import prepare
from ser_brain.data.manifest import read_manifest
from tests.data_prep.corpus_cases import CASES

REAL = Path(__file__).parents[2].parent / "shared" / "corpora"
OTHERS = {"cremad", "demo", "emodb", "iemocap", "shemo", "table"}  # have tests of their own
LAYOUTS = [(name, layout) for name, case in CASES.items() for layout in case.layouts]
TAKE = iter(range(1, 10**6))


def sound(path: Path, rate_hz: int = 16000) -> None:
    """A short recording that is like no other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(next(TAKE)).normal(0, 0.1, rate_hz // 8)
    soundfile.write(path, samples, rate_hz, "PCM_16")


def copy(folder: Path, name: str, layout: str, clips: dict | None = None) -> Path:
    """Some clips of a corpus, and its tables, in one of its layouts."""
    case = CASES[name]
    for clip in case.clips if clips is None else clips:
        # SAVEE's folders are the first part of its flat names.
        shown = clip.replace("_", "/") if layout.startswith("AudioData") else clip
        sound(folder / layout.format(shown), case.rates_hz.get(clip, 16000))
    for path, text in case.files.items():
        top = layout.partition("/")[0] if "{" not in layout.partition("/")[0] else ""
        path = path.replace("TOP", top)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return folder


def said_of(entry: dict, corpus: str, source: str) -> dict:
    """An entry as the cases describe it."""
    label = entry["labels"].get(source, {})
    fact = {key: (entry[key] or "").removeprefix(f"{corpus}_") or None for key in PREFIXED}
    return {**entry, **label, **fact, "labels": entry["labels"]}


PREFIXED = ("speaker", "group")


@pytest.mark.parametrize(("name", "layout"), LAYOUTS)
def test_a_copy_in_each_layout(tmp_path, name, layout):
    case = CASES[name]
    folder = copy(tmp_path / "data", name, layout)
    manifest = read_manifest(prepare(name, folder, tmp_path / "manifests")[0])
    assert manifest.card["left_out"] == {}
    assert manifest.entries.keys() == {f"{name}_{clip}" for clip in case.clips}
    for clip, facts in case.clips.items():
        entry = said_of(manifest.entries[f"{name}_{clip}"], name, case.source)
        assert {key: entry.get(key) for key in facts} == facts, clip


@pytest.mark.parametrize("name", CASES)
def test_a_card_says_what_it_must(name):
    card = load(name).card
    assert card.name == name and card.sources[0] == CASES[name].source
    for text in (card.title, card.licence, card.citation, card.style, card.layout, card.url):
        assert text.strip() == text != ""
    assert set(card.emotions.values()) <= {*card.vocabulary, None}
    expected = card.expected.get("emotions", {}).get(card.sources[0])
    assert expected is None or sum(expected.values()) == card.expected["utterances"]


def test_there_is_a_case_for_every_corpus():
    assert {*CASES, *OTHERS} == set(corpora())


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_folder_names_the_right_one(tmp_path, error, name):
    folder = copy(tmp_path / "data", name, CASES[name].layouts[0])
    (folder / "figures").mkdir()
    said = error(name, folder / "figures")
    assert f"{name}: no utterance under" in said and said.endswith(f"Did you mean {folder}?")


def test_a_part_of_a_copy_is_counted_and_names_the_whole(tmp_path, run):
    folder = copy(tmp_path / "data", "ravdess", "Actor_01/{}.wav", ["03-01-05-02-01-01-01"])
    copy(folder, "ravdess", "Actor_24/{}.wav", ["03-01-02-01-02-02-24"])
    said = run("ravdess", folder / "Actor_01").err
    assert "utterances 1 (1440), speakers 1 (24), intended neutral 0 (96)" in said
    assert f"{folder} has more of it; is that the data folder?" in said
    assert "has more of it" not in run("ravdess", folder).err


def test_a_copy_with_everything_twice_and_songs(tmp_path, run):
    folder = copy(tmp_path / "data", "ravdess", "Actor_01/{}.wav")
    shutil.copytree(folder / "Actor_01", folder / "audio_speech_actors_01-24" / "Actor_01")
    sound(folder / "Actor_01" / "03-02-05-02-01-01-01.wav")
    result = run("ravdess", folder)
    assert {Path(entry["wav"]).parts[1] for entry in result.entries} == {"Actor_01"}
    twice = [f"audio_speech_actors_01-24/Actor_01/{c}.wav" for c in CASES["ravdess"].clips]
    song = "Actor_01/03-02-05-02-01-01-01.wav"
    assert result.card["left_out"] == {"song": [song], "second copy of a file": sorted(twice)}


def test_a_name_with_two_recordings_is_damage(tmp_path, error):
    folder = copy(tmp_path / "data", "emovo", "f1/{}.wav")
    sound(folder / "resampled" / "gio-f1-b2.wav", 22050)
    assert (
        "1 of 4 utterances cannot be used (1 another file with the name of f1/gio-f1-b2.wav: "
        "resampled/gio-f1-b2.wav)" in error("emovo", folder)
    )


@pytest.mark.skipif(not REAL.is_dir(), reason="needs real recordings in ../shared/corpora")
@pytest.mark.parametrize("name", ["emovo", "urdu"])
def test_real_recordings_have_the_same_labels_by_script_and_by_table(tmp_path, name):
    card = load(name).card
    by_script = read_manifest(prepare(name, REAL / name, tmp_path)[0]).entries
    options = {"name": "mine", "csv": "labels.csv", "label_source": card.sources[0]}
    options["language"] = card.languages[0]
    by_table = read_manifest(prepare("table", REAL / name, tmp_path, **options)[0]).entries
    assert len(by_script) == len(by_table) >= 336
    for entry_id, entry in by_table.items():
        same = by_script[entry_id.replace("mine_", f"{name}_")]
        for key in ("wav", "duration", "sample_rate", "language"):
            assert entry[key] == same[key]
        assert entry["speaker"] == same["speaker"].replace(f"{name}_", "mine_")
        emotions = [each["labels"][card.sources[0]]["emotion"] for each in (entry, same)]
        assert emotions[0] == emotions[1]
