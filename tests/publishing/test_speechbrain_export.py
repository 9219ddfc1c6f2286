"""A model folder in SpeechBrain: the scores of ``custom_interface.py`` are ours."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from speechbrain.inference.interfaces import foreign_class

from ser_brain import EmotionRecognizer
from ser_brain.inference.architecture import BUILT_IN
from ser_brain.models.pooling import POOLINGS
from ser_brain.publishing import custom_interface
from ser_brain.publishing.card import write_card
from ser_brain.publishing.speechbrain_export import speechbrain_files
from tests.inference.tiny_models import write_model
from tests.models.test_encoders import FAMILIES, clips, padded
from tests.publishing.made_run import config_of, facts_of, write_run

SPECTRA = ("log_mel", None)
LAYERS = [("compact", "last")]
SOME = ("last", 0, 2, 3, "mix", "all", [2, 0])
LAYERS += [(f, layer) for f in FAMILIES if f != "compact" for layer in SOME]


@pytest.mark.parametrize("family, layer", LAYERS)
def test_every_encoder_scores_as_ours_does(family, layer, tmp_path):
    """Ours in one padded batch, theirs clip by clip; pooling and spectrum by turns."""
    turn = LAYERS.index((family, layer))
    pools = {"pooling": POOLINGS[turn % len(POOLINGS)], "spectrum": SPECTRA[turn % 2]}
    ours = write_model(tmp_path, family, layer=layer, **pools)
    theirs = custom_interface.EmotionModel()
    theirs.read(tmp_path / "config.json", tmp_path / "model.safetensors")
    waves = clips([ours.encoder.min_samples, 16_001, 24_480])
    with torch.inference_mode():
        expected = ours(*padded(waves, fill=7.0))
        for row, wave_S in enumerate(waves):
            found = theirs(wave_S)
            assert found.keys() == expected.keys()
            for name, tensor in found.items():
                torch.testing.assert_close(tensor, expected[name][row], atol=1e-5, rtol=1e-5)


def test_the_interface_stands_alone():
    tree = ast.parse(Path(custom_interface.__file__).read_text(encoding="utf-8"))
    imports = [n for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom)]
    assert imports and not [n for n in imports if "ser_brain" in ast.unparse(n)]
    assert custom_interface.FAMILIES.keys() == BUILT_IN


def test_an_encoder_of_ones_own_has_no_interface_and_the_card_says_so(tmp_path):
    run = write_run(tmp_path / "run")
    config = config_of(run, encoder={"family": "own"})
    assert speechbrain_files(config) == {}
    write_card(tmp_path / "card", facts_of(run, encoder={"family": "own"}))
    text = (tmp_path / "card" / "README.md").read_text(encoding="utf-8")
    assert "foreign_class(" not in text
    assert "Not with SpeechBrain's `foreign_class`: its interface has no own encoder." in text


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


def test_it_loads_strictly_and_refuses_what_it_cannot_score(tmp_path):
    write_model(tmp_path)
    files = tmp_path / "config.json", tmp_path / "model.safetensors"
    model = custom_interface.EmotionModel()
    model.read(*files)
    with pytest.raises(ValueError, match="399 samples; tiny wav2vec2-base takes at least 400"):
        model(torch.zeros(399))
    with pytest.raises(ValueError, match="scores that are not finite"):
        model(torch.full((400,), torch.nan))
    weights = load_file(files[1])
    weights["classifier.wrong"] = weights.pop("classifier.weight")
    save_file(weights, files[1])
    with pytest.raises(RuntimeError, match="emotion_head.linear.weight"):
        custom_interface.EmotionModel().read(*files)


def test_it_keeps_clips_apart_and_knows_shares_of_the_longest(tmp_path):
    ours = write_model(tmp_path)
    interface = foreign_class(
        str(tmp_path), pymodule_file="custom_interface.py", classname="EmotionInterface"
    )
    wavs, lengths = padded(clips([8000, 4000]), fill=7.0)
    found = interface(wavs, lengths / 8000)["log_probabilities"]
    expected = ours(wavs, lengths)["log_probabilities"]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
