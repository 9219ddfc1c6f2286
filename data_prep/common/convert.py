"""Write a manifest in a format of others: ``python -m data_prep convert``.

    python -m data_prep convert manifests/emodb.json --to lhotse --out emodb_lhotse

A format holds what it can, and corpus.json beside it holds the facts of the card. What neither
holds is listed. The same format as a corpus reads it again.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path

from data_prep.common.flat import flat_rows
from ser_brain.core.errors import SERError, bad_value
from ser_brain.core.files import read_json, require_new, write_json
from ser_brain.core.process import Parser
from ser_brain.data import audio
from ser_brain.data.corpora import parse_manifest
from ser_brain.data.manifest import Manifest, read_manifest

FORMATS = ("audformat", "emobox", "huggingface", "kaldi", "lhotse", "table")
FACTS = "corpus.json"
FACTS_SUFFIX = f".{FACTS}"  # after the name of a table
KEPT = (
    "title",
    "version",
    "licence",
    "citation",
    "languages",
    "style",
    "emotions",
    "vad_scale",
)
KEPT += ("synthetic", "notes", "own_emotions", "url", "default_source")


def parser() -> Parser:
    """The parser of the command."""
    made = Parser("python -m data_prep convert", __doc__)
    made.add_argument("manifest", metavar="MANIFEST", help="what to convert")
    made.add_argument("--to", required=True, metavar="FORMAT", help=", ".join(FORMATS))
    out = "a new folder; of a table NAME.csv, .jsonl, .xlsx or .parquet"
    made.add_argument("--out", required=True, type=Path, metavar="OUT", help=out)
    where = "where the audio is (default: as noted in the corpus card)"
    made.add_argument("--data_folder", type=Path, metavar="DIR", help=where)
    return made


def convert(manifest: str, to: str, out: Path, data_folder: Path | None = None) -> list[str]:
    """Write the manifest in a format; give the lines that tell what was written and lost."""
    if to not in FORMATS:
        raise bad_value("format", to, FORMATS)
    found = read_manifest(parse_manifest(manifest)[0])
    if not found.entries:
        raise SERError(f"{manifest} has no utterance; prepare the corpus again.")
    if not (to == "table" and out.is_file()):
        require_new(out)
    folder = found.data_folder(data_folder)
    lost = importlib.import_module(f"data_prep.{to}").write(
        out, flat_rows(found), found, folder
    )
    facts = Path(f"{out}{FACTS_SUFFIX}") if to == "table" else out / FACTS
    write_json(facts, {key: found.card[key] for key in KEPT if found.card.get(key)})
    where = f"--csv {out.resolve()}" if to == "table" else f"--source {out.resolve()}"
    if to in ("audformat", "huggingface"):
        where, folder = "", out.resolve()
    again = f"python -m data_prep {to} --name NAME --data_folder {folder} {where}"
    return [
        f"wrote {len(found.entries):,} utterances to {out}",
        f"lost: {'; '.join(lost)}" if lost else "lost: nothing",
        f"read it with: {again.strip()} --manifest_folder manifests",
    ]


def read_facts(path: Path) -> dict:
    """The facts of a card that :func:`convert` wrote; {} if there are none."""
    if not path.is_file():
        return {}
    facts = read_json(path, "facts of a corpus")
    pairs = ((key, facts[key]) for key in KEPT if key in facts)
    return {key: tuple(value) if isinstance(value, list) else value for key, value in pairs}


def header_facts(data_folder: Path, entry: Mapping) -> tuple[int, int]:
    """Frames and rate of the file of an entry, from its header."""
    if entry["start"] is None and entry["stop"] is None:
        return round(entry["duration"] * entry["sample_rate"]), entry["sample_rate"]
    try:
        with audio.opened(data_folder / entry["wav"]) as file:
            return file.frames, file.samplerate
    except audio.DAMAGED as error:
        raise SERError(f"Cannot read {data_folder / entry['wav']}: {error}.") from error


def audio_of(data_folder: Path, manifest: Manifest) -> dict[str, Path]:
    """Relative path of every recording -> where it is; stop at one that is missing."""
    paths = {entry["wav"]: data_folder / entry["wav"] for entry in manifest.entries.values()}
    if any(audio.split_channel(path)[1] for path in paths.values()):
        raise SERError(
            f"{manifest.path} has channels of files, which other formats do not hold. Write "
            "each channel to a file of its own (ffmpeg -i X -map_channel 0.0.0 left.wav), and "
            "prepare those."
        )
    for relative, path in paths.items():
        if not path.is_file():
            raise SERError(
                f"No {path} of {manifest.path} ({relative}); give its --data_folder."
            )
    return paths
