"""Any corpus that a table describes."""

import gzip
import json
from pathlib import Path

import pytest

from data_prep.common.prepare import prepare
from data_prep.common.table_cells import meanings_of
from data_prep.common.table_columns import read_table
from ser_brain.core.errors import SERError

REAL = Path(__file__).parents[2].parent / "shared" / "corpora" / "korean_ets"
NAME = ("--name", "mine", "--csv", "labels.csv")


@pytest.fixture
def corpus(tmp_path, wav):
    """Two files and a function that writes their table."""
    folder = tmp_path / "mine"
    wav(folder / "a" / "1.wav")
    wav(folder / "b" / "1.wav", seconds=1.0)

    def table(text: str, encoding: str = "utf-8") -> Path:
        (folder / "labels.csv").write_bytes(text.encode(encoding))
        return folder

    return table


def test_columns_called_what_they_are_need_no_option(corpus, run):
    folder = corpus(
        "path,emotion,speaker,gender,language,group,split,text,start,stop\n"
        "a/1.wav,Angry,s1,F,eng,g1,training,hello,,\n"
        "b/1.wav,,s2,male,,,dev,,0.25,0.75\n"
    )
    result = run("table", folder, *NAME, "--language", "kor")
    assert result.code == 0, result.err
    first, second = result.manifest("mine").values()
    assert list(result.manifest("mine")) == ["mine_a_1", "mine_b_1_0.250_0.750"]
    assert first["labels"] == {"intended": {"emotion": "anger", "raw": "Angry"}}
    assert (first["speaker"], first["gender"]) == ("mine_s1", "female")
    assert (first["group"], first["split"]) == ("mine_g1", "train")
    assert (first["language"], second["language"]) == ("eng", "kor")
    assert (first["text"], second["text"]) == ("hello", None)
    assert second["labels"]["intended"]["emotion"] is None
    assert (second["split"], second["duration"]) == ("valid", 0.5)
    assert (second["start"], second["stop"]) == (0.25, 0.75)


