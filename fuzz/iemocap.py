"""IEMOCAP: evaluation files, transcripts and file names."""

from __future__ import annotations

from pathlib import Path

from fuzz._corpora import NAMES, prepare_and_label, write_audio
from fuzz._strategies import lines_like

EVALUATION = b"""% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]

[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.0000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Frustration;\t()
C-F1:\tNeutral; Anger;\t(curious)
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval 3; act 2; dom  1;\t()

[10.0100 - 11.3925]\tSes01F_impro01_M001\txxx\t[2.5000, 5.5000, 3.0000]
C-E2:\tExcited;\t()
C-M1:\tFrustration;\t()
A-E3:\tval ; act 2; dom  2;\t()
"""
TRANSCRIPT = b"Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.\nM: [LAUGHTER]\n"
DIALOG = "data/Session1/dialog"
FILES = "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_{}.wav"


def valid() -> list[dict[str, bytes]]:
    """Two turns with ratings, their words and their audio."""
    return [
        {
            f"{DIALOG}/EmoEvaluation/Ses01F_impro01.txt": EVALUATION,
            f"{DIALOG}/transcriptions/Ses01F_impro01.txt": TRANSCRIPT,
            NAMES: "\n".join(map(FILES.format, ("F000", "M001"))).encode(),
        }
    ]


def generated():
    """Lines of all three files in any order, with other words in them."""
    from hypothesis import strategies as st

    return st.fixed_dictionaries({name: lines_like(data) for name, data in valid()[0].items()})


def try_case(folder: Path) -> None:
    """Prepare the corpus and label it by every source."""
    prepare_and_label("iemocap", write_audio(folder))
