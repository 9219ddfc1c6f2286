"""The emotion diarisation error rate, by hand and beside SpeechBrain's."""

from pathlib import Path

import numpy as np
import pytest
from speechbrain.utils.EDER import EDER

from ser_brain.core.errors import SERError
from ser_brain.data.segment_tables import Part, SegmentTable
from ser_brain.evaluation.emotion_timeline import (
    ERRORS,
    diarization_errors,
    judge_timelines,
    timeline_table,
)


def test_every_kind_of_error_by_hand():
    said = [(0, 2, "anger"), (2, 4, "neutral"), (4, 6, "sadness"), (6, 8, "sadness")]
    said += [(6, 8, "anger")]  # two speakers at once
    heard = [
        (0, 1, "no_answer"),
        (1, 3, "anger"),
        (3, 5, "anger"),
        (5, 6, "sadness"),
        (5, 6, "anger"),
    ]
    heard += [(6, 7, "anger"), (7, 99, "anger"), (7, 99, "sadness")]
    assert diarization_errors(said, heard, 10) == {
        "missed": 1 + 1,  # 0 to 1 s; 6 to 7 s, where one of two emotions is missing
        "false_alarm": 2 + 2,  # 2 to 4 s, and after 8 s
        "confusion": 1,  # 4 to 5 s
        "overlap": 1,  # 5 to 6 s
        "emotional": 6,
    }


def test_own_classes_are_found_in_any_case():
    rows = [{"file": "u", "start": 0.0, "stop": 2.0, "emotion": "Ärger"}]
    reference = SegmentTable({Path("u"): [Part(0.0, 2.0, {"emotion": "Ärger"})]}, [])
    assert judge_timelines(rows, reference, {"u": 2.0})["eder"]["value"] == 0


@pytest.mark.parametrize("seed", range(20))
def test_overlapping_windows_as_speechbrain_counts_them(seed):
    """Of one emotional stretch, which is all that SpeechBrain's function takes."""
    rng = np.random.default_rng(seed)
    words = {"n": "neutral", "a": "anger", "s": "sadness"}
    predicted = rng.choice(list(words), 9).tolist()
    start, stop = np.sort(rng.uniform(0, 10, 2)).round(3).tolist()
    theirs = EDER(predicted, "u", 10, [{"emo": "anger", "start": start, "end": stop}], 2, 1)
    rows = [
        {"file": "u", "start": n, "stop": n + 2.0, "emotion": words[letter]}
        for n, letter in enumerate(predicted)
    ]
    reference = SegmentTable({Path("u"): [Part(start, stop, {"emotion": "Angry"})]}, [])
    found = judge_timelines(rows, reference, {"u": 10.0})
    assert found["eder"]["value"] == pytest.approx(theirs)
    assert found["eder"]["low"] is None and found["emotional"] == pytest.approx(
        (stop - start) / 10
    )


@pytest.mark.parametrize("seed", range(20))
def test_spans_at_random_as_looked_up_at_every_moment(seed):
    rng = np.random.default_rng(seed)

    def spans(count):
        times_N2 = rng.integers(-2, 25, (count, 2))  # some beyond the end, some turned around
        words = rng.choice(["anger", "sadness", "fear", "neutral", "no_answer"], count)
        return [(a / 2, b / 2, word) for (a, b), word in zip(times_N2, words, strict=True)]

    said, heard = spans(8), spans(8)
    found = diarization_errors(said, heard, 10)
    expected = dict.fromkeys(found, 0.0)
    for n in range(-2, 20):  # steps of half a second, in which nothing changes
        at = n / 2 + 0.25
        true, answered = (
            {e for a, b, e in some if a <= at < b} - {"neutral", "no_answer"}
            for some in (said, heard)
        )
        expected["emotional"] += 0.5 * bool(true)
        expected["missed"] += 0.5 * (answered < true)
        expected["false_alarm"] += 0.5 * (bool(answered) and not true)
        expected["confusion"] += 0.5 * (bool(true and answered) and not true & answered)
        expected["overlap"] += 0.5 * bool(true & answered and answered - true)
    assert found == expected


def test_recordings_weigh_by_their_length_and_give_an_interval():
    parts = {Path(f"{n}.wav"): [Part(0, n, {"emotion": "anger"})] for n in range(1, 7)}
    rows = [{"file": "6.wav", "start": "0", "stop": "6", "emotion": "anger", "speaker": "A"}]
    found = judge_timelines(
        rows, SegmentTable(parts, []), {f"{n}.wav": 8.0 for n in range(1, 7)}
    )
    assert found["eder"]["value"] == found["missed"] == pytest.approx(15 / 48)
    assert found["eder"]["low"] < 15 / 48 < found["eder"]["high"]
    assert found["recordings"] == 6 and sum(found[name] for name in ERRORS[1:]) == 0
    assert timeline_table(found).rows[0][5:] == [pytest.approx(21 / 48), 6, 48]


def test_a_reference_that_says_nothing():
    table = SegmentTable({Path("a.wav"): [Part(0, 1, {"emotion": ""})]}, [])
    with pytest.raises(SERError, match="no emotion for a.wav from 0 s; write neutral"):
        judge_timelines([], table, {"a.wav": 1.0})
    with pytest.raises(SERError, match="no segment of a recording that could be scored"):
        judge_timelines([], SegmentTable({}, []), {"a.wav": 1.0})