def test_a_column_without_a_name_is_none_of_those_that_are_missing(corpus, run):
    result = run("table", corpus("path,emotion,\na/1.wav,sad,1\nb/1.wav,sad,x\n"), *NAME)
    assert result.code == 0, result.err
    assert {entry["gender"] for entry in result.manifest("mine").values()} == {None}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter_and_byte_order_mark(corpus, run, delimiter, encoding):
    rows = [["Datei", "Gefühl"], ["a/1.wav", "sad"], ["b\\1.wav", "Happy"]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    options = ("--path_column", "Datei", "--emotion_column", "Gefühl")
    result = run("table", corpus(text, encoding), *NAME, *options)
    assert result.code == 0, result.err
    found = [e["labels"]["intended"]["emotion"] for e in result.manifest("mine").values()]
    assert found == ["sadness", "happiness"]


def test_valence_and_arousal_without_emotion(corpus, run):
    folder = corpus("path;V;arousal\na/1.wav;1,5;3\nb/1.wav;;2\n")
    options = ("--valence_column", "V", "--label_source", "consensus")
    result = run("table", folder, *NAME, *options, "--vad_scale", 1, 5)
    assert result.code == 0, result.err
    first, second = (e["labels"]["consensus"] for e in result.manifest("mine").values())
    assert first == {"emotion": None, "raw": None, "vad": {"valence": 1.5, "arousal": 3.0}}
    assert second["vad"] == {"valence": None, "arousal": 2.0}
    assert result.card("mine")["vad_scale"] == [1.0, 5.0]


def test_codes_of_ones_own(corpus, run):
    folder = corpus("path,emotion\na/1.wav,W\nb/1.wav,xx\n")
    result = run("table", folder, *NAME, "--emotion_map", "W=anger", "xx=none")
    first, second = (e["labels"]["intended"] for e in result.manifest("mine").values())
    assert first == {"emotion": "anger", "raw": "W"}
    assert second == {"emotion": None, "raw": "xx"}


def test_own_classes_go_before_everyday_words():
    own = ["joy", "Interest"]
    found = meanings_of("emotion", ["Joy", "interest", "happy"], {}, Path("t.csv"), own)
    assert found == ["joy", "Interest", "happiness"]
    given = {"happy": "Interest"}
    assert meanings_of("emotion", ["happy"], given, Path("t.csv"), own) == ["Interest"]
    assert meanings_of("gender", ["F"], {}, Path("t.csv"), own) == ["female"]


def test_a_given_code_goes_before_the_everyday_word():
    assert meanings_of("emotion", ["calm", "angry"], {"calm": "neutral"}, Path("t")) == [
        "neutral",
        "anger",
    ]


def test_from_python_as_from_the_command(corpus, run, tmp_path, caplog):
    folder = corpus("path,emotion,valence\na/1.wav,W,2\nb/1.wav,sad,3\n")
    options = {"name": "mine", "csv": "labels.csv", "emotion_map": {"W": "anger"}}
    result = run("table", folder, *NAME, "--emotion_map", "W=anger", "--vad_scale", "1", "5")
    assert result.code == 0
    with caplog.at_level("INFO"):
        prepare("table", folder, result.folder, vad_scale=[1.0, 5.0], language=None, **options)
    assert "up to date" in caplog.text


PATHS = "path,emotion\na/1.wav,sad\nb/1.wav,sad\n"


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            PATHS,
            ["--emotion_column", "emotoin"],
            "no column 'emotoin'; its columns are: emotion",
        ),
        ("paht,emotion\n", [], "no column called path; name the one with the audio files"),
        ("path,mood\na/1.wav,sad\n", [], "has no labels: no column is called emotion"),
        (
            "path,emotion\na/1.wav,W\nb/1.wav,W\n",
            [],
            "1 emotion codes without a meaning: W (2 rows). Give them one with --emotion_map "
            "W=EMOTION, where EMOTION is one of anger, ",
        ),
        (
            PATHS,
            ["--emotion_map", "sd=sadness"],
            "Bad code in --emotion_map for labels.csv 'sd'",
        ),
        (PATHS, ["--emotion_map", "sad=sadnes"], "'sadnes'; expected one of: sadness"),
        (PATHS, ["--emotion_map", "sad"], "bad --emotion_map 'sad'; expected RAW=EMOTION"),
        ("path,valence\na/1.wav,2\n", [], "give their scale with --vad_scale LOW HIGH"),
        (
            "path,valence\na/1.wav,7\n",
            ["--vad_scale", "1", "5"],
            "valence in line 2 of labels.csv is 7, outside --vad_scale 1 5",
        ),
        (
            "path,valence\na/1.wav,high\n",
            ["--vad_scale", "1", "5"],
            "'high'; expected a number",
        ),
        (PATHS, ["--vad_scale", "5", "1"], "expected two numbers LOW HIGH"),
        (
            "path,emotion,gender\na/1.wav,sad,x\n",
            [],
            "1 gender codes without a meaning: x (1 rows). Give them one with --gender_map x",
        ),
        (
            "path,emotion,split\na/1.wav,sad,tset\n",
            [],
            "1 split codes without a meaning: tset (1 rows)",
        ),
        (PATHS, ["--language", "korean"], "expected an ISO 639-3 code"),
        (
            PATHS,
            ["--label_source", "rated"],
            "Bad label_source 'rated'; expected one of: rated_",
        ),
        (PATHS, ["--csv", "labls.csv"], "labls.csv; found: labels.csv. Name it with --csv"),
        (PATHS, ["--name", "no spaces"], "expected letters, digits and _"),
        (PATHS, ["--name", "emodb"], "none of cremad, demo, emodb"),
        ("path,emotion\na/1.wav\n", [], "line 2: 1 cells where the header has 2"),
        ("path,path\n", [], "names a column twice"),
        ("", [], "is empty; expected a header line"),
        ("path,emotion\na/1.wav,sad\na/1.wav,sad\n", [], "occur more than once (a_1)"),
        ("path,emotion\nc/1.wav,sad\nb/1.wav,sad\n", [], "1 missing: c/1.wav"),
        (
            "path,emotion\n../1.wav,sad\nb/1.wav,sad\n",
            [],
            "1 outside the data folder: ../1.wav",
        ),
        ("path,emotion\n,sad\nb/1.wav,sad\n", [], "1 row without a path: labels.csv:2"),
        (
            "path,emotion,start,stop\na/1.wav,sad,0.1,9\n",
            [],
            "1 cut outside its file (0.30 s): a/1.wav 0.1-9 s",
        ),
    ],
)
def test_mistakes(corpus, run, error, text, options, message):
    assert message in error(run("table", corpus(text), *NAME, *options))


