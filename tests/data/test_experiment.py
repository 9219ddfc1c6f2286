"""Assembled parts, and the protocol."""

import json
import zlib
from collections import Counter

import pytest

from ser_brain.core.errors import SERError
from ser_brain.data.corpora import CorpusSetting
from ser_brain.data.experiment import TASKS, Protocol, assemble, protocol_of, require_tasks
from ser_brain.data.labelling import CorpusData, LabelChoice
from ser_brain.data.labels import DIMENSIONS, VALENCE_AROUSAL
from ser_brain.data.splits import SplitSetting
from ser_brain.training.predict_corpus import prediction_rows

EMOTIONS = ["anger", "sadness"]
SPEAKER = SplitSetting("speaker", 1, (0.6, 0.2, 0.2))


def corpus(name="made", use="train", emotions=EMOTIONS, speakers=6, prefix="", **facts):
    """A corpus whose clips all differ in length, so that its audit reads no audio."""
    shift_s = zlib.crc32(name.encode()) % 997 / 1000
    rows = {}
    for speaker in range(speakers):
        for emotion in emotions:
            for take in range(3):
                utterance_id = f"{name}_{prefix}{speaker}_{emotion}_{take}"
                rows[utterance_id] = {
                    "duration": 1 + len(rows) + shift_s,
                    "sample_rate": 16000,
                    "corpus": name,
                    "speaker": f"{name}_{speaker}",
                    "gender": None,
                    "language": "eng",
                    "group": None,
                    "split": None,
                    "text": None,
                    "label_source": "intended",
                    "emotion": emotion,
                    "valence": 2.0,
                    "arousal": 3.0,
                    **facts,
                }
    setting = CorpusSetting(name, use)
    return CorpusData(name, setting, {"synthetic": name == "demo"}, rows, {"labelled fear": 2})


def test_train_is_cut_and_test_is_whole():
    made, other = corpus(), corpus("other", use="test")
    data = assemble([made, other], SPEAKER, EMOTIONS)
    assert list(data.tests) == ["made", "other"]
    assert data.tests["other"] == other.rows
    assert data.train | data.valid | data.tests["made"] == made.rows
    assert len(data.train) + len(data.valid) + len(data.tests["made"]) == len(made.rows)
    assert list(data.audits) == [
        "train-valid", "train-made", "valid-made", "train-other", "valid-other",
    ]  # fmt: skip


def test_a_part_without_a_class_is_named():
    """Issue 13, no. 32: official parts are what they are."""
    made = corpus()
    for row in made.rows.values():
        row["split"] = ["train", "train", "train", "train", "valid", "test"][
            int(row["speaker"].removeprefix("made_"))
        ]
    lacking = {"valid": "anger", "test": "sadness"}
    rows = {i: r for i, r in made.rows.items() if r["emotion"] != lacking.get(r["split"])}
    made = CorpusData("made", made.setting, made.card, rows, {})
    data = assemble([made], SplitSetting("official", 1), EMOTIONS)
    assert data.absent == {"valid": ["anger"], "made": ["sadness"]}
    assert data.as_dict()["absent"] == data.absent
    assert assemble([made], SplitSetting("official", 1), None).absent == {}
    assert assemble([corpus()], SPEAKER, EMOTIONS).absent == {}


def test_several_corpora_are_trained_on_together():
    one, two = corpus("one"), corpus("two")
    data = assemble([one, two], SPEAKER, EMOTIONS)
    for rows in (data.train, data.valid):
        assert {row["corpus"] for row in rows.values()} == {"one", "two"}
    assert set(data.tests) == {"one", "two"}
    assert {row["corpus"] for row in data.tests["one"].values()} == {"one"}


def test_a_class_may_come_from_any_of_the_corpora():
    one, two = corpus("one", emotions=["anger", "sadness"]), corpus("two", emotions=["anger"])
    data = assemble([two, one], SPEAKER, EMOTIONS)
    assert {row["emotion"] for row in data.train.values()} == set(EMOTIONS)
    match = r"No utterance to train on is labelled fear \(found: anger 36, sadness 18, fear 0\)"
    with pytest.raises(SERError, match=match):
        assemble([two, one], SPEAKER, [*EMOTIONS, "fear"])
    assemble([two, one], SPEAKER, None)  # Where no class is learned, none is missed.


