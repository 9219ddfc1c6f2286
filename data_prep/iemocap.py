"""IEMOCAP: interactive emotional dyadic motion capture (English, acted dialogues, rated).

Busso, Bulut, Lee, Kazemzadeh, Mower, Kim, Chang, Lee, Narayanan (2008), "IEMOCAP: Interactive
emotional dyadic motion capture database", Language Resources and Evaluation 42(4). Five
sessions with a woman and a man each; about three people rated each turn, and some turns were
rated by their speaker, too.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from data_prep import matching
from ser_brain.core.files import read_text
from ser_brain.data.labels import DIMENSIONS, annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

CONSENSUS = {
    "ang": "anger",
    "hap": "happiness",
    "exc": "excitement",
    "sad": "sadness",
    "neu": "neutral",
    "fru": "frustration",
    "fea": "fear",
    "sur": "surprise",
    "dis": "disgust",
    "oth": "other",
    "xxx": None,
}
# The words of the raters' lines.
WORDS = {e: e for e in CONSENSUS.values() if e not in (None, "excitement")}
WORDS |= {"excited": "excitement", "neutral state": "neutral"}
SCALE = (1.0, 5.0)
HEADER = re.compile(r"\[[\d.\s-]+\]\s+(\S+)\s+(\S+)\s+\[(.*)\]\s*")
RATER = re.compile(r"([CA])-([EFM]\d+):\s*(.*?)\s*(?:\(.*)?")
RATED = re.compile(r"(val|act|dom)\s*([-\d.]*)")


@dataclass
class Turn:
    """A turn of a dialogue and all its ratings, by rater."""

    name: str
    line: int  # of its header
    consensus: str  # the evaluators' majority, or ``xxx``
    vad: dict[str, float | None]  # means; None where one is missing or off the scale
    emotions: dict[str, list[str]] = field(default_factory=dict)  # canonical
    words: dict[str, str] = field(default_factory=dict)  # the emotions as written
    rated_vad: dict[str, dict[str, float | None]] = field(default_factory=dict)

    def labels(self, speaker: str) -> dict[str, dict]:
        """The annotations ``consensus`` and, where the speaker (F or M) reported, ``self``.

        Each category that an evaluator names is one vote. An actor's line counts as ``self``
        only on that actor's own turns; anywhere else it is kept among the raters, unvoted.
        """
        voted = [emotions for rater, emotions in self.emotions.items() if rater[0] == "E"]
        labels = {
            "consensus": annotation(
                CONSENSUS[self.consensus],
                self.consensus,
                votes=Counter(itertools.chain(*voted)),
                vad=self.vad,
                raters={r: e for r, e in self.emotions.items() if r[0] != speaker},
                raters_vad={r: v for r, v in self.rated_vad.items() if r[0] != speaker},
            )
        }
        actor = next((r for r in self.emotions if r[0] == speaker), None)
        reported = self.emotions.get(actor, [])
        felt = next((v for r, v in self.rated_vad.items() if r[0] == speaker), None)
        if reported or felt:
            labels["self"] = annotation(
                reported[0] if len(reported) == 1 else None,
                self.words.get(actor),
                votes=Counter(reported),
                **({"vad": felt} if felt else {}),
            )
        return labels


def read_evaluation(path: Path, relative: str) -> Iterator[Turn | Problem]:
    """The turns of one evaluation file, and its unreadable lines and ratings.

    Those are harmless problems: if a turn is lost with its line, its audio is reported as
    without a label. ``relative`` is the file's name in problems.
    """
    try:
        lines = read_text(path, errors="replace").splitlines()
    except OSError:
        yield Problem("unreadable label file", relative, harmless=True)
        return
    if not lines:
        yield Problem("empty label file", relative, harmless=True)
    turn: Turn | None = None
    for number, line in enumerate(lines, start=1):
        at = f"{relative}:{number}"
        if not line.strip():
            continue
        if line.startswith("["):
            if turn:
                yield turn
            turn = None
            match = HEADER.fullmatch(line)
            if match is None or match[2] not in CONSENSUS:
                yield Problem("unreadable label line", at, harmless=True)
                continue
            numbers = (match[3].split(",") + ["", "", ""])[:3]
            vad, bad = _on_scale(dict(zip(DIMENSIONS, numbers, strict=True)))
            turn = Turn(match[1], number, match[2], vad)
        else:
            bad = _rating(turn, line) if turn else None
        if bad:
            yield Problem(bad, at, harmless=True)
    if turn:
        yield turn


def _rating(turn: Turn, line: str) -> str | None:
    """Add a rater's line to the turn; return what is wrong with it, if anything."""
    match = RATER.fullmatch(line.strip())
    if match is None:
        return "unreadable rating"
    kind, rater, said = match.groups()
    if kind == "A":
        rated = dict(RATED.findall(said))
        values = (rated.get("val", ""), rated.get("act", ""), rated.get("dom", ""))
        turn.rated_vad[rater], bad = _on_scale(dict(zip(DIMENSIONS, values, strict=True)))
        return bad
    words = [word.strip().lower() for word in said.split(";") if word.strip()]
    turn.words[rater] = said.rstrip("; ")
    turn.emotions[rater] = [WORDS[word] for word in words if word in WORDS]
    unknown = [word for word in words if word not in WORDS]
    return f"unknown emotion {unknown[0]!r}" if unknown else None


