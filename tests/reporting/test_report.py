"""The report of a run, as a reader and a browser see it."""

import base64
import csv
import hashlib
import html.parser
import json
import re
from urllib.parse import unquote

import pytest

from ser_brain.core.files import read_json, write_json, write_text
from ser_brain.reporting.plots import frame
from ser_brain.reporting.report import write_report
from ser_brain.reporting.summary import summary_text
from tests import fake_run
from tests.inference import chromium

HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}"
VOID = {"meta", "img", "br", "link", "input", "hr"}
CSV = "data:text/csv;charset=utf-8;base64,"


class Page(html.parser.HTMLParser):
    """Collects what the tests ask of a page; fails on tags that do not match."""

    def __init__(self, path):
        super().__init__()
        self.folder = path.parent
        self.open, self.tags, self.ids, self.links = [], [], [], []
        self.text = self.script = ""
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
        if self.open and self.open[-1] == "script":
            self.script += data
        elif self.open and self.open[-1] != "style":
            self.text += data

    def count(self, tag):
        return sum(tag == found for found, _ in self.tags)


def sober(page):
    """What must hold of every report."""
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        if link.startswith("./"):
            assert (page.folder / unquote(link)).is_file()
        else:
            assert link.startswith(CSV) or link.startswith("#") and link[1:] in page.ids
    assert sum(link.startswith(CSV) for link in page.links) == page.count("table")
    (policy,) = [a["content"] for _, a in page.tags if a.get("http-equiv")]
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy and page.count("script") == 1
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object")
        assert tag != "script" or not attributes
        assert tag != "details" or "open" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        if tag == "img":
            assert attributes["src"].startswith("data:image/svg+xml;base64,")
            assert attributes["alt"]
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in page.ids
        assert "://" not in json.dumps({k: v for k, v in attributes.items() if k != "src"})
    assert page.count("h1") == 1 and page.count("main") == 1
    assert page.count("caption") == page.count("table")
    assert "nan" not in re.findall(r"\w+", page.text.lower())


def csv_of(link):
    return base64.b64decode(link.removeprefix(CSV)).decode()


def full_run(folder):
    record = {"command": "python train.py hparams/x.yaml --seed=1", "commit": "abc123"}
    record |= {"versions": {"numpy": "2.0"}, "wall_time_s": 75.2, "finished": True}
    write_json(folder / "run.json", record)
    shared = {"speakers": {"count": 3, "examples": ["a"]}, "audio": {"count": 0}}
    splits = {
        "train": ["a", "b"],
        "valid": ["c"],
        "tests": {"fake": ["d"]},
        "audit": {"train-valid": shared, "train-fake": shared},
        "left_out": {"fake": {"without an emotion": 1234}},
    }
    write_json(folder / "splits.json", splits)
    epochs = [
        {"epoch": 1, "train": {"loss": 1.0}, "valid": {"uar": 0.5}, "skipped_batches": 2},
        {"epoch": 2, "train": {"loss": 0.9}, "valid": {"uar": 0.6}, "skipped_batches": 1},
    ]
    write_text(folder / "train_log.jsonl", "".join(f"{json.dumps(e)}\n" for e in epochs))


