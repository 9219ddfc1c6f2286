"""What is analysed: the utterances of each set as points in the space of each model.

Every part of a run (fold, seed, layer) has a space of its own; points of different parts are
never put together.

Axes: N utterances, D dimensions of the space, 2 = valence and arousal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.experiment import Protocol
from ser_brain.data.labelling import UNIT_RANGE
from ser_brain.data.labels import EMOTIONS, rescale
from ser_brain.evaluation.predictions import Predictions
from ser_brain.evaluation.runs import Run, merge_protocols

SPACES = ("embedding", "va")

# A Gaussian from fewer points says nothing.
MIN_CLIPS = 5

# ``other`` is a drawer, with no place on any map.
MAPPED = tuple(emotion for emotion in EMOTIONS if emotion != "other")


@dataclass(frozen=True)
class Cloud:
    """The utterances of one set as one model sees them.

    Attributes
    ----------
    points_ND : ndarray
        Embeddings, or predicted valence and arousal on [-1, 1].
    emotion_N : ndarray of int
        Index into the set's emotions.
    ids : list of str
    speakers : list of str or None
    true_va_N2 : ndarray or None
        Ratings on [-1, 1], NaN where missing; None where there are none.
    duration_N : ndarray
        Seconds, NaN where unknown.
    """

    points_ND: np.ndarray
    emotion_N: np.ndarray
    ids: list[str]
    speakers: list[str | None]
    true_va_N2: np.ndarray | None
    duration_N: np.ndarray

    def take(self, rows: np.ndarray) -> Cloud:
        """Some of the utterances, by number or by a mask."""
        chosen = np.arange(len(self.ids))[rows]
        return Cloud(
            self.points_ND[chosen],
            self.emotion_N[chosen],
            [self.ids[n] for n in chosen],
            [self.speakers[n] for n in chosen],
            None if self.true_va_N2 is None else self.true_va_N2[chosen],
            self.duration_N[chosen],
        )


@dataclass(frozen=True)
class EmbeddingSet:
    """One test set, as every part of a run sees it.

    Attributes
    ----------
    name, role, protocol : str
    synthetic : bool
    emotions : list of str
        Those with at least ``MIN_CLIPS`` clips in every part.
    clouds : dict
        Part -> Cloud.
    left_out : dict
        Reason -> number of utterances, over all parts.
    """

    name: str
    role: str
    protocol: str
    synthetic: bool
    emotions: list[str]
    clouds: dict[str, Cloud]
    left_out: dict[str, int]


def read_sets(
    run: Run, parts: Mapping[str, str], space: str, names: Sequence[str] = ()
) -> dict[str, EmbeddingSet]:
    """The sets of a run, in the order asked for, those it was trained on last.

    Parameters
    ----------
    run : Run
        Read with its embeddings.
    parts : mapping
        What to call a part -> its name in the run; the parts to take.
    space : {"embedding", "va"}
    names : sequence of str
        Test sets to take; all of them where empty. What the model was trained on is always
        taken along: it is fitted on, and not judged.

    Raises
    ------
    SERError
        If the run lacks a set or the space, or a set has fewer than two emotions.
    """
    if space not in SPACES:
        raise bad_value("space", space, SPACES)
    roles = {
        name: next(iter(of_set.values())).card["role"]
        for name, of_set in run.test_sets.items()
        if not of_set.keys().isdisjoint(parts.values())
    }
    for name in names:
        if name not in roles:
            raise bad_value("test set", name, roles)
    seen = [name for name, role in roles.items() if role != "test" and name not in names]
    judged = list(names) or [name for name, role in roles.items() if role == "test"]
    return {name: _embedding_set(run, name, parts, space) for name in [*judged, *seen]}


def _embedding_set(run: Run, name: str, named: Mapping[str, str], space: str) -> EmbeddingSet:
    of_set = run.test_sets[name]
    parts = {short: of_set[part] for short, part in named.items() if part in of_set}
    labels = {part: [row["emotion"] for row in p.rows] for part, p in parts.items()}
    counts = {part: Counter(found) for part, found in labels.items()}
    kept = [e for e in MAPPED if all(c[e] >= MIN_CLIPS for c in counts.values())]
    left_out: Counter[str] = Counter()
    for found in labels.values():
        for emotion in found:
            if emotion not in kept:
                left_out[_reason(emotion, len(parts))] += 1
    if len(kept) < 2:
        some = Counter(emotion for found in labels.values() for emotion in found)
        there = ", ".join(f"{emotion} {count}" for emotion, count in some.items())
        raise SERError(
            f"{name} has {len(kept)} emotions with {MIN_CLIPS} clips or more in every part "
            f"(found: {there or 'none'}); a map needs two."
        )
    first = next(iter(parts.values()))
    return EmbeddingSet(
        name=name,
        role=first.card["role"],
        protocol=merge_protocols([p.card["protocol"] for p in parts.values()]),
        synthetic=bool(first.card.get("synthetic", False)),
        emotions=kept,
        clouds={part: _cloud(p, kept, space) for part, p in parts.items()},
        left_out=dict(left_out),
    )


def _reason(emotion: str | None, parts: int) -> str:
    if emotion is None:
        return "without an emotion"
    if emotion not in MAPPED:
        return f"of {emotion}, which has no place on the map"
    where = " in some part" if parts > 1 else ""
    return f"of {emotion}, with fewer than {MIN_CLIPS} clips{where}"


def points_of(predictions: Predictions, space: str) -> np.ndarray:
    """Embeddings, or predicted valence and arousal on [-1, 1], shape (N, D)."""
    name = predictions.card["test_set"]
    if space == "va":
        if predictions.predicted_va_N2 is None:
            raise SERError(f"The model predicts no valence and arousal on {name}.")
        return rescale(predictions.predicted_va_N2, predictions.card["va_range"], UNIT_RANGE)
    if predictions.embeddings_ND is None:
        raise SERError(f"The predictions on {name} have no embeddings (.npz); predict again.")
    return predictions.embeddings_ND.astype(np.float64)


def _cloud(predictions: Predictions, emotions: Sequence[str], space: str) -> Cloud:
    index = {emotion: n for n, emotion in enumerate(emotions)}
    rows = predictions.rows
    # Sorted, so that no draw depends on the order of the rows.
    in_order = sorted(range(len(rows)), key=predictions.ids.__getitem__)
    chosen = [n for n in in_order if rows[n]["emotion"] in index]
    true_N2 = predictions.true_va_N2
    # Prototypes are the emotion's own place on the circle: no rating to be judged by.
    if true_N2 is not None and not Protocol.of(predictions.card).prototypes:
        true_N2 = rescale(true_N2[chosen], predictions.card["va_range"], UNIT_RANGE)
    else:
        true_N2 = None
    return Cloud(
        points_ND=points_of(predictions, space)[chosen],
        emotion_N=np.array([index[rows[n]["emotion"]] for n in chosen]),
        ids=[predictions.ids[n] for n in chosen],
        speakers=[rows[n].get("speaker") for n in chosen],
        true_va_N2=true_N2,
        duration_N=np.array([rows[n].get("duration") for n in chosen], dtype=np.float64),
    )


@dataclass(frozen=True)
class Model:
    """A model and what it makes of each set.

    Attributes
    ----------
    label : str
        ``whisper-base, untuned, layer 3``.
    sets : dict
        Set -> EmbeddingSet; judged sets first.
    """

    label: str
    sets: dict[str, EmbeddingSet]


def read_models(run: Run, space: str, names: Sequence[str] = ()) -> list[Model]:
    """The models of a run, one for each layer it holds.

    Parameters
    ----------
    run, space, names
        See :func:`ser_brain.analysis.circumplex.data.read_sets`.
    """
    return [
        Model(_label(run, layer), read_sets(run, parts, space, names))
        for layer, parts in _layers(run).items()
    ]


def baseline_models(model: Model, baseline: Run, space: str) -> list[Model]:
    """A baseline on the utterances of a model, with its labels, part by part.

    Where the baseline has one part, every part of the model is looked up in its one space;
    otherwise parts are paired by name.

    Returns
    -------
    list of Model
        One for each layer of the baseline.

    Raises
    ------
    SERError
        If parts cannot be paired, or the baseline lacks an utterance.
    """
    found = []
    parts = list(dict.fromkeys(part for s in model.sets.values() for part in s.clouds))
    for layer, named in _layers(baseline).items():
        if len(named) > 1 and not set(parts) <= named.keys():
            raise SERError(
                f"The baseline {baseline.folder} has the parts {', '.join(named)}, the run has "
                f"{', '.join(parts)}; give one that has the same, or one only."
            )
        in_one = next(iter(named.values()))
        points = {
            part: _points_by_id(baseline, named[part] if len(named) > 1 else in_one, space)
            for part in parts
        }
        label = _label(baseline, layer)
        lacking = _lacking(model.sets, points)
        if lacking:
            raise SERError(
                f"The baseline {baseline.folder} ({label}) lacks utterances of "
                f"{', '.join(lacking)}; embed the same manifests, or judge fewer: --test_set."
            )
        found.append(Model(label, _looked_up(model.sets, points)))
    return found


def _layers(run: Run) -> dict[str, dict[str, str]]:
    """Layer (empty where parts name none) -> what to call a part -> its name."""
    layers: dict[str, dict[str, str]] = {}
    for part in run.parts:
        named = re.fullmatch(r"(?:(?P<part>.+), )?(?P<layer>layer .+)", part)
        layer, short = (named["layer"], named["part"] or "run") if named else ("", part)
        layers.setdefault(layer, {})[short] = part
    return layers


def _label(run: Run, layer: str) -> str:
    card = run.first.card
    said = [card.get("encoder"), card["experiment"], layer or card.get("layer")]
    return ", ".join(word for word in said if word)


def _points_by_id(run: Run, part: str, space: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for parts in run.test_sets.values():
        if part in parts:
            points_ND = points_of(parts[part], space)
            found.update(zip(parts[part].ids, points_ND, strict=True))
    return found


Points = Mapping[str, Mapping[str, np.ndarray]]  # part -> id -> point


def _lacking(sets: Mapping[str, EmbeddingSet], points: Points) -> list[str]:
    """Sets of which an utterance is not among the points."""
    return [
        name
        for name, known in sets.items()
        if any(not points[part].keys() >= set(c.ids) for part, c in known.clouds.items())
    ]


def _looked_up(sets: Mapping[str, EmbeddingSet], points: Points) -> dict[str, EmbeddingSet]:
    found = {}
    for name, known in sets.items():
        clouds = {
            part: replace(cloud, points_ND=np.stack([points[part][i] for i in cloud.ids]))
            for part, cloud in known.clouds.items()
        }
        found[name] = replace(known, clouds=clouds)
    return found
