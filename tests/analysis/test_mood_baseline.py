"""A person's own baseline, on planted days."""

import csv

import numpy as np
import pytest

from ser_brain.analysis.mood.analysis import analyse
from ser_brain.analysis.mood.baseline import (
    ALPHA,
    Baseline,
    baseline_facts,
    judge_days,
    sentence,
)
from ser_brain.analysis.mood.description import Affect
from ser_brain.analysis.mood.report import summary, write_report
from ser_brain.core.errors import SERError
from tests.analysis.error_rates import unusual_rates

FIRST_DAY = np.datetime64("2026-03-02", "D")


def days(valences, arousals=0.0, area=0.5, neutral=None, skipped=()):
    """One day after another; the skipped numbers are days without speech."""
    count = len(valences)
    free = [n for n in range(count + len(skipped)) if n not in skipped]
    dates = FIRST_DAY + np.array(free)
    values = [np.broadcast_to(v, count).tolist() for v in (valences, arousals, area)]
    shares = [None] * count if neutral is None else np.broadcast_to(neutral, count).tolist()
    affects = [
        Affect(50, 50.0, 150.0, *va, [[1, 0], [0, 1]], size, share)
        for *va, size, share in zip(*values, shares, strict=True)
    ]
    return dates, affects


def judged(*given, baseline="7", **options):
    return judge_days(*days(*given, **options), Baseline.parse(baseline))


NOISE = np.random.default_rng(0).normal(size=(2, 40))


def test_a_constant_offset_changes_nothing_and_a_later_change_is_found():
    """Someone who always sounds negative is not unusual; who begins to sound so is."""
    change = np.where(np.arange(40) >= 20, 0.6, 0)
    rows = judged(0.1 * NOISE[0] + change, 0.1 * NOISE[1])
    shifted = judged(0.1 * NOISE[0] + change - 0.5, 0.1 * NOISE[1])
    for row, other in zip(rows, shifted, strict=True):
        assert (row["unusual"], row["compared_with"]) == (
            other["unusual"],
            other["compared_with"],
        )
        ours, theirs = (r["measures"]["valence"]["deviation"] for r in (row, other))
        assert ours == theirs or ours == pytest.approx(theirs)
    assert [row["compared_with"] for row in rows] == [0] * 5 + [5, 6] + [7] * 33
    assert all(row["unusual"] for row in rows[20:])
    assert sum(bool(row["unusual"]) for row in rows[:20]) <= 2


def test_an_expected_range_is_the_prediction_interval_of_students_t():
    values = [0.1, 0.3, 0.2, 0.0, 0.4, 0.9]
    found = judged(values)[-1]["measures"]["valence"]
    # t of 4 degrees of freedom at 1 - .05 / 6, from tables; sd = .15811
    half = 3.961 * 0.158114 * np.sqrt(6 / 5)
    assert (found["low"], found["high"]) == pytest.approx((0.2 - half, 0.2 + half), abs=1e-3)
    assert found["deviation"] == pytest.approx(0.7 / 0.158114, abs=1e-4)


@pytest.mark.parametrize("correlation, at_most", [(0.0, 1.2 * ALPHA), (0.4, 2.2 * ALPHA)])
def test_so_many_usual_days_are_called_unusual(correlation, at_most):
    """No more than stated if days are independent; more if they resemble each other."""
    share, _ = unusual_rates(7, correlation, persons=300)
    assert 0.5 * ALPHA < share < at_most  # of 300 persons, uncertain by less than a fifth


def test_someone_with_one_emotion_only():
    """Neutral all day, every day: no day is unusual until there is something else."""
    rows = judged([0.0] * 12, 0.0, 0.0, neutral=[1.0] * 10 + [0.99, 0.7])
    assert [row["unusual"] for row in rows] == [None] * 5 + [False] * 6 + [True]
    assert rows[-1]["measures"]["neutral"]["deviation"] == pytest.approx(-15)
    assert rows[-1]["measures"]["valence"]["deviation"] == 0


