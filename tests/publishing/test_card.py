"""The card as a whole: what it contains, and that its numbers are those of the run's report."""

import re

import pytest
from huggingface_hub import ModelCard

from ser_brain.core.errors import SERError
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.runs import read_run
from ser_brain.publishing import card
from ser_brain.publishing.card import published_command, write_card
from ser_brain.publishing.card_check import validate
from tests.fake_run import write
from tests.publishing.made_run import CORPUS, audit, corpus_rows, facts_of, write_run


def card_of(folder, facts, **options):
    write_card(folder, facts, **options)
    validate(folder)
    return (folder / "README.md").read_text(encoding="utf-8")


def test_its_numbers_are_those_of_the_report(tmp_path):
    run = write_run(tmp_path / "run", {"fake": corpus_rows("fake"), "b": corpus_rows("b")})
    text = card_of(tmp_path / "card", facts_of(run))
    results = evaluate_run(read_run(run))["test_sets"]  # what the report writes
    indexed = {
        (r.dataset_type, r.metric_name): (r.metric_value, r.metric_args)
        for r in ModelCard(text).data.eval_results
    }
    for name in ("fake", "b"):
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        uar = results[name]["classification"]["metrics"]["uar"]
        shown = re.search(r"\| (\d\.\d{3}) \[(\d\.\d{3}), (\d\.\d{3})\]", row).groups()
        assert shown == tuple(f"{uar[key]:.3f}" for key in ("value", "low", "high"))
        value, interval = indexed[name, "UAR"]
        assert value == uar["value"] and interval["low"] == uar["low"]
        ccc = results[name]["regression"]["valence"]["metrics"]["ccc"]["value"]
        assert indexed[name, "CCC valence"][0] == ccc


def test_what_it_contains(tmp_path):
    text = card_of(tmp_path / "a", facts_of(write_run(tmp_path / "run")))
    for part in (
        "# fake-tiny",
        "rates valence and arousal from 1 to 5",
        "## What it is not for",
        "hiring",
        "- Licence: CC BY 4.0",
        "- Citation: Nobody (2026)",
        "- Languages: German",
        f"`{'f' * 64}`",
        "](figures/confusion_fake.png)",
        "A temperature of 1.500, fitted on the labelled clips of the validation data",
        "| fake | gender (2) | UAR |",
        "EmotionRecognizer.from_pretrained",
        "ser predict",
        "foreign_class",
        "Not with plain `transformers`: it has no class for the compact encoder.",
        "No licence was chosen",
        "--data_folder=.../fake",
    ):
        assert part in text, part
    assert "/home/someone" not in text and "onnxruntime" not in text
    figure = "figures/confusion_fake.png"
    assert (tmp_path / "a" / figure).read_bytes().startswith(b"\x89PNG")

    assert card_of(tmp_path / "b", facts_of(tmp_path / "run")) == text  # the same every time
    assert (tmp_path / "a" / figure).read_bytes() == (tmp_path / "b" / figure).read_bytes()


def test_clips_that_a_head_saw_when_it_was_fitted_once_more(tmp_path):
    run = write_run(tmp_path / "run")  # trained on 2 clips, validated on 20
    by_folds = {"temperature": 1.0, "calibrated_by": "inner folds"}
    probe = {**by_folds, "refitted": "heads"}
    text = card_of(tmp_path / "probe", facts_of(run, card=probe))
    assert "(German, 22 clips) |" in text
    assert "It was trained on 22 clips: 2 for training and 20 for validation, which its" in text
    assert "have calibrated the probabilities, so the temperature is 1.\n" in text
    assert "fitted on the labelled clips" not in text and "validated on 20" not in text
    started = {**by_folds, "refitted": "emotion head"}
    text = card_of(tmp_path / "tuned", facts_of(run, card=started))
    assert "(German, 2 clips; its emotion head also on validation clips) |" in text
    assert "2 clips and validated on 20; then its emotion head was fitted once more, to" in text
    by_losses = {"calibrated_by": "validation", "refitted": "heads"}
    text = card_of(tmp_path / "losses", facts_of(run, card=by_losses))
    said = "clips of the validation data before the emotion head was fitted once more, to these"
    assert f"A temperature of 1.500, fitted on the labelled {said} clips too, is part" in text
    text = card_of(tmp_path / "plain", facts_of(run))  # as by an earlier version
    assert "It was trained on 2 clips and validated on 20 (SHA-256" in text
    assert "validation data, is part of the weights" in text


def test_spaces_between_what_is_filled_in(tmp_path):
    synthetic = {**CORPUS, "title": "Fake", "synthetic": True}
    corpora = {
        "fake": synthetic,
        "more": {**synthetic, "title": "More"},
        "other": {**synthetic, "use": "test", "title": "Other"},
    }
    text = card_of(tmp_path / "a", facts_of(write_run(tmp_path / "run", corpora=corpora)))
    assert "\n| Trained on | Fake: acted; More: acted (German, 2 clips) |\n" in text
    assert "\n**More** (SYNTHETIC)\n\n- " in text
    assert "\n- Other (SYNTHETIC): licence: " in text


