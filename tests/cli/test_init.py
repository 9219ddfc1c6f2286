"""ser init and ser train: a folder of one's own, without editing the package."""

import json
import subprocess
import sys

from ser_brain.__main__ import main

RUN = """
import json, sys
import data_prep
from ser_brain.__main__ import main
from recipes.mine import MyBrain

print(json.dumps([MyBrain.__mro__[1].__name__, data_prep.load("my_corpus").card.title]))
sys.exit(main(["train", "hparams/mine.yaml", "--seed=2", "--help"]))
"""


def test_what_it_writes_is_found_where_commands_run(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert main(["init", str(folder)]) == 0
    assert "ser train hparams/mine.yaml" in capsys.readouterr().out
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, capture_output=True, text=True, check=True
    )
    first, _, rest = done.stdout.partition("\n")
    assert json.loads(first) == ["ClassificationProbe", "My corpus"]
    assert "--experiment=mine" in rest and "--encoder_source=openai/whisper-base" in rest
    assert main(["init", str(folder)]) == 2
    assert "exists and is not empty" in capsys.readouterr().err
