"""Emo-DB 2.0: Emo-DB with the clips that the first edition left out (German, acted).

Burkhardt, Paeschke, Rolfes, Sendlmeier, Weiss (2005), "A database of German emotional speech",
Interspeech. The second edition adds 281 clips that listeners recognised or believed less
often, and rates how natural each clip is. Names are those of Emo-DB, with xx at the end of new
ones in some copies. The two editions share speakers and clips: never train on one and test on
the other. The archive that the authors send has stereo files, speech on the left and the
laryngograph on the right. Take the speech first, in the folder above wav_laryng:

    mkdir audio; for f in wav_laryng/*.wav; do
        ffmpeg -i "$f" -af "pan=mono|c0=c0" "audio/${f##*/}"; done
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
    "listener_judgements.txt); of wav_laryng, which has the laryngograph on its right channel, "
    "take the left first (python -m data_prep emodb2 --help)",
    sample_rates_hz=None,
    expected={"utterances": 816, "speakers": 10},
    notes="Contains all of emodb: do not use both in one experiment.",
    url="https://audeering.github.io/datasets/datasets/emodb.html (2.0.0)",
)
# The laryngograms, and what contains them, have the names of the recordings.
FILES = re.compile(r"(?<!laryngo/)(?<!laryng/)(\d\d)([ab]\d\d)([WLEAFTN])[a-z]?(?:xx)?")
LABEL_FILES = ("listener_judgements.txt",)
UNUSED = ("laryngo", "wav_laryng", "erkennung.txt", "erklaerung.txt", "*.md", "*.csv", "*.yaml")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every recording, labelled by its name and by what listeners judged."""
    if data_folder.resolve().name in UNUSED[:2]:
        return
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
