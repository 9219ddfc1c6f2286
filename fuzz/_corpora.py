"""Shared by the targets of corpora: audio files of any name, and ``data_prep``."""

from __future__ import annotations

import io
import os
from functools import cache
from pathlib import Path

import numpy as np
import soundfile

from data_prep.common.prepare import prepare
from ser_brain.data.corpora import CorpusSetting
from ser_brain.data.labelling import NEEDED, LabelChoice, label_corpus
from ser_brain.data.labels import EMOTIONS
from ser_brain.data.manifest import read_manifest

NAMES = "names.txt"  # of the audio files, a line each; damaged like any other file
MOST_FILES = 50


@cache
def wav(rate_hz: int = 16000) -> bytes:
    """A fifth of a second of noise."""
    samples = np.random.default_rng(0).normal(0, 0.1, rate_hz // 5)
    content = io.BytesIO()
    soundfile.write(content, samples, rate_hz, format="WAV", subtype="PCM_16")
    return content.getvalue()


def write_audio(folder: Path, rate_hz: int = 16000) -> Path:
    """Make the audio files that NAMES lists, in ``data``; returns that folder.

    Names that no file system accepts are skipped.
    """
    data = folder / "data"
    data.mkdir(exist_ok=True)
    names = folder / NAMES
    found = names.read_bytes().split(b"\n") if names.exists() else []
    for name in filter(None, found[:MOST_FILES]):
        path = os.path.normpath(os.path.join(os.fsencode(data), name.lstrip(b"/")))
        if not path.startswith(os.fsencode(data) + b"/"):
            continue
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "xb") as file:
                file.write(wav(rate_hz))
        except (OSError, ValueError, RecursionError):  # makedirs goes deeper with every folder
            continue
    return data


def prepare_and_label(corpus: str, data: Path, **options: object) -> None:
    """Prepare a corpus with ``--allow_partial`` and label it."""
    manifest, _ = prepare(corpus, data, data.parent / "manifests", True, **options)
    choice = LabelChoice(EMOTIONS, {}, (-1, 1), "corpus", "emotion")
    found = read_manifest(manifest, NEEDED)
    for source in found.card["sources"]:
        label_corpus(found, data, CorpusSetting(corpus, label_source=source), choice)
