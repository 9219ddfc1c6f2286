"""Any corpus that a table describes."""

import gzip
import json
from pathlib import Path

import pytest

from data_prep.common.prepare import prepare
from data_prep.common.table_cells import meanings_of
from data_prep.common.table_columns import read_table

REAL = Path(__file__).parents[2].parent / "shared" / "corpora" / "korean_ets"
NAME = ("--name", "mine", "--csv", "labels.csv")


@pytest.fixture
def corpus(tmp_path, wav):
    """Two files and a function that writes their table."""
    folder = tmp_path / "mine"
    wav(folder / "a" / "1.wav")
    wav(folder / "b" / "1.wav", seconds=1.0)

    def table(content: str | bytes) -> Path:
        content = content if isinstance(content, bytes) else content.encode()
        (folder / "labels.csv").write_bytes(content)
        return folder

    return table


def test_columns_called_what_they_are_need_no_option(corpus, run):
    folder = corpus(
        "path,emotion,speaker,gender,language,group,split,text,start,stop\n"
        "a/1.wav,Angry,s1,F,eng,g1,training,hello,,\n"
        "b/1.wav,,s2,male,,,dev,,0.25,0.75\n"
    )
    result = run("table", folder, *NAME, "--language", "kor")
    first, second = result.entries
    assert list(result.manifest) == ["mine_a_1", "mine_b_1_0.250_0.750"]
    assert first["labels"] == {"intended": {"emotion": "anger", "raw": "Angry"}}
    assert (first["speaker"], first["gender"]) == ("mine_s1", "female")
    assert (first["group"], first["split"]) == ("mine_g1", "train")
    assert (first["language"], second["language"]) == ("eng", "kor")
    assert (first["text"], second["text"]) == ("hello", None)
    assert second["labels"]["intended"]["emotion"] is None
    assert (second["split"], second["duration"]) == ("valid", 0.5)
    assert (second["start"], second["stop"]) == (0.25, 0.75)


def test_ages_and_accents_are_facts_of_speakers(corpus, run):
    folder = corpus(
        "path,emotion,speaker,age,Accent\na/1.wav,sad,s1,31,\nb/1.wav,sad,s1,,Scottish\n"
    )
    card = run("table", folder, *NAME).card
    assert card["speakers"] == {"mine_s1": {"age": 31, "accent": "Scottish"}}


def test_a_column_without_a_name_is_none_of_those_that_are_missing(corpus, run):
    result = run("table", corpus("path,emotion,\na/1.wav,sad,1\nb/1.wav,sad,x\n"), *NAME)
    assert {entry["gender"] for entry in result.entries} == {None}


def test_columns_of_other_names_and_backslashes(corpus, run):
    folder = corpus("Datei;Gefühl\r\na/1.wav;sad\r\nb\\1.wav;Happy".encode("utf-16"))
    named = ("--path_column", "Datei", "--emotion_column", "Gefühl")
    found = run("table", folder, *NAME, *named).entries
    assert [e["labels"]["intended"]["emotion"] for e in found] == ["sadness", "happiness"]


def test_valence_and_arousal_without_emotion(corpus, run):
    folder = corpus("path;V;arousal\na/1.wav;1,5;3\nb/1.wav;;2\n")
    options = ("--valence_column", "V", "--label_source", "consensus")
    result = run("table", folder, *NAME, *options, "--vad_scale", 1, 5)
    first, second = (entry["labels"]["consensus"] for entry in result.entries)
    assert first == {"emotion": None, "raw": None, "vad": {"valence": 1.5, "arousal": 3.0}}
    assert second["vad"] == {"valence": None, "arousal": 2.0}
    assert result.card["vad_scale"] == [1.0, 5.0]


def test_codes_of_ones_own(corpus, run):
    folder = corpus("path,emotion\na/1.wav,W\nb/1.wav,xx\n")
    result = run("table", folder, *NAME, "--emotion_map", "W=anger", "xx=none")
    assert [entry["labels"]["intended"] for entry in result.entries] == [
        {"emotion": "anger", "raw": "W"},
        {"emotion": None, "raw": "xx"},
    ]


