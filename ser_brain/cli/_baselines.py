"""The baselines that ``ser board --baselines`` trains."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data.corpora import parse_manifest
from ser_brain.training.config import HOME

logger = get_logger(__name__)
SETTINGS = {
    "functionals": "hparams/baseline/classification.yaml",
    "egemaps": "hparams/baseline/egemaps.yaml",  # where openSMILE is installed
    "probe": "hparams/probe/classification.yaml",
}


def train_baselines(
    manifests: Sequence[str], classes: Sequence[str], encoder: str | None, out: Path
) -> dict[str, Path]:
    """Train each baseline on the corpora of manifests; name -> its run folder.

    Nine in ten speakers train, and one validates or is left out. A run that is finished stays.

    Parameters
    ----------
    manifests : sequence of str
        ``MANIFEST[:SOURCE]``.
    classes : sequence of str
    encoder : str, optional
        Of the frozen probe, in place of the one in its settings.
    out : Path
        Where the run folders go.

    Raises
    ------
    SERError
        If a run stops.
    """
    named = [parse_manifest(text) for text in manifests]
    lines = [{"manifest": str(path), "label_source": source} for path, source in named]
    shared = {"corpora": lines, "emotions": [*classes], "split_fractions": [0.8, 0.1, 0.1]}
    found = {}
    for name, settings in SETTINGS.items():
        if name == "egemaps" and importlib.util.find_spec("opensmile") is None:
            continue
        found[name] = out / name
        own = {**shared, "adaptation": None, "output_folder": str(found[name])}
        if name == "probe" and encoder is not None:
            own["encoder_source"] = encoder
        options = [f"--{key}={json.dumps(value)}" for key, value in own.items()]
        logger.info(
            f"{name}: training on {', '.join(manifests)}; see {found[name] / 'train_log.txt'}"
        )
        command = [sys.executable, str(HOME / "train.py"), str(HOME / settings), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            reason = said[-1].removeprefix("error: ")
            raise SERError(f"The baseline {name} was not trained: {reason}")
    return found
