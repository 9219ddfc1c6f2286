"""A set on the map of a model: reduced to the components that its part was fitted on.

Axes: N utterances, k components, E emotions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ser_brain.circumplex import reduction
from ser_brain.circumplex.embedding_sets import Cloud, EmbeddingSet
from ser_brain.circumplex.reduction import Reduction
from ser_brain.errors import SERError


@dataclass(frozen=True)
class SetMap:
    """One judged set of one model.

    Attributes
    ----------
    judged : EmbeddingSet
    fitted_on : EmbeddingSet
        The set that components and placement were fitted on: what the model was trained on
        where its embeddings are there, or else the first set.
    reductions : dict
        Part -> Reduction.
    """

    judged: EmbeddingSet
    fitted_on: EmbeddingSet
    reductions: dict[str, Reduction]

    @property
    def same(self) -> bool:
        """Whether the set is judged by fits on itself, and so by speakers left out."""
        return self.judged.name == self.fitted_on.name

    @property
    def emotions(self) -> list[str]:
        """Those of the judged set."""
        return self.judged.emotions

    def reduced(self, part: str) -> np.ndarray:
        """Points of the judged set, shape (N, k)."""
        return self.reductions[part].project(self.judged.clouds[part].points_ND)

    def fitting(self, part: str) -> Cloud:
        """What is fitted on, reduced, with the emotions that the judged set has, too."""
        cloud = self.fitted_on.clouds[part]
        place = {e: n for n, e in enumerate(self.emotions)}
        index = np.array([place.get(e, -1) for e in self.fitted_on.emotions])
        reduced = replace(
            cloud,
            points_ND=self.reductions[part].project(cloud.points_ND),
            emotion_N=index[cloud.emotion_N],
        )
        return reduced.take(reduced.emotion_N >= 0)


def map_sets(
    sets: Mapping[str, EmbeddingSet], space: str, components: int
) -> dict[str, SetMap]:
    """Fit components in every part and map every judged set.

    Parameters
    ----------
    sets : mapping
        Judged sets first, then what the model was trained on.
    space : {"embedding", "va"}
        Valence and arousal are a plane already and are not reduced.
    components : int
        k.
    """
    judged = {name: found for name, found in sets.items() if found.role == "test"} or sets
    trained = [found for name, found in sets.items() if name not in judged]
    maps = {}
    for name, found in judged.items():
        fitted_on = _fitted_on([*trained, *judged.values()], found)
        reductions = {}
        for part in found.clouds:
            points_ND = fitted_on.clouds[part].points_ND
            try:
                reductions[part] = (
                    reduction.as_they_are(points_ND)
                    if space == "va"
                    else reduction.fit(points_ND, components)
                )
            except SERError as error:
                raise SERError(f"{fitted_on.name}, {part}: {error}") from error
        maps[name] = SetMap(found, fitted_on, reductions)
    return maps


def _fitted_on(candidates: list[EmbeddingSet], judged: EmbeddingSet) -> EmbeddingSet:
    """The first set that holds every part of the judged one."""
    return next(found for found in candidates if found.clouds.keys() >= judged.clouds.keys())
