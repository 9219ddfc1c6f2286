"""Everything that a card says, gathered from a run and from further results of its recipe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.files import read_json, require_text
from ser_brain.data.corpora import is_of
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.predictions import Predictions, read_predictions
from ser_brain.evaluation.runs import Run, parts_of, read_run
from ser_brain.inference.model_config import ModelConfig
from ser_brain.reporting.report_tables import noun_of
from ser_brain.training.predict_corpus import VALIDATION
from ser_brain.training.run import RECORD, SETTINGS, differing_settings

# From the worst to the best; "not checked" where no audit has compared the two, or none could.
CLIPS, SPEAKERS, UNKNOWN, NOTHING = "CLIPS", "speakers", "not checked", "no"
WORST_FIRST = (CLIPS, SPEAKERS, UNKNOWN, NOTHING)
MEANING = {
    CLIPS: "holds clips that the model was trained or validated on. Its numbers are not test "
    "results and say nothing about new speech.",
    SPEAKERS: "holds other clips of speakers that the model was trained or validated on. "
    "Expect less of it on new speakers.",
    UNKNOWN: "is of a corpus that the model was trained on, and nobody has checked, or can "
    "check, which speakers they share. Do not take it for a test on new speakers.",
}


def heard_by(run: Run) -> dict[str, str]:
    """Test set -> one of ``WORST_FIRST``: the worst of the run's models on its own part."""
    found: dict[str, list[str]] = {}
    for name, part in run.parts.items():
        splits = read_json(part / "splits.json", "split")
        corpora = trained_corpora(splits)
        corpora |= {row.get("corpus") for row in validation_rows(part)}
        for test_set, predictions in run.test_sets.items():
            if name in predictions:
                found.setdefault(test_set, []).append(heard(splits, predictions[name], corpora))
    return {test_set: min(each, key=WORST_FIRST.index) for test_set, each in found.items()}


def heard(splits: Mapping, predictions: Predictions, corpora: set[str]) -> str:
    """How much of a test set was trained or validated on.

    Parameters
    ----------
    splits : mapping
        ``splits.json`` of the run.
    predictions : Predictions
        Of the run on the test set.
    corpora : set of str
        What it was trained on, as rows name it.

    Returns
    -------
    str
        One of ``WORST_FIRST``.
    """
    name = predictions.card["test_set"]
    # The audit of a run knows its own test sets, not those of a later `ser evaluate`.
    audits = [splits.get("audit", {}).get(f"{part}-{name}") for part in ("train", "valid")]
    shared = {
        kind: any(audit[kind]["count"] for audit in audits if audit)
        for kind in ("utterances", "audio", "speakers")
    }
    trained = {*splits["train"], *splits["valid"]}
    if (
        predictions.card["role"] != "test"
        or shared["utterances"]
        or shared["audio"]
        or not trained.isdisjoint(predictions.ids)
    ):
        return CLIPS
    if shared["speakers"]:
        return SPEAKERS
    tested = {row.get("corpus") for row in predictions.rows}
    same_corpus = None in tested or any(is_of(corpus, corpora) for corpus in tested)
    # Audits of earlier versions do not say what was unknown; the rows do, of the test set.
    unknown = any(sum(audit["speakers"].get("unknown", ())) for audit in audits if audit)
    unknown = unknown or any(row.get("speaker") is None for row in predictions.rows)
    return UNKNOWN if same_corpus and (unknown or not all(audits)) else NOTHING


def trained_corpora(splits: Mapping) -> set[str]:
    """Names, in the experiment, of the corpora that were trained on."""
    corpora = splits.get("corpora", {})
    return {name for name, corpus in corpora.items() if corpus["use"] == "train"}


def validation_rows(run: Path) -> list[dict]:
    """Rows of the validation set, which is a part of the training corpora."""
    path = run / "predictions" / f"{VALIDATION}.jsonl"
    return read_predictions(path, embeddings=False).rows if path.is_file() else []


# What a card reports, of what the model predicts.
REPORTED = ("uar", "wa", "macro_f1", "valence ccc", "arousal ccc")


def estimates(evaluation: Mapping) -> dict[str, dict]:
    """Metric -> value with its interval, of all tasks together.

    Parameters
    ----------
    evaluation : mapping
        See :func:`ser_brain.evaluation.evaluate.evaluate`.

    Returns
    -------
    dict
        Keys are ``uar``, ``valence ccc`` and so on; values ``{"value", "low", "high"}``.
    """
    found = {}
    if evaluation["classification"]:
        found |= evaluation["classification"]["metrics"]
    for dimension, result in (evaluation["regression"] or {}).items():
        found |= {f"{dimension} {name}": each for name, each in result["metrics"].items()}
    return found


def reported(evaluation: Mapping) -> dict[str, dict]:
    """Of the estimates, those that a card reports and that are defined."""
    found = estimates(evaluation)
    return {m: found[m] for m in REPORTED if m in found and found[m]["value"] is not None}


