"""ShEMO with corrected labels and transcripts (Persian, radio plays).

Yazdani, Shekofteh (2022), "A Persian ASR-based SER: modification of Sharif emotional speech
database and investigation of Persian text corpora", arXiv 2211.09956. The audio is that of
ShEMO; modified_shemo.json replaces its labels and transcripts. Some 300 labels differ, so that
results on the two editions cannot be compared.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from data_prep import shemo
from ser_brain.data.manifest import Problem, Utterance

CARD = dataclasses.replace(
    shemo.CARD,
    name="shemo_corrected",
    title="Sharif Emotional Speech Database (ShEMO), corrected edition",
    version="1, labels corrected",
    citation="Mohamad Nezami et al. (2019), ShEMO, Language Resources and Evaluation 53(1); "
    "Yazdani and Shekofteh (2022), A Persian ASR-based SER, arXiv:2211.09956",
    layout="male/M01A01.wav ..., female/F01N05.wav ..., or all in one folder, and "
    "modified_shemo.json",
    notes="The same recordings as shemo: do not use both in one experiment.",
    url="https://github.com/aliyzd95/ShEMO-Modification",
)
FILES = shemo.FILES
LABEL_FILES = ("modified_shemo.json",)
UNUSED = (*shemo.UNUSED, "shemo.json")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every audio file that the corrected edition labels; without it there is nothing."""
    labels = shemo.read_labels(data_folder, LABEL_FILES)
    return iter(()) if labels is None else shemo.labelled_by(data_folder, labels)
