"""The facts of a model card, gathered from a run and from further results of its recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.files import RECORD, read_json, require_text, splits_of
from ser_brain.evaluation.evaluate import all_metrics, evaluate_run
from ser_brain.evaluation.metrics import of_dimensions
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import Run, parts_of, read_run
from ser_brain.inference.model_config import ModelConfig
from ser_brain.publishing.train_test_overlap import (
    overlap_by_test_set,
    trained_corpora,
    validation_rows,
)
from ser_brain.reporting.report_tables import noun_of
from ser_brain.training.run import SETTINGS, differing_settings

# The metrics that a card reports, where the model predicts what they measure.
REPORTED = ("uar", "wa", "macro_f1", *of_dimensions("ccc"))

# In the card of a configuration: ``calibrated_by`` inner folds, and ``refitted`` all heads.
INNER_FOLDS = "inner folds"
ALL_HEADS = "heads"

# Settings in which two runs of one recipe may differ: the split, the tests, where data is.
# The encoder is compared by its name, not by the folder it was loaded from.
MAY_DIFFER = {
    *("seed", "fold", "folds", "split", "split_fractions", "balanced"),
    *("corpora", "corpus", "data_folder", "manifest_folder", "output_folder"),
    *("encoder_source", "allow_partial"),
}


@dataclass(frozen=True)
class Recipe:
    """Further results of a recipe: of other folds or seeds, or of one other run.

    Attributes
    ----------
    test_sets : dict
        See :func:`ser_brain.evaluation.evaluate.evaluate_run`.
    overlap : dict
        Test set -> see :mod:`ser_brain.publishing.train_test_overlap`.
    parts : list of str
    noun : str
        What the parts are: folds, seeds or runs.
    this_model : str or None
        The part that is the card's model.
    """

    test_sets: dict[str, dict]
    overlap: dict[str, str]
    parts: list[str]
    noun: str
    this_model: str | None


@dataclass(frozen=True)
class CardFacts:
    """What is known about a model.

    Attributes
    ----------
    config : ModelConfig
    splits, record : dict
        ``splits.json`` and ``run.json``.
    languages : list of str
        Of the training data, ISO 639-3.
    test_sets : dict
        Of this model alone; see :func:`ser_brain.evaluation.evaluate.evaluate_run`.
    overlap : dict
        Test set -> see :mod:`ser_brain.publishing.train_test_overlap`.
    durations_s : tuple of float, or None
        The shortest and the longest clip of the tests.
    recipes : list of Recipe
    """

    config: ModelConfig
    splits: dict
    record: dict
    languages: list[str]
    test_sets: dict[str, dict]
    overlap: dict[str, str]
    durations_s: tuple[float, float] | None
    recipes: list[Recipe]

    @property
    def corpora(self) -> dict[str, dict]:
        """Training corpus -> title, licence, languages, fingerprint ..."""
        return self.config.card["training_data"]["corpora"]

    @property
    def clips(self) -> int:
        """How many clips the model was trained on: a probe in the end also on validation's."""
        counts = self.config.card["training_data"]
        refitted = self.config.card.get("refitted") == ALL_HEADS
        return counts["train"] + (counts["valid"] if refitted else 0)

    @property
    def synthetic(self) -> bool:
        """Whether any training speech is synthetic."""
        return any(corpus.get("synthetic") for corpus in self.corpora.values())


def gather(run: Path, config: ModelConfig, results: Sequence[Path] = ()) -> CardFacts:
    """Gather the facts of the card of a run's model.

    Parameters
    ----------
    run : Path
        A run folder.
    config : ModelConfig
    results : sequence of Path
        Run folders or folds folders of the same recipe, whose results the card shows, too.

    Raises
    ------
    SERError
        If predictions cannot be read, or a folder is of another recipe.
    """
    recipes = [
        read_recipe(Path(folder), run, config.card["base_encoder"]) for folder in results
    ]
    tested = read_run(run) if any((run / "predictions").glob("*.jsonl")) else None
    parts = [p for each in tested.test_sets.values() for p in each.values()] if tested else []
    return CardFacts(
        config=config,
        splits=splits_of(run),
        record=read_json(run / RECORD, "run description"),
        languages=languages_of(run, config),
        test_sets=evaluate_run(tested)["test_sets"] if tested else {},
        overlap=overlap_by_test_set(tested) if tested else {},
        durations_s=shortest_longest(parts),
        recipes=recipes,
    )


def shortest_longest(tested: Sequence[LabelledPredictions]) -> tuple[float, float] | None:
    """The shortest and the longest clip of test sets, in seconds; None where none is known."""
    known = [row.get("duration") for predictions in tested for row in predictions.rows]
    durations_s = [duration for duration in known if duration is not None]
    return (min(durations_s), max(durations_s)) if durations_s else None


