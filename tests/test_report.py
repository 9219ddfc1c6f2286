import csv
import html.parser
import json
import re

import fake_run
import pytest

from ser_brain.evaluation import evaluate_run
from ser_brain.files import read_json
from ser_brain.report import summary_table, write_report
from ser_brain.runs import read_run

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(html.parser.HTMLParser):
    """Collects what the tests ask of a page; fails on tags that do not match."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.text = [], [], [], [], ""
        self.feed(path.read_text(encoding="utf-8"))
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if tag not in VOID:
            self.open.append(tag)
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "a":
            self.links.append(attributes["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data


def sober(page):
    """What must hold of every report."""
    assert len(page.ids) == len(set(page.ids))
    assert all(link.startswith("#") and link[1:] in page.ids for link in page.links)
    for tag, attributes in page.tags:
        assert tag not in ("script", "link", "iframe", "object")
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            assert attributes["src"].startswith("data:image/svg+xml;base64,")
            assert attributes["alt"]
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in page.ids
        assert "://" not in json.dumps({k: v for k, v in attributes.items() if k != "src"})
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == 1 and tags.count("main") == 1
    assert tags.count("caption") == tags.count("table")
    assert "nan" not in re.findall(r"\w+", page.text.lower())


def full_run(folder):
    (folder / "run.json").write_text(
        json.dumps(
            {
                "command": "python train.py hparams/x.yaml --seed=1",
                "commit": "abc123",
                "versions": {"numpy": "2.0"},
                "wall_time_s": 75.2,
                "started": "2026-01-01T00:00:00+0000",
                "finished": True,
            }
        )
    )
    shared = {"speakers": {"count": 3, "examples": ["a"]}, "audio": {"count": 0}}
    splits = {
        "train": ["a", "b"],
        "valid": ["c"],
        "tests": {"fake": ["d"]},
        "audit": {"train-valid": shared, "train-fake": shared},
        "left_out": {"fake": {"without an emotion": 1234}},
    }
    (folder / "splits.json").write_text(json.dumps(splits))
    (folder / "train_log.jsonl").write_text(
        json.dumps({"epoch": 1, "train": {"loss": 1.0}, "valid": {"uar": 0.5}}) + "\n"
    )


@pytest.mark.parametrize("kind", ["multiobjective", "classification", "regression"])
def test_every_kind_of_model(tmp_path, kind):
    full_run(tmp_path)
    fake_run.write(tmp_path, "fake", fake_run.rows(40, kind), experiment=kind)
    path = write_report(tmp_path, resamples=50)
    page = Page(path)
    sober(page)
    images = [attributes["alt"] for tag, attributes in page.tags if tag == "img"]
    expected = {"multiobjective": 5, "classification": 2, "regression": 4}
    assert len(images) == expected[kind]  # Confusion, three of values, training.
    for text in ("python train.py hparams/x.yaml", "abc123", "1 min 15 s", "1,234 without an"):
        assert text in page.text
    assert "trained on speakers of fake" in page.text
    assert "Synthetic" not in page.text
    results = read_json(path.parent / "results.json", "results")
    assert results["test_sets"]["fake"]["kind"] == kind
    with open(path.parent / "summary.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    if kind != "regression":
        uar = results["test_sets"]["fake"]["classification"]["metrics"]["uar"]
        assert float(row["UAR"]) == uar["value"] and float(row["UAR low"]) == uar["low"]
        assert f"{uar['value']:.3f}" in page.text
    assert ("CCC valence" in row) == (kind != "classification")


def test_test_sets_that_lack_labels(tmp_path):
    fake_run.write(tmp_path, "none", fake_run.rows(20, rated=False, labelled=False))
    fake_run.write(tmp_path, "unrated", fake_run.rows(20, rated=False), role="train")
    page = Page(write_report(tmp_path, resamples=20))
    sober(page)
    assert "None is rated for valence or arousal" in page.text
    assert "The model has seen these utterances" in page.text
    assert "no record of its command" in page.text


def test_what_a_reader_must_know_comes_first(tmp_path):
    fake_run.write(tmp_path, some_rows=fake_run.rows(20, "classification"), synthetic=True)
    (tmp_path / "run.json").write_text('{"finished": false, "wall_time_s": null}')
    path = write_report(tmp_path, resamples=20)
    text = Page(path).text
    for words in ("it says nothing about accuracy on people", "had not finished"):
        assert text.index(words) < text.index("WA")
    results = read_json(path.parent / "results.json", "results")
    assert "it says nothing about accuracy on people" in summary_table(results)
    assert {path.name for path in tmp_path.iterdir()} == {"predictions", "report", "run.json"}
    names = {path.name for path in (tmp_path / "report").iterdir()}
    assert {"index.html", "results.json", "summary.md", "per_class.csv"} <= names
    assert not any(name.startswith(".") for name in names)


def test_hostile_words_stay_words(tmp_path):
    rows = fake_run.rows(30, "classification")
    for row in rows:
        row["id"] += HOSTILE
        row["label_source"] = HOSTILE
        row["language"] = HOSTILE + str(row["gender"])
    rows[0]["emotion"] = HOSTILE
    run = {"command": HOSTILE, "commit": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    (tmp_path / "run.json").write_text(json.dumps(run))
    audit = {f"train-{HOSTILE}": {HOSTILE: 1, "speakers": 2}}
    splits = {"tests": {HOSTILE: []}, "audit": audit, "left_out": {HOSTILE: {HOSTILE: 1}}}
    (tmp_path / "splits.json").write_text(json.dumps(splits))
    log = {"epoch": 1, "train": {HOSTILE: 1.0}}
    (tmp_path / "train_log.jsonl").write_text(json.dumps(log))
    name = HOSTILE.replace("/", "")
    words = dict.fromkeys(("protocol", "experiment", "encoder", "notes", "role"), HOSTILE)
    fake_run.write(tmp_path, name, rows, **words)
    path = write_report(tmp_path, resamples=20)
    sober(Page(path))
    assert "<script" not in path.read_text()
    assert (path.parent / f"{name}-confusion.svg").exists()


def test_the_summary_for_a_terminal(tmp_path):
    fake_run.write(tmp_path, "one")
    fake_run.write(tmp_path, "two", fake_run.rows(30, rated=False))
    text = summary_table(evaluate_run(read_run(tmp_path), resamples=20))
    lines = text.splitlines()
    assert lines[0] == fake_run.card()["protocol"]
    assert lines[2].split() == ["Test", "set", "one", "two"]
    assert re.fullmatch(r"UAR +0\.\d{3} \[0\.\d{3}, .*\] +0\.\d{3} \[0\.\d{3}, .*\]", lines[5])
    assert re.fullmatch(r"CCC valence +0\.\d{3} \[.*\]  +–", lines[7])
