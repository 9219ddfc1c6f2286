"""Finds of the fuzz targets that ended in a traceback, each as it was found or smaller."""

import io
import json
import zipfile

import numpy as np
import pytest

from data_prep import cremad
from data_prep._csv import read_table
from data_prep._strays import strays
from ser_brain.errors import SERError
from ser_brain.folding import cut
from ser_brain.id_lists import read_ids
from ser_brain.inference.bounds import number
from ser_brain.mood.rows import read_rows
from ser_brain.predictions import read_predictions
from ser_brain.runs import read_run
from tests import fake_run

HUGE = 10**400  # Python makes no float of it


@pytest.fixture
def predictions(tmp_path):
    """A run without checksums in its card, as somebody else may have written it."""
    path = fake_run.write(tmp_path / "run" / "predictions")
    card = path.with_name("fake.card.json")
    facts = json.loads(card.read_text())
    facts.pop("sha256", None)
    card.write_text(json.dumps(facts))
    return path


def changed_card(path, **changes):
    card = path.with_name("fake.card.json")
    card.write_text(json.dumps({**json.loads(card.read_text()), **changes}))


def changed_row(path, **changes):
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **changes}), *rest]) + "\n")


@pytest.mark.parametrize(
    "changes",
    [
        {"protocol": {"a": 1}},
        {"role": ["test"]},
        {"experiment": None},
        {"emotions": [["anger"]]},
        {"emotions": {"anger": 1}},
        {"seed": True},
        {"va_range": [float("-inf"), float("inf")]},
        {"va_range": [False, True]},
        {"temperature": float("inf")},
        {"temperature": True},
    ],
)
def test_a_prediction_card_of_other_kinds(predictions, changes):
    changed_card(predictions, **changes)
    with pytest.raises(SERError, match=f"Bad prediction card .*: {next(iter(changes))} is"):
        read_predictions(predictions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"speaker": ["a"]}, "has speaker .*, neither text nor null"),
        ({"language": 1}, "has language 1, neither text nor null"),
        ({"predicted_emotion": {"a": 1}}, "has predicted_emotion .*, neither text nor null"),
        ({"duration": "1.5"}, "has duration '1.5', which is no number"),
        ({"duration": float("nan")}, "has duration nan, which is no number"),
        ({"duration": HUGE}, "has duration 1000+, which is no number"),
        ({"predicted_valence": HUGE}, "has predicted_valence .* that is NaN or infinite"),
    ],
)
def test_a_prediction_with_facts_of_other_kinds(predictions, changes, message):
    changed_row(predictions, **changes)
    with pytest.raises(SERError, match=f"line 1: {message}"):
        read_predictions(predictions)


def array(content):
    file = io.BytesIO()
    np.save(file, content)
    return file.getvalue()


ZEROS = np.zeros((3, 4))


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (b"no array at all", "Bad embeddings"),  # np.load gives the bytes themselves
        (array(np.zeros((3, 4))).replace(b"{'descr'", b"{('descr'"), "Cannot read"),
        (
            array(np.zeros((3, 4))).replace(b"(3, 4)", b"(3, 9" + b"9" * 15 + b")"),
            "Cannot read",
        ),
        (array(np.array([["a"] * 4] * 3)), "found <U1, expected float"),
    ],
)
def test_embeddings_whose_archive_is_whole_and_whose_arrays_are_not(
    predictions, embeddings, message
):
    ids = [json.loads(line)["id"] for line in predictions.read_text().splitlines()]
    with zipfile.ZipFile(predictions.with_name("fake.npz"), "w") as archive:
        archive.writestr("ids.npy", array(np.array(ids)))
        archive.writestr("embeddings.npy", embeddings)
    with pytest.raises(SERError, match=message):
        read_predictions(predictions)


def test_a_split_whose_tests_are_a_list(predictions):
    run = predictions.parents[1]
    (run / "splits.json").write_text('{"tests": [["fake"]]}')
    with pytest.raises(SERError, match="Bad split .*: tests is no mapping of test sets"):
        read_run(run)


@pytest.mark.parametrize("train", [[["a"]], [1], "made_1", 5])
def test_ids_that_are_no_text(tmp_path, train):
    (tmp_path / "splits.json").write_text(json.dumps({"train": train, "tests": {}}))
    with pytest.raises(SERError, match="Bad list of ids .*: expected ids, each of them text"):
        read_ids(f"{tmp_path}/splits.json:train")


def test_tests_that_are_no_mapping(tmp_path):
    (tmp_path / "splits.json").write_text('{"train": [], "tests": 3}')
    assert read_ids(f"{tmp_path}/splits.json") == ["train", "tests"]
    with pytest.raises(SERError, match="it has no test sets"):
        read_ids(f"{tmp_path}/splits.json:train")


def test_too_few_utterances_of_every_class():
    rows = {f"u{n}": {"emotion": ("anger", "sadness")[n % 2]} for n in range(4)}
    with pytest.raises(SERError, match="4 utterances of 2 classes are too few to cut into 3"):
        cut(rows, list(rows), None, 3, 0)


def test_a_null_character_in_a_table(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"path,emotion\na\0.wav,angry\n")
    with pytest.raises(SERError, match="t.csv, line 2 holds a null character"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize("level", ["nan", "1e999:2"])
def test_cremad_levels_that_are_not_finite(level):
    summary = {"voicevote": "A", "voicelevel": level, "filename": "1001_IEO_ANG_HI"}
    with pytest.raises(SERError, match="cannot read the voice rating 'A' of 1001_IEO_ANG_HI"):
        cremad._rated(summary, {})


@pytest.mark.parametrize("age", ["²", "٣٣", "9" * 5000])
def test_cremad_ages_that_are_digits_and_no_number(tmp_path, age):
    table = tmp_path / cremad.DEMOGRAPHICS
    table.write_text(f"ActorID,Age,Sex\n1001,{age},Male\n", encoding="utf-8")
    assert cremad.speakers(tmp_path)["1001"]["age"] is None


def test_a_number_in_a_mood_table_that_is_too_large_for_a_float(tmp_path):
    (tmp_path / "t.jsonl").write_text(json.dumps({"valence": HUGE}))
    with pytest.raises(SERError, match="valence is 1000+; expected a number"):
        read_rows(tmp_path / "t.jsonl").numbers("valence")


def test_a_number_in_a_model_folder_that_is_too_large_for_a_float():
    assert not number(-1e6, 1e6).holds(HUGE) and not number(0, 1).holds(float("nan"))


class Corpus:
    def is_unused(self, relative):
        return False


def test_a_file_where_a_folder_should_be(tmp_path):
    (tmp_path / "AudioWAV").write_text("")
    (problem,) = strays(Corpus(), tmp_path, ["AudioWAV/a.wav"], tmp_path / "manifests")
    assert (problem.kind, problem.path) == ("stray file", "AudioWAV")


def test_links_in_a_circle_are_strays(tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "here").symlink_to(".")
    found = strays(Corpus(), tmp_path, ["a.wav"], tmp_path / "manifests")
    assert {(p.kind, p.path) for p in found} == {
        ("stray file", "loop"),
        ("stray folder", "here"),
    }