def test_a_test_corpus_supplies_no_class():
    one = corpus("one", emotions=["anger"])
    with pytest.raises(SERError, match="is labelled sadness"):
        assemble([one, corpus("two", use="test")], SPEAKER, EMOTIONS)


def test_two_corpora_of_one_name():
    with pytest.raises(SERError, match="corpora has two lines named made; use `where`"):
        assemble([corpus(), corpus(use="test")], SPEAKER, EMOTIONS)


def test_a_test_set_may_not_hold_a_speaker_trained_on():
    trained = next(iter(assemble([corpus()], SPEAKER, EMOTIONS).train.values()))
    other = corpus("other", use="test", prefix="x", speaker=trained["speaker"])
    with pytest.raises(SERError, match="The speaker split shares 1 speakers between"):
        rows = {i: {**row, "corpus": "made"} for i, row in other.rows.items()}
        other.rows = rows
        assemble([corpus(), other], SPEAKER, EMOTIONS)
    assemble([corpus(), other], SplitSetting("random", 1), EMOTIONS)


def test_what_splits_json_says():
    data = assemble([corpus(), corpus("demo", use="test")], SPEAKER, EMOTIONS)
    assert (data.synthetic("made"), data.synthetic("demo")) == (False, True)
    data.corpora[0].card.update(title="Made", licence="none", left_out={"silent": ["a", "b"]})
    data.corpora[0].card.update(counts={"utterances": 36}, expected={"utterances": 40})
    said = json.loads(json.dumps(data.as_dict(), allow_nan=False))
    assert said["train"] == list(data.train)
    assert said["valid"] == list(data.valid)
    assert said["tests"]["made"] == list(data.tests["made"])
    assert said["left_out"] == {name: {"labelled fear": 2} for name in ("made", "demo")}
    facts = said["corpora"]["made"]
    assert (facts["title"], facts["licence"], facts["utterances"]) == ("Made", "none", 36)
    assert facts["damaged"] == {"silent": 2} and facts["left_out"] == {"labelled fear": 2}
    assert (
        facts["differs"] == ["utterances 36 (40)"] and said["corpora"]["demo"]["differs"] == []
    )
    speakers = {"count": 0, "examples": [], "unknown": [0, 0]}
    assert said["audit"]["train-valid"]["speakers"] == speakers


def test_balanced_tests_leave_out_what_is_beyond_the_smallest_class():
    made = corpus()
    for utterance_id in [i for i in made.rows if "_anger_2" in i]:
        del made.rows[utterance_id]
    other = corpus("other", use="test")
    data = assemble([made, other], SPEAKER, EMOTIONS, balanced=True)
    counts = Counter(row["emotion"] for row in data.tests["made"].values())
    assert counts["anger"] == counts["sadness"] > 0
    left_out = made.left_out["beyond the smallest class of the test set"]
    assert left_out == len(made.rows) - len(data.train) - len(data.valid) - sum(counts.values())
    assert other.left_out == {"labelled fear": 2}
    choice = LabelChoice(EMOTIONS, {}, (1.0, 5.0), "corpus", "emotion")
    protocol = protocol_of(data, SPEAKER, ["emotion"], choice, balanced=True)
    assert str(protocol) == "made/speaker/intended/2-class/balanced/seed 1"
    with pytest.raises(SERError, match="balanced: True needs an experiment that learns"):
        assemble([made], SPEAKER, None, balanced=True)


def test_what_shares_a_speaker_or_a_text_with_the_test_set_is_left_out_and_counted():
    made = corpus()
    for number, row in enumerate(made.rows.values()):
        row["text"] = f"t{number % 3}"
    setting = SplitSetting("speaker+text", 1, folds=3, fold=2)
    data = assemble([made], setting, EMOTIONS)
    assert data.folds == 9
    used = len(data.train) + len(data.valid) + len(data.tests["made"])
    assert made.left_out["sharing a speaker or text with the test set"] == 36 - used > 0
    assert data.audits["train-made"]["texts"]["count"] == 0
    assert data.audits["train-valid"]["texts"]["count"] == 2


