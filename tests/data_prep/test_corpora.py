"""Every corpus in every layout that its copies have: ids, labels, speakers, texts, problems."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data_prep import corpora, load
from data_prep.common.prepare import prepare
from ser_brain.data.manifest import read_manifest
from tests.data_prep.corpus_cases import CASES

REAL = Path(__file__).parents[2].parent / "shared" / "corpora"
# What has tests of its own.
OTHERS = {"cremad", "demo", "emodb", "iemocap", "shemo", "table"}
OTHERS |= {"audformat", "emobox", "huggingface", "kaldi", "lhotse"}
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
        path = layout.format(case.paths.get(clip, clip))
        sound(folder / path, case.rates_hz.get(clip, 16000))
    for path, text in case.files.items():
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
    assert manifest.card["left_out"] == case.left_out
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
@pytest.mark.parametrize("name", ["emodb", "emovo", "urdu"])
def test_real_recordings_have_the_same_labels_by_script_and_by_table(tmp_path, name):
    card, folder = load(name).card, REAL / name
    by_script = read_manifest(prepare(name, folder, tmp_path)[0]).entries
    table, emotion_map = folder / "labels.csv", {}
    if not table.is_file():  # Emo-DB: the letters of its names
        names = [path.stem for path in (folder / "wav").glob("*.wav")]
        table, emotion_map = tmp_path / "labels.csv", card.emotions
        emotion_map = {n[5]: emotion_map[n[5]] for n in names}
        lines = [f"wav/{n}.wav,{n[5]},{n[:2]}" for n in names]
        table.write_text("\n".join(["file,emotion,speaker", *lines]))
    options = {"name": "mine", "csv": str(table), "label_source": card.sources[0]}
    options |= {"language": card.languages[0], "emotion_map": emotion_map}
    by_table = read_manifest(prepare("table", folder, tmp_path, **options)[0]).entries
    labels = [
        {
            (e["wav"], e["speaker"].partition("_")[2], e["labels"][card.sources[0]]["emotion"])
            for e in entries.values()
        }
        for entries in (by_script, by_table)
    ]
    assert labels[0] == labels[1] and len(labels[0]) == len(by_table) >= 336


def test_savee_has_the_same_names_in_folders_of_speakers(tmp_path, run):
    first, second = (
        tmp_path / "data" / "AudioData" / path
        for path in ("DC/a01.wav", "AudioData/DC/a01.wav")
    )
    sound(first)
    shutil.copytree(first.parent, second.parent)
    sound(tmp_path / "data" / "ALL" / "KL_su02.wav")
    assert set(run("savee", tmp_path / "data").manifest) == {"savee_DC_a01", "savee_KL_su02"}


def test_esd_takes_its_split_and_doubts_its_folders(tmp_path, run, error):
    folder = tmp_path / "data"
    for number, part in ((1, "train"), (2, "evaluation"), (3, "test")):
        sound(folder / "0012" / "Neutral" / part / f"0012_{number:06}.wav")
    entries = run("esd", folder).entries
    assert [entry["split"] for entry in entries] == ["valid", "test", "train"]
    assert {entry["gender"] for entry in entries} == {None}
    sound(folder / "0012" / "Neutral" / "0012_000351.wav")
    sound(folder / "0012" / "Neutral" / "0012_001751.wav")
    said = error("esd", folder)
    assert "1 numbered as Angry in a folder of Neutral: 0012/Neutral/0012_000351.wav" in said
    assert "1 number of no emotion: 0012/Neutral/0012_001751.wav" in said


def test_meld_tells_how_to_extract_the_sound_and_knows_the_damaged_clips(tmp_path, run, error):
    folder = copy(tmp_path / "data", "meld", "{}.wav")
    video = folder / "train_splits" / "dia0_utt0.mp4"
    video.write_bytes(b"\0\0\0 ftypisom")
    extracted = video.with_suffix(".wav").rename(tmp_path / "away.wav")
    assert "1 missing: train_dia0_utt0" in error("meld", folder)
    extracted.rename(video.with_suffix(".wav"))
    (folder / "train_splits" / "dia125_utt3.wav").write_bytes(b"")
    bad = {"known bad (the video is damaged in every copy)": ["train_splits/dia125_utt3.wav"]}
    assert run("meld", folder).card["left_out"] == bad
    for path in folder.rglob("*.wav"):
        path.unlink()
    said = error("meld", folder)
    assert "ffmpeg -i dia0_utt0.mp4 -vn -ac 1 -ar 16000 dia0_utt0.wav" in said
    assert "It contains files that cannot be read: an MP4 file" in said


def test_a_label_table_that_is_missing_partial_or_double(tmp_path, run, error):
    folder = copy(tmp_path / "data", "msp_podcast", "Audios/{}.wav")
    table = folder / "Labels" / "labels_concensus.csv"
    sound(folder / "Audios" / "MSP-PODCAST_0009_0001.wav")
    (folder / "Audios" / "MSP-PODCAST_0002_0033.wav").unlink()
    said = error("msp_podcast", folder)
    assert "1 without a label: Audios/MSP-PODCAST_0009_0001.wav" in said
    assert "1 missing: MSP-PODCAST_0002_0033" in said
    assert len(run("msp_podcast", folder, "--allow_partial").manifest) == 3
    other = table.with_name("labels_consensus.csv")
    other.write_text(table.read_text().replace("Test2", "Test9"))
    said = error("msp_podcast", folder)
    assert "has label tables that differ: Labels/labels_concensus.csv and Labels/" in said
    table.unlink()
    assert "Bad Split_Set of MSP-PODCAST_0002_0034 'test9'" in error("msp_podcast", folder)
    other.write_text("FileName,EmoClass\n")
    assert "has no column 'EmoAct'" in error("msp_podcast", folder)
    other.unlink()
    assert "no utterance under" in (said := error("msp_podcast", folder))
    assert "and Labels/labels_consensus.csv" in said


def test_votes_of_msp_podcast_in_json(tmp_path):
    folder = copy(tmp_path / "data", "msp_podcast", "Audios/{}.wav")
    by_csv = prepare("msp_podcast", folder, tmp_path / "csv")[0].read_text()
    (folder / "Labels" / "labels_detailed.csv").unlink()
    words = {"W1": "Neutral", "W2": "Neutral", "W3": "Other-Annoyed"}
    rated = {rater: {"EmoClass_Major": word} for rater, word in words.items()}
    for raters in (rated, {"Workers": list(rated.values())}):
        ratings = {"MSP-PODCAST_0001_0008.wav": raters}
        (folder / "Labels" / "labels_detailed.json").write_text(json.dumps(ratings))
        assert prepare("msp_podcast", folder, tmp_path / "json")[0].read_text() == by_csv


def test_dusha_counts_votes_once_where_a_table_is_there_in_two_formats(tmp_path, run, error):
    folder = copy(tmp_path / "data", "dusha", "crowd_train/wavs/{}.wav")
    table = folder / "crowd_train" / "raw_crowd_train.tsv"
    head, *lines = (line.split("\t") for line in table.read_text("utf-8").splitlines())
    rows = (json.dumps(dict(zip(head, line, strict=True))) for line in lines)
    table.with_suffix(".jsonl").write_text("\n".join(rows), encoding="utf-8")
    both = run("dusha", folder).manifest
    table.unlink()
    assert run("dusha", folder).manifest == both
    assert both["dusha_" + "0a" * 16]["labels"]["consensus"]["votes"]["happiness"] == 2
    table.with_suffix(".jsonl").write_text('{"hash_id"')
    assert "raw_crowd_train.jsonl, line 1" in error("dusha", folder)


def test_quechua_asks_for_what_reads_its_table(tmp_path, error, monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    folder = copy(tmp_path / "data", "quechua", "Audios/{}.wav")
    (folder / "Data/Data/Data.csv").rename(folder / "Data/Data/Data.xlsx")
    said = error("quechua", folder)
    assert f"{folder}/Data/Data/Data.xlsx needs openpyxl: pip install openpyxl. Or save" in said


def test_the_second_edition_of_emodb_is_told_from_the_first(tmp_path, run, error):
    folder = copy(tmp_path / "data", "emodb2", "wav/{}.wav")
    for other in ("laryngo", "wav_laryng"):
        sound(folder / other / "03a01Fa.wav")
        assert f"Did you mean {folder}?" in error("emodb2", folder / other)
    assert run("emodb2", folder).card["left_out"] == {}
    shutil.rmtree(tmp_path / "manifests")
    assert f"{folder} is Emo-DB 2.0; prepare it as emodb2." in run("emodb", folder).err


def test_what_cards_know_of_speakers(tmp_path):
    people = {}
    for name in ("tess", "nemo", "emozionalmente"):
        manifest = prepare(name, copy(tmp_path / name, name, "{}.wav"), tmp_path / "manifests")
        people |= read_manifest(manifest[0]).card["speakers"]
    assert people == {
        "tess_OAF": {"gender": "female", "age": 64},
        "tess_YAF": {"gender": "female", "age": 26},
        "nemo_SB0": {"gender": "female", "age": 24},
        "nemo_WR0": {"gender": "male", "age": 23},
        "emozionalmente_anna": {"gender": "female", "age": 31, "mother_tongue": "italian"},
        "emozionalmente_ugo": {"gender": "male", "age": None, "mother_tongue": "italian"},
    }


@pytest.mark.parametrize("name", ["tess", "resd"])
def test_a_corpus_without_enough_speakers_says_so(tmp_path, run, name):
    said = run(name, copy(tmp_path / "data", name, CASES[name].layouts[0])).err
    assert "no split by speaker is possible" in said
