import fake_run

from ser_brain.comparison_tables import changed, drawn, metrics, pairs, to_lines, whole
from ser_brain.run_comparison import compare_runs
from ser_brain.runs import read_run


def compared(tmp_path, kind="multiobjective", other_seed=3, **changes):
    """Two models on one set; the second answers with the scores of other utterances."""
    rows = fake_run.rows(40, kind)
    keys = [key for key in rows[0] if key.startswith(("log_prob", "predicted"))]
    said = fake_run.rows(40, kind, seed=other_seed)
    other = [
        {**row, **{key: answer[key] for key in keys}}
        for row, answer in zip(rows, said, strict=True)
    ]
    runs = []
    for name, each in (("a", rows), ("b", other)):
        fake_run.write(tmp_path / name, "fake", each, experiment=f"model {name}", **changes)
        runs.append(read_run(tmp_path / name))
    return compare_runs(*runs, resamples=10)


def test_the_primary_metric_comes_first(tmp_path):
    table = metrics(compared(tmp_path)["test_sets"]["fake"])
    titles = [row[0] for row in table.rows]
    assert titles[:2] == ["UAR, primary", "WA"]
    assert "NLL (nats), lower is better" in titles
    assert "CCC valence, primary" in titles and "CCC arousal, primary" in titles
    assert "Mean error arousal, 0 is best" in titles
    assert [row[-1] is not None for row in table.rows] == ["primary" in t for t in titles]


def test_changed_answers(tmp_path):
    found = compared(tmp_path)
    comparison = found["test_sets"]["fake"]
    table = changed(comparison)
    assert len(table.rows) == 40 - comparison["answers"]["same"] > 5
    metrics_of_all, changed_of_all = whole(found)
    assert (metrics_of_all.name, changed_of_all.name) == ("comparison", "changed_answers")
    assert changed_of_all.rows[0][:2] == ["fake", table.rows[0][0]]
    protocol = "fake/speaker-5fold/intended/4-class/seed 1"
    for table in (metrics_of_all, changed_of_all):
        assert table.caption.endswith(f" A: model a, {protocol}. B: model b, {protocol}.")


def test_the_text(tmp_path):
    said = to_lines(compared(tmp_path, synthetic=True))
    assert said.startswith("A: model a, fake/speaker-5fold/intended/4-class/seed 1 (")
    assert "Synthetic speech: it says nothing about accuracy on people." in said
    assert "fake: 40 utterances of both\n" in said
    assert "40 labelled utterances, drawn and swapped by 6 speakers. Only 6 speakers" in said
    assert "Answers from A to B: " in said and " right to wrong, " in said
    assert "more: --json shows all, --out writes them." in said
    assert said.endswith("not for another training of either model.")


def test_a_regression_model_has_no_answers(tmp_path):
    found = compared(tmp_path, "regression")
    assert "Answers" not in to_lines(found)
    assert [table.name for table in whole(found)] == ["comparison"]


def test_what_was_drawn():
    task = {"n": 1200, "drawn": {"unit": "speaker", "count": 12, "notes": []}}
    assert drawn(task) == "1,200 labelled utterances, drawn and swapped by 12 speakers."


def test_pairs(tmp_path):
    comparison = compared(tmp_path)["test_sets"]["fake"]
    table = pairs([{"a": "x", "b": "y", **comparison}], "Protocol: p.")
    assert "for all 3 tests" in table.caption and table.caption.endswith("Protocol: p.")
    assert [row[:4] for row in table.rows] == [
        ["fake", "x", "y", "UAR"],
        ["fake", "x", "y", "CCC valence"],
        ["fake", "x", "y", "CCC arousal"],
    ]
    lost = comparison["answers"]["counts"]["right to wrong"]
    assert table.rows[0][-2] == lost > 0 and table.rows[1][-2] is None