def test_few_days_gaps_and_a_given_period():
    assert [row["unusual"] for row in judged([0.1, 0.2, 0.3])] == [None] * 3
    rows = judged(0.1 * NOISE[0, :9], skipped=(1, 2, 3, 6))
    assert [row["day"][-2:] for row in rows] == ["02", "06", "07", *"09 10 11 12 13 14".split()]
    assert [row["baseline"] for row in rows] == [True] * 7 + [False] * 2
    rows = judged(0.1 * NOISE[0, :12], baseline="2026-03-04..2026-03-10")
    assert [row["baseline"] for row in rows] == [False] * 2 + [True] * 7 + [False] * 3
    assert [row["compared_with"] for row in rows] == [0] * 7 + [5, 6, 7, 7, 7]
    dates, affects = days([0.1] * 8)
    affects[1] = Affect(3, 3.0, 9.0, 0.9, 0.0, None, None, None)
    rows = judge_days(dates, affects, Baseline.parse("5"))
    assert [row["baseline"] for row in rows] == [True, False] + [True] * 4 + [False] * 2
    assert rows[1]["unusual"] is None and rows[1]["measures"]["valence"]["value"] == 0.9
    for text, message in (("4", "expected 5 days or more"), ("x", "Bad period 'x'")):
        with pytest.raises(SERError, match=message):
            Baseline.parse(text)


@pytest.mark.parametrize(
    "period", ["2025-03-02..2025-03-08", "2027-03-02..2027-03-08", "2026-03-05..2026-03-06"]
)
def test_a_period_without_a_day_of_the_table_is_a_mistake(period):
    message = f"{period} contains no day of the table, .* 9 days .* 2026-03-02 to 2026-03-12"
    with pytest.raises(SERError, match=message):
        judged([0.1] * 9, skipped=(3, 4), baseline=period)


@pytest.mark.parametrize(
    "asked, is_complete",
    [("8", True), ("500", False), ("2026-03-02..2026-03-08", True),
     ("2026-03-05..2026-03-12", False)],
)  # fmt: skip
def test_a_baseline_that_is_not_complete_is_said(asked, is_complete):
    baseline = Baseline.parse(asked)
    said = sentence(baseline_facts(judged(0.1 * NOISE[0, :9], baseline=asked), baseline))
    assert ("It is not complete yet: its days are compared" in said) is not is_complete


@pytest.mark.parametrize("asked", ["6", "2026-03-03..2026-03-09"])
def test_later_recordings_leave_earlier_rows_byte_by_byte(timeline, tmp_path, asked):
    """The report never looks ahead: a longer table begins with the lines of a shorter one."""
    rng = np.random.default_rng(2)
    day_N = np.repeat(np.arange(14), 30)
    minute_N = np.tile(np.arange(30), 14).astype("timedelta64[m]")
    local_N = FIRST_DAY + day_N.astype("timedelta64[D]") + np.timedelta64(600, "m") + minute_N
    va_N2 = rng.normal(0, 0.3, (len(day_N), 2)) + np.where(day_N >= 9, 0.4, 0)[:, None]
    neutral_N = rng.random(len(day_N)) < 0.4
    texts = []
    for last in (3, 6, 9, 14):
        kept = day_N < last
        mood = analyse(
            timeline(va_N2[kept], None, local_N[kept], neutral_N[kept]),
            baseline=Baseline.parse(asked),
        )
        write_report(mood, tmp_path / str(last))
        texts.append((tmp_path / str(last) / "baseline.csv").read_bytes())
        assert texts[-1].startswith(texts[-2] if len(texts) > 1 else b"day,")
        assert texts[-1].count(b"\n") == last + 1
    assert "Unusual for this person: " in summary(mood.facts())
    rows = list(csv.DictReader(texts[-1].decode().splitlines()))
    assert [row["unusual"] for row in rows[-5:]] == ["true"] * 5
    page = (tmp_path / "14" / "index.html").read_text()
    assert 'id="baseline"' in page and "compared only with days\nbefore it" in page
