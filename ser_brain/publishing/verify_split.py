"""Check the split of a run: against the manifests of its corpora, and its audits again."""

from __future__ import annotations

from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json
from ser_brain.data.corpora import is_of
from ser_brain.data.experiment import audit_all
from ser_brain.data.manifest import SHA256, read_card, read_manifest
from ser_brain.training.config import read_settings
from ser_brain.training.run import SETTINGS
from ser_brain.training.setting_values import plain_settings

SPLITS = "splits.json"
NAMED = 3  # of many things that differ in the same way


def read_splits(part: Path) -> dict:
    """Read the ``splits.json`` of a run folder.

    Raises
    ------
    SERError
        If it cannot be read, or lacks something.
    """
    path = part / SPLITS
    splits = read_json(path, "split")
    tests, corpora = splits.get("tests"), splits.get("corpora", {})
    parts = [splits.get("train"), splits.get("valid")]
    parts += tests.values() if isinstance(tests, dict) else [None]
    whole = (
        all(isinstance(ids, list) and all(isinstance(i, str) for i in ids) for ids in parts)
        and isinstance(splits.get("audit"), dict)
        and isinstance(corpora, dict)
        and all(
            isinstance(corpus, dict) and {"title", "fingerprint"} <= corpus.keys()
            for corpus in corpora.values()
        )
    )
    if not whole:
        raise SERError(f"{path} is damaged: it lacks a part, the audit or facts of a corpus")
    return splits


def verify_manifests(part: Path, manifest_folder: str | Path | None) -> str | None:
    """Compare a run's split with the manifests of its corpora.

    Parameters
    ----------
    part : Path
        A run folder.
    manifest_folder : str or Path, optional
        By default the one that the run's settings name.

    Returns
    -------
    str or None
        Why it could not be done.

    Raises
    ------
    SERError
        If a manifest was changed or is not the run's, or lacks an utterance of the split.
    """
    splits = read_splits(part)
    manifests, reason = _find_manifests(part, splits, manifest_folder)
    if reason is not None:
        return reason
    known = {i for path in manifests for i in read_manifest(path).entries}
    lost = sorted({i for ids in _ids(splits).values() for i in ids} - known)
    if lost:
        raise SERError(f"{len(lost)} utterances are in no manifest ({', '.join(lost[:NAMED])})")
    return None


def verify_audits(part: Path, manifest_folder: str | Path | None) -> str | None:
    """Audit a run's split again; parameters and result as of :func:`verify_manifests`.

    Raises
    ------
    SERError
        If the parts share what the protocol keeps apart, or anything else than they did.
    """
    splits = read_splits(part)
    entries: dict[str, dict] = {}
    try:
        manifests, reason = _find_manifests(part, splits, manifest_folder)
        for path in manifests:
            manifest = read_manifest(path)
            entries |= manifest.located(manifest.data_folder())
    except SERError as error:  # the check of the manifests reports it
        reason = str(error)
    if reason is not None:
        return reason
    rows = {
        name: {i: entries[i] for i in ids if i in entries} for name, ids in _ids(splits).items()
    }
    train, valid = rows.pop("train"), rows.pop("valid")
    found = audit_all(train, valid, rows, _setting(part, "split"))
    texts = []
    for pair in dict.fromkeys([*splits["audit"], *found]):
        was, now = splits["audit"].get(pair), found.get(pair)
        if was and now and "unknown" not in was.get("speakers", {}):
            # Earlier versions did not count unknowns, and compared texts only within a corpus.
            now = {what: {**shared} for what, shared in now.items()}
            for shared in now.values():
                shared.pop("unknown", None)
            if was.get("texts") != now["texts"]:
                texts.append(pair)
                now["texts"] = was.get("texts")
        if was != now:
            raise SERError(f"{pair}: found {now}, was {was}")
    if texts:
        return f"texts of {', '.join(texts)}: an earlier version compared them within a corpus"
    return None


def _ids(splits: dict) -> dict[str, list[str]]:
    return {"train": splits["train"], "valid": splits["valid"], **splits["tests"]}


def _setting(part: Path, key: str) -> str:
    settings = plain_settings(read_settings(part / SETTINGS, []))
    if not isinstance(settings.get(key), str):
        raise SERError(f"{part / SETTINGS} is damaged: it has no {key}")
    return settings[key]


def _find_manifests(
    part: Path, splits: dict, manifest_folder: str | Path | None
) -> tuple[list[Path], str | None]:
    """The manifests of a run's corpora, found by their hash; or why there are none."""
    if not splits.get("corpora"):
        return [], f"{SPLITS} names no corpora: the run is of an earlier version"
    folder = Path(manifest_folder or _setting(part, "manifest_folder"))
    cards, damaged = {}, {}
    for card_file in sorted(folder.glob("*.card.json")):
        path = folder / f"{card_file.name.removesuffix('.card.json')}.json"
        try:
            cards[path] = read_card(path)
        except SERError as error:  # it may be the card of another corpus
            damaged[path] = error
    chosen = []
    for name, facts in splits["corpora"].items():
        mark = SHA256 if facts.get(SHA256) else "fingerprint"  # earlier versions kept no hash
        same = [path for path, card in cards.items() if card.get(mark) == facts[mark]]
        titled = [path for path, card in cards.items() if card.get("title") == facts["title"]]
        own = [error for path, error in damaged.items() if is_of(path.stem, [name])]
        if not same and own:
            raise own[0]
        if not same and titled and mark == SHA256:
            raise SERError(f"{titled[0]} is not the manifest of {name} that the run used")
        if not same:
            reason = f"{folder} has no manifest of {name}; name its folder: --manifest_folder"
            return [], reason
        chosen += [path for path in same[:1] if path not in chosen]
    return chosen, None
