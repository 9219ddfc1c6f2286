"""What a manifest contains: counts, missing facts, agreement of raters, levels, copies.

Nothing is decided here: every label source counts on its own, and nothing is left out.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ser_brain.core.log import with_progress
from ser_brain.data import audio
from ser_brain.data.audit import keys_by_value, samples_hash
from ser_brain.data.labels import DIMENSIONS, majority
from ser_brain.data.manifest import Manifest

FACTS = ("speaker", "gender", "language", "group", "split", "text")
QUANTILES = {"min": 0, "p05": 0.05, "median": 0.5, "p95": 0.95, "max": 1}
NO_LABEL = "none"
THREADS = 4  # reading waits for the disk, and decoding releases the lock


def explore(manifest: Manifest, data_folder: Path | None) -> dict:
    """All that a manifest says of its corpus, as JSON types.

    ``data_folder``: where the audio is; without it there are no levels and no comparison of
    samples.
    """
    entries, card = manifest.entries, manifest.card
    sources = list(dict.fromkeys(s for e in entries.values() for s in e["labels"]))
    sound = {} if data_folder is None else heard(manifest.located(data_folder))
    durations_s = {i: entry["duration"] for i, entry in entries.items()}
    return {
        "name": card.get("name") or manifest.path.stem,
        "title": card.get("title") or manifest.path.stem,
        "licence": card.get("licence"),
        "synthetic": bool(card.get("synthetic")),
        "vad_scale": card.get("vad_scale"),
        "default_source": card.get("default_source") or next(iter(sources), None),
        "utterances": len(entries),
        "hours": sum(durations_s.values()) / 3600,
        "sample_rates": _counts(str(e["sample_rate"]) for e in entries.values()),
        "sources": {source: _source(entries, source) for source in sources},
        "counts": {fact: _counts(e[fact] for e in entries.values()) for fact in FACTS[1:5]},
        "missing": {fact: sum(e[fact] is None for e in entries.values()) for fact in FACTS},
        "speakers": _speakers(entries, card.get("default_source")),
        "texts": len({e["text"] for e in entries.values()} - {None}),
        "duration_s": durations_s,
        "level_db": {i: level_db for i, (level_db, _) in sound.items()},
        "unread": [i for i in entries if i not in sound] if data_folder is not None else None,
        "same_files": card.get("same_audio"),
        "same_samples": keys_by_value({i: digest for i, (_, digest) in sound.items()}),
        "left_out": {kind: len(paths) for kind, paths in card.get("left_out", {}).items()},
    }


def _counts(values: Iterable[str | None]) -> dict[str, int]:
    return {value or NO_LABEL: n for value, n in Counter(values).most_common()}


def _source(entries: Mapping[str, Mapping], source: str) -> dict:
    """What one source says: classes, dimensions, votes."""
    labels = {i: e["labels"][source] for i, e in entries.items() if source in e["labels"]}
    votes = [label["votes"] for label in labels.values() if label.get("votes")]
    return {
        "labelled": len(labels),
        "emotions": _counts(label["emotion"] for label in labels.values()),
        "dimensions": {
            name: {
                i: vad[name] for i, vad in rated(labels).items() if vad.get(name) is not None
            }
            for name in DIMENSIONS
        },
        "agreement": agreement(votes) if votes else None,
    }


def rated(labels: Mapping[str, Mapping]) -> dict[str, Mapping]:
    """The ratings of the labels that have any."""
    return {i: label["vad"] for i, label in labels.items() if label.get("vad")}


def agreement(votes: Iterable[Mapping[str, float]]) -> dict:
    """How far raters agree who voted for classes.

    Returns
    -------
    dict
        ``alpha``: Krippendorff's alpha for nominal data (Krippendorff 2011, "Computing
        Krippendorff's alpha-reliability"), None where every vote is for one class; ``ties``:
        utterances whose first place is shared; ``raters``: mean per utterance; ``shares``:
        share of the votes that each utterance's winner has.

    Examples
    --------
    >>> agreement([{"anger": 3}, {"fear": 2}])["alpha"]
    1.0
    """
    units = [{c: n for c, n in unit.items() if n > 0} for unit in votes]
    totals = [sum(unit.values()) for unit in units]
    pairable = [(unit, n) for unit, n in zip(units, totals, strict=True) if n >= 2]
    classes = Counter()
    unlike = 0.0
    for unit, total in pairable:
        classes.update(unit)
        unlike += sum(n * (total - n) for n in unit.values()) / (total - 1)
    count = sum(classes.values())
    expected = sum(n * (count - n) for n in classes.values())
    return {
        "alpha": 1 - (count - 1) * unlike / expected if expected else None,
        "rated": len(units),
        "raters": sum(totals) / len(units),
        "ties": sum(majority(unit) is None for unit in units),
        "shares": [max(unit.values()) / n for unit, n in zip(units, totals, strict=True) if n],
    }


def _speakers(entries: Mapping[str, Mapping], source: str | None) -> dict[str, dict]:
    """Speaker -> gender, utterances, minutes, and classes of the default source."""
    found: dict[str, dict] = {}
    for entry in entries.values():
        new = {"gender": entry["gender"], "utterances": 0, "minutes": 0.0, "emotions": {}}
        one = found.setdefault(entry["speaker"] or NO_LABEL, new)
        one["utterances"] += 1
        one["minutes"] += entry["duration"] / 60
        emotion = (entry["labels"].get(source) or {}).get("emotion") or NO_LABEL
        one["emotions"][emotion] = one["emotions"].get(emotion, 0) + 1
    return found


def heard(entries: Mapping[str, Mapping]) -> dict[str, tuple[float, str]]:
    """Id -> level (RMS in dB below full scale) and a checksum of the samples; read in threads.

    Files that cannot be read are absent.
    """

    def hear(entry: Mapping) -> tuple[float, str] | None:
        try:
            samples, _ = audio.read(entry["wav"], entry["start"], entry["stop"])
        except audio.AudioProblem:
            return None
        power = float(np.mean(np.square(samples, dtype=np.float64)))
        level_db = 10 * math.log10(max(power, 1e-12))
        return level_db, samples_hash(samples)

    name = next(iter(entries.values()))["corpus"] if entries else ""
    with ThreadPoolExecutor(THREADS) as pool:
        results = pool.map(hear, entries.values())
        bar = with_progress(results, f"{name}: levels", "files", len(entries))
        return {i: found for i, found in zip(entries, bar, strict=True) if found is not None}


def quantiles(values: Iterable[float]) -> dict[str, float] | None:
    """Least, 5 %, median, 95 % and most; None without values."""
    values = np.fromiter(values, float)
    if not len(values):
        return None
    return {name: float(np.quantile(values, q)) for name, q in QUANTILES.items()}