@pytest.mark.parametrize(
    "tasks, vad_source, said",
    [
        (["emotion"], "corpus", "2-class"),
        (["valence_arousal"], "corpus", "valence-arousal"),
        (["valence_arousal"], "corpus", "valence-dominance"),
        (["valence_arousal", "emotion"], "prototypes", "2-class+valence-arousal(prototypes)"),
    ],
)
def test_a_protocol_as_a_line_and_back(tasks, vad_source, said):
    setting = SplitSetting("speaker", 7, folds=5, fold=2)
    corpora = [corpus("one"), corpus("two", label_source="rated_voice")]
    data = assemble([*corpora, corpus("three", use="test")], setting, EMOTIONS)
    dimensions = [name for name in DIMENSIONS if name in said] or VALENCE_AROUSAL
    choice = LabelChoice(EMOTIONS[:2], {}, (1.0, 5.0), vad_source, "emotion", dimensions)
    protocol = protocol_of(data, setting, tasks, choice)
    line = f"one+two/speaker-5fold-fold2/intended+rated_voice/{said}/seed 7"
    assert str(protocol) == line and set(protocol.tasks) == set(tasks)
    assert Protocol.parse(line) == Protocol.parse(f"{line} on far/rated") == protocol
    written = json.loads(json.dumps(protocol.as_dict()))
    assert written["protocol"] == line and Protocol.of(written) == protocol
    pooled = {**written, "protocol": line.replace("-fold2", "")}  # the fields are of one part
    assert Protocol.of(pooled).split == "speaker-5fold"
    for damaged in (5, {}, {"corpora": 5}, dict.fromkeys(written["protocol_fields"], 5)):
        assert Protocol.of({**written, "protocol_fields": damaged}) == protocol


@pytest.mark.parametrize(
    "line", ["", "x", "x/random/s", "x/layer 5", "x/1/seed 1-3", "a/b/c/d"]
)
def test_any_line_can_be_parsed(line):
    found = Protocol.of({"protocol": line})
    assert found.corpora == (line.split("/")[0],) and found.seed is None and not found.tasks


def test_a_protocol_names_no_task_without_labels():
    data = assemble([corpus("one")], SplitSetting("speaker", 7), EMOTIONS)
    for row in data.train.values():
        row["valence"] = row["arousal"] = None
    choice = LabelChoice(EMOTIONS[:2], {}, (1.0, 5.0), "corpus", "emotion")
    protocol = protocol_of(data, SplitSetting("speaker", 7), list(TASKS), choice)
    assert str(protocol) == "one/speaker/intended/2-class/seed 7"


@pytest.mark.parametrize("tasks", [(), ("nll",), ("emotion", "age")])
def test_a_brain_declares_what_it_learns(tasks):
    brain = type("OddBrain", (), {"tasks": tasks})
    with pytest.raises(
        SERError, match=r"Bad tasks .* of OddBrain; expected one or both of: emo"
    ):
        require_tasks(brain)
    assert require_tasks(type("Fine", (), {"tasks": ["emotion"]})) == ("emotion",)


def test_prediction_rows_join_facts_with_answers():
    rows = corpus().rows
    first, second = list(rows)[:2]
    outputs = [
        {"id": second, "embedding": [0.0], "log_probabilities": [-2.0, -0.1]},
        {"id": first, "valence_arousal": [1.5, 4.5]},
    ]
    one, two = prediction_rows(outputs, rows, {"emotions": EMOTIONS})
    assert one["id"] == second
    assert one["predicted_emotion"] == "sadness"
    assert one["log_probabilities"] == {"anger": -2.0, "sadness": -0.1}
    assert (one["emotion"], one["valence"], one["arousal"]) == ("anger", 2.0, 3.0)
    assert "predicted_valence" not in one
    assert (two["predicted_valence"], two["predicted_arousal"]) == (1.5, 4.5)
    assert "predicted_emotion" not in two
    assert one["speaker"] == "made_0" and one["label_source"] == "intended"
