"""Emo-DB 2.0: Emo-DB with the clips that the first edition left out (German, acted).

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss (2005), "A database of German emotional speech",
Interspeech. The second edition adds 281 clips that listeners recognised or believed less
often, and rates how natural each clip is. Names are those of Emo-DB, with xx at the end of new
ones in some copies. The two editions share speakers and clips: never train on one and test on
the other.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

from data_prep import emodb
from data_prep.common.named_files import Named, by_name, label_files
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import Problem, Utterance

CARD = dataclasses.replace(
    emodb.CARD,
    name="emodb2",
    title="Berlin Database of Emotional Speech (Emo-DB), second edition",
    version="2.0",
    layout="wav/03a01Fa.wav ..., or audio/03a01Faxx.wav ..., or in any folders (optional "
    "listener_judgements.txt)",
    sample_rates_hz=None,
    expected={"utterances": 816, "speakers": 10},
    notes="Contains all of emodb: do not use both in one experiment.",
    url="https://audeering.github.io/datasets/datasets/emodb.html (2.0.0)",
)
# The laryngograms have the names of the recordings.
FILES = re.compile(r"(?<!laryngo/)(\d\d)([ab]\d\d)([WLEAFTN])[a-z]?(?:xx)?")
LABEL_FILES = ("listener_judgements.txt",)
UNUSED = ("laryngo", "erkennung.txt", "erklaerung.txt", "*.md", "*.csv", "*.yaml")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, labelled by its name and by what listeners judged."""
    judged: dict[str, dict[str, float]] = {}
    for path in label_files(data_folder, *LABEL_FILES)[:1]:
        for item in emodb.read_recognition(path):
            if isinstance(item, Problem):
                yield item
            else:
                judged[item[0].removesuffix("xx")] = item[1]

    def utterance(named: Named) -> Utterance:
        speaker, text, code = named.match.groups()
        name = named.stem.removesuffix("xx")
        label = annotation(CARD.emotions[code], code, **judged.get(name, {}))
        gender = "male" if speaker in emodb.MALE else "female"
        facts = {"speaker": speaker, "gender": gender, "text": text}
        return Utterance(name, named.path, {"intended": label}, **facts)

    yield from by_name(data_folder, FILES, utterance)


speakers = emodb.speakers
