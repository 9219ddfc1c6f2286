"""``ser adapt``: a new exported model, adapted to a language or a person, and judged.

Clips without labels move the emotion head as far as they give reason to
(:class:`ser_brain.models.adaptation.LinearAdapter`); labelled ones then fit it, shrunk to
where it was (:func:`ser_brain.models.few_shot.fit_few_shot`). The new model has the same
encoder, or one that some hundred labelled clips fine-tuned, if asked. It has no audio and no
names in it but the one that was given.

Shapes: N clips, D embedding size, E emotions.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.special import log_softmax
from torch import Tensor

from ser_brain.core.errors import SERError
from ser_brain.core.files import require_new, require_text, write_text
from ser_brain.evaluation.evaluate import RESAMPLES
from ser_brain.evaluation.metrics import class_metrics, class_summands, number
from ser_brain.evaluation.significance import clusters_of, interval, resample
from ser_brain.inference.adapting import (
    embed_clips,
    head_of,
    unlabelled_head,
    with_emotion_head,
)
from ser_brain.inference.labelled_clips import Clip
from ser_brain.inference.model_config import ModelConfig
from ser_brain.inference.recognizer import EmotionRecognizer
from ser_brain.models.few_shot import FewShot, Head, fit_few_shot, held_out_scores
from ser_brain.publishing.card import CARD, FIGURES, NOT_MEASURED
from ser_brain.publishing.export import sizes_of, write_folder, written_whole
from ser_brain.publishing.fine_tune import fine_tune

FEWEST_LABELLED = 2


@dataclass(frozen=True)
class Adaptation:
    """A model that was adapted.

    Attributes
    ----------
    config : ModelConfig
        Its ``card["adapted"]`` has what follows as JSON.
    files : dict
        Path in the folder -> bytes.
    judged : dict or None
        See :func:`judge`, and ``on``: what the clips are; None where no clip has a label.
    """

    config: ModelConfig
    files: dict[str, int]
    judged: dict | None


def adapt(
    source: Path,
    folder: Path,
    unlabelled: Sequence[Clip] = (),
    labelled: Sequence[Clip] = (),
    test: Sequence[Clip] = (),
    speaker: str | None = None,
    name: str | None = None,
    lora: bool = False,
) -> Adaptation:
    """Adapt an exported model to clips, judge it, and write it as a new one.

    Parameters
    ----------
    source : Path
        Folder that ``ser export`` wrote. It is only read.
    folder : Path
        Must be missing or empty. It is written either completely or not at all.
    unlabelled, labelled : sequence of Clip
        At least one of them. The labelled ones are used without their labels, too.
    test : sequence of Clip
        Labelled clips to judge by. Without them, each labelled clip is judged by a head fitted
        without it, or the unlabelled clips by the labels that their manifest has, which
        adapt nothing.
    speaker : str, optional
        Adapt to this person, of whom all clips are.
    name : str, optional
        Of the new model.
    lora : bool
        Fine-tune the encoder on the labelled clips, too.

    Raises
    ------
    SERError
        If the model cannot be adapted so, or is no better on the clips that judge it, or the
        encoder that was fine-tuned is no better than the head alone on clips held out.
    """
    require_new(folder)
    if folder.resolve().is_relative_to(source.resolve()):
        raise SERError(f"{folder} is inside the model {source}; choose another folder.")
    labels = {clip.sound.place: clip for clip in labelled}
    both = sum(clip.sound.place in labels for clip in test)
    if both:
        raise SERError(
            f"{both} of the {len(test)} test clips are among the labelled ones, which adapt "
            "the model and so cannot judge it. Remove them from one of the tables."
        )
    if lora and not labels:
        raise SERError("Fine-tuning (--lora) needs labelled clips; give --labelled.")
    # A clip that is named twice counts once, and among the labelled ones if it is one of them.
    places = {clip.sound.place: clip for clip in unlabelled if clip.sound.place not in labels}
    recognizer = EmotionRecognizer.from_pretrained(source)
    config, model = recognizer.config, recognizer.model
    if not config.emotions:
        raise SERError(f"{config.name} predicts no emotions, and its emotion head is adapted.")
    if "adapted" in config.card:  # its card would know only the last adaptation
        raise SERError(
            f"{config.name} is adapted already and cannot be adapted again; adapt the original "
            f"model, {config.card['adapted']['from']}."
        )
    groups = [*places.values()], [*labels.values()], test
    found = _embedded(recognizer, [clip for group in groups for clip in group])
    (others_ND, others), (x_ND, chosen), (test_ND, test) = (_of(g, found) for g in groups)
    clips, before = [*others, *chosen], head_of(model)
    after = before
    if unlabelled or recognizer.has_adapter:
        adapter = recognizer.adapter(alone=not chosen)
        speakers = [clip.speaker for clip in clips]
        after = unlabelled_head(adapter, torch.cat([others_ND, x_ND]), speakers, speaker)
    facts = {"unlabelled_clips": len(others), "labelled_clips": len(chosen)}
    facts |= {"speakers": len({clip.speaker for clip in clips} - {None}), "speaker": speaker}
    judged = tuned = None
    if chosen:
        if len(chosen) < FEWEST_LABELLED:
            raise SERError(f"{len(chosen)} labelled clip is too few; give two or more.")
        class_N = _classes(chosen, config.emotions)
        scale_D = adapter.linear.scale_D if recognizer.has_adapter else _deviation(x_ND)
        # Beside unlabelled clips, few ones of one person are known to help; of strangers, not.
        whom = {speaker or clip.speaker for clip in chosen}
        one_person = len(whom) == 1 and None not in whom
        start, beside_ND = after, others_ND if one_person else None

        def fit(rows: np.ndarray | slice) -> FewShot:
            return fit_few_shot(start, scale_D, x_ND[rows], class_N[rows], beside_ND)

        few = fit(slice(None))
        after, facts["cost_of_change"] = few.head, few.cost
        held_out_NE = held_out_scores(start, scale_D, x_ND, class_N, beside_ND)
        if lora:
            tuned = fine_tune(recognizer, chosen, class_N, x_ND, lambda rows: fit(rows).head)
            held_out_NE = tuned.tuned_NE
            facts["lora"] = judge(chosen, config.emotions, tuned.head_alone_NE, held_out_NE)
            facts["lora"]["on"] = "the labelled clips, held out in turn; before: the head alone"
            _require_better(facts["lora"], "Fine-tuning the encoder", "Leave out --lora.")
        judged = judge(chosen, config.emotions, _scores(before, x_ND), held_out_NE)
        by = "model" if lora else "head"
        judged["on"] = f"the labelled clips, each by a {by} fitted without it"
    named = [n for n, clip in enumerate(others) if clip.emotion is not None]
    if test or (named and not chosen):
        on = "test clips"
        if not test:
            on = "the unlabelled clips, by labels held back"
            test, test_ND = [others[n] for n in named], others_ND[named]
        sounds = [clip.sound for clip in test]
        after_NE = tuned.score(recognizer, sounds) if tuned else _scores(after, test_ND)
        judged = judge(test, config.emotions, _scores(before, test_ND), after_NE)
        judged["on"] = on
    if judged is not None:
        facts["judged"] = judged
        _require_better(
            judged,
            "Adapting",
            "Use the model as it is, or give more clips, in which all emotions occur.",
        )
    config = replace(
        config,
        name=name or f"{config.name}-adapted",
        card={**config.card, "adapted": {"from": config.name, **facts}},
    )
    adapted = tuned.model if tuned else with_emotion_head(model, config.emotions, after)
    with written_whole(folder) as made:
        write_folder(made, adapted, config)
        write_text(made / CARD, _card(source, config, facts))
        if (source / FIGURES).is_dir():
            shutil.copytree(source / FIGURES, made / FIGURES, symlinks=True)
    return Adaptation(config, sizes_of(folder), judged)


def _embedded(recognizer: EmotionRecognizer, clips: Sequence[Clip]) -> dict[Hashable, Tensor]:
    """Place -> embedding (D,) of every clip that can be read, each computed once."""
    sounds = {clip.sound.place: clip.sound for clip in clips}
    embeddings_ND, read = embed_clips(recognizer, [*sounds.values()])
    places = [*sounds]
    return {places[n]: each_D for n, each_D in zip(read, embeddings_ND, strict=True)}


def _of(
    clips: Sequence[Clip], embeddings: Mapping[Hashable, Tensor]
) -> tuple[Tensor, list[Clip]]:
    """Embeddings (N, D) of those of the clips that could be read, and these clips."""
    read = [clip for clip in clips if clip.sound.place in embeddings]
    if clips and not read:
        first = clips[0].sound.name
        raise SERError(f"None of {len(clips)} clips can be read, such as {first}.")
    size = len(next(iter(embeddings.values())))
    rows = [embeddings[clip.sound.place] for clip in read]
    return torch.stack(rows) if rows else torch.empty(0, size), read


def _classes(clips: Sequence[Clip], emotions: Sequence[str]) -> np.ndarray:
    return np.array([emotions.index(clip.emotion) for clip in clips])


def _deviation(x_ND: Tensor) -> Tensor:
    deviation_D = x_ND.double().std(0, correction=0)
    return deviation_D.clamp_min(float(deviation_D.mean()) / 10 + 1e-8)


def _scores(head: Head, x_ND: Tensor) -> np.ndarray:
    weight_ED, bias_E = head
    return log_softmax((x_ND.double() @ weight_ED.T + bias_E).numpy(), axis=1)


def judge(
    clips: Sequence[Clip], emotions: Sequence[str], before_NE: np.ndarray, after_NE: np.ndarray
) -> dict:
    """UAR before and after on labelled clips, with 95 % intervals.

    Returns
    -------
    dict
        ``clips``, ``unit`` (what is resampled: speakers or utterances) and its ``count``;
        ``before``, ``after`` and ``difference``, each with ``value``, ``low`` and ``high``.
    """
    true_N, rng = _classes(clips, emotions), np.random.default_rng(0)
    ids = [f"{n} {clip.sound.name}" for n, clip in enumerate(clips)]
    speakers = [clip.speaker for clip in clips]
    one_person = len(set(speakers)) == 1  # her clips are what is drawn
    clusters = clusters_of([None] * len(clips) if one_person else speakers, ids)
    sides = [
        class_summands(true_N, s.argmax(1), len(emotions), s) for s in (before_NE, after_NE)
    ]
    width = sides[0].shape[1]
    sums_BK = resample(np.hstack(sides), clusters, RESAMPLES, rng)
    uar = class_metrics(len(emotions))["uar"].function
    drawn = {"before": uar(sums_BK[:, :width]), "after": uar(sums_BK[:, width:])}
    drawn["difference"] = drawn["after"] - drawn["before"]
    values = [number(uar(side_NK.sum(0))) for side_NK in sides]
    values.append(values[1] - values[0])
    found: dict = {"clips": len(clips), "unit": clusters.unit, "count": clusters.count}
    for value, (name, estimates_B) in zip(values, drawn.items(), strict=True):
        low, high = interval(estimates_B, clusters.count)
        found[name] = {"value": value, "low": low, "high": high}
    return found


def judged_text(judged: dict) -> str:
    """The result of :func:`judge` in a line."""

    def shown(name: str) -> str:
        value, low, high = (judged[name][key] for key in ("value", "low", "high"))
        ends = "" if low is None else f" [{low:.3f}, {high:.3f}]"
        return f"{value:+.3f}{ends}" if name == "difference" else f"{value:.3f}{ends}"

    return (
        f"UAR on {judged['clips']:,} clips ({judged['on']}): {shown('before')} before, "
        f"{shown('after')} after, difference {shown('difference')}; resampled: "
        f"{judged['count']} {judged['unit']}s"
    )


def _require_better(judged: dict, what: str, instead: str) -> None:
    if judged["difference"]["value"] <= 0:
        raise SERError(
            f"{what} does not help, so nothing was written. {judged_text(judged)}. {instead}"
        )


def _card(source: Path, config: ModelConfig, facts: dict) -> str:
    """The card of the source, with what the model was adapted to above everything else."""
    text = require_text(source / CARD, "model card") if (source / CARD).is_file() else "\n"
    index = f"model-index:\n- name: {json.dumps(config.name)}\n  results: []\n"
    text = re.sub(r"^model-index:\n(?:-? .*\n)+", lambda _: index, text, count=1, flags=re.M)
    # The graph of the source is not copied, as it would give the answers of before.
    text = re.sub(r"^- onnx\n", "", text, count=1, flags=re.M)
    text = re.sub(r"\nWith ONNX Runtime\..*?```.*?```\n", "", text, count=1, flags=re.DOTALL)
    to = [
        f"{facts[f'{kind}_clips']} {kind} clips"
        for kind in ("unlabelled", "labelled")
        if facts[f"{kind}_clips"]
    ]
    whom = f" of {facts['speaker']}" if facts["speaker"] else ""
    what = "emotion head was" if "lora" not in facts else "encoder and emotion head were"
    about = [
        f"This model is {config.card['adapted']['from']}, whose {what} adapted "
        f"to {' and '.join(to)}{whom} with `ser adapt`."
    ]
    if facts.get("judged"):
        about.append(f"{judged_text(facts['judged'])}.")
    else:
        about.append("No clip had a label, so nobody knows whether it is better than before.")
    about.append(
        f"{NOT_MEASURED} on the test sets below: their results are those of the model "
        "**before** it was adapted."
    )
    section = f"## Adapted\n\n{' '.join(about)}\n\n"
    text = text.replace(f"\n# {config.card['adapted']['from']}\n", f"\n# {config.name}\n", 1)
    front = re.match(r"---\n.*?\n---\n+", text, re.DOTALL)
    place = front.end() if front else 0
    title = re.compile(r"# .*\n+").match(text, place)
    place = title.end() if title else place
    return text[:place] + section + text[place:]
