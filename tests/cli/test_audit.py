"""``ser audit`` as it is typed: leakage between lists, and exchanged labels."""

import json

import numpy as np
import pytest

from ser_brain.__main__ import main
from ser_brain.core.files import write_json
from ser_brain.data.leakage import KINDS
from tests import fake_run
from tests.made_scores import made_scores, rows_of
from tests.made_speech import RATE_HZ, entry, speak

TRAIN, TEST = ("t0", "t1", "t2"), ("e0", "e1")


@pytest.fixture
def corpus(tmp_path):
    """A clean split in a manifest and two lists; changes plant what is shared."""

    def corpus(changes=(), **more):
        sounds = {name: (speak(n), "wav", {}) for n, name in enumerate((*TRAIN, *TEST))}
        entries = {}
        for name, (samples, suffix, options) in {**sounds, **more}.items():
            path = tmp_path / "audio" / f"{name}.{suffix}"
            path.parent.mkdir(exist_ok=True)
            unknown = dict.fromkeys(("gender", "split"))
            entries[name] = {
                **entry(path, samples, **options),
                **unknown,
                "wav": f"{{data_root}}/{path.name}",
                "duration": len(samples) / RATE_HZ,
                "sample_rate": RATE_HZ,
                "corpus": "made",
                "language": "eng",
                "speaker": f"made_{name}",
                "group": f"made_session_{name}",
                "text": f"text {name}",
                "labels": {},
            }
        for name, facts in dict(changes).items():
            entries[name] |= facts
        write_json(tmp_path / "made.json", entries)
        (tmp_path / "train.txt").write_text("# mine\n" + "\n".join(TRAIN))
        (tmp_path / "test.txt").write_text("\n".join(n for n in entries if n not in TRAIN))
        return tmp_path

    return corpus


def audit(folder, *options, data_folder=True):
    where = ["--data_folder", str(folder / "audio")] if data_folder else []
    lists = [str(folder / "train.txt"), str(folder / "test.txt")]
    return main(["audit", *lists, "--manifest", str(folder / "made.json"), *where, *options])


def counts(printed):
    return {kind: found["count"] for kind, found in json.loads(printed)["shared"].items()}


def test_a_clean_split(corpus, capsys):
    folder = corpus()
    assert audit(folder) == 0
    printed = capsys.readouterr().out
    assert f"{folder / 'train.txt'} (3 ids) and {folder / 'test.txt'} (2 ids)" in printed
    assert printed.endswith("verdict: nothing is shared\n")
    assert audit(folder, "--json") == 0
    assert counts(capsys.readouterr().out) == dict.fromkeys(KINDS, 0)


@pytest.mark.parametrize(
    "field, kind", [("speaker", "speakers"), ("group", "groups"), ("text", "texts")]
)
def test_a_planted_fact(corpus, capsys, field, kind):
    folder = corpus({"t1": {field: "planted"}, "e0": {field: "planted"}})
    assert audit(folder) == 1
    printed = capsys.readouterr().out
    assert f"\n{kind:25}  1\n" in printed and f"\n{kind}:\n  planted\n" in printed
    assert printed.endswith(f"verdict: overlap (1 {kind})\n")
    assert audit(folder, "--allow", kind) == 0
    printed = capsys.readouterr().out
    assert f"verdict: nothing is shared except 1 {kind}, which are allowed\n" in printed
    assert audit(folder, "--allow", *(k for k in KINDS if k != kind)) == 1


PCM = np.round(speak(1) * 32767).astype(np.int16)
OGG = {"format": "OGG", "subtype": "VORBIS"}


@pytest.mark.parametrize(
    "original, copy, kind",
    [
        ({}, (speak(1) / 2, "ogg", OGG), "near-duplicate recordings"),  # and 6 dB softer
        ({"t1": (PCM, "wav", {})}, (PCM, "flac", {}), "identical recordings"),
    ],
)
def test_a_planted_copy(corpus, capsys, original, copy, kind):
    folder = corpus(**original, e2=copy)
    assert audit(folder) == 1
    printed = capsys.readouterr().out
    assert f"\n{kind}:\n  t1 = e2\n" in printed
    assert printed.endswith(f"verdict: overlap (1 {kind})\n")


