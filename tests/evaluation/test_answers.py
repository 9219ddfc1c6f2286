"""Answers of anybody: joined by utterance, with what is missing or refused counted as wrong."""

import gzip
import json

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.core.errors import SERError
from ser_brain.data.labelling import CorpusData
from ser_brain.data.labels import NO_ANSWER
from ser_brain.evaluation.answers import outputs_of
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.runs import read_run
from tests.tiny_corpus import write_corpus

CLASSES = ["anger", "happiness", "sadness", "neutral"]


@pytest.fixture
def data():
    rows = {
        f"mine_{n}": {"wav": f"/data/{folder}/{n}.wav", "emotion": emotion}
        for n, (folder, emotion) in enumerate(zip("abcd", CLASSES, strict=True))
    }
    return CorpusData("mine", None, {"name": "mine"}, rows, {})


def answers(tmp_path, text, data, labels=None):
    path = tmp_path / "answers.csv"
    path.write_text(text)
    return outputs_of(path, data, CLASSES, labels or {})


def test_words_mean_classes_and_refusals_are_counted(tmp_path, data):
    text = "file,Answer\n0.wav,Angry\nb/1.wav,I cannot tell\n2.wav,mad\n9.wav,sad\n"
    rows, classes, counts = answers(tmp_path, text, data)
    assert [row["predicted_emotion"] for row in rows] == ["anger", *[NO_ANSWER] * 3]
    assert classes == [*CLASSES, NO_ANSWER] and "log_probabilities" not in rows[0]
    assert counts == {"answers": 3, "missing": 1, "refused": 2, "unused": 1}
    rows, _, counts = answers(tmp_path, text, data, {"mad": "anger"})
    assert rows[2]["predicted_emotion"] == "anger" and counts["refused"] == 1


def test_own_classes_are_found_in_any_case(tmp_path):
    own = ["Ärger", "ruhig-er", "joy"]
    rows = {f"mine_{n}": {"wav": f"/data/{n}.wav", "emotion": e} for n, e in enumerate(own)}
    data = CorpusData("mine", None, {"name": "mine"}, rows, {})
    path = tmp_path / "answers.jsonl"
    for key, said in (("answer", own), ("probabilities", [{e.upper(): 1.0} for e in own])):
        lines = [{"path": f"{n}.wav", key: each} for n, each in enumerate(said)]
        path.write_text("\n".join(map(json.dumps, lines)))
        rows, classes, _ = outputs_of(path, data, own, {})
        assert [row["predicted_emotion"] for row in rows] == own and classes == own
    head = "path," + ",".join(f"p_{name}" for name in own)  # as ser predict writes it
    path = tmp_path / "answers.csv"
    path.write_text(f"{head}\n0.wav,1,0,0\n1.wav,0,1,0\n2.wav,0,0,1\n", encoding="utf-8")
    rows, classes, _ = outputs_of(path, data, own, {})
    assert [row["predicted_emotion"] for row in rows] == own and classes == own


def test_columns_have_any_common_name(tmp_path, data):
    rows, *_ = answers(tmp_path, "Audio path,emo\na/0.wav,Angry\n", data)
    assert rows[0]["predicted_emotion"] == "anger"
    rows, *_ = answers(tmp_path, "id,wav,file,label,answer\nmine_0,x,y,sad,Angry\n", data)
    assert rows[0]["predicted_emotion"] == "anger"
    with pytest.raises(SERError, match="several columns .* the path: wav, file"):
        answers(tmp_path, "wav,file,answer\n0.wav,0.wav,Angry\n", data)


def test_probabilities(tmp_path, data):
    head = "id," + ",".join(f"p_{name}" for name in CLASSES)
    text = f"{head}\nmine_0,0.7,0.1,0.1,0.1\nmine_1,0,1,0,0\nmine_2,.25,.25,.3,.2\n"
    rows, classes, _ = answers(tmp_path, text, data)
    logs = [list(row["log_probabilities"].values()) for row in rows]
    assert classes[-1] == NO_ANSWER and np.exp(logs).sum(1) == pytest.approx(1)
    assert np.exp(logs[0][:4]) == pytest.approx([0.7, 0.1, 0.1, 0.1], abs=1e-5)
    assert (
        rows[3]["predicted_emotion"] == NO_ANSWER and rows[2]["predicted_emotion"] == "sadness"
    )
    lines = [
        {"path": f"{n}.wav", "probabilities": {"Happy": 0.8, "sad": 0.2}} for n in range(4)
    ]
    lines[0]["answer"] = NO_ANSWER  # which the other lines do without
    path = tmp_path / "answers.jsonl.gz"
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, lines)).encode()))
    rows, classes, _ = outputs_of(path, data, CLASSES, {})
    assert classes == [*CLASSES, NO_ANSWER]
    assert [row["predicted_emotion"] for row in rows] == [NO_ANSWER, *["happiness"] * 3]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("who,answer\n0,sad\n", "which utterance a row is of"),
        ("id,text\nmine_0,sad\n", "has no answers: expected a column answer, columns p_anger"),
        ("id,answer\nx,sad\n", "No row of .* expected id like mine_0"),
        ("id,answer\nmine_0,sad\n0.wav,sad\n", "line 3: '0.wav' was answered on line 2"),
        ("id,p_anger,p_sadness\nmine_0,1,0\n", "lacks p_happiness, p_neutral"),
        ("id,p_anger,p_happiness,p_sadness,p_neutral\nmine_0,1,1,0,0\n", "that sum to 1"),
        ("id,p_anger,p_happiness,p_sadness,p_neutral\nmine_0,x,1,0,0\n", "'x' is not a number"),
        ("id,valence,arousal\nmine_0,3,4\n", "no valence and arousal for 3 of 4"),
        ("id,answer\n", "answers.csv has no rows"),
    ],
)
def test_bad_tables(text, match, tmp_path, data):
    with pytest.raises(SERError, match=match):
        answers(tmp_path, text, data)


