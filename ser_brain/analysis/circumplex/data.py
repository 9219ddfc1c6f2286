"""What is analysed: the utterances of each set as points, and draws of their speakers.

Every part of a run (fold, seed, layer) has a space of its own. Points of different parts are
never pooled.

Axes: N utterances, D dimensions of the space, B resamples, S clusters (speakers), 2 = valence
and arousal.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from ser_brain.core.errors import SERError, bad_value
from ser_brain.data.experiment import Protocol
from ser_brain.data.labelling import UNIT_RANGE
from ser_brain.data.labels import EMOTIONS, VALENCE_AROUSAL, listed, rescale
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import Run, merge_protocols
from ser_brain.evaluation.significance import Clusters, clusters_of, interval, resample

SPACES = ("embedding", "va")
MIN_CLIPS = 5  # of an emotion; a Gaussian fitted to fewer points is meaningless

# ``other`` mixes emotions and has no place on the circle.
MAPPED = tuple(emotion for emotion in EMOTIONS if emotion != "other")

# More clusters change no interval, and separability holds a number for every pair of them.
MOST_CLUSTERS = 2_000

Estimate = dict[str, float | None]  # value, low, high: a cell of a table


@dataclass(frozen=True)
class Cloud:
    """The utterances of one set as one model represents them."""

    points_ND: np.ndarray  # embeddings, or predicted valence and arousal on [-1, 1]
    emotion_N: np.ndarray  # index into the set's emotions
    id_N: np.ndarray  # of str
    speaker_N: np.ndarray  # of str or None
    true_va_N2: np.ndarray  # ratings on [-1, 1], NaN where missing
    duration_N: np.ndarray  # seconds, NaN where unknown

    @property
    def columns(self) -> list[np.ndarray]:
        """All fields, in order."""
        return [getattr(self, field.name) for field in fields(self)]

    def take(self, rows: np.ndarray) -> Cloud:
        """Some of the utterances, by index or by a mask."""
        return Cloud(*(column[rows] for column in self.columns))


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


# A label such as ``whisper-base, untuned, layer 3``, and the sets by name, test sets first.
Model = tuple[str, dict[str, EmbeddingSet]]


def read_models(run: Run, space: str, names: Sequence[str] = ()) -> list[Model]:
    """The models of a run, one for each layer; see :func:`read_sets`."""
    return [
        (_label(run, layer), read_sets(run, parts, space, names))
        for layer, parts in _layers(run).items()
    ]


def baseline_models(sets: Mapping[str, EmbeddingSet], baseline: Run, space: str) -> list[Model]:
    """A baseline on a model's utterances, with that model's labels, one for each layer.

    Where the baseline has one part, its space serves for every part of the model. Otherwise
    parts are paired by name. A baseline that lacks a part or an utterance is an error.
    """
    models = []
    parts = list(dict.fromkeys(part for one in sets.values() for part in one.clouds))
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
        judged = {}
        for name, one in sets.items():
            if any(not points[p].keys() >= set(c.id_N) for p, c in one.clouds.items()):
                raise SERError(
                    f"The baseline {baseline.folder} ({label}) lacks utterances of {name}. "
                    "Embed the same manifests, or choose fewer sets with --test_set."
                )
            clouds = {
                part: replace(cloud, points_ND=np.stack([points[part][i] for i in cloud.id_N]))
                for part, cloud in one.clouds.items()
            }
            judged[name] = replace(one, clouds=clouds)
        models.append((label, judged))
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
            found.update(zip(parts[part].ids, _points(parts[part], space), strict=True))
    return found


def read_sets(
    run: Run, parts: Mapping[str, str], space: str, names: Sequence[str] = ()
) -> dict[str, EmbeddingSet]:
    """The sets of a run: test sets in the order of ``names`` (all where empty), then others.

    Training sets are always taken: they are fitted on, and not tested. ``parts`` maps the
    short name of each part to take to its name in the run. An error says which set or space
    the run lacks, or which set has fewer than two emotions.
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
        found = ", ".join(
            f"{emotion} {count}" + (" (no place on the map)" if emotion not in MAPPED else "")
            for emotion, count in total.items()
        )
        raise SERError(
            f"The analysis needs two emotions with a place on the map and {MIN_CLIPS} clips or "
            f"more in every part of {name}; found: {found or 'none'}."
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


def _points(predictions: LabelledPredictions, space: str) -> np.ndarray:
    """Embeddings, or predicted valence and arousal on [-1, 1], shape (N, D)."""
    name = predictions.card["test_set"]
    if space == "va":
        missing = [axis for axis in VALENCE_AROUSAL if predictions.predicted(axis) is None]
        if missing:
            raise SERError(f"The model does not predict {listed(missing)} on {name}.")
        points_N2 = np.stack([predictions.predicted(axis) for axis in VALENCE_AROUSAL], axis=1)
        return rescale(points_N2, predictions.card["va_range"], UNIT_RANGE)
    if predictions.embeddings_ND is None:
        raise SERError(f"The predictions on {name} have no embeddings (.npz); predict again.")
    return predictions.embeddings_ND.astype(np.float64)


def _cloud(predictions: LabelledPredictions, emotions: Sequence[str], space: str) -> Cloud:
    rows = predictions.rows
    true_N2 = np.stack([predictions.rated(axis) for axis in VALENCE_AROUSAL], axis=1)
    index = {emotion: n for n, emotion in enumerate(emotions)}
    # Prototypes are the emotion's own place on the circle, so they are no independent rating.
    # Without the ratings of one axis there is no place on the plane.
    prototypes = Protocol.of(predictions.card).prototypes
    if prototypes or not set(VALENCE_AROUSAL) <= set(predictions.dimensions):
        true_N2 = np.full((len(rows), 2), np.nan)
    true_N2 = rescale(true_N2, predictions.card["va_range"], UNIT_RANGE)
    cloud = Cloud(
        points_ND=_points(predictions, space),
        emotion_N=np.array([index.get(row["emotion"], -1) for row in rows]),
        id_N=np.array(predictions.ids),
        speaker_N=np.array([row.get("speaker") for row in rows], dtype=object),
        true_va_N2=true_N2,
        duration_N=np.array([row.get("duration") for row in rows], dtype=np.float64),
    )
    # Sorted, so that no random draw depends on the order of the rows.
    in_order = cloud.take(np.argsort(cloud.id_N))
    return in_order.take(in_order.emotion_N >= 0)


@dataclass(frozen=True)
class Draws:
    """How often each speaker is drawn, with replacement, over all parts at once.

    A drawn speaker counts in every part that holds utterances of theirs. This treats folds
    (each speaker in one part) and models that are tested on the same people (each speaker in
    every part) alike.
    """

    clusters: Clusters  # of all utterances of a set
    number: dict[str, int]  # utterance id -> its cluster
    counts_BS: np.ndarray

    def clusters_of(self, cloud: Cloud) -> np.ndarray:
        """Cluster of every utterance of a part, shape (N,)."""
        return np.array([self.number[i] for i in cloud.id_N])


def draw(clouds: Iterable[Cloud], resamples: int, rng: np.random.Generator) -> Draws:
    """Draw the speakers of a set.

    Where speakers, or utterances of unknown speakers, are very many, random groups of them are
    drawn.
    """
    speakers = {
        i: s for cloud in clouds for i, s in zip(cloud.id_N, cloud.speaker_N, strict=True)
    }
    clusters = clusters_of(list(speakers.values()), list(speakers))
    if clusters.count > MOST_CLUSTERS:
        group_S = rng.permutation(np.arange(clusters.count) % MOST_CLUSTERS)
        index_N = group_S[clusters.index_N]
        clusters = replace(clusters, index_N=index_N, count=MOST_CLUSTERS)
    number = dict(zip(speakers, clusters.index_N.tolist(), strict=True))
    each = replace(clusters, index_N=np.arange(clusters.count))
    return Draws(clusters, number, resample(np.eye(clusters.count), each, resamples, rng))


def mean_over_parts(values: Iterable[np.ndarray]) -> np.ndarray:
    """Mean of a statistic over the parts in which it is defined; NaN where it is in none."""
    stacked = np.stack([np.asarray(value, dtype=np.float64) for value in values])
    known = np.isfinite(stacked)
    count = known.sum(axis=0)
    total = np.where(known, stacked, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def percentile_estimate(value: float, draws_B: np.ndarray, draws: Draws) -> Estimate:
    """A value with its percentile interval."""
    if not np.isfinite(value):
        return {"value": None, "low": None, "high": None}
    low, high = interval(draws_B, draws.clusters.count)
    return {"value": float(value), "low": low, "high": high}


def basic_estimate(value: float, draws_B: np.ndarray, draws: Draws) -> Estimate:
    """A value with its basic interval (Davison and Hinkley 1997, section 5.2), for distances.

    A speaker who is drawn twice makes clusters look tighter and distances larger, so that the
    percentiles of a distance are too high. Mirrored at the value, they cover the truth
    (docs/circumplex.md).
    """
    found = percentile_estimate(value, draws_B, draws)
    if found["low"] is not None:
        low, high = 2 * found["value"] - found["high"], 2 * found["value"] - found["low"]
        found = {**found, "low": low, "high": high}
    return found