def test_own_classes_go_before_everyday_words():
    own = ["joy", "Interest"]
    found = meanings_of("emotion", ["Joy", "interest", "happy"], {}, Path("t.csv"), own)
    assert found == ["joy", "Interest", "happiness"]
    given = {"happy": "Interest"}
    assert meanings_of("emotion", ["happy"], given, Path("t.csv"), own) == ["Interest"]
    assert meanings_of("gender", ["F"], {}, Path("t.csv"), own) == ["female"]


def test_codes_that_need_no_map(corpus, run):
    rows = "a/1.wav,sad,other,en-US\nb/1.wav,sad,Nonbinary,ger\n"
    folder = corpus(f"path,emotion,gender,language\n{rows}")
    result = run("table", folder, *NAME, "--language", "ko")
    found = [(entry["gender"], entry["language"]) for entry in result.entries]
    assert found == [("other", "eng"), ("other", "deu")]
    assert result.card["languages"] == ["kor"]
    given = meanings_of("emotion", ["calm", "angry"], {"calm": "neutral"}, Path("t"))
    assert given == ["neutral", "anger"]  # before the everyday word


def test_from_python_as_from_the_command(corpus, run, tmp_path, caplog):
    folder = corpus("path,emotion,valence\na/1.wav,W,2\nb/1.wav,sad,3\n")
    options = {"name": "mine", "csv": "labels.csv", "emotion_map": {"W": "anger"}}
    result = run("table", folder, *NAME, "--emotion_map", "W=anger", "--vad_scale", "1", "5")
    with caplog.at_level("INFO"):
        prepare("table", folder, result.folder, vad_scale=[1.0, 5.0], language=None, **options)
    assert "up to date" in caplog.text
    folder = corpus("path,emotion,split,sex\na/1.wav,sad,Test1,?\n")
    options |= {"split_map": {"Test1": "test"}, "ignore_columns": "sex", "emotion_map": None}
    manifest, _ = prepare("table", folder, tmp_path / "m", True, **options)
    (entry,) = json.loads(manifest.read_text()).values()
    assert (entry["split"], entry["gender"]) == ("test", None)


PATHS = "path,emotion\na/1.wav,sad\nb/1.wav,sad\n"
SCALE = ("--vad_scale", "1", "5")
MISTAKES = [
    (PATHS, ["--emotion_column", "emotoin"], "no column 'emotoin'; its columns are: emotion"),
    ("paht,emotion\n", [], "no column called path; name the one with the audio files"),
    ("path,mood\na/1.wav,sad\n", [], "has no labels: no column is called emotion"),
    ("path,emotion\na/1.wav,W\nb/1.wav,W\n", [], "1 emotion codes without a meaning: W (2 row"),
    ("path,emotion\na/1.wav,W\n", [], "--emotion_map W=EMOTION, where EMOTION is one of anger"),
    (PATHS, ["--emotion_map", "sd=sadness"], "Bad code in --emotion_map for labels.csv 'sd'"),
    (PATHS, ["--emotion_map", "sad=sadnes"], "'sadnes'; expected one of: sadness"),
    (PATHS, ["--emotion_map", "sad"], "bad --emotion_map 'sad'; expected RAW=EMOTION"),
    (
        PATHS,
        ["--split_map", "a=test"],
        "no split column for --split_map; name it with --split_",
    ),
    ("path,valence\na/1.wav,2\n", [], "give their scale with --vad_scale LOW HIGH"),
    ("path,valence\na/1.wav,7\n", SCALE, "line 2 of labels.csv is 7, outside --vad_scale 1 5"),
    ("path,valence\na/1.wav,high\n", SCALE, "'high'; expected a number"),
    (PATHS, ["--vad_scale", "5", "1"], "expected two numbers LOW HIGH"),
    (
        "path,emotion,split\na/1.wav,sad,tset\n",
        [],
        "1 split codes without a meaning: tset (1 r",
    ),
    (PATHS, ["--language", "korean"], "expected an ISO 639-3 code"),
    (PATHS, ["--label_source", "rated"], "Bad label_source 'rated'; expected one of: rated_"),
    (PATHS, ["--csv", "labls.csv"], "labls.csv; found: labels.csv. Name it with --csv"),
    (PATHS, ["--name", "no spaces"], "expected letters, digits and _"),
    (PATHS, ["--name", "emodb"], "choose another, like my_emodb"),
    (b"PAR1...", [], "labels.csv as Parquet ("),
    ("path,emotion\na/1.wav,sad\na/1.wav,sad\n", [], "occur more than once (a_1)"),
    ("path,emotion\nc/1.wav,sad\nb/1.wav,sad\n", [], "1 missing: c/1.wav"),
    ("path,emotion\n../1.wav,sad\nb/1.wav,sad\n", [], "1 outside the data folder: ../1.wav"),
    ("path,emotion\n,sad\nb/1.wav,sad\n", [], "1 row without a path: labels.csv:2"),
    (
        "path,emotion,start,stop\na/1.wav,sad,0.1,9\n",
        [],
        "1 cut outside its file (0.30 s): a/1",
    ),
    ("file,wav,label\nx,a/1.wav,sad\n", [], "that could be the path: file, wav. Name the one"),
]


