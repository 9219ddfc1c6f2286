"""CREMA-D: crowd-sourced emotional multimodal actors (English, acted, rated).

Cao, Cooper, Keutmann, Gur, Nenkova, Verma (2014), "CREMA-D: Crowd-sourced emotional multimodal
actors dataset", IEEE Trans. Affective Computing 5(4). 91 actors say twelve sentences; about ten
people rated each clip three times over: the voice alone, the face alone, and both.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

from data_prep import audio_files
from data_prep.common.table_columns import read_table, require_columns
from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

logger = get_logger(__name__)

SUMMARY = "processedResults/summaryTable.csv"
VOTES = "processedResults/tabulatedVotes.csv"
DEMOGRAPHICS = "VideoDemographics.csv"

COUNTS = dict(anger=1271, disgust=1271, fear=1271, happiness=1271, sadness=1270, neutral=1087)
CARD = CorpusCard(
    name="cremad",
    title="Crowd-sourced Emotional Multimodal Actors Dataset (CREMA-D)",
    version="1",
    licence="ODbL 1.0 (database), DbCL 1.0 (contents)",
    citation="Cao et al. (2014), CREMA-D, IEEE Transactions on Affective Computing 5(4)",
    languages=("eng",),
    style="acted, twelve fixed sentences; crowd-rated",
    emotions={
        "ANG": "anger",
        "DIS": "disgust",
        "FEA": "fear",
        "HAP": "happiness",
        "NEU": "neutral",
        "SAD": "sadness",
    },
    sources=("intended", "rated_voice", "rated_face", "rated_av"),
    layout="AudioWAV/1001_DFA_ANG_XX.wav ..., or all in one folder; "
    f"{DEMOGRAPHICS}, {SUMMARY}, {VOTES}",
    sample_rates_hz=(16000,),
    # 7,442 files, one of which is silent in every copy.
    expected={"utterances": 7441, "speakers": 91, "emotions": {"intended": COUNTS}},
    known_bad={"1076_MTI_SAD_XX": "silent in every copy"},
    notes="1006_TIE_NEU/HAP, 1013_WSI_SAD/DIS and 1017_IWW_FEA/ANG are the same recordings "
    "under two intended emotions (see same_audio).",
    url="https://github.com/CheyneyComputerScience/CREMA-D",
)
FILES = ("AudioWAV/*",)
OPTIONAL = {
    DEMOGRAPHICS: "genders and ages",
    SUMMARY: "rated emotions and their intensities",
    VOTES: "counts of votes",
}
LABEL_FILES = tuple(dict.fromkeys(p for t in OPTIONAL for p in (t, t.rpartition("/")[2])))
UNUSED = (
    "*.md",
    "*.txt",
    "*.csv",
    "*.R",
    ".git*",
    "Audio[!W]*",
    "Video*",
    "processedResults/*",
)

NAME = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
INTENSITY = {"LO": "low", "MD": "medium", "HI": "high"}
LETTERS = {code[0]: emotion for code, emotion in CARD.emotions.items()}
# Name in the summary's columns, and first digit of the row numbers of the votes.
SOURCES = {
    "rated_voice": ("voice", "1"),
    "rated_face": ("face", "2"),
    "rated_av": ("multimodal", "3"),
}


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every file of ``AudioWAV/`` or of a flat copy, and rated clips without audio."""
    for table, what in OPTIONAL.items():
        if not _table(data_folder, table).is_file():
            logger.warning(f"cremad: no {data_folder / table}; {what} are unknown.")
    people = speakers(data_folder)
    columns = ("filename", *(f"{part}vote" for part, _ in SOURCES.values()))
    rated = _rows(_table(data_folder, SUMMARY), columns)
    summary = {_clip(row["filename"]): row for row in rated}
    votes = _votes(_table(data_folder, VOTES))
    seen = set()
    for path in audio_files(data_folder, FILES):
        match = NAME.fullmatch(path.stem)
        if match is None or path.suffix.lower() != ".wav":
            continue
        actor, sentence, code, level = match.groups()
        clip = _clip(path.stem)
        seen.add(clip)
        intended = annotation(CARD.emotions[code], code, intensity=INTENSITY.get(level))
        yield Utterance(
            name=path.stem,
            path=path.relative_to(data_folder).as_posix(),
            speaker=actor,
            gender=people.get(actor, {}).get("gender"),
            text=sentence,
            labels={"intended": intended, **_rated(summary.get(clip, {}), votes.get(clip, {}))},
        )
    for clip in sorted((summary.keys() | votes.keys()) - seen):
        yield Problem("missing", f"AudioWAV/{clip}.wav")


