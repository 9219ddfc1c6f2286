"""Make a folder for your own settings, experiment and corpus.

It gets three short files, which say what to change. Commands that you run in that folder find
them in addition to those of the project, so you need not edit the package.

    ser init my_project
    cd my_project
    ser train hparams/mine.yaml --corpus=emodb --data_folder=DIR
"""

from __future__ import annotations

import argparse
from pathlib import Path

from ser_brain.cli import Outcome
from ser_brain.core.files import require_new, write_text

SETTINGS = """\
# Settings that differ from those of the file below; `ser train hparams/mine.yaml --help` lists
# all. A corpus can also be named here:
# corpus: emodb
# data_folder: ~/corpora/emodb
extends: hparams/probe/classification.yaml

experiment: mine
brain: !name:recipes.mine.MyBrain
"""

RECIPE = '''\
"""An experiment of your own; hparams/mine.yaml names it."""

from recipes.classification import ClassificationProbe


class MyBrain(ClassificationProbe):
    """As ClassificationProbe, whose methods you can replace, as in any SpeechBrain recipe."""
'''

CORPUS = '''\
"""My corpus (LANGUAGE, STYLE).

Citation of the corpus. What its file names mean.
"""

import re

from data_prep import audio_files
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

CARD = CorpusCard(
    name="my_corpus",
    title="My corpus",
    version="1",
    licence="not stated",
    citation="not stated",
    languages=("eng",),  # ISO 639-3
    style="acted",
    emotions={"A": "anger", "H": "happiness", "S": "sadness", "N": "neutral"},
    sources=("intended",),
    layout="wav/SPEAKER_EMOTION_NUMBER.wav ...",
)
FILES = ("wav/*.wav",)
LABEL_FILES = ()
NAME = re.compile(r"(\\w+)_([AHSN])_(\\d+)")


def utterances(data_folder):
    """Every file, labelled by its name."""
    for path in audio_files(data_folder, FILES):
        match = NAME.fullmatch(path.stem)
        if match is None:
            yield Problem("unknown name", path.name)
            continue
        speaker, code, _ = match.groups()
        yield Utterance(
            name=path.stem,
            path=path.relative_to(data_folder).as_posix(),
            speaker=speaker,
            labels={"intended": annotation(CARD.emotions[code], code)},
        )
'''

FILES = {
    "hparams/mine.yaml": SETTINGS,
    "recipes/mine.py": RECIPE,
    "data_prep/my_corpus.py": CORPUS,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="DIR", help="a new or empty folder")


def run(arguments: argparse.Namespace) -> Outcome:
    folder = arguments.folder
    require_new(folder)
    for name, text in FILES.items():
        write_text(folder / name, text)
    listed = "\n".join(f"  {folder / name}" for name in FILES)
    start = f"cd {folder}\n  ser train hparams/mine.yaml --corpus=emodb --data_folder=DIR"
    return Outcome(f"wrote\n{listed}\nstart with\n  {start}", {"files": [*FILES]})
