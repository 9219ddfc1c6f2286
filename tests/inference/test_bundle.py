"""Several modules as one file."""

import ast

import pytest

from ser_brain.encoders.loading import FAMILIES
from ser_brain.errors import SERError
from ser_brain.inference import bundle as bundling
from ser_brain.inference.bundle import bundle
from ser_brain.inference.speechbrain_files import INTERFACE


@pytest.mark.parametrize("family", FAMILIES)
def test_nothing_of_the_package_is_imported(family):
    tree = ast.parse(bundle([FAMILIES[family].__module__, INTERFACE]))
    imported = [
        node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert imported
    assert not [n for n in imported if "ser_brain" in ast.unparse(n)]
    assert tree.body[0].module == "__future__"


def test_what_is_used_comes_first_and_once():
    text = bundle(["ser_brain.encoders.wavlm", "ser_brain.encoders.wav2vec2"])
    names = ("Encoder", "Wav2Vec2Encoder", "WavLMEncoder")
    places = [text.index(f"class {name}(") for name in names]
    assert places == sorted(places)
    assert text.count("class Wav2Vec2Encoder(") == 1


def test_two_modules_with_one_name_are_refused():
    """Of whisper and compact, each with its HOP, one would get the other's."""
    with pytest.raises(SERError, match="define HOP, MIN_SAMPLES more than once"):
        bundle(["ser_brain.encoders.whisper", "ser_brain.encoders.compact"])


def test_definitions_of_every_kind_are_found():
    found = bundling._defined("A, B = 1, 2\nc: int = 3\nclass D: e = 4\ndef f(): g = 5\n")
    assert found == {"A", "B", "c", "D", "f"}