def test_a_table_that_is_not_utf8(corpus, run, error):
    folder = corpus("path,emotion\na/1.wav,fröhlich\n", "latin-1")
    assert "line 2 is not UTF-8; save the table as UTF-8" in error(run("table", folder, *NAME))


def test_paths_need_no_ending(corpus, run, wav, error):
    """Issue 13, 25: tables that name utterances, not files."""
    folder = corpus("file,label\na/1,sad\nb/1,happy\nc/1.5,sad\n")
    wav(folder / "c" / "1.5.WAV")
    result = run("table", folder, *NAME)
    assert result.code == 0, result.err
    found = {i: entry["wav"] for i, entry in result.manifest("mine").items()}
    assert found == {
        "mine_a_1": "{data_root}/a/1.wav",
        "mine_b_1": "{data_root}/b/1.wav",
        "mine_c_1.5": "{data_root}/c/1.5.WAV",
    }
    wav(folder / "a" / "1.flac")
    assert "1 with several suffixes (.wav, .flac): a/1" in error(run("table", folder, *NAME))


@pytest.mark.parametrize(
    "header", ["file,label", "FileName,EmoClass", "filepath,emotion", "wav,emo"]
)
@pytest.mark.parametrize("more", ["speaker_id,sex,lang", "SpkrID,Gender,language"])
def test_names_that_columns_commonly_have(corpus, run, header, more):
    """Issue 13, 27."""
    folder = corpus(f"{header},{more},Transcript\na/1.wav,sad,s1,F,de,hello\n")
    result = run("table", folder, *NAME)
    assert result.code == 0, result.err
    (entry,) = result.manifest("mine").values()
    assert entry["labels"]["intended"]["emotion"] == "sadness" and entry["text"] == "hello"
    facts = (entry["speaker"], entry["gender"], entry["language"])
    assert facts == ("mine_s1", "female", "deu")
    assert "not used" not in result.err


def test_one_column_alone_is_taken_for_a_thing(corpus, run, error):
    folder = corpus("file,wav,label,speaker,spk\nx,a/1.wav,sad,s1,y\n")
    message = "several columns that could be the path: file, wav. Name the one to read: --path_"
    assert message in error(run("table", folder, *NAME))
    result = run("table", folder, *NAME, "--path_column", "wav")
    assert result.code == 0 and "columns not used: file, spk." in result.err


@pytest.mark.parametrize(
    ("column", "cell", "message", "way_on", "found"),
    [
        ("split", "Test1", "--split_map Test1=test, where", "--split_map Test1=test", "test"),
        ("split", "fold 0", "--split_map 'fold 0=SPLIT'", "--ignore_columns split", None),
        (
            "split",
            "fold0",
            "folds are groups: name the column with --group_column too",
            "--ignore_columns split --group_column split",
            None,
        ),
        ("gender", "x", "--gender_map x=GENDER", "--gender_map x=other", "other"),
        (
            "gender",
            "x",
            "ignore the column with --ignore_c",
            "--ignore_columns gender",
            None,
        ),
        (
            "language",
            "English",
            "an ISO 639-3 code or none",
            "--language_map English=en",
            "eng",
        ),
        ("valence", "7", "with --ignore_columns valence", "--ignore_columns valence", None),
        ("start", "x", "expected seconds or HH:MM:SS", "--ignore_columns start", None),
    ],
)
def test_an_odd_cell_has_a_way_on(corpus, run, error, column, cell, message, way_on, found):
    """Issue 13, 24: one odd cell in a column nobody asked for stopped the corpus."""
    folder = corpus(f"path,emotion,{column}\na/1.wav,sad,{cell}\nb/1.wav,sad,\n")
    assert message in error(run("table", folder, *NAME))
    result = run("table", folder, *NAME, *way_on.split())
    assert result.code == 0, result.err
    first, _ = result.manifest("mine").values()
    assert first.get(column) == found
    if "group" in way_on:
        assert first["group"] == "mine_fold0"


def test_codes_that_need_no_map(corpus, run):
    folder = corpus(
        "path,emotion,gender,language\na/1.wav,sad,other,en-US\nb/1.wav,sad,Nonbinary,ger\n"
    )
    result = run("table", folder, *NAME, "--language", "ko")
    assert result.code == 0, result.err
    entries = result.manifest("mine").values()
    assert [(e["gender"], e["language"]) for e in entries] == [
        ("other", "eng"),
        ("other", "deu"),
    ]
    assert result.card("mine")["languages"] == ["kor"]


