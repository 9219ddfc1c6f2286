"""MSP-IMPROV: dialogues acted out by pairs (English, rated).

Busso, Parthasarathy, Burmania, AbdelWahab, Sadoughi, Mower Provost (2017), "MSP-IMPROV: an
acted corpus of dyadic interactions to study emotion perception", IEEE Trans. Affective
Computing 8(1). Six pairs of actors improvise scenes that lead to a sentence in one of four
emotions, read the sentence, and talk in the breaks. File names are scene with its emotion,
actor with number of the pair, part (T and R the sentence improvised and read, S the rest of the
scene, P the breaks), and the turn (FM01).

Assumed, for want of documentation: the first letter of the turn is the sex of who speaks, the
second of who listens. Groups are the pairs; a split by group is right in any case.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from data_prep.common.msp import CODES, cells_of, consensus, vad_of, voted
from data_prep.common.named_files import label_files, labelled
from ser_brain.core.errors import bad_value
from ser_brain.core.files import read_text
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

COUNTS = dict(neutral=3477, happiness=2644, sadness=885, anger=792, none=555, other=85)
CARD = CorpusCard(
    name="msp_improv",
    title="MSP-IMPROV",
    version="1",
    licence="academic licence; signed agreement",
    citation="Busso et al. (2017), MSP-IMPROV, IEEE Transactions on Affective Computing 8(1)",
    languages=("eng",),
    style="acted dialogues, improvised and read; crowd-rated",
    emotions={code: emotion for code, emotion in CODES.items() if emotion},
    sources=("consensus", "intended"),
    layout="Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav ..., or in any folders, and "
    "Evaluation.txt (also spelt Evalution.txt)",
    vad_scale=(1, 5),
    expected={"utterances": 8438, "speakers": 12, "emotions": {"consensus": COUNTS}},
    notes="48 kHz. Only the sentences that were asked for (parts R and T) have an intended "
    "emotion. The speaker within a pair is assumed; split by group.",
    url="https://lab-msp.com/MSP/MSP-Improv.html",
)
CLIP = r"-IMPROV-S(\d\d)([AHNS])-([FM])(\d\d)-([PRST])-([FM])([FM])\d+"
FILES = re.compile(f"(?:MSP|UTD){CLIP}", re.IGNORECASE)
LABEL_FILES = ("Evaluation.txt", "Evalution.txt")
UNUSED = ("*.txt", "*.avi", "*.pdf", "Video", "Human_Evaluations")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every rated turn."""
    for found in labelled(data_folder, FILES, _ratings(data_folder), lambda n: n.stem[3:]):
        if isinstance(found, Problem):
            yield found
            continue
        named, rated = found
        _, emotion, _, pair, part, sex, _ = named.match.groups()
        labels = {"consensus": rated}
        if part in "RT":
            labels["intended"] = annotation(CODES[emotion], emotion)
        yield Utterance(
            named.stem,
            named.path,
            labels,
            speaker=f"{sex}{pair}",
            gender="female" if sex == "F" else "male",
            group=pair,
        )


def _ratings(data_folder: Path) -> dict[str, dict]:
    """Clip without MSP or UTD -> its consensus with votes.

    A line with the name of a video has the consensus; the lines below it one rating each.
    """
    heads: dict[str, tuple[str, list[str]]] = {}
    votes: dict[str, Counter] = {}
    for path in label_files(data_folder, *LABEL_FILES)[:1]:
        name = None
        for line in read_text(path, errors="replace").splitlines():
            first, word, *more = [*cells_of(line), ""]
            if FILES.fullmatch(stem := first.rpartition(".")[0]):
                name = stem[3:]
                if word not in CODES:
                    raise bad_value(f"emotion of {stem} in {path.name}", word, CODES)
                heads[name], votes[name] = (word, more), Counter()
            elif name and word:
                votes[name][voted(word)] += 1
    return {
        name: consensus(code, dict(votes[name]), vad_of(rest))
        for name, (code, rest) in heads.items()
    }