def _on_scale(written: dict[str, str]) -> tuple[dict[str, float | None], str | None]:
    """Ratings as numbers (None for a blank, a valid choice), and what is wrong, if anything."""
    values: dict[str, float | None] = dict.fromkeys(written)
    bad = None
    for dimension, text in written.items():
        if not text.strip():
            continue
        try:
            value = float(text)
        except ValueError:
            bad = "unreadable rating"
            continue
        if SCALE[0] <= value <= SCALE[1]:
            values[dimension] = value
        else:
            bad = f"{dimension} off the scale of {SCALE[0]:g} to {SCALE[1]:g}"
    return values, bad


COUNTS = dict(none=2507, frustration=1849, neutral=1708, anger=1103, sadness=1084)
COUNTS |= dict(excitement=1041, happiness=595, surprise=107, fear=40, other=3, disgust=2)
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
    expected={"utterances": 10039, "speakers": 10, "emotions": {"consensus": COUNTS}},
    notes="VAD as rated: valence, activation (called arousal), dominance. consensus: votes of "
    "the evaluators (E1, E2 ...); self: the speaker's own report, where there is one.",
    url="https://sail.usc.edu/iemocap (release form)",
)
FILES = ("Session[1-5]/sentences/wav/*/*",)
EVALUATIONS = "Session[1-5]/dialog/EmoEvaluation/*.txt"
TRANSCRIPTS = "Session[1-5]/dialog/transcriptions/*.txt"
LABEL_FILES = (EVALUATIONS, TRANSCRIPTS)
UNUSED = (
    *("README*", "Documentation"),
    *(f"Session[1-5]/dialog/{name}" for name in ("avi", "lab", "MOCAP_*", "wav")),
    "Session[1-5]/dialog/EmoEvaluation/Attribute",
    "Session[1-5]/dialog/EmoEvaluation/Categorical",
    "Session[1-5]/dialog/EmoEvaluation/Self-evaluation",
    *(f"Session[1-5]/sentences/{name}" for name in ("ForcedAlignment", "MOCAP_*")),
)

# The letter after Ses01 is the actor who wore the markers; the one before the last number is
# the speaker.
NAME = re.compile(r"(Ses0[1-5])[FM]_(?:impro|script)\w+_([FM])[X\d]+")
SPOKEN = re.compile(r"(\S+) \[[\d.\s-]+\]:\s*(.*)")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every turn of the evaluations, and audio that belongs to none."""
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
                session, letter = NAME.fullmatch(item.name).groups()
                yield Utterance(
                    name=item.name,
                    path=f"{relative.parts[0]}/sentences/wav/{path.stem}/{item.name}.wav",
                    speaker=session + letter,
                    gender="female" if letter == "F" else "male",
                    group=session,
                    text=texts.get(item.name),
                    labels=item.labels(speaker=letter),
                )
    for path in matching(data_folder, FILES):
        if NAME.fullmatch(path.stem) and path.suffix == ".wav" and path.stem not in turns:
            yield Problem("without a label", path.relative_to(data_folder).as_posix())


def read_transcripts(data_folder: Path) -> dict[str, str]:
    """Utterance name -> transcript; {} without transcripts.

    A line is ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.``
    """
    texts = {}
    for path in matching(data_folder, (TRANSCRIPTS,)):
        for line in read_text(path, errors="replace").splitlines():
            if match := SPOKEN.match(line):
                texts[match[1]] = match[2].strip()
    return texts
