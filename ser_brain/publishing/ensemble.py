"""Several runs of one recipe, such as folds or seeds, as one model of the size of each.

Where all parts have the same frozen encoder, only their linear heads differ. The mean of linear
heads is a linear head, and its log-softmax is the mean of the parts' log-probabilities, made to
sum to one: the geometric mean of their probabilities. So the ensemble costs what one part does.

Axes: N utterances, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.core.files import splits_of
from ser_brain.evaluation.evaluate import evaluate_run
from ser_brain.evaluation.predictions import LabelledPredictions
from ser_brain.evaluation.runs import averaged, merge_protocols, parts_of, pool, read_run
from ser_brain.inference.model_config import ModelConfig
from ser_brain.models.model import EmotionModel
from ser_brain.publishing.card_facts import (
    CardFacts,
    languages_of,
    read_recipe,
    shortest_longest,
)
from ser_brain.publishing.train_test_overlap import overlap_by_test_set
from ser_brain.reporting.report_tables import noun_of

HEADS = ("emotion_head.", "va_head.")
# What the card says of each part.
OF_PART = ("protocol", "seed", "temperature", "calibrated_by", "refitted", "checkpoint")


def average_models(
    parts: Iterable[tuple[str, EmotionModel, ModelConfig]], training_data: dict
) -> tuple[EmotionModel, ModelConfig]:
    """Average the heads of models that share everything else.

    Parameters
    ----------
    parts : iterable of (str, EmotionModel, ModelConfig)
        Name, model and configuration of each part, with its temperature already in its head.
        Two are in memory at a time.
    training_data : dict
        Of all parts together.

    Returns
    -------
    model : EmotionModel
        Its log-probabilities are the normalised mean of the parts', its other values
        their mean.
    config : ModelConfig
        ``card["ensemble"]`` describes the parts.

    Raises
    ------
    SERError
        If the parts predict different things, or differ in more than their heads.
    """
    heads, configs = [], {}
    for name, model, config in parts:
        if not configs:
            first, shared = model, _without_heads(model)
        else:
            _require_same_outputs(configs, name, config)
            _require_same(shared, _without_heads(model), [*configs, name])
        configs[name] = config
        state = model.state_dict()
        heads.append({key: state[key].double() for key in state if key.startswith(HEADS)})
    # A state dict's tensors are the model's own.
    for key, tensor in first.state_dict().items():
        if key.startswith(HEADS):
            tensor.copy_(torch.stack([head[key] for head in heads]).mean(dim=0))
    base, noun = next(iter(configs.values())), noun_of(list(configs))
    card = _card({name: config.card for name, config in configs.items()}, training_data)
    return first, replace(base, name=f"{base.name}-{len(configs)}-{noun}", card=card)


def _without_heads(model: EmotionModel) -> dict[str, Tensor]:
    return {k: t for k, t in model.state_dict().items() if not k.startswith(HEADS)}


def _require_same_outputs(
    configs: Mapping[str, ModelConfig], name: str, other: ModelConfig
) -> None:
    one, config = next(iter(configs.items()))
    for key in ("emotions", "va_range", "dimensions", "pooling", "spectrum", "encoder"):
        ours, theirs = getattr(config, key), getattr(other, key)
        if ours != theirs:
            raise SERError(
                f"{one} and {name} cannot be averaged: {key} is {ours!r} in one and {theirs!r} "
                "in the other. Export one of them."
            )


def _require_same(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], names: Sequence[str]
) -> None:
    differ = [key for key in ours if not torch.equal(ours[key], theirs[key])]
    if differ:
        raise SERError(
            f"{names[0]} and {names[-1]} cannot become one model: {len(differ)} of {len(ours)} "
            f"tensors before the heads differ, such as {differ[0]}, for each part has trained "
            "its own. Such an ensemble would run the encoder of every part, "
            "and take that many times the time and memory of one. Export a single part, or "
            "train with --freeze=all, any layer but mix, and any pooling but attentive."
        )


def _card(cards: Mapping[str, dict], training_data: dict) -> dict:
    first = next(iter(cards.values()))
    seeds = list(dict.fromkeys(card["seed"] for card in cards.values()))
    parts = {
        name: {key: card.get(key) for key in OF_PART}
        | {key: card["training_data"][key] for key in ("train", "valid")}
        for name, card in cards.items()
    }
    return {
        **first,
        "protocol": merge_protocols([card["protocol"] for card in cards.values()]),
        "seed": seeds[0] if len(seeds) == 1 else ", ".join(map(str, seeds)),
        "temperature": None,
        "checkpoint": None,
        "training_data": training_data,
        "test_sets": [],
        "ensemble": {"of": noun_of(list(cards)), "parts": parts},
    }


def merged_splits(folder: Path) -> dict:
    """What the parts of a folds folder have seen together, in the shape of ``splits.json``.

    A clip on which any part was trained counts as trained on.
    """
    each = [splits_of(path) for path in parts_of(folder)[0].values()]
    trained = {i for splits in each for i in splits["train"]}
    validated = {i for splits in each for i in splits["valid"]} - trained
    corpora = {k: v for splits in reversed(each) for k, v in splits.get("corpora", {}).items()}
    return {
        "train": sorted(trained),
        "valid": sorted(validated),
        "tests": {},
        "corpora": corpora,
    }


# -- what its card says


def gather_ensemble(
    folder: Path, config: ModelConfig, results: Sequence[Path] = ()
) -> CardFacts:
    """Gather the facts of the card of an ensemble.

    Its own results are those on test sets that every part predicted and none had seen, which
    no fold's test set is. The results of the parts come first among those of the recipe.

    Parameters
    ----------
    folder : Path
        The folds folder.
    config : ModelConfig
        Of the ensemble.
    results : sequence of Path
        See :func:`ser_brain.publishing.card_facts.gather`.

    Raises
    ------
    SERError
        If predictions cannot be read, or a folder is of another recipe.
    """
    paths, record = parts_of(folder)
    first, encoder = next(iter(paths.values())), config.card["base_encoder"]
    found = read_run(folder)
    averaged = {name: average_predictions(each) for name, each in found.test_sets.items()}
    tested = {name: {"run": each} for name, each in averaged.items() if each is not None}
    overlap = overlap_by_test_set(found)
    return CardFacts(
        config=config,
        splits=merged_splits(folder),
        record=record,
        languages=sorted({code for p in paths.values() for code in languages_of(p, config)}),
        test_sets=evaluate_run(replace(found, test_sets=tested))["test_sets"] if tested else {},
        overlap={name: overlap[name] for name in tested},
        durations_s=shortest_longest([each["run"] for each in tested.values()]),
        recipes=[read_recipe(Path(other), first, encoder) for other in [folder, *results]],
    )


def average_predictions(parts: Mapping[str, LabelledPredictions]) -> LabelledPredictions | None:
    """Predictions of the ensemble, from those of its parts on one test set.

    None where the parts predicted different clips, or a part has seen the set.
    """
    first, *others = parts.values()
    if any(each.ids != first.ids or each.card["role"] != "test" for each in (first, *others)):
        return None
    return averaged(pool(parts))
