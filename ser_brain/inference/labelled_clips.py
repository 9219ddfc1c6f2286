"""Clips to adapt a model to, from folders, manifests and tables, with what is known of each."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.tables import read_table
from ser_brain.data import audio
from ser_brain.data.labels import meant_by
from ser_brain.data.manifest import read_manifest
from ser_brain.data.segment_tables import recognised_columns, text_in
from ser_brain.inference.inputs import Input, audio_files


@dataclass(frozen=True)
class FilePart(Input):
    """A part of a file, as a manifest describes it."""

    start_s: float | None = None
    stop_s: float | None = None

    @property
    def place(self) -> Hashable:
        """The same for two clips that are the same audio."""
        return self.path.resolve(), self.start_s, self.stop_s

    def read(self, longest_s: float) -> tuple[np.ndarray, int]:
        """Samples (S,) of the part, and their rate."""
        if self.start_s is None and self.stop_s is None:
            return super().read(longest_s)
        try:
            return audio.read(self.path, self.start_s, self.stop_s)
        except audio.AudioProblem as problem:
            raise SERError(f"Cannot read the file: {problem}.") from None


@dataclass(frozen=True)
class Clip:
    """A clip, its speaker and its emotion; None for what is unknown."""

    sound: Input
    speaker: str | None = None
    emotion: str | None = None


def read_clips(
    inputs: Sequence[str], emotions: Sequence[str], speaker: str | None = None
) -> list[Clip]:
    """Read what ``--unlabelled`` names: manifests, or files, folders and patterns.

    Parameters
    ----------
    inputs : sequence of str
    emotions : sequence of str
        The model's; of a manifest, other emotions count as unknown.
    speaker : str, optional
        Of a manifest, the speaker whose clips are read, by the whole name or that within the
        corpus; files and folders are taken to be hers.

    Raises
    ------
    SERError
        If there is no such speaker, or no audio.
    """
    clips: list[Clip] = []
    for text in inputs:
        if text.endswith(".json") and Path(text).is_file():
            clips += _of_manifest(Path(text), emotions, speaker)
        else:
            files = audio_files([text])
            clips += [Clip(Input(str(path), path=path), speaker) for path in files]
    return clips


def _of_manifest(path: Path, emotions: Sequence[str], speaker: str | None) -> list[Clip]:
    manifest = read_manifest(path, ("name", "default_source"))
    folder, name = manifest.data_folder(), manifest.card["name"]
    known = {entry["speaker"] for entry in manifest.entries.values()} - {None}
    chosen = {speaker, f"{name}_{speaker}"} if speaker is not None else None
    if chosen is not None and not chosen & known:
        raise bad_value(f"speaker of {name}", speaker, sorted(known))
    clips = []
    for utterance_id, entry in manifest.entries.items():
        if chosen is not None and entry["speaker"] not in chosen:
            continue
        label = entry["labels"].get(manifest.card["default_source"]) or {}
        emotion = label.get("emotion")
        place = (entry["start"], entry["stop"])
        sound = FilePart(utterance_id, folder / entry["wav"], None, None, *place)
        clips.append(
            Clip(sound, speaker or entry["speaker"], emotion if emotion in emotions else None)
        )
    return clips


def read_labelled(
    path: Path, emotions: Sequence[str], speaker: str | None = None
) -> list[Clip]:
    """Read a manifest, or a table of labelled clips (CSV or JSON lines).

    Its columns are ``path`` (relative to the table), ``emotion`` (the model's, or an everyday
    word such as ``happy``) and, if there is more than one, ``speaker``; or they have other
    names in :data:`ser_brain.data.segment_tables.OTHER_NAMES`.

    Raises
    ------
    SERError
        Naming the column that is missing or may be one of several, or the line that cannot
        be used.
    """
    if path.suffix == ".json" and path.is_file():
        clips = [clip for clip in _of_manifest(path, emotions, speaker) if clip.emotion]
        if not clips:
            raise SERError(f"{path} has no clip labelled {', '.join(emotions)}.")
        return clips
    table = read_table(path)
    used = recognised_columns(path, table.columns, ("path", "emotion", "speaker"))
    for what in ("path", "emotion"):
        if what not in used:
            raise SERError(
                f"{path} has no column {what}; found {', '.join(table.columns) or 'none'}. "
                "Expected path and emotion, and speaker if there are several."
            )
    clips = []
    for line, row in table.rows.items():
        cells = {what: text_in(row.get(column)) for what, column in used.items()}
        word = cells["emotion"]
        emotion = meant_by(word, emotions)
        if emotion not in emotions:
            raise SERError(
                f"{path}, line {line}: the model has no class {word!r}; expected one of: "
                f"{', '.join(emotions)}. Remove the line, or give it one of these."
            )
        named = path.parent / cells["path"]
        sound = Input(str(named), path=named)
        clips.append(Clip(sound, speaker or cells.get("speaker") or None, emotion))
    if not clips:
        raise SERError(f"{path} has no line below its head; expected labelled clips.")
    return clips
