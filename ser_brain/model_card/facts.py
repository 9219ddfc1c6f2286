"""Everything that a card says, gathered from a run and from further results of its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_brain.evaluation import evaluate_run
from ser_brain.files import read_json
from ser_brain.inference.model_config import ModelConfig
from ser_brain.model_card.heard import heard_by, validation_rows
from ser_brain.model_card.recipes import Recipe, read_recipe
from ser_brain.run_folder import RECORD
from ser_brain.runs import Run, read_run


@dataclass(frozen=True)
class CardFacts:
    """What is known of a model.

    Attributes
    ----------
    config : ModelConfig
    splits, record : dict
        ``splits.json`` and ``run.json``.
    languages : list of str
        Of the training data, ISO 639-3.
    test_sets : dict
        Of this model alone; see :func:`ser_brain.evaluation.evaluate_run`.
    heard : dict
        Test set -> see :mod:`ser_brain.model_card.heard`.
    durations_s : tuple of float, or None
        Shortest and longest clip that it was tested on.
    recipes : list of Recipe
    """

    config: ModelConfig
    splits: dict
    record: dict
    languages: list[str]
    test_sets: dict[str, dict]
    heard: dict[str, str]
    durations_s: tuple[float, float] | None
    recipes: list[Recipe]

    @property
    def corpora(self) -> dict[str, dict]:
        """What it was trained on: name -> title, licence, languages, fingerprint ..."""
        return self.config.card["training_data"]["corpora"]

    @property
    def synthetic(self) -> bool:
        """Whether it was trained on speech that nobody spoke."""
        return any(corpus.get("synthetic") for corpus in self.corpora.values())


def gather(run: Path, config: ModelConfig, results: Sequence[Path] = ()) -> CardFacts:
    """Gather the facts of a run's card.

    Parameters
    ----------
    run : Path
        The run folder that the model is of.
    config : ModelConfig
    results : sequence of Path
        Run folders or folds folders of the same recipe, whose results the card shows too.

    Raises
    ------
    SERError
        If predictions cannot be read, or a folder is of another recipe.
    """
    recipes = [
        read_recipe(Path(folder), run, config.card["base_encoder"]) for folder in results
    ]
    tested = read_run(run) if any((run / "predictions").glob("*.jsonl")) else None
    durations_s = _durations_s(tested) if tested else []
    return CardFacts(
        config=config,
        splits=read_json(run / "splits.json", "split"),
        record=read_json(run / RECORD, "run description"),
        languages=_languages(run, config),
        test_sets=evaluate_run(tested)["test_sets"] if tested else {},
        heard=heard_by(tested) if tested else {},
        durations_s=(min(durations_s), max(durations_s)) if durations_s else None,
        recipes=recipes,
    )


def _durations_s(run: Run) -> list[float]:
    rows = [r for parts in run.test_sets.values() for p in parts.values() for r in p.rows]
    return [row["duration"] for row in rows if row.get("duration") is not None]


def _languages(run: Path, config: ModelConfig) -> list[str]:
    """Languages trained in; where a corpus has several, those that validation met."""
    named = {
        language
        for corpus in config.card["training_data"]["corpora"].values()
        for language in corpus.get("languages") or ()
    }
    met = {row.get("language") for row in validation_rows(run)} - {None}
    return sorted(named & met or named or met)
