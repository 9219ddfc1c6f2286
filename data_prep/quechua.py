"""Quechua Collao: emotional speech of Cusco and Puno (acted, rated).

Paccotacya-Yanque, Huanca-Anquise, Escalante-Calcina, Ramos-Lovon, Cuno-Parari (2022), "A speech
corpus of Quechua Collao for automatic dimensional emotion recognition", Scientific Data 9. Six
actors say words and sentences in nine emotions; four people rated valence, arousal and
dominance. The emotions, actors and sentences are the sheet "map" of Data.xlsx, which needs
openpyxl; or save that sheet as Data.csv.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from statistics import mean

from data_prep.common.msp import number
from data_prep.common.named_files import label_files, labelled, rows_of
from data_prep.common.table_columns import require_columns
from ser_brain.core.errors import SERError
from ser_brain.data.labels import annotation
from ser_brain.data.manifest import CorpusCard, Problem, Utterance

EMOTIONS = {
    "angry": "anger",
    "anger": "anger",  # some are written as nouns
    "bored": "boredom",
    "boredom": "boredom",
    "calm": "calm",
    "excited": "excitement",
    "fear": "fear",
    "happy": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "sleepy": "sleepy",
}
CARD = CorpusCard(
    name="quechua",
    title="Quechua Collao corpus",
    version="1",
    licence="CC BY 4.0",
    citation="Paccotacya-Yanque et al. (2022), A speech corpus of Quechua Collao, Sci. Data 9",
    languages=("que",),
    style="acted, fixed words and sentences; rated by four people",
    emotions=EMOTIONS,
    sources=("intended", "consensus"),
    layout="Audios/10415.wav ..., or in any folders, and Data.xlsx, Labels/Valence.csv, "
    "Arousal.csv, Dominance.csv",
    vad_scale=(1, 5),
    expected={"utterances": 12420},
    own_emotions=("sleepy",),
    notes="Consensus is the mean of the raters, without ratings off the scale: Labels.csv, "
    "which is not read, gives 22210 a mean that contains its number. Two clips name no actor "
    "(14197, 20888). The actors' genders are those that the audb edition gives.",
    url="https://doi.org/10.6084/m9.figshare.20292516",
)
FILES = re.compile(r"\d{5}")
DIMENSIONS = ("valence", "arousal", "dominance")
MAP = ("Data.csv", "Data.xlsx")
LABEL_FILES = (*MAP, *(f"{dimension.title()}.csv" for dimension in DIMENSIONS))
UNUSED = ("Labels.csv", "Script*", "*.txt", "*.pdf", "*.xlsx")
NEEDED = ("Audio", "File", "Emotion", "Actor")
RATERS = ("N1", "N2", "N3", "N4")
GENDER = dict.fromkeys(("a1", "a3", "a4"), "female") | dict.fromkeys(("a2", "a5", "a6"), "male")


def utterances(data_folder: Path) -> Iterator[Utterance | Problem]:
    """Every clip, with the ratings of each person."""
    rows = {row["Audio"]: row for row in _map(data_folder)}
    ratings: dict[str, dict[str, list[float]]] = {}
    for dimension in DIMENSIONS:
        table = f"{dimension.title()}.csv"
        for row in rows_of(data_folder, (table,), ("Audio", *RATERS)):
            given = [value for rater in RATERS if (value := number(row[rater])) is not None]
            on_scale = [value for value in given if 1 <= value <= 5]
            ratings.setdefault(row["Audio"], {})[dimension] = on_scale
            if len(on_scale) < len(given):
                where = f"{table}: {row['Audio']}"
                yield Problem("rating off the scale 1 to 5", where, harmless=True)
    for found in labelled(data_folder, FILES, rows):
        if isinstance(found, Problem):
            yield found
            continue
        named, row = found
        raw, actor = row["Emotion"].lower(), row["Actor"].lower()
        labels = {"intended": annotation(CARD.emotion(raw), raw)}
        if rated := {what: each for what, each in ratings.get(named.stem, {}).items() if each}:
            vad = {what: mean(rated[what]) if what in rated else None for what in DIMENSIONS}
            labels["consensus"] = annotation(vad=vad, ratings=rated)
        yield Utterance(
            named.stem,
            named.path,
            labels,
            speaker=actor if actor in GENDER else None,
            gender=GENDER.get(actor),
            text=_sentence(row["File"]),
        )


def _sentence(file: str) -> str | None:
    """The code of a sentence in the name of a take: characters 4 to 7, like T043 (or To43)."""
    code = file[3:7].upper().replace("O", "0")
    return code if re.fullmatch(r"[A-Z]\d{3}", code) else None


def _map(data_folder: Path) -> list[dict[str, str]]:
    """The rows of Data.csv, or of the sheet "map" of Data.xlsx."""
    if rows := rows_of(data_folder, MAP[:1], NEEDED):
        return rows
    found = label_files(data_folder, *MAP)
    if not found:
        return []
    try:
        import openpyxl  # optional: only this table needs it
    except ImportError:
        raise SERError(
            f"{found[0]} needs openpyxl: pip install openpyxl. Or save its sheet map as "
            f"{found[0].with_name('Data.csv')}."
        ) from None
    try:
        sheet = openpyxl.load_workbook(found[0], read_only=True)["map"]
        head, *lines = ([str(cell or "").strip() for cell in row] for row in sheet.values)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise SERError(f"Cannot read the sheet map of {found[0]}: {error}.") from error
    require_columns(found[0], head, NEEDED)
    return [dict(zip(head, line, strict=True)) for line in lines]