def speakers(data_folder: Path) -> dict[str, dict[str, object]]:
    """Gender, age, race and ethnicity of the actors; {} without the table."""
    facts = {}
    for row in _rows(data_folder / DEMOGRAPHICS, ("actorid", "sex")):
        gender = row["sex"].lower()
        facts[row["actorid"]] = {
            "gender": gender if gender in ("female", "male") else None,
            "age": int(row["age"]) if re.fullmatch("[0-9]{1,3}", row.get("age", "")) else None,
            "race": row.get("race") or None,
            "ethnicity": row.get("ethnicity") or None,
        }
    return facts


def _table(data_folder: Path, name: str) -> Path:
    """A table in its place, or beside the audio of a flat copy."""
    path = data_folder / name
    return path if path.is_file() else data_folder / path.name


def _clip(name: str) -> str:
    """The name in the tables, where 1040_ITH_SAD_X.wav is 1040_ITH_SAD_XX."""
    return f"{name}X" if name.endswith("_X") else name


def _rows(path: Path, needed: tuple[str, ...]) -> list[dict[str, str]]:
    """Rows of a table, with column names in lower case; none without the table."""
    if not path.is_file():
        return []
    columns, rows = read_table(path)
    require_columns(path, [column.lower() for column in columns], needed)
    return [{key.lower(): cell for key, cell in row.items()} for row in rows.values()]


def _votes(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    """Clip -> first digit of the row number -> row."""
    votes: dict[str, dict[str, dict[str, str]]] = {}
    columns = ("filename", *map(str.lower, LETTERS))
    for row in _rows(path, columns):
        number = next(iter(row.values()))
        if not re.fullmatch(r"[123]\d{5}", number):
            raise SERError(
                f"{path}: row {number!r} of {row['filename']}; expected row numbers 1xxxxx "
                "(voice), 2xxxxx (face) and 3xxxxx (both) in the first column."
            )
        votes.setdefault(_clip(row["filename"]), {})[number[0]] = row
    return votes


def _rated(summary: dict[str, str], votes: dict[str, dict[str, str]]) -> dict[str, dict]:
    """The ratings of each source that has any.

    In a tie the emotion is None and ``raw`` names the emotions with the most votes (``A:N``).
    ``level`` is the mean intensity of each of them, 0 to 100.
    """
    labels = {}
    for source, (part, digit) in SOURCES.items():
        row = votes.get(digit, {})
        raw = summary.get(f"{part}vote") or row.get("emovote")
        if not raw:
            continue
        try:
            winners = [LETTERS[letter] for letter in raw.split(":")]
            counts = {LETTERS[k]: int(row[k.lower()]) for k in LETTERS if row}
            levels = [float(x) for x in (summary.get(f"{part}level") or "").split(":") if x]
            if not all(map(math.isfinite, levels)):
                raise ValueError(f"level {summary[f'{part}level']}")
        except (KeyError, ValueError) as error:
            name = summary.get("filename") or row.get("filename")
            raise SERError(
                f"cremad: cannot read the {part} rating {raw!r} of {name} ({error}); expected "
                "letters of A D F H N S with colons, whole votes and numeric levels."
            ) from None
        given = len(levels) == len(winners)
        more = {"level": dict(zip(winners, levels, strict=True))} if given else {}
        labels[source] = annotation(
            winners[0] if len(winners) == 1 else None,
            raw,
            votes={e: n for e, n in counts.items() if n} or dict.fromkeys(winners, 1),
            **more,
        )
    return labels