def test_maps_and_ignored_columns_from_python(corpus, tmp_path):
    folder = corpus("path,emotion,split,sex\na/1.wav,sad,Test1,?\n")
    options = {"split_map": {"Test1": "test"}, "ignore_columns": "sex"}
    manifest, _ = prepare(
        "table", folder, tmp_path / "m", True, name="mine", csv="labels.csv", **options
    )
    (entry,) = json.loads(manifest.read_text()).values()
    assert (entry["split"], entry["gender"]) == ("test", None)


def test_a_map_for_a_column_that_is_not_there(corpus, run, error):
    message = error(run("table", corpus(PATHS), *NAME, "--split_map", "a=test"))
    assert "has no split column for --split_map; name it with --split_column" in message


JSON_LINES = (
    '{"audio_filepath": "a/1.wav", "label": "sad", "offset": 0.1, "duration": 0.1, '
    '"text": "x"}\n'
    '{"audio_filepath": "b/1", "label": "happy", "text": null}\n'
)


@pytest.mark.parametrize("compressed", [False, True])
def test_json_lines_and_compressed_tables(corpus, run, compressed):
    """Issue 13, 25."""
    folder = corpus("")
    text = JSON_LINES.encode()
    (folder / "t.jsonl").write_bytes(gzip.compress(text) if compressed else text)
    result = run("table", folder, "--name", "mine", "--csv", "t.jsonl")
    assert result.code == 0, result.err
    first, second = result.manifest("mine").values()
    assert (first["start"], first["stop"], first["text"]) == (0.1, 0.2, "x")
    assert (second["start"], second["stop"], second["text"]) == (None, None, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"PK\3\4...", "is a workbook or another zip file; save its sheet as CSV"),
        (b"\xd0\xcf\x11\xe0...", "is an old Excel workbook; save its sheet as CSV"),
        (b"PAR1...", "is a Parquet file; write it as CSV: python -c"),
        (gzip.compress(b"path,emotion\n", mtime=0)[:-9], "Cannot read"),
        (b'{"path": "a/1.wav"}\n[1]\n', "line 2: expected a JSON object"),
    ],
)
def test_tables_of_other_kinds_say_what_they_are(corpus, run, error, content, message):
    """Issue 13, 25."""
    folder = corpus("")
    (folder / "labels.csv").write_bytes(content)
    assert message in error(run("table", folder, *NAME))


def test_the_tables_that_are_there_are_named(corpus, run, error):
    folder = corpus(PATHS)
    (folder / "t.xlsx").write_bytes(b"")
    message = error(run("table", folder, "--name", "mine", "--csv", "labels"))
    assert "found: labels.csv, t.xlsx" in message


def test_needed_options_are_named(tmp_path, run, error):
    assert "table needs --name, --csv" in error(run("table", tmp_path))


def test_audio_that_the_table_does_not_name_is_stray(corpus, run):
    result = run("table", corpus("path,emotion\na/1.wav,sad\n"), *NAME)
    assert result.code == 0
    assert result.card("mine")["left_out"] == {"stray folder": ["b"]}


def test_rows_keep_their_line_numbers(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\n\n"x\ny",2\n , \n3,4\n')
    columns, rows = read_table(tmp_path / "t.csv")
    assert columns == ["a", "b"]
    assert rows == {4: {"a": "x\ny", "b": "2"}, 6: {"a": "3", "b": "4"}}


def test_a_table_that_cannot_be_read(tmp_path):
    with pytest.raises(SERError, match="Cannot read .*: Is a directory"):
        read_table(tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the Korean clips in ../shared/corpora")
def test_real_korean_clips(run):
    columns = ("--path_column", "file", "--emotion_column", "label")
    name = ("--name", "korean_ets", "--csv", "labels.csv")
    result = run("table", REAL, *name, *columns, "--language", "kor")
    assert result.code == 0
    card = result.card("korean_ets")
    assert (card["counts"]["utterances"], card["counts"]["speakers"]) == (300, 15)
    assert card["counts"]["emotions"]["intended"] == {
        "neutral": 75,
        "happiness": 75,
        "sadness": 75,
        "anger": 75,
    }
    entry = result.manifest("korean_ets")["korean_ets_nea00001"]
    assert (entry["speaker"], entry["language"]) == ("korean_ets_nea", "kor")
    assert entry["duration"] == pytest.approx(5.8, abs=0.01)