def test_all_at_once_is_counted_and_named_up_to_five(corpus, capsys):
    unknown = {name: {"text": None} for name in TRAIN}
    folder = corpus(unknown, e2=(speak(7), "wav", {}))
    both = [f"--manifest={folder / 'made.json'}", f"--data_folder={folder / 'audio'}"]
    assert main(["audit", *[str(folder / "made.json")] * 2, *both]) == 1
    printed = capsys.readouterr().out
    assert "utterances                 6\n" in printed
    assert "utterances:\n  e0\n  e1\n  e2\n  t0\n  t1\n  and 1 more\n\nspeakers:" in printed
    assert (
        "texts:\n  text e0\n  text e1\n  text e2\n\nidentical recordings:\n  e0 = e0" in printed
    )
    assert "not compared: texts of 6 utterances, which are unknown\n" in printed


def test_audio_that_was_not_compared_is_said(corpus, capsys):
    folder = corpus(e2=(speak(1), "flac", {}))
    assert audit(folder, data_folder=False) == 0
    printed = capsys.readouterr().out
    assert "not compared: recordings of 6 utterances; give their folder" in printed
    assert printed.endswith("verdict: nothing known is shared\n")
    assert audit(folder, "--json", data_folder=False) == 0
    assert json.loads(capsys.readouterr().out)["unknown"]["recordings"] == 6


def test_parts_of_a_split(corpus, capsys):
    folder = corpus()
    tests = {"made": list(TEST)}
    write_json(folder / "splits.json", {"train": [*TRAIN, "e1"], "valid": [], "tests": tests})
    parts = [f"{folder / 'splits.json'}:{part}" for part in ("train", "made")]
    assert main(["audit", *parts, "--manifest", str(folder / "made.json"), "--json"]) == 1
    facts = json.loads(capsys.readouterr().out)
    assert facts["lists"] == [{"name": parts[0], "ids": 4}, {"name": parts[1], "ids": 2}]
    assert facts["shared"]["utterances"]["items"] == ["e1"]
    assert facts["overlap"] == ["utterances", "speakers", "groups", "texts"]


@pytest.mark.parametrize(
    "arguments, match",
    [
        ([], "Found 0 lists and 0 manifests; expected two lists and their --manifest"),
        (["a.txt", "b.txt"], "Found 2 lists and 0 manifests"),
        (["a.txt", "--manifest", "m.json"], "Found 1 lists and 1 manifests"),
        (["a.txt", "b.txt", "--manifest", "none.json"], "No manifest at none.json"),
        (["a.txt", "--labels", "run"], "Found lists and --labels"),
    ],
)
def test_a_command_line_that_does_not_fit(arguments, match, capsys):
    assert main(["audit", *arguments]) == 2
    assert match in capsys.readouterr().err


@pytest.fixture
def run_folder(tmp_path):
    """A test set with honest labels and one that exchanges anger and sadness."""
    for name, documented in (("honest", (0, 1, 2, 3)), ("exchanged", (2, 1, 0, 3))):
        scores = made_scores(np.random.default_rng(0), knows=3)
        fake_run.write(tmp_path, name, rows_of(*scores, documented))
    return tmp_path


def test_labels_of_every_test_set_and_of_one(run_folder, capsys):
    labels = ["audit", "--labels", str(run_folder)]
    assert main(labels) == 1
    printed = capsys.readouterr().out
    assert "exchanged: class names seem to be swapped.\n  anger <-> sadness: p " in printed
    assert "\nhonest: no naming of the classes agrees better than the documented" in printed
    assert main([*labels, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["test_sets"]
    verdicts = {name: facts["verdict"] for name, facts in found.items()}
    assert verdicts == {"exchanged": "exchanged", "honest": "silent"}
    assert found["honest"]["level"] == 0.025  # 5 % over both.
    assert main([*labels, "--test_set", "honest"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    path = run_folder / "predictions" / "exchanged.jsonl"
    assert main(["audit", "--labels", str(path)]) == 1
    assert "anger <-> sadness" in capsys.readouterr().out
    assert main([*labels, "--test_set", "honst"]) == 2
    assert "Bad test set 'honst'; expected one of: honest" in capsys.readouterr().err
