"""ser explore: what the page says of a corpus whose content is known."""

import json
import re

import numpy as np
import pytest
import soundfile

from ser_brain.__main__ import main
from ser_brain.data.exploration import agreement, explore
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import (
    CorpusCard,
    Utterance,
    entry_of,
    read_manifest,
    write_manifest,
)

CARD = CorpusCard(
    *("rated", "Rated <b>speech</b>", "1", "CC0", "none", ("eng",), "acted"),
    emotions={},
    sources=("consensus", "intended"),
    layout="wav",
    vad_scale=(1, 5),
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Four utterances: a tie, a copy, one file that is not there, one without a speaker."""
    folder = tmp_path_factory.mktemp("rated")
    tone = np.sin(np.arange(8000) / 5)
    for name, level, more in (("a", 0.5, 0), ("b", 0.05, 0), ("c", 0.05, 1e-6)):
        samples = np.round(level * tone * 32767) / 32767 + more  # 1e-6 is lost in 16 bits
        soundfile.write(folder / f"{name}.wav", samples, 16000, subtype="FLOAT")
    said = {
        "a": annotation("anger", votes={"anger": 3}, vad={"valence": 1.0, "arousal": 4.5}),
        "b": annotation(None, votes={"anger": 2, "fear": 2}),
        "c": annotation("fear", votes={"anger": 1, "fear": 3}, vad={"valence": 2.0}),
        "d": annotation("fear", votes={"fear": 1}),
    }
    entries = {}
    for name, label in said.items():
        labels = {"consensus": label, "intended": annotation("fear")}
        speaker = None if name == "d" else f"s{name == 'a'}"
        one = Utterance(name, f"{name}.wav", labels, speaker, "female", text="t")
        entries[f"rated_{name}"] = entry_of(one, CARD, 0.5, 16000)
    card = {**CARD.as_dict(), "left_out": {"missing": ["e.wav"]}}
    return write_manifest(folder, "rated", entries, card)


def test_the_numbers_of_a_corpus(corpus, tmp_path, capsys):
    folder = str(corpus.parent)
    line = ["explore", str(corpus), "--data_folder", folder, "--out", str(tmp_path / "out")]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert re.search(r"rated +1 +0 +0 +4 +4 +0 +1 +2 +1\n", said)
    assert (
        said.startswith("What there is.\n\nCorpus")
        and "\n\nUtterances without a fact, " in said
    )
    found = json.loads((tmp_path / "out" / "results.json").read_text())["rated"]
    assert found["sources"]["consensus"]["emotions"] == {"fear": 2, "anger": 1, "none": 1}
    assert found["sources"]["consensus"]["dimensions"]["arousal"] == {"rated_a": 4.5}
    assert found["sources"]["consensus"]["agreement"]["ties"] == 1
    assert found["speakers"]["rated_sTrue"]["emotions"] == {"anger": 1}
    assert found["same_samples"] == [["rated_b", "rated_c"]]
    assert found["unread"] == ["rated_d"]
    assert found["level_db"]["rated_a"] == pytest.approx(20 * np.log10(0.5 / 2**0.5), abs=0.01)
    page = (tmp_path / "out" / "index.html").read_text()
    assert "Rated &lt;b&gt;speech&lt;/b&gt;" in page and "rated_b, rated_c" in page
    assert page.count("<figure>") == 5
    assert not re.findall(r'(?:src|href)="(?!data:|#|\./)', page)  # it asks for nothing else


def test_without_audio_only_what_needs_it_is_absent(corpus, tmp_path, capsys):
    facts = explore(read_manifest(corpus), None)
    assert facts["unread"] is None and facts["level_db"] == {} and facts["utterances"] == 4
    nowhere = ["--data_folder", str(tmp_path / "none")]
    assert main(["explore", str(corpus), *nowhere, "--out", str(tmp_path / "out")]) == 2
    assert "No folder" in capsys.readouterr().err


def test_alpha_is_that_of_the_published_example():
    """Krippendorff (2011), section C: nominal data, four observers, missing values; 0.743."""
    units = [{1: 3}, {2: 3, 3: 1}, {3: 4}, {3: 4}, {2: 4}, {1: 1, 2: 1, 3: 1, 4: 1}, {4: 4}]
    units += [{1: 3, 2: 1}, {2: 4}, {5: 3}, {1: 2}, {3: 1}]
    assert agreement(units)["alpha"] == pytest.approx(0.743, abs=5e-4)