@pytest.mark.parametrize(("text", "options", "message"), MISTAKES)
def test_mistakes(corpus, error, text, options, message):
    assert message in error("table", corpus(text), *NAME, *options)


def test_the_tables_that_are_there_and_the_options_that_are_needed_are_named(corpus, error):
    folder = corpus(PATHS)
    (folder / "t.xlsx").write_bytes(b"")
    named = error("table", folder, "--name", "mine", "--csv", "labels")
    assert "found: labels.csv, t.xlsx" in named
    assert "table needs --name, --csv" in error("table", folder)


def test_paths_need_no_ending(corpus, run, wav, error):
    """Issue 13, 25: tables that name utterances, not files."""
    folder = corpus("file,label\na/1,sad\nb/1,happy\nc/1.5,sad\n")
    wav(folder / "c" / "1.5.WAV")
    result = run("table", folder, *NAME)
    assert {i: entry["wav"] for i, entry in result.manifest.items()} == {
        "mine_a_1": "{data_root}/a/1.wav",
        "mine_b_1": "{data_root}/b/1.wav",
        "mine_c_1.5": "{data_root}/c/1.5.WAV",
    }
    wav(folder / "a" / "1.flac")
    assert "1 with several suffixes (.wav, .flac): a/1" in error("table", folder, *NAME)


@pytest.mark.parametrize(
    "header",
    [
        "file,label,speaker_id,sex,lang",
        "FileName,EmoClass,SpkrID,Gender,language",
        "filepath,emotion,spk,sex,lang",
        "wav,emo,actor,Sex,Language",
    ],
)
def test_names_that_columns_commonly_have(corpus, run, header):
    """Issue 13, 27."""
    result = run("table", corpus(f"{header},Transcript\na/1.wav,sad,s1,F,de,hello\n"), *NAME)
    (entry,) = result.entries
    assert entry["labels"]["intended"]["emotion"] == "sadness" and entry["text"] == "hello"
    facts = (entry["speaker"], entry["gender"], entry["language"])
    assert facts == ("mine_s1", "female", "deu")
    assert "not used" not in result.err


def test_a_column_that_an_option_names_is_the_only_one_of_its_kind(corpus, run):
    folder = corpus("file,wav,label,speaker,spk\nx,a/1.wav,sad,s1,y\n")
    assert "not used: file, spk." in run("table", folder, *NAME, "--path_column", "wav").err


IGNORE = "--ignore_columns"


