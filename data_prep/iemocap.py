"""IEMOCAP: interactive emotional dyadic motion capture (English, acted dialogues, rated).

Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee, Narayanan (2008), "IEMOCAP: Interactive
emotional dyadic motion capture database", Language Resources and Evaluation 42(4). Five
sessions of a woman and a man each; about three people rated each turn, and in part its speaker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from data_prep import matching
from data_prep._iemocap_ratings import CONSENSUS, SCALE, Turn, read_evaluation
from ser_brain.corpus_card import CorpusCard, Problem, Utterance
from ser_brain.files import read_text

CARD = CorpusCard(
    name="iemocap",
    title="Interactive Emotional Dyadic Motion Capture Database (IEMOCAP)",
    version="1",
    licence="USC SAIL research licence; on request, not to be passed on",
    citation="Busso et al. (2008), IEMOCAP, Language Resources and Evaluation 42(4)",
    languages=("eng",),
    style="acted dialogues, improvised (impro in the id) and scripted (script)",
    emotions={code: emotion for code, emotion in CONSENSUS.items() if emotion},
    sources=("consensus", "self"),
    layout="Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav ... and "
    "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt ...",
    vad_scale=SCALE,
    sample_rates_hz=(16000,),
    expected={
        "utterances": 10039,
        "speakers": 10,
        "emotions": {
            "consensus": {
                "none": 2507,
                "frustration": 1849,
                "neutral": 1708,
                "anger": 1103,
                "sadness": 1084,
                "excitement": 1041,
                "happiness": 595,
                "surprise": 107,
                "fear": 40,
                "other": 3,
                "disgust": 2,
            }
        },
    },
    notes="VAD as rated: valence, activation (called arousal), dominance. consensus: votes of "
    "the evaluators (E1, E2 ...); self: the speaker's own report, where there is one.",
)
FILES = ("Session[1-5]/sentences/wav/*/*",)
EVALUATIONS = "Session[1-5]/dialog/EmoEvaluation/*.txt"
TRANSCRIPTS = "Session[1-5]/dialog/transcriptions/*.txt"
LABEL_FILES = (EVALUATIONS, TRANSCRIPTS)
UNUSED = (
    "README*",
    "Documentation",
    "Session[1-5]/dialog/avi",
    "Session[1-5]/dialog/lab",
    "Session[1-5]/dialog/MOCAP_*",
    "Session[1-5]/dialog/wav",
    "Session[1-5]/dialog/EmoEvaluation/Attribute",
    "Session[1-5]/dialog/EmoEvaluation/Categorical",
    "Session[1-5]/dialog/EmoEvaluation/Self-evaluation",
    "Session[1-5]/sentences/ForcedAlignment",
    "Session[1-5]/sentences/MOCAP_*",
)

# The letter after Ses01 is the actor who wore the markers; the one before the last number is
# the speaker.
NAME = re.compile(r"(Ses0[1-5])[FM]_(?:impro|script)\w+_([FM])[X\d]+")
SPOKEN = re.compile(r"(\S+) \[[\d.\s-]+\]:\s*(.*)")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every turn of the evaluations, and audio that none of them names."""
    texts = read_transcripts(data_folder)
    turns: dict[str, Turn] = {}
    for path in matching(data_folder, (EVALUATIONS,)):
        relative = path.relative_to(data_folder)
        for item in read_evaluation(path, relative.as_posix()):
            if isinstance(item, Problem):
                yield item
            elif NAME.fullmatch(item.name) is None:
                at = f"{relative.as_posix()}:{item.line}"
                yield Problem("unreadable label line", at, harmless=True)
            else:
                turns[item.name] = item
                folder = f"{relative.parts[0]}/sentences/wav/{path.stem}"
                yield _utterance(item, f"{folder}/{item.name}.wav", texts.get(item.name))
    for path in matching(data_folder, FILES):
        if NAME.fullmatch(path.stem) and path.suffix == ".wav" and path.stem not in turns:
            yield Problem("without a label", path.relative_to(data_folder).as_posix())


def _utterance(turn: Turn, path: str, text: str | None) -> Utterance:
    session, letter = NAME.fullmatch(turn.name).groups()
    return Utterance(
        name=turn.name,
        path=path,
        speaker=session + letter,
        gender="female" if letter == "F" else "male",
        group=session,
        text=text,
        labels=turn.labels(speaker=letter),
    )


def read_transcripts(data_folder: Path) -> dict[str, str]:
    """Utterance name -> what was said; nothing where the transcripts are not there.

    A line is ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.``
    """
    texts = {}
    for path in matching(data_folder, (TRANSCRIPTS,)):
        for line in read_text(path, errors="replace").splitlines():
            if match := SPOKEN.match(line):
                texts[match[1]] = match[2].strip()
    return texts