@pytest.mark.parametrize("kind", ["multiobjective", "classification", "regression"])
def test_every_kind_of_model(tmp_path, kind):
    full_run(tmp_path)
    fake_run.write(tmp_path, "fake", fake_run.rows(40, kind), experiment=kind)
    path, results = write_report(tmp_path, resamples=50)
    page = Page(path)
    sober(page)
    # Over-prediction, confusion, reliability; three of values; speakers and training.
    assert page.count("img") == (8 if kind == "multiobjective" else 5)
    for text in ("python train.py hparams/x.yaml", "abc123", "1 min 15 s", "1,234 without an"):
        assert text in page.text
    assert "trained on speakers of fake" in page.text
    assert "Batches skipped because they were not finite: 3." in page.text
    assert "Synthetic" not in page.text
    assert read_json(path.parent / "results.json", "results") == results
    assert results["test_sets"]["fake"]["kind"] == kind
    with open(path.parent / "summary.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    if kind != "regression":
        uar = results["test_sets"]["fake"]["classification"]["metrics"]["uar"]
        assert float(row["UAR"]) == uar["value"] and float(row["UAR low"]) == uar["low"]
        assert f"{uar['value']:.3f}" in page.text
    assert ("CCC valence" in row) == (kind != "classification")
    assert ("CCC: concordance" in page.text) == (kind != "classification")
    assert ("UAR: unweighted average recall" in page.text) == (kind != "regression")


def test_adapted_predictions_stand_beside_the_run_s_own(tmp_path):
    rows = fake_run.rows(60)
    fake_run.write(tmp_path, "fake", rows)
    right = [fake_run.answered(row, row["emotion"]) for row in rows]
    fake_run.write(tmp_path / "adapted", "fake", right)
    path, results = write_report(tmp_path, resamples=20, figures=False)
    page, text = Page(path), summary_text(results)
    sober(page)
    with open(path.parent / "adapted.csv", newline="") as file:
        (row,) = csv.DictReader(file)
    own = results["test_sets"]["fake"]["classification"]["metrics"]["uar"]
    assert float(row["as trained"]) == own["value"]
    assert float(row["adapted to its unlabelled clips"]) == 1.0 and "Highest" not in row
    for shown in (page.text, text):
        assert "adapted to the clips of that set, of which no label is used" in shown
    assert "#adapted" in page.links and "valence" not in str(results["adapted"]["metrics"])
    assert results["adapted"]["tests"] == 1  # of the emotions; values are not adapted


@pytest.mark.parametrize("unfinished", ["", "predictions/fake.jsonl", "splits.json"])
def test_without_adapted_predictions_nothing_is_said_of_them(tmp_path, unfinished):
    fake_run.write(tmp_path)
    if unfinished:  # a run that was killed there
        write_text(tmp_path / "adapted" / unfinished, "{}")
    path, results = write_report(tmp_path, resamples=20, figures=False)
    assert results["adapted"] is None
    assert "dapted" not in Page(path).text + summary_text(results)


def test_what_a_reader_must_know_comes_first(tmp_path):
    rows = fake_run.rows(20, rated=False, labelled=False)
    fake_run.write(tmp_path, "none", rows, synthetic=True)
    fake_run.write(tmp_path, "unrated", fake_run.rows(20, rated=False), role="train")
    (tmp_path / "run.json").write_text('{"finished": false, "wall_time_s": null}')
    page = Page(write_report(tmp_path, resamples=20)[0])
    sober(page)
    for words in ("it says nothing about accuracy on people", "had not finished"):
        assert page.text.index(words) < page.text.index("WA")
    assert "None is rated for valence or arousal" in page.text
    assert "The model has seen utterances of this set" in page.text
    assert "no record of its command" in page.text
    assert {path.name for path in tmp_path.iterdir()} == {"predictions", "report", "run.json"}


def test_hostile_words_stay_words(tmp_path, drawn):
    rows = fake_run.rows(30, "classification")
    for row in rows:
        row["id"] += HOSTILE
        row["label_source"] = HOSTILE
        row["language"] = HOSTILE + str(row["gender"])
        row["speaker"] += HOSTILE
    rows[0]["emotion"] = HOSTILE
    run = {"command": HOSTILE, "commit": HOSTILE, "versions": {HOSTILE: HOSTILE}}
    write_json(tmp_path / "run.json", run)
    audit = {f"train-{HOSTILE}": {HOSTILE: 1, "speakers": 2}}
    splits = {"tests": {HOSTILE: []}, "audit": audit, "left_out": {HOSTILE: {HOSTILE: 1}}}
    facts = dict.fromkeys(("title", "licence", "citation", "style", "notes"), HOSTILE)
    facts |= {"languages": [HOSTILE], "known_bad": {HOSTILE: HOSTILE}, "damaged": {HOSTILE: 1}}
    splits["corpora"] = {HOSTILE: facts}
    write_json(tmp_path / "splits.json", splits)
    log = {"epoch": 1, "train": {HOSTILE: 1.0}}
    write_text(tmp_path / "train_log.jsonl", json.dumps(log))
    name = HOSTILE.replace("/", "")
    words = dict.fromkeys(("protocol", "experiment", "encoder", "notes", "role"), HOSTILE)
    fake_run.write(tmp_path, name, rows, **words)
    path, _ = write_report(tmp_path, resamples=20)
    page = Page(path)
    sober(page)
    assert path.read_text().count("<script") == 1
    assert f"Known to be broken in every copy: {HOSTILE} ({HOSTILE})." in page.text
    quoted = HOSTILE.replace('"', '""')
    assert any(quoted in csv_of(link) for link in page.links if link.startswith(CSV))
    for suffix in (".svg", "-untitled.pdf"):
        assert (path.parent / f"{name}-confusion{suffix}").exists()
    assert HOSTILE not in (path.parent / f"{name}-confusion-untitled.svg").read_text()


def test_folds_have_one_page(tmp_path):
    rows = fake_run.rows(60)
    for number, part in ((1, rows[:30]), (2, rows[30:])):
        fold = tmp_path / f"fold-{number}"
        facts = {"protocol": f"fake/speaker-2fold-fold{number}/intended/4-class/seed 1"}
        fake_run.write(fold, "fake", part, temperature=1.0 + number, **facts)
        full_run(fold)
    parts = {"parts": {"fold 1": "fold-1", "fold 2": "fold-2"}, "command": "ser folds x.yaml"}
    write_json(tmp_path / "folds.json", parts)
    path, results = write_report(tmp_path, resamples=20)
    page = Page(path)
    sober(page)
    protocol = "fake/speaker-2fold/intended/4-class/seed 1"
    for words in (protocol, "ser folds x.yaml", "Summed over 2 folds", "2.00 to 3.00"):
        assert words in page.text
    assert "of 2 parts, a thin line each" in page.text
    spread = results["test_sets"]["fake"]["spread"]["uar"]
    with open(path.parent / "parts.csv", newline="") as file:
        row = next(row for row in csv.DictReader(file) if row["Metric"] == "UAR")
    assert float(row["Mean"]) == pytest.approx(spread["mean"])
    mean = (float(row["fold 1"]) + float(row["fold 2"])) / 2
    assert float(row["Mean"]) == pytest.approx(mean)
    assert float(row["SD"]) == pytest.approx(spread["std"])


def test_order_downloads_and_protocol_of_two_test_sets(tmp_path, monkeypatch):
    subtitles = []
    new_figure = frame.new_figure

    def listened(width_in, height_in, title, subtitle):
        subtitles.append(subtitle)
        return new_figure(width_in, height_in, title, subtitle)

    monkeypatch.setattr(frame, "new_figure", listened)
    full_run(tmp_path)
    for name in ("fake", "other"):
        fake_run.write(tmp_path, name, temperature=2.0)
    path, results = write_report(tmp_path, resamples=20)
    page = Page(path)
    sober(page)
    order = ["above chance on both test sets", "Chance UAR", "Confusion matrices", "Precision"]
    order += ["Pearson r", "Details", "Reliability:", "By gender", "Leakage audit", "Reproduce"]
    places = [page.text.index(text, page.text.index("Summary", 200)) for text in order]
    assert places == sorted(places)
    for metric in ("NLL (nats)", "Brier", "ECE"):  # as trained and calibrated, in one table
        assert page.text.count(f"\n{metric}\n") + page.text.count(f">{metric}<") <= 2
    assert page.count("details") >= 8  # all closed, as sober() says
    links = {a["download"]: a["href"] for tag, a in page.tags if "download" in a}
    assert {"summary.csv", "further_metrics.csv", "fake-by_speaker.csv"} <= links.keys()
    for name in ("summary", "per_class", "regression"):
        assert csv_of(links[f"{name}.csv"]) == (path.parent / f"{name}.csv").read_text()
    value = results["test_sets"]["fake"]["classification"]["metrics"]["uar"]["value"]
    assert f",UAR,{value}," in (path.parent / "classification.csv").read_text()
    assert {"data-value": str(value), "class": "number"} in [a for _, a in page.tags]
    protocol = fake_run.card()["protocol"]
    assert len(subtitles) == 2 * 6 + 3  # Of each set; confusions, over-prediction, training.
    assert all(protocol in subtitle for subtitle in subtitles)
    for table in path.parent.glob("*.md"):
        assert f"Protocol: {protocol}." in table.read_text(), table
    for section in ("confusion", "classes", "values", "details"):
        text = path.read_text().partition(f'<h2 id="{section}"')[2]
        assert protocol in text.partition("<table")[0].partition("<img")[0]


def test_figures_of_an_earlier_report_are_removed(tmp_path):
    for name in ("one", "two"):
        fake_run.write(tmp_path, name)
    write_report(tmp_path, resamples=20)
    report = tmp_path / "report"
    (report / "mine.txt").write_text("")
    assert (report / "two-confusion.svg").exists() and (report / "confusion.png").exists()
    for path in (tmp_path / "predictions").glob("two.*"):
        path.unlink()
    write_report(tmp_path, resamples=20)
    names = {path.name for path in report.iterdir()}
    assert not any(name.startswith(("two-", "confusion.p")) for name in names)
    assert {"one-confusion.svg", "mine.txt", "confusion.csv"} <= names


def test_where_there_is_no_label_there_is_no_number(tmp_path):
    rows = fake_run.rows(20, labelled=False)
    for row in rows:
        row["arousal"] = None
    fake_run.write(tmp_path, some_rows=rows, temperature=2.0)
    path, _ = write_report(tmp_path, resamples=20)
    page = Page(path)
    sober(page)
    assert not list(path.parent.glob("*reliability*")) + list(path.parent.glob("over_*"))
    with open(path.parent / "regression.csv", newline="") as file:
        for row in csv.DictReader(file):
            assert row["Valence"] and not row["Arousal"] and not row["Arousal on [-1, 1]"]
    assert "MAE arousal" not in page.text and "MAE valence" in page.text


@pytest.mark.skipif(chromium.find() is None, reason="needs Chromium")
def test_in_a_browser(tmp_path, drawn):
    full_run(tmp_path / "run")
    for name in ("fake", "two", "three"):
        fake_run.write(tmp_path / "run", name, temperature=2.0)
    path, _ = write_report(tmp_path / "run", resamples=20)
    with chromium.tab(tmp_path / "profile") as tab:
        for width, highest in ((1200, 6_000), (400, 9_000)):
            tab.open(path.as_uri(), width=width)
            tab.until("document.readyState === 'complete' && !!document.querySelector('img')")
            page = "document.documentElement"
            assert tab.say(f"{page}.scrollWidth") <= width  # wide tables scroll by themselves
            assert tab.say(f"{page}.scrollHeight") < highest
        tab.say("dispatchEvent(new Event('beforeprint'))")
        assert tab.say("document.querySelectorAll('details:not([open])').length") == 0
        assert all(request.startswith(("file:", "data:")) for request in tab.requests)
