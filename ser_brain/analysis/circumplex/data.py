"""What is analysed: the utterances of each set as points in the space of each model.

Every part of a run (fold, seed, layer) has a space of its own. Points of different parts are
never pooled.

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
MIN_CLIPS = 5  # of an emotion; a Gaussian fitted to fewer points is meaningless

# ``other`` mixes emotions and has no place on the circle.
MAPPED = tuple(emotion for emotion in EMOTIONS if emotion != "other")


@dataclass(frozen=True)
class Cloud:
    """The utterances of one set as one model represents them."""

    points_ND: np.ndarray  # embeddings, or predicted valence and arousal on [-1, 1]
    emotion_N: np.ndarray  # index into the set's emotions
    ids: list[str]
    speakers: list[str | None]
    true_va_N2: np.ndarray | None  # ratings on [-1, 1], NaN where missing; None without any
    duration_N: np.ndarray  # seconds, NaN where unknown

    def take(self, rows: np.ndarray) -> Cloud:
        """Some of the utterances, by index or by a mask."""
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
    """One set of utterances, as every part of a run represents it."""

    name: str
    role: str
    protocol: str
    synthetic: bool
    emotions: list[str]  # those with at least MIN_CLIPS clips in every part
    clouds: dict[str, Cloud]  # by part
    skipped: dict[str, int]  # reason -> number of skipped utterances, over all parts


@dataclass(frozen=True)
class Model:
    """A model and its spaces."""

    label: str  # such as ``whisper-base, untuned, layer 3``
    sets: dict[str, EmbeddingSet]  # by name, test sets first


def read_models(run: Run, space: str, names: Sequence[str] = ()) -> list[Model]:
    """The models of a run, one for each layer; see :func:`read_sets`."""
    return [
        Model(_label(run, layer), read_sets(run, parts, space, names))
        for layer, parts in _layers(run).items()
    ]


def baseline_models(model: Model, baseline: Run, space: str) -> list[Model]:
    """A baseline on the utterances of a model, with the model's labels, one for each layer.

    Where the baseline has one part, its space serves for every part of the model. Otherwise
    parts are paired by name.

    Raises
    ------
    SERError
        If parts cannot be paired, or the baseline lacks an utterance.
    """
    models = []
    parts = list(dict.fromkeys(part for one in model.sets.values() for part in one.clouds))
    for layer, named in _layers(baseline).items():
        label = _label(baseline, layer)
        if len(named) == 1:
            named = dict.fromkeys(parts, next(iter(named.values())))
        if not set(parts) <= named.keys():
            raise SERError(
                f"The baseline {baseline.folder} has the parts {', '.join(named)}, the run has "
                f"{', '.join(parts)}. Give a baseline with the same parts, or with one."
            )
        points = {part: _points_by_id(baseline, named[part], space) for part in parts}
        sets = {}
        for name, one in model.sets.items():
            if any(not points[p].keys() >= set(c.ids) for p, c in one.clouds.items()):
                raise SERError(
                    f"The baseline {baseline.folder} ({label}) lacks utterances of {name}. "
                    "Embed the same manifests, or choose fewer sets with --test_set."
                )
            clouds = {
                part: replace(cloud, points_ND=np.stack([points[part][i] for i in cloud.ids]))
                for part, cloud in one.clouds.items()
            }
            sets[name] = replace(one, clouds=clouds)
        models.append(Model(label, sets))
    return models


def _layers(run: Run) -> dict[str, dict[str, str]]:
    """Layer -> short name of a part -> its name. The layer is empty where parts name none."""
    layers: dict[str, dict[str, str]] = {}
    for part in run.parts:
        named = re.fullmatch(r"(?:(?P<part>.+), )?(?P<layer>layer .+)", part)
        layer, short = (named["layer"], named["part"] or "run") if named else ("", part)
        layers.setdefault(layer, {})[short] = part
    return layers


def _label(run: Run, layer: str) -> str:
    card = run.first.card
    words = [card.get("encoder"), card["experiment"], layer or card.get("layer")]
    return ", ".join(word for word in words if word)


def _points_by_id(run: Run, part: str, space: str) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for parts in run.test_sets.values():
        if part in parts:
            found.update(zip(parts[part].ids, points_of(parts[part], space), strict=True))
    return found


def read_sets(
    run: Run, parts: Mapping[str, str], space: str, names: Sequence[str] = ()
) -> dict[str, EmbeddingSet]:
    """The sets of a run: test sets in the order asked for, then training sets.

    Parameters
    ----------
    run : Run
        Read with its embeddings.
    parts : mapping
        Short name of a part -> its name in the run; the parts to take.
    space : {"embedding", "va"}
    names : sequence of str
        Test sets to take; all where empty. Training sets are always taken: they are fitted
        on, and not tested.

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
    tests = list(names) or [name for name, role in roles.items() if role == "test"]
    others = [name for name, role in roles.items() if role != "test" and name not in names]
    return {name: _embedding_set(run, name, parts, space) for name in [*tests, *others]}


def _embedding_set(run: Run, name: str, named: Mapping[str, str], space: str) -> EmbeddingSet:
    of_set = run.test_sets[name]
    parts = {short: of_set[part] for short, part in named.items() if part in of_set}
    counts = {part: Counter(row["emotion"] for row in p.rows) for part, p in parts.items()}
    kept = [e for e in MAPPED if all(c[e] >= MIN_CLIPS for c in counts.values())]
    total = sum(counts.values(), Counter())
    if len(kept) < 2:
        found = ", ".join(f"{emotion} {count}" for emotion, count in total.items())
        raise SERError(
            f"{name} has {len(kept)} emotions with {MIN_CLIPS} clips or more in every part "
            f"(found: {found or 'none'}); the analysis needs two."
        )
    skipped: Counter[str] = Counter()
    for emotion, count in total.items():
        if emotion not in kept:
            skipped[_reason(emotion, len(parts))] += count
    first = next(iter(parts.values()))
    return EmbeddingSet(
        name=name,
        role=first.card["role"],
        protocol=merge_protocols([p.card["protocol"] for p in parts.values()]),
        synthetic=bool(first.card.get("synthetic", False)),
        emotions=kept,
        clouds={part: _cloud(p, kept, space) for part, p in parts.items()},
        skipped=dict(skipped),
    )


def _reason(emotion: str | None, parts: int) -> str:
    """Why utterances are skipped, as a phrase after their number."""
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
            raise SERError(f"The model does not predict valence and arousal on {name}.")
        return rescale(predictions.predicted_va_N2, predictions.card["va_range"], UNIT_RANGE)
    if predictions.embeddings_ND is None:
        raise SERError(f"The predictions on {name} have no embeddings (.npz); predict again.")
    return predictions.embeddings_ND.astype(np.float64)


def _cloud(predictions: Predictions, emotions: Sequence[str], space: str) -> Cloud:
    index = {emotion: n for n, emotion in enumerate(emotions)}
    rows = predictions.rows
    # Sorted, so that no random draw depends on the order of the rows.
    in_order = sorted(range(len(rows)), key=predictions.ids.__getitem__)
    chosen = [n for n in in_order if rows[n]["emotion"] in index]
    true_N2 = predictions.true_va_N2
    # Prototypes are the emotion's own place on the circle, so they are no independent rating.
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