def test_columns_without_a_value_are_none(tmp_path, data):
    text = "id,predicted_emotion,predicted_valence,predicted_arousal\nmine_0,sadness,,\n"
    rows, *_ = answers(tmp_path, text, data)  # as the predictions of a model of classes
    assert rows[0]["predicted_emotion"] == "sadness" and "predicted_valence" not in rows[0]


def test_a_file_name_that_two_utterances_have(tmp_path, data):
    data.rows["mine_5"] = {"wav": "/data/z/0.wav", "emotion": "anger"}
    with pytest.raises(SERError, match=r"'0\.wav' names 2 utterances"):
        answers(tmp_path, "file,answer\n0.wav,sad\n", data)
    rows, *_ = answers(tmp_path, "file,answer\n/data/z/0.wav,sad\n", data)
    assert rows[-1]["predicted_emotion"] == "sadness"


def test_an_id_may_lack_its_corpus(tmp_path, data):
    data.rows = {
        f"mine_{n}_x": {**row, "corpus": "mine"} for n, row in enumerate(data.rows.values())
    }
    rows, _, counts = answers(tmp_path, "id,answer\n0_x,sad\nmine_1_x,sad\n", data)
    assert [row["predicted_emotion"] for row in rows[:2]] == ["sadness"] * 2
    assert counts["answers"] == 2
    data.rows["mine_mine_1_x"] = {**data.rows["mine_1_x"], "wav": "/data/z/5.wav"}
    rows, *_ = answers(tmp_path, "id,answer\nmine_1_x,sad\n", data)
    assert [row["predicted_emotion"] for row in rows].index("sadness") == 1


def test_import_makes_predictions_that_commands_judge(tmp_path, capsys):
    corpus = write_corpus(tmp_path / "corpus")
    manifests = tmp_path / "manifests"
    from data_prep.__main__ import main as prepare

    table = ["table", "--name", "tiny", "--csv", "labels.csv", "--vad_scale", "1", "5"]
    where = ["--data_folder", str(corpus), "--manifest_folder", str(manifests)]
    assert prepare([*table, *where]) == 0
    manifest = json.loads((manifests / "tiny.json").read_text())
    truth = {i: entry["labels"]["intended"]["emotion"] for i, entry in manifest.items()}
    ids = list(truth)
    said = {**truth, ids[0]: "no idea"}
    del said[ids[-1]]
    lines = ["id,answer", *(f"{i},{word}" for i, word in said.items())]
    (tmp_path / "person.csv").write_text("\n".join(lines))
    out = tmp_path / "person"
    on = ["--on", str(manifests / "tiny.json")]
    assert main(["import", str(tmp_path / "person.csv"), *on, "--out", str(out)]) == 0
    assert (out / "report" / "index.html").is_file()
    printed = capsys.readouterr().out
    assert f"answers {len(ids) - 1}, missing 1, refused 1, unused 0" in printed
    result = evaluate_run(read_run(out), 50)["test_sets"]["tiny"]
    metrics = {name: m["value"] for name, m in result["classification"]["metrics"].items()}
    assert metrics["wa"] == pytest.approx(1 - 2 / len(ids))
    assert metrics["nll"] is None and metrics["macro_f1"] > metrics["wa"]
    assert "no answer, counted as wrong" not in printed and result["notes"].startswith("2 of ")

    lines = ["id,answer", *(f"{i},anger" for i in ids)]
    (tmp_path / "other.csv").write_text("\n".join(lines))
    other = tmp_path / "other"
    assert main(["import", str(tmp_path / "other.csv"), *on, "--out", str(other)]) == 0
    capsys.readouterr()
    # The classes differ by the one of missing answers.
    assert main(["compare", str(out), str(other), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["test_sets"]["tiny"]["tasks"]["emotion"]
    assert found["metrics"]["uar"]["b"] == 0.25 and "nll" not in found["metrics"]
