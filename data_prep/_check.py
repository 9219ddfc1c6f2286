"""Whether one utterance's audio and labels hold."""

from __future__ import annotations

from pathlib import Path

from ser_brain import audio
from ser_brain.corpus_card import CorpusCard, Problem, Utterance
from ser_brain.errors import SERError, bad_value
from ser_brain.labels import LABEL_SOURCES, require_in_scale
from ser_brain.manifest import entry_of

# First bytes, from where, of recordings that libsndfile does not read -> what they are.
UNREAD = {
    (4, b"ftyp"): "MP4 or M4A",
    (0, b"\x1aE\xdf\xa3"): "WebM or Matroska",
    (0, b"0&\xb2u\x8ef\xcf\x11"): "WMA",
    (0, b"#!AMR"): "AMR",
    (0, b"\xff\xf1"): "AAC",
    (0, b"\xff\xf9"): "AAC",
}


def unread_format(path: Path) -> str | None:
    """What a recording is that cannot be read, with the command that converts it."""
    try:
        if not path.is_file():  # to open a pipe can wait for ever
            return None
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError:
        return None
    for (at, magic), name in UNREAD.items():
        if head[at:].startswith(magic):
            ending = path.suffix or ".m4a"
            return f"{name}, which cannot be read (convert it: ffmpeg -i IN{ending} OUT.wav)"
    return None


def check_utterance(
    utterance: Utterance, card: CorpusCard, folder: Path
) -> tuple[dict, audio.AudioFacts] | Problem:
    """The entry of an utterance whose audio and labels hold, else what is wrong."""
    try:
        utterance.path.encode()
        facts = audio.inspect(folder / utterance.path)
    except UnicodeEncodeError:
        return Problem("name that is not UTF-8", utterance.path)
    except audio.AudioProblem as problem:
        if utterance.name in card.known_bad:
            kind = f"known bad ({card.known_bad[utterance.name]})"
            return Problem(kind, utterance.path, harmless=True)
        kind = unread_format(folder / utterance.path) if str(problem) == "unreadable" else None
        return Problem(kind or str(problem), utterance.path)
    if card.sample_rates_hz and facts.sample_rate_hz not in card.sample_rates_hz:
        expected = " or ".join(str(rate) for rate in card.sample_rates_hz)
        kind = f"wrong sample rate ({facts.sample_rate_hz} Hz, expected {expected})"
        return Problem(kind, utterance.path)
    start = utterance.start or 0.0
    stop = facts.duration_s if utterance.stop is None else utterance.stop
    if stop <= start and utterance.stop is not None:
        kind = "stop before its start" if stop < start else "without length"
        return Problem(kind, f"{utterance.path} {start:g}-{stop:g} s")
    if not 0 <= start < stop <= facts.duration_s + 1e-3:
        kind = f"cut outside its file ({facts.duration_s:.2f} s)"
        return Problem(kind, f"{utterance.path} {start:g}-{stop:g} s")
    _check_labels(utterance, card)
    return entry_of(utterance, card, stop - start, facts.sample_rate_hz), facts


def _check_labels(utterance: Utterance, card: CorpusCard) -> None:
    for source, label in utterance.labels.items():
        if source not in LABEL_SOURCES or source not in card.sources:
            raise bad_value(f"label source of {utterance.name}", source, card.sources)
        for dimension, value in (label.get("vad") or {}).items():
            if value is None:
                continue
            what = f"{card.name}: {dimension} of {utterance.name}"
            if card.vad_scale is None:
                raise SERError(f"{what} is given, but the card names no scale.")
            require_in_scale(value, card.vad_scale, what)
