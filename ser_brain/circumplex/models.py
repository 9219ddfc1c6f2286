"""The models whose spaces are compared: a run, and baselines on the very same utterances.

Each layer of an encoder is a model of its own; folds and seeds are parts of one model.

Axes: N utterances, D dimensions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ser_brain.circumplex.embedding_sets import EmbeddingSet, points_of, read_sets
from ser_brain.errors import SERError
from ser_brain.runs import Run


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
        See :func:`ser_brain.circumplex.embedding_sets.read_sets`.
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
