"""Lists of ids: text files, manifests and the parts of a ``splits.json``."""

from __future__ import annotations

import json
from pathlib import Path

from fuzz._strategies import dumped, like, text_of
from fuzz.manifests import CARD, ENTRIES
from ser_brain.data.leakage import entries_of, read_ids, read_manifests

IDS = list(ENTRIES)
SPLITS = {"train": IDS[:8], "valid": IDS[8:10], "tests": {"made": IDS[10:], "other": IDS[:1]}}
SOUND = {
    "ids.txt": ("# known\n\n" + "\n".join(IDS[:5]) + "\n").encode(),
    "splits.json": json.dumps(SPLITS).encode(),
}


def valid() -> list[dict[str, bytes]]:
    """A text file and a split of the same ids."""
    return [SOUND]


def generated():
    """Any value in place of any part."""
    from hypothesis import strategies as st

    return st.fixed_dictionaries(
        {"ids.txt": text_of("#", "\n", *IDS), "splits.json": like(SPLITS).map(dumped)}
    )


def try_case(folder: Path) -> None:
    """Read every list, and find the entries of the ids."""
    manifest = folder / "made.json"
    manifest.write_text(json.dumps(ENTRIES))
    manifest.with_suffix(".card.json").write_text(json.dumps(CARD))
    known = read_manifests([manifest], [])
    for part in ("train", "valid", "made"):
        entries_of(f"{folder / 'splits.json'}:{part}", known)
    entries_of(str(folder / "ids.txt"), known)
    read_ids(str(folder / "ids.txt"))