# ISO 639-3: (ISO 639-1, English name). Those that corpora of emotional speech are known in; any
# other is written as its ISO 639-3 code, which the hub takes too.
LANGUAGES = {
    "amh": ("am", "Amharic"),
    "ara": ("ar", "Arabic"),
    "arb": ("ar", "Arabic"),
    "ben": ("bn", "Bengali"),
    "bul": ("bg", "Bulgarian"),
    "cat": ("ca", "Catalan"),
    "ces": ("cs", "Czech"),
    "cmn": ("zh", "Mandarin Chinese"),
    "dan": ("da", "Danish"),
    "deu": ("de", "German"),
    "ell": ("el", "Greek"),
    "eng": ("en", "English"),
    "est": ("et", "Estonian"),
    "eus": ("eu", "Basque"),
    "fas": ("fa", "Persian"),
    "fin": ("fi", "Finnish"),
    "fra": ("fr", "French"),
    "heb": ("he", "Hebrew"),
    "hin": ("hi", "Hindi"),
    "hrv": ("hr", "Croatian"),
    "hun": ("hu", "Hungarian"),
    "ind": ("id", "Indonesian"),
    "ita": ("it", "Italian"),
    "jpn": ("ja", "Japanese"),
    "kan": ("kn", "Kannada"),
    "kaz": ("kk", "Kazakh"),
    "kor": ("ko", "Korean"),
    "mal": ("ml", "Malayalam"),
    "mar": ("mr", "Marathi"),
    "nld": ("nl", "Dutch"),
    "nor": ("no", "Norwegian"),
    "pes": ("fa", "Persian"),
    "pol": ("pl", "Polish"),
    "por": ("pt", "Portuguese"),
    "ron": ("ro", "Romanian"),
    "rus": ("ru", "Russian"),
    "slk": ("sk", "Slovak"),
    "slv": ("sl", "Slovene"),
    "spa": ("es", "Spanish"),
    "srp": ("sr", "Serbian"),
    "swe": ("sv", "Swedish"),
    "tam": ("ta", "Tamil"),
    "tel": ("te", "Telugu"),
    "tha": ("th", "Thai"),
    "tur": ("tr", "Turkish"),
    "ukr": ("uk", "Ukrainian"),
    "urd": ("ur", "Urdu"),
    "vie": ("vi", "Vietnamese"),
    "yue": ("yue", "Cantonese"),
    "zho": ("zh", "Chinese"),
}

# ISO 639-3 for "undetermined".
UNDETERMINED = "und"


def hub_code(language: str) -> str:
    """The code that the hub files a language under.

    Examples
    --------
    >>> hub_code("deu"), hub_code("yor")
    ('de', 'yor')
    """
    return LANGUAGES.get(language, (language, ""))[0]


def language_name(language: str) -> str:
    """What a reader calls it.

    Examples
    --------
    >>> language_name("kor"), language_name("yor"), language_name("none")
    ('Korean', 'yor', 'not stated')
    """
    if language in ("none", UNDETERMINED):
        return "not stated"
    return LANGUAGES.get(language, ("", language))[1]


# Settings in which results of one recipe may differ: the split, the tests, where data lies.
# The encoder's name is compared by itself, its place is not.
MAY_DIFFER = {
    *("seed", "fold", "folds", "split", "split_fractions", "balanced"),
    *("corpora", "corpus", "data_folder", "manifest_folder", "output_folder"),
    *("encoder_source", "allow_partial"),
}


@dataclass(frozen=True)
class Recipe:
    """Further results of a recipe.

    Attributes
    ----------
    test_sets : dict
        See :func:`ser_brain.evaluation.evaluate.evaluate_run`.
    heard : dict
        Test set -> see :mod:`ser_brain.publishing.card_facts`; of each part by its own model.
    parts : list of str
    noun : str
        What several parts are: folds, seeds or runs.
    this_model : str or None
        The part that the card's model is.
    """

    test_sets: dict[str, dict]
    heard: dict[str, str]
    parts: list[str]
    noun: str
    this_model: str | None


def read_recipe(folder: Path, run: Path, encoder: str) -> Recipe:
    """Judge the models of a folder.

    Parameters
    ----------
    folder : Path
        A run folder or a folds folder.
    run : Path
        The run whose recipe it has to be.
    encoder : str
        Of the run.

    Raises
    ------
    SERError
        If it is of another recipe.
    """
    parts, _ = parts_of(folder)
    splits = read_json(run / "splits.json", "split")
    for part in parts.values():
        _require_same_recipe(run, splits, part)
    found = read_run(folder)
    _require_same_encoder(found, encoder)
    this = [name for name, part in parts.items() if part.resolve() == run.resolve()]
    return Recipe(
        evaluate_run(found)["test_sets"],
        heard_by(found),
        list(parts),
        noun_of(list(parts)),
        this[0] if this else None,
    )


def _require_same_recipe(run: Path, splits: Mapping, part: Path) -> None:
    theirs = part / SETTINGS
    if not theirs.is_file():
        raise SERError(f"{part} holds no {SETTINGS}; --results takes run or folds folders.")
    differ = differing_settings(theirs, require_text(run / SETTINGS, "settings"), MAY_DIFFER)
    if trained_corpora(splits) != trained_corpora(read_json(part / "splits.json", "split")):
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
        f"{folder} is of another recipe ({how}). A card shows results of its own recipe only; "
        "leave it out of --results."
    )


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
        Of this model alone; see :func:`ser_brain.evaluation.evaluate.evaluate_run`.
    heard : dict
        Test set -> see :mod:`ser_brain.publishing.card_facts`.
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
