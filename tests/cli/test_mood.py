"""``ser mood`` as it is typed."""

import json
import shlex

import pytest

from ser_brain.__main__ import main
from ser_brain.analysis.mood.simulation import planted, simulate
from ser_brain.core.tables import to_csv
from ser_brain.reporting.html import written_files


@pytest.fixture
def written(monkeypatch):
    """What would be written: the arguments of ``write_report``."""
    found = {}

    def write_report(mood, folder, command, planted, copied):
        names = [path.name for path in copied if path.is_file()]
        found.update(mood=mood, folder=folder, command=command, planted=planted, copied=names)

    monkeypatch.setattr("ser_brain.cli.mood.write_report", write_report)
    return found


def test_the_demo(tmp_path, capsys, written):
    assert main(["mood", "--demo", "--out", str(tmp_path), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["change"]["outcomes"]["centroid"]["p_adjusted"] <= 0.05
    assert written["copied"] == ["simulated.csv"]
    assert written["planted"] == planted()
    assert written["command"].startswith("ser mood --demo --out")


def test_a_demo_that_is_refused_leaves_nothing(tmp_path, capsys):
    (tmp_path / "hyperparams.yaml").write_text("")
    assert main(["mood", "--demo", "--out", str(tmp_path)]) == 2
    assert "contains hyperparams.yaml: it is a run" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["hyperparams.yaml"]


def test_the_table_of_a_demo_is_a_file_of_its_report(tmp_path):
    (tmp_path / "simulated.csv").write_text(to_csv(simulate()))  # as earlier versions left it
    for table in (["--demo"], [str(tmp_path / "simulated.csv")]):
        assert main(["mood", *table, "--out", str(tmp_path)]) == 0
        assert "simulated.csv" in written_files(tmp_path)
        assert (tmp_path / "simulated.csv").read_text() == to_csv(simulate())


def test_every_option_arrives(table, tmp_path, capsys, written):
    path = table(
        40,
        time=None,
        start=[86_400.0 * (i // 10) + 60 * i for i in range(40)],
        speaker="anna",
        valence=[1 + i % 5 for i in range(40)],
        arousal=3,
    )
    options = {
        "va_range": "1.0 5.0",
        "by": "week",
        "compare": "2026-03-03..2026-03-04 2026-03-05..2026-03-06",
        "block_days": "1",
        "speaker": "anna",
        "zone": "Asia/Seoul",
        "recorded_at": "2026-03-02T23:00Z",
    }
    options = [word for name, value in options.items() for word in f"--{name} {value}".split()]
    arguments = ["mood", str(path), "--out", str(tmp_path / "out"), *options]
    assert main(arguments) == 0
    mood = written["mood"]
    assert written["planted"] is None
    assert shlex.split(written["command"]) == ["ser", *arguments]
    assert (mood.periods.by, mood.timeline.speaker) == ("week", "anna")
    assert str(mood.timeline.local_N[0])[:16] == "2026-03-03T08:00"
    assert mood.whole.valence == pytest.approx(0)
    assert mood.change.facts["units"] == [2, 2]
    said = capsys.readouterr().out
    assert "Hours and days are those of Asia/Seoul." in said and "B − A" in said


def test_the_recordings_of_a_folder_and_when_they_began(table, tmp_path, capsys, written):
    """What ser predict wrote of several files, in the order of their names."""
    files = ["a/mon.wav"] * 2 + ["a/sun.wav"] * 2
    path = table(time=None, duration=None, file=files, start=[0, 4] * 2, stop=[4, 8] * 2)
    began = tmp_path / "recordings.csv"
    began.write_text("file,time\nmon.wav,2026-03-02T18:00\nsun.wav,2026-03-01T18:00\n")
    arguments = ["mood", str(path), "--out", str(tmp_path / "out"), "--recorded_at", str(began)]
    assert main(arguments) == 0
    assert str(began) in shlex.split(written["command"])
    said = capsys.readouterr().out
    assert said.index("Sun 2026-03-01") < said.index("Mon 2026-03-02")


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "Expected either PREDICTIONS or --demo"),
        (["a.csv", "--demo"], "Expected either PREDICTIONS or --demo"),
        (["absent.csv"], "Cannot read absent.csv"),
        (["--demo", "--compare", "a", "b"], "--demo compares its own two weeks"),
        (["--demo", "--va_range", "1", "5"], "far outside the scale 1 to 5"),
        (["simulated.csv", "--compare", "2026-03-02..2026-03-08", "x"], "Bad period 'x'"),
        (["absent.csv", "--by", "month"], "invalid choice: 'month'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "simulated.csv").write_text(to_csv(simulate()))
    assert main(["mood", *arguments, "--out", "out"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error
    assert "Traceback" not in error and not (tmp_path / "out").exists()