def languages_of(run: Path, config: ModelConfig) -> list[str]:
    """Training languages; of a corpus in several, those that the validation set contains."""
    named = {
        language
        for corpus in config.card["training_data"]["corpora"].values()
        for language in corpus.get("languages") or ()
    }
    validated = {row.get("language") for row in validation_rows(run)} - {None}
    return sorted(named & validated or named or validated)


def read_recipe(folder: Path, run: Path, encoder: str) -> Recipe:
    """Evaluate the models of a folder that has the recipe of a run."""
    parts, _ = parts_of(folder)
    splits = splits_of(run)
    for part in parts.values():
        _require_same_recipe(run, splits, part)
    found = read_run(folder)
    _require_same_encoder(found, encoder)
    this = [name for name, part in parts.items() if part.resolve() == run.resolve()]
    return Recipe(
        evaluate_run(found)["test_sets"],
        overlap_by_test_set(found),
        list(parts),
        noun_of(list(parts)),
        this[0] if this else None,
    )


def _require_same_recipe(run: Path, splits: Mapping, part: Path) -> None:
    theirs = part / SETTINGS
    if not theirs.is_file():
        raise SERError(f"{part} has no {SETTINGS}; --results takes run or folds folders.")
    differ = differing_settings(theirs, require_text(run / SETTINGS, "settings"), MAY_DIFFER)
    if trained_corpora(splits) != trained_corpora(splits_of(part)):
        differ.append("training corpora")
    if differ:
        raise _other_recipe(part, f"different: {', '.join(differ)}")


def _require_same_encoder(found: Run, encoder: str) -> None:
    for parts in found.test_sets.values():
        for predictions in parts.values():
            theirs = predictions.card.get("encoder")
            if theirs != encoder:
                raise _other_recipe(found.folder, f"encoder {theirs}, the model's {encoder}")


def _other_recipe(folder: Path, how: str) -> SERError:
    return SERError(
        f"{folder} has another recipe ({how}). A card shows results of its own recipe only; "
        "remove the folder from --results."
    )


def estimates(evaluation: Mapping) -> dict[str, dict]:
    """All metrics of what :func:`ser_brain.evaluation.evaluate.evaluate` returns."""
    return all_metrics(evaluation["classification"], evaluation["regression"])


def reported(evaluation: Mapping) -> dict[str, dict]:
    """The estimates that a card reports and that are defined."""
    found = estimates(evaluation)
    return {m: found[m] for m in REPORTED if m in found and found[m]["value"] is not None}


UNDETERMINED = "und"  # ISO 639-3

# ISO 639-3, the code that the hub uses, English name. These are the languages of common corpora
# of emotional speech; any other keeps its ISO 639-3 code, which the hub accepts, too.
LANGUAGES = {
    code: (hub, name)
    for code, hub, name in (
        entry.strip().split(" ", 2)
        for entry in """
        amh am Amharic, ara ar Arabic, arb ar Arabic, ben bn Bengali, bul bg Bulgarian,
        cat ca Catalan, ces cs Czech, cmn zh Mandarin Chinese, dan da Danish, deu de German,
        ell el Greek, eng en English, est et Estonian, eus eu Basque, fas fa Persian,
        fin fi Finnish, fra fr French, heb he Hebrew, hin hi Hindi, hrv hr Croatian,
        hun hu Hungarian, ind id Indonesian, ita it Italian, jpn ja Japanese, kan kn Kannada,
        kaz kk Kazakh, kor ko Korean, mal ml Malayalam, mar mr Marathi, nld nl Dutch,
        nor no Norwegian, pes fa Persian, pol pl Polish, por pt Portuguese, ron ro Romanian,
        rus ru Russian, slk sk Slovak, slv sl Slovene, spa es Spanish, srp sr Serbian,
        swe sv Swedish, tam ta Tamil, tel te Telugu, tha th Thai, tur tr Turkish,
        ukr uk Ukrainian, urd ur Urdu, vie vi Vietnamese, yue yue Cantonese, zho zh Chinese
        """.split(",")
    )
}


def hub_code(language: str) -> str:
    """The code under which the hub lists a language.

    Examples
    --------
    >>> hub_code("deu"), hub_code("yor")
    ('de', 'yor')
    """
    return LANGUAGES.get(language, (language, ""))[0]


def language_name(language: str) -> str:
    """The English name of a language; its code where we know none.

    Examples
    --------
    >>> language_name("kor"), language_name("yor"), language_name("none")
    ('Korean', 'yor', 'not stated')
    """
    if language in ("none", UNDETERMINED):
        return "not stated"
    return LANGUAGES.get(language, ("", language))[1]
