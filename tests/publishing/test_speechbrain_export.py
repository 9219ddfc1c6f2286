"""Several modules as one file."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from safetensors.torch import load_file, save_file

from ser_brain import EmotionRecognizer
from ser_brain.core.errors import SERError
from ser_brain.models.encoders.loading import FAMILIES
from ser_brain.publishing import speechbrain_export as bundling
from ser_brain.publishing.speechbrain_export import INTERFACE, bundle, speechbrain_files
from tests.inference.tiny_models import model_and_config, write_model
from tests.models.test_encoders import clips


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
    text = bundle(["ser_brain.models.encoders.wav2vec2", "ser_brain.models.encoders.wav2vec2"])
    names = ("Encoder", "Wav2Vec2Encoder", "WavLMEncoder")
    places = [text.index(f"class {name}(") for name in names]
    assert places == sorted(places)
    assert text.count("class Wav2Vec2Encoder(") == 1


def test_two_modules_with_one_name_are_refused():
    """Of whisper and compact, each with its HOP, one would get the other's."""
    with pytest.raises(SERError, match="define HOP, MIN_SAMPLES more than once"):
        bundle(["ser_brain.models.encoders.whisper", "ser_brain.models.encoders.compact"])


def test_definitions_of_every_kind_are_found():
    found = bundling._defined("A, B = 1, 2\nc: int = 3\nclass D: e = 4\ndef f(): g = 5\n")
    assert found == {"A", "B", "c", "D", "f"}


# Runs in a process of its own, from which this package and the network are missing.
SCRIPT = """
import json, socket, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ser_brain", "recipes", "data_prep", "tests"):
            raise ImportError(name + " is not here")

def refuse(*args, **kwargs):
    raise OSError("no network")

sys.meta_path.insert(0, Absent())
socket.socket.connect = socket.getaddrinfo = refuse
from speechbrain.inference.interfaces import foreign_class

wav, *folders = sys.argv[1:]
found = []
for folder in folders:
    model = foreign_class(
        folder, pymodule_file="custom_interface.py", classname="EmotionInterface"
    )
    scores = model(model.load_file(wav))
    found.append({name: tensor[0].tolist() for name, tensor in scores.items()})
    if "log_probabilities" in scores:
        found[-1]["emotion"] = model.classify_file(wav)[3]
print(json.dumps(found))
"""


def foreign(wav: Path, *folders: Path) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", SCRIPT, str(wav), *map(str, folders)],
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wav(tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "a.wav"
    soundfile.write(path, clips([24_000])[0].numpy(), 22_050)
    return path


def test_it_gives_the_same_and_several_live_together(tmp_path, wav):
    """Of other families, other classes, other heads; and one from a folder that was moved."""
    kinds = {
        "wav2vec2-base": {"layer": "mix"},
        "whisper": {"layer": 2, "emotions": ["neutral", "fear"], "va_range": None},
        "compact": {"emotions": []},
        "wavlm-base": {"seed": 1},
    }
    for family, options in kinds.items():
        write_model(tmp_path / family, family, **options)
    done = foreign(wav, *(tmp_path / family for family in kinds))
    assert done.returncode == 0, done.stderr
    for family, found in zip(kinds, json.loads(done.stdout.splitlines()[-1]), strict=True):
        recognizer = EmotionRecognizer.from_pretrained(tmp_path / family, device="cpu")
        (scores,) = recognizer.score([recognizer.prepare(*soundfile.read(wav))[0]])
        for name in ("embedding", "log_probabilities", "valence_arousal"):
            expected = getattr(scores, name)
            assert (name in found) == (expected is not None)
            if expected is not None:
                np.testing.assert_allclose(found[name], expected, atol=1e-5, rtol=0)
        if recognizer.emotions:
            assert found["emotion"] == [recognizer.predict(wav)["emotion"]]


def test_it_loads_strictly(tmp_path, wav):
    write_model(tmp_path / "m")
    weights = load_file(tmp_path / "m" / "model.safetensors")
    weights["classifier.wrong"] = weights.pop("classifier.weight")
    save_file(weights, tmp_path / "m" / "model.safetensors")
    done = foreign(wav, tmp_path / "m")
    assert done.returncode == 1
    assert "missing: emotion_head.linear.weight" in done.stderr


def test_the_name_of_the_file_belongs_to_its_content():
    alias = {}
    for family in ("whisper", "compact"):
        files = speechbrain_files(model_and_config(family)[1])
        (alias[family],) = {
            line.split("!new:")[1].split(".")[0]
            for line in files["hyperparams.yaml"].splitlines()
            if "!new:" in line
        }
        assert f'"{alias[family]}"' in files["custom_interface.py"].replace("'", '"')
    assert alias["whisper"] != alias["compact"]
