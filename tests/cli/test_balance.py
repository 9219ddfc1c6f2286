"""``ser balance`` as it is typed."""

import json

import pytest

from data_prep.common.prepare import prepare
from ser_brain.__main__ import main
from tests.tiny_corpus import write_corpus


@pytest.fixture
def manifest(tmp_path):
    corpus = write_corpus(tmp_path / "tiny", speakers=3)
    text = (corpus / "labels.csv").read_text()
    text = text.replace("s0_anger_0.wav,anger", "s0_anger_0.wav,fear")
    text = text.replace("s1_anger_0.wav,anger", "s1_anger_0.wav,excitement")
    (corpus / "labels.csv").write_text(text)
    options = {"name": "tiny", "csv": "labels.csv", "vad_scale": [1, 5]}
    return prepare("table", corpus, tmp_path / "manifests", **options)[0]


def test_the_list_and_what_it_covers(manifest, tmp_path, capsys):
    out = tmp_path / "ids.txt"
    assert main(["balance", str(manifest), "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "anger      4          4" in printed and "happiness  7          4" in printed
    assert "  1 labelled fear\n  7 beyond the smallest class\n" in printed
    head, *ids = out.read_text().splitlines()
    assert head == "# tiny/intended/4-class/balanced/seed 1"
    assert len(ids) == 16 and all(i.startswith("tiny_s") for i in ids)


def test_for_machines_and_by_another_seed(manifest, capsys):
    drawn = []
    for seed in ("1", "2"):
        arguments = ["--seed", seed, "--merge", "--json", "--emotions", "sadness", "neutral"]
        assert main(["balance", f"{manifest}:intended", *arguments]) == 0
        facts = json.loads(capsys.readouterr().out)
        assert facts["per_class"] == 6 and facts["left_out"]["labelled excitement"] == 1
        drawn.append(facts["ids"])
    assert drawn[0] == drawn[1]  # Both classes have six: nothing is left to chance.


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--emotions", "anger", "calm"], "no utterance is labelled calm"),
        (["--emotions", "anger", "calmness"], "Bad emotion 'calmness'; expected one of: "),
        (["--seed", "-1"], "Bad --seed -1"),
        (["--merge", "fear"], "Bad --merge 'fear'; expected KEY=VALUE"),
        (["--where", "tongue=deu"], "Bad field in where 'tongue'"),
    ],
)
def test_mistakes(manifest, arguments, message, capsys):
    assert main(["balance", str(manifest), *arguments]) == 2
    assert message in capsys.readouterr().err
