"""Formats of others: what a manifest says comes back from each of them."""

import importlib.util
import json
import re

import pytest
import soundfile

from data_prep.__main__ import main
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import (
    CorpusCard,
    Utterance,
    entry_of,
    read_manifest,
    write_manifest,
)

CARD = CorpusCard(
    *("whole", "A corpus: with all", "2", "CC0", "Nobody (2026)", ("eng", "deu"), "acted"),
    emotions={"W": "anger"},
    sources=("consensus", "intended"),
    layout="wav",
    vad_scale=(1, 5),
    own_emotions=("pride",),
    notes="Noted.",
)
SAID = {
    "a/1": dict(
        labels={
            "intended": annotation("anger", "W", intensity="high", recognition_rate=0.5),
            "consensus": annotation(None, votes={"anger": 2, "pride": 2}),
        },
        speaker="s1",
        gender="female",
        language="eng",
        split="train",
        text='two  words, "quoted"',
    ),
    "a/2": dict(
        labels={
            "intended": annotation("pride", "07"),
            "consensus": annotation(
                "anger",
                votes={"anger": 3, "pride": 1},
                vad={"valence": 1.25, "arousal": 3.3},
            ),
        },
        speaker="s2",
        gender="other",
        language="deu",
        group="g1",
        split="valid",
        text="ümläut",
    ),
    "b/3": dict(labels={"intended": annotation("neutral", "N")}, speaker="s2", split="test"),
}
needs = {
    name: pytest.mark.skipif(
        importlib.util.find_spec(name) is None, reason=f"{name} is an optional package"
    )
    for name in ("audformat", "openpyxl", "pyarrow")
}
FORMATS = [
    "kaldi",
    "lhotse",
    "emobox",
    pytest.param("huggingface", marks=needs["pyarrow"]),
    pytest.param("audformat", marks=needs["audformat"]),
    "table x.csv",
    "table x.csv.gz",
    "table x.jsonl",
    pytest.param("table x.parquet", marks=needs["pyarrow"]),
    pytest.param("table x.xlsx", marks=needs["openpyxl"]),
]


@pytest.fixture
def manifest(tmp_path, wav):
    """A manifest with every kind of fact, and a way to write it with parts of files."""

    def manifest(cut: bool = False):
        entries = {}
        for number, (name, said) in enumerate(SAID.items()):
            place = "long.wav" if cut else f"{name}.wav"
            wav(tmp_path / "audio" / place, seconds=3.0 if cut else 0.5)
            part = {"start": 0.25 + number, "stop": 0.75 + number} if cut else {}
            one = Utterance(name.replace("/", "_"), place, **said, **part)
            entries[f"whole_{one.name}"] = entry_of(one, CARD, 0.5, 16000)
        card = {**CARD.as_dict(), "data_folder": str(tmp_path / "audio")}
        return write_manifest(tmp_path / "m", "whole", entries, card)

    return manifest