def test_copies_that_are_not_full_ones(tmp_path):
    corpora = {
        "fake": {**CORPUS, "differs": ["utterances 339 (535)"]},
        "other": {**CORPUS, "use": "test", "title": "Other", "differs": ["speakers 9 (10)"]},
    }
    text = card_of(tmp_path / "a", facts_of(write_run(tmp_path / "run", corpora=corpora)))
    said = "The counts of this copy differ from a full copy (in brackets)"
    assert f"\n- {said}: utterances 339 (535).\n" in text
    assert f"citation: Nobody (2026). {said}: speakers 9 (10).\n" in text
    assert "copy differ" not in card_of(tmp_path / "b", facts_of(write_run(tmp_path / "full")))


def test_onnx_and_licence_where_they_are(tmp_path):
    (tmp_path / "model.onnx").touch()
    facts = facts_of(write_run(tmp_path / "run"))
    text = card_of(tmp_path, facts, licence="cc-by-4.0")
    assert 'onnxruntime.InferenceSession("model.onnx")' in text
    assert "padded at the end to the longest (with anything: no score depends on it)" in text
    data = ModelCard(text).data
    assert data.license == "cc-by-4.0" and "onnx" in data.tags
    assert "No licence was chosen" not in text
    with pytest.raises(SERError, match="Bad licence 'Apache 2'; expected the hub's name"):
        write_card(tmp_path / "card", facts, "Apache 2")
    assert not (tmp_path / "card").exists()


def test_a_model_without_results(tmp_path):
    text = card_of(tmp_path, facts_of(write_run(tmp_path / "run", {})))
    assert "| Results | Not measured on speech outside its training data. |" in text
    assert "**Not measured.** This model has no results" in text
    assert ModelCard(text).data.eval_results == []
    assert not (tmp_path / ".eval_results").exists()


def test_training_data_never_passes_for_a_test(tmp_path):
    run = write_run(tmp_path / "run")
    write(run, "seen", corpus_rows("fake"), role="train", notes="60 of 60 were trained on.")
    text = card_of(tmp_path, facts_of(run))
    assert "> **WARNING: seen** contains clips that the model was trained or validated" in text
    assert "| seen – NOT A TEST |" in text
    results = {r.dataset_type: r for r in ModelCard(text).data.eval_results}
    assert results["seen"].dataset_split == "overlaps with training: CLIPS"
    assert "OVERLAPS WITH TRAINING" in results["seen"].dataset_name
    assert results["fake"].dataset_split == "test"
    assert [p.name for p in (tmp_path / ".eval_results").iterdir()] == ["fake.yaml"]
    assert "seen: UAR" not in text


def test_known_speakers_are_marked(tmp_path):
    audits = {"train-fake": audit(speakers=3), "valid-fake": audit()}
    text = card_of(tmp_path, facts_of(write_run(tmp_path / "run", audits=audits)))
    assert "> **WARNING: fake** contains other clips of speakers" in text
    assert "speakers also in training)" in text
    assert not (tmp_path / ".eval_results").exists()


def test_names_are_shown_and_never_obeyed(tmp_path):
    name = "a|b [x](y) ![p](q) <img> *z*"
    corpora = {"fake": {"title": "*bold* | `code` <script>", "use": "train", "licence": "a\nb"}}
    run = write_run(tmp_path / "run", {name: corpus_rows("odd")}, corpora=corpora)
    text = card_of(tmp_path, facts_of(run, name="$m_odel$"))
    assert "# \\$m\\_odel\\$" in text
    assert "\\*bold\\* \\| \\`code\\` \\<script\\>" in text
    assert ModelCard(text).data.eval_results[0].dataset_type == name


def test_many_test_sets(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "IN_DETAIL", 1)
    sets = {f"set{i}": corpus_rows(f"c{i}", 8, speakers=1) for i in range(5)}
    text = card_of(tmp_path, facts_of(write_run(tmp_path / "run", sets)))
    assert text.count("![") == 1 and "the tables include the 4 others" in text
    assert all(f"| {name} |" in text for name in sets)
    assert "2 more test sets: see Results." in text


def test_a_test_set_with_ratings_alone_is_summed_up_by_them(tmp_path):
    sets = {"fake": corpus_rows("fake"), "rated": corpus_rows("rated", labelled=False)}
    text = card_of(tmp_path, facts_of(write_run(tmp_path / "run", sets)))
    headline = next(line for line in text.splitlines() if line.startswith("| Results |"))
    assert "rated: CCC valence 0." in headline
    assert "| rated | gender (2) | CCC valence |" in text


@pytest.mark.parametrize(
    "typed, published",
    [
        (None, None),
        ("python train.py hparams/x.yaml", "python train.py hparams/x.yaml"),
        ("python ../a/train.py --x=/b/c/d.csv", "python .../train.py --x=.../d.csv"),
        ("ser folds '--c=[{d: ~/e/f, g: h}]'", "ser folds '--c=[{d: .../f, g: h}]'"),
        ("it's broken /a/b", "it's broken .../b"),
    ],
)
def test_folders_are_not_published(typed, published):
    assert published_command({"command": typed}) == published