@pytest.mark.parametrize(
    ("column", "cell", "message", "way_on", "found"),
    [
        ("split", "Test1", "--split_map Test1=test, where", "--split_map Test1=test", "test"),
        ("split", "fold 0", "--split_map 'fold 0=SPLIT'", f"{IGNORE} split", None),
        ("split", "fold0", "folds are groups:", f"{IGNORE} split --group_column split", None),
        ("gender", "x", "--gender_map x=GENDER", "--gender_map x=other", "other"),
        ("gender", "x", f"ignore the column with {IGNORE}", f"{IGNORE} gender", None),
        ("language", "English", "ISO 639-3 code or none", "--language_map English=en", "eng"),
        ("valence", "7", f"with {IGNORE} valence", f"{IGNORE} valence", None),
        ("start", "x", "expected seconds or HH:MM:SS", f"{IGNORE} start", None),
    ],
)
def test_an_odd_cell_has_a_way_on(corpus, run, error, column, cell, message, way_on, found):
    """Issue 13, 24: one odd cell in a column nobody asked for stopped the corpus."""
    folder = corpus(f"path,emotion,{column}\na/1.wav,sad,{cell}\nb/1.wav,sad,\n")
    assert message in error("table", folder, *NAME)
    first, _ = run("table", folder, *NAME, *way_on.split()).entries
    assert first.get(column) == found
    assert first["group"] == ("mine_fold0" if "group" in way_on else None)


JSON_LINES = (
    b'{"audio_filepath": "a/1.wav", "label": "sad", "offset": 0.1, "duration": 0.1, '
    b'"text": "x"}\n'
    b'{"audio_filepath": "b/1", "label": "happy", "text": null}\n'
)


@pytest.mark.parametrize("content", [JSON_LINES, gzip.compress(JSON_LINES)], ids=["", "gzip"])
def test_json_lines_and_compressed_tables(corpus, run, content):
    """Issue 13, 25."""
    first, second = run("table", corpus(content), *NAME).entries
    assert (first["start"], first["stop"], first["text"]) == (0.1, 0.2, "x")
    assert (second["start"], second["stop"], second["text"]) == (None, None, None)


def test_audio_that_the_table_does_not_name_is_stray(corpus, run):
    result = run("table", corpus("path,emotion\na/1.wav,sad\n"), *NAME)
    assert result.card["left_out"] == {"stray folder": ["b"]}


def test_cells_are_text_and_rows_keep_their_line_numbers(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": " x "}\n\n{"a": [1], "b": 2}\n')
    columns, rows = read_table(tmp_path / "t.jsonl")
    assert (columns, rows) == (["a", "b"], {1: {"a": "x", "b": ""}, 3: {"a": "[1]", "b": "2"}})


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the Korean clips in ../shared/corpora")
def test_real_korean_clips(run):
    name = ("--name", "korean_ets", "--csv", "labels.csv", "--language", "kor")
    result = run("table", REAL, *name)
    counts = result.card["counts"]
    assert (counts["utterances"], counts["speakers"]) == (300, 15)
    emotions = ("neutral", "happiness", "sadness", "anger")
    assert counts["emotions"]["intended"] == dict.fromkeys(emotions, 75)
    entry = result.manifest["korean_ets_nea00001"]
    assert (entry["speaker"], entry["language"]) == ("korean_ets_nea", "kor")
    assert entry["duration"] == pytest.approx(5.8, abs=0.01)


def test_what_a_model_answered_becomes_votes_of_the_source_teacher(corpus, run):
    folder = corpus(
        "file,start,stop,emotion,p_anger,p_sadness,valence,warnings\n"
        "a/1.wav,0.0,0.3,sadness,0.25,0.75,2.5,\n"
        "b/1.wav,0.5,1.0,anger,0.9,0.1,4.0,short\n"
    )
    result = run("table", folder, *NAME, "--vad_scale", "1", "5")
    first, second = (entry["labels"] for entry in result.entries)
    shares = {"anger": 0.25, "sadness": 0.75}
    assert first.keys() == {"teacher"} and first["teacher"]["votes"] == shares
    assert (first["teacher"]["emotion"], first["teacher"]["vad"]["valence"]) == ("sadness", 2.5)
    assert second["teacher"]["emotion"] == "anger"
    assert result.card["default_source"] == "teacher"

    other = corpus("path,emotion,p_anger\na/1.wav,sad,0.5\nb/1.wav,sad,0.5\n")
    assert {*run("table", other, *NAME).entries[0]["labels"]} == {"intended"}