def again(path, tmp_path, capsys, format_name):
    """Convert a manifest, run the command that this names, and read what it prepares."""
    kind, _, file = format_name.partition(" ")
    out = tmp_path / "out" / file if file else tmp_path / "out"
    assert main(["convert", str(path), "--to", kind, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    command = re.search(r"read it with: python -m data_prep (.*) --manifest_folder", printed)[1]
    arguments = command.replace("NAME", "again").split()
    assert main([*arguments, "--manifest_folder", str(tmp_path / "again")]) == 0
    return read_manifest(tmp_path / "again" / "again.json"), printed


def plain(manifest, but=()):
    """Entries by name, without unknown facts and what depends on the corpus's name."""
    prefix = manifest.card["name"] + "_"
    found = {}
    for name, entry in manifest.entries.items():
        labels = {source: kept(label) for source, label in entry["labels"].items()}
        facts = {**kept(entry), "labels": labels}
        for key in ("speaker", "group"):
            if key in facts:
                facts[key] = facts[key].removeprefix(prefix)
        gone = ("corpus", *but)
        found[name.removeprefix(prefix)] = {k: v for k, v in facts.items() if k not in gone}
    return found


def kept(facts):
    """Without what is unknown; a rating that is null is unknown."""
    vad = {k: v for k, v in (facts.get("vad") or {}).items() if v is not None}
    facts = {**facts, "vad": vad or None}
    return {key: value for key, value in facts.items() if value is not None}


@pytest.mark.parametrize("cut", [False, True], ids=["files", "segments"])
@pytest.mark.parametrize("format_name", FORMATS)
def test_everything_comes_back(manifest, tmp_path, capsys, format_name, cut):
    path = manifest(cut)
    found, printed = again(path, tmp_path, capsys, format_name)
    embedded = format_name == "huggingface"
    but = ("wav", "start", "stop") if embedded else ()
    assert plain(found, but) == plain(read_manifest(path), but)
    assert ("lost: nothing" in printed) == (not (embedded and cut))
    card = found.card
    assert card["sources"] == ["consensus", "intended"]
    facts = ("title", "licence", "citation", "vad_scale", "own_emotions", "version")
    assert [card[k] for k in facts] == [read_manifest(path).card[k] for k in facts]
    assert "Noted." in card["notes"]


def test_what_kaldi_and_lhotse_have_of_their_own(manifest, tmp_path, capsys):
    path = manifest(cut=True)
    again(path, tmp_path, capsys, "kaldi")
    out = tmp_path / "out"
    segments = (out / "segments").read_text().splitlines()
    assert segments[0] == "s1-a_1 long.wav 0.25 0.75" and segments == sorted(segments)
    assert (out / "spk2gender").read_text() == "s1 f\n"
    (out / "wav.scp").write_text("long.wav sox x.wav -t wav - |\n")
    assert (
        main(["kaldi", "--name", "k", "--data_folder", str(out), "--manifest_folder", "."]) == 2
    )
    assert "commands are not run" in capsys.readouterr().err


def test_emobox_tells_what_its_folds_share(manifest, tmp_path, capsys):
    path = manifest()
    out = tmp_path / "out"
    assert main(["convert", str(path), "--to", "emobox", "--out", str(out)]) == 0
    for part, line in (("train", "a_1"), ("test", "a_2")):  # as EmoBox writes: no speaker
        record = {"key": line, "wav": f"{line.replace('_', '/')}.wav", "emo": "a"}
        (out / "fold_1" / f"whole_{part}_fold_1.jsonl").write_text(json.dumps(record) + "\n")
    (out / "fold_1" / "whole_valid_fold_1.jsonl").unlink()
    (out / "label_map.json").write_text('{"a": "Angry"}')
    line = ["emobox", "--name", "e", "--data_folder", str(tmp_path / "audio")]
    line += ["--source", str(out), "--manifest_folder", str(tmp_path / "e")]
    assert main(line) == 0
    assert "whether its parts share speakers is unknown" in capsys.readouterr().err
    assert main([*line, "--speakers", str(path)]) == 0
    assert "training and test have different speakers" in capsys.readouterr().err
    found = read_manifest(tmp_path / "e" / "e.json")
    assert found.entries["e_a_1"]["speaker"] == "e_s1"
    assert found.entries["e_a_1"]["labels"]["intended"]["emotion"] == "anger"
    out.rename(tmp_path / "ased")
    line[line.index("--source") + 1] = str(tmp_path / "ased")
    assert main(line) == 0
    assert "share speakers (published folds)" in capsys.readouterr().err


@needs["pyarrow"]
def test_a_dataset_of_others_with_class_labels(tmp_path, wav, run):
    import pyarrow as pa
    import pyarrow.parquet as pq

    sound = [
        {"bytes": wav(tmp_path / f"{n}.wav").read_bytes(), "path": "same.wav"} for n in range(2)
    ]
    features = {
        "speech": {"_type": "Audio"},
        "label": {"_type": "ClassLabel", "names": ["sad", "joy"]},
    }
    table = pa.table({"speech": sound, "label": [1, -1], "speaker_id": [7, 8]})
    info = {"huggingface": json.dumps({"info": {"features": features}})}
    (tmp_path / "data" / "data").mkdir(parents=True)
    shard = tmp_path / "data" / "data" / "validation-00000-of-00001.parquet"
    pq.write_table(table.replace_schema_metadata(info), shard)
    first, second = run("huggingface", tmp_path / "data", "--name", "hub").entries
    assert first["labels"]["intended"] == {"emotion": "happiness", "raw": "joy"}
    assert (first["speaker"], first["split"]) == ("hub_7", "valid")
    assert second["labels"]["intended"]["emotion"] is None
    assert first["wav"] != second["wav"]
    samples, _ = soundfile.read(tmp_path / "data" / first["wav"].removeprefix("{data_root}/"))
    assert len(samples) == 4800


RATINGS = """file,rater,emotion,valence,alt
1,r1,sad,1,W
1,r2,joy,2,W
1,r3,sad,,W
2,r1,sad,5,W
2,r2,joy,4,W
"""


def test_a_row_per_rater_a_template_and_several_label_columns(tmp_path, wav, run, error):
    for name in ("1", "2"):
        wav(tmp_path / "d" / "wav" / f"u{name}.flac.wav")
    (tmp_path / "d" / "t.csv").write_text(RATINGS)
    line = ("table", tmp_path / "d", "--name", "r", "--csv", "t.csv", "--vad_scale", 1, 5)
    line += ("--path_template", "wav/u{file}.flac.wav", "--rater_column", "rater")
    made = run(*line, "--ignore_columns", "alt")
    assert "rater (rater)." in made.err and "not used: alt." in made.err  # file makes paths
    first, second = made.entries
    assert first["labels"]["consensus"] == {
        "emotion": "sadness",
        "raw": None,
        "votes": {"sadness": 2, "happiness": 1},
        "vad": {"valence": 1.5},
    }
    tie = second["labels"]["consensus"]
    assert tie["emotion"] is None and tie["votes"] == {"sadness": 1, "happiness": 1}
    (tmp_path / "d" / "t.csv").write_text(RATINGS.replace("r3", "r1"))
    assert "line 4: rater 'r1' rates wav/u1.flac.wav a second time" in error(*line)
    (tmp_path / "d" / "t.csv").write_text("file,a,b\n1,sad,W\n2,,joy\n")
    two = ("table", tmp_path / "d", "--name", "r", "--csv", "t.csv", *line[9:11])
    two += ("--label_columns", "intended=a", "rated_voice=b", "--emotion_map", "W=anger")
    first, second = run(*two).entries
    assert first["labels"]["rated_voice"] == {"emotion": "anger", "raw": "W"}
    assert [*first["labels"], *second["labels"]] == ["intended", "rated_voice", "rated_voice"]
    assert "Bad column in --path_template 'nr'" in error(
        *two[:6], "--path_template", "{nr}.wav"
    )


MISTAKES = [
    ("kaldi", {}, r"wav\.scp"),
    (
        "kaldi",
        {"wav.scp": "u x.wav\n", "segments": "u other 0 1\n"},
        "expected RECORDING START",
    ),
    ("lhotse", {"recordings.jsonl": "{}\n"}, r"No \*supervisions\*.jsonl\*"),
    (
        "lhotse",
        {"recordings.jsonl": "{}\n", "supervisions.jsonl": '{"id": "s"}\n'},
        "Bad supervision 's'",
    ),
    ("emobox", {"fold_2/x_train_fold_2.jsonl": "{}\n"}, "found: fold_2"),
    ("emobox", {"fold_1/x_train_fold_1.jsonl": '{"key": 1}\n'}, "expected key, wav, emo"),
    ("huggingface", {}, r"No \*\.parquet"),
    ("huggingface", {"train.parquet": "PAR1"}, "Cannot read .*train.parquet"),
    pytest.param("audformat", {}, r"No db\.yaml", marks=needs["audformat"]),
    pytest.param("audformat", {"db.yaml": "- 1"}, "Cannot read", marks=needs["audformat"]),
]


@pytest.mark.parametrize(("name", "files", "message"), MISTAKES)
def test_what_is_no_such_folder_is_one_line(tmp_path, error, name, files, message):
    for file, content in {"other.txt": "", **files}.items():
        (tmp_path / "d" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / file).write_text(content)
    said = error(name, tmp_path / "d", "--name", "x")
    assert re.search(message, said) and said.count("\n") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--to", "csv", "--out", "x"], "Bad format 'csv'; expected one of"),
        (["--to", "table", "--out", "x.doc"], "Bad --out of a table 'x.doc'"),
        (["--to", "kaldi", "--out", "."], "exists and is not empty"),
        (["--to", "kaldi", "--out", "x", "--data_folder", "m"], "No .*1.wav of"),
    ],
)
def test_conversions_that_cannot_be(
    manifest, tmp_path, monkeypatch, capsys, arguments, message
):
    path = manifest()
    monkeypatch.chdir(tmp_path)
    assert main(["convert", str(path), *arguments]) == 2
    assert re.search(message, capsys.readouterr().err)
