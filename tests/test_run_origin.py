import fake_run

from ser_brain.files import write_json, write_text
from ser_brain.run_origin import origin_of, versions
from ser_brain.runs import read_run


def record(**changes):
    return {
        "command": "python train.py",
        "commit": "abc+",
        "versions": {"torch": "2"},
        **changes,
    }


def test_a_single_run(tmp_path):
    fake_run.write(tmp_path / "runs" / "a")
    write_json(tmp_path / "runs" / "a" / "run.json", record())
    write_text(tmp_path / "runs" / "a" / "report" / "index.html", "")
    assert origin_of(read_run(tmp_path / "runs" / "a"), tmp_path / "pages" / "p") == {
        "protocol": "fake/speaker-5fold/intended/4-class/seed 1",
        "encoder": "tiny",
        "folder": "../../runs/a",
        "report": "../../runs/a/report/index.html",
        "commands": {"run": "python train.py"},
        "commits": ["abc+"],
        "versions": {"run": {"torch": "2"}},
    }


def test_parts_that_were_made_with_other_versions(tmp_path):
    for number in (1, 2):
        fake_run.write(tmp_path / str(number))
        facts = {"commit": None, "versions": {"torch": "2", "numpy": f"{number}.0"}}
        write_json(tmp_path / str(number) / "run.json", record(**facts))
    write_json(tmp_path / "folds.json", {"parts": {"fold 1": "1", "fold 2": "2"}})
    found = origin_of(read_run(tmp_path), tmp_path)
    assert list(found["commands"]) == ["fold 1", "fold 2"]
    assert found["commits"] == [] and found["report"] is None and found["folder"] == "."
    table = versions({"a": found, "b": {"versions": {}}})
    assert table.head == ["Package", "a", "b"]
    assert table.rows == [["torch", "2", None], ["numpy", "1.0, 2.0", None]]


def test_a_run_without_a_record(tmp_path):
    fake_run.write(tmp_path)
    found = origin_of(read_run(tmp_path), tmp_path)
    assert found["commands"] == found["versions"] == {}
    assert versions({"a": found}).rows == []
