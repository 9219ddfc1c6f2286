"""Predictions files: of a run's own sets, and of further corpora (``ser evaluate --on``)."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
from speechbrain.utils.distributed import infer_device
from torch import nn

from ser_brain.core.errors import SERError
from ser_brain.core.files import RECORD, inside, read_json, remove_partial, splits_of
from ser_brain.core.lock import NAME, held
from ser_brain.core.log import get_logger
from ser_brain.data.corpora import Target
from ser_brain.data.dataset import make_dataset, require_files, require_lengths
from ser_brain.data.experiment import ExperimentData
from ser_brain.data.experiment_config import DEFAULTS, ExperimentConfig
from ser_brain.data.experiment_config import NEEDED as NEEDED_SETTINGS
from ser_brain.data.labelling import CorpusData, drawn_name, label_target, protocol_on
from ser_brain.data.labels import VALENCE_AROUSAL, stated
from ser_brain.data.manifest import SHA256
from ser_brain.evaluation.calibration import fit_temperature
from ser_brain.evaluation.predictions import card_path, read_predictions, write_predictions
from ser_brain.evaluation.runs import ADAPTED, VALIDATION, parts_of, temperature_of
from ser_brain.models.encoders import load_encoder
from ser_brain.training.adapted import write_adapted_set
from ser_brain.training.brain import SERBrain
from ser_brain.training.checkpoints import AtomicCheckpointer
from ser_brain.training.config import LOAD_ENCODER, checked_settings, read_settings
from ser_brain.training.device import is_cpu, require_device, use_fast_products
from ser_brain.training.run import ADAPTER, SETTINGS, recorded_options, require_run
from ser_brain.training.setting_values import BUILD_ERRORS, GETATTR, Tagged

logger = get_logger(__name__)
# Columns of a corpus row that a predictions file repeats, in its order.
COPIED = ("corpus", "speaker", "gender", "language", "text", "duration", "label_source")
COPIED += ("emotion",)
COPIED_IF_KNOWN = ("age", "accent")

NEEDED = (*NEEDED_SETTINGS, "brain", "modules", "batch_size", "loss_weights")
OURS = re.compile(r"!(new|name):((?:ser_brain|recipes)(?:\.[a-z]\w*)*)\.([A-Z]\w*)")


def predict_on(
    folder: str | Path, targets: Sequence[Target], device: str | None = None
) -> list[str]:
    """Run the best checkpoint on further corpora; predictions that are up to date are kept.

    Parameters
    ----------
    folder : str or Path
        A run folder, or a folds folder, whose parts each predict.
    targets : sequence of Target
    device : str, optional
        See :func:`load_run`.

    Returns
    -------
    list of str
        Name of the test set of each target, in the folder's ``predictions``, which is never
        that of a set of the run's own split. A set that contains training or validation
        utterances of the run gets the role ``train``.

    Raises
    ------
    SERError
        If the run, a manifest or its audio cannot be used, or another process is writing to
        the run folder.
    """
    folder = Path(folder)
    parts, _ = parts_of(folder)
    names, taken = [], set().union(*map(_own_sets, parts.values()))
    for part in parts.values():
        if part != folder:
            inside(folder, os.path.relpath(part, folder))
        inside(part, "predictions")
        brain, hparams = load_run(part, device)
        with held(part / NAME, part):
            remove_partial(part / "predictions")
            names = [_predict(part, brain, hparams, target, taken) for target in targets]
    return names


def _own_sets(folder: Path) -> set[str]:
    """Names of the sets that a run itself predicted, which are never written anew."""
    tests = splits_of(folder).get("tests")
    return {VALIDATION, *(tests if isinstance(tests, dict) else ())}


def _predict(
    folder: Path, brain: SERBrain, hparams: dict, target: Target, taken: Collection[str]
) -> str:
    config = ExperimentConfig.from_settings(hparams, brain.tasks)
    data, manifest = label_target(target, config.labels, config.seed)
    name = _name(data, target, taken)
    checkpoint = brain.checkpointer.find_checkpoint(min_key=brain.tested_key)
    facts = {
        SHA256: manifest.sha256,
        "checkpoint": checkpoint and checkpoint.path.name,
        "label_source": data.label_source,
        "where": dict(target.where),
        "balanced": target.balanced,
        **({"per_class": target.per_class} if target.per_class else {}),
    }
    adapts = (folder / ADAPTER).is_file()
    if _is_done(folder, name, facts):
        if adapts and not _is_done(folder / ADAPTED, name, facts):  # killed between the two
            write_adapted_set(folder, name)
        logger.info(f"{folder}: the predictions on {name} are up to date.")
        return name
    encoder = hparams["encoder"]
    lengths = (encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    require_files(data.rows)
    require_lengths(data.rows, *lengths, config.max_clip_s)
    card = {
        **model_facts(config, encoder.name),
        **temperature_of(folder),
        **_origin(folder, data, target),
        **facts,
        "synthetic": bool(data.card.get("synthetic")),
    }
    logger.info(f"{folder}: scoring {len(data.rows):,} utterances of {name}")
    labels, rate_hz = config.labels, encoder.sample_rate_hz
    test_set = make_dataset(data.rows, labels.emotions, rate_hz, dimensions=labels.dimensions)
    brain.evaluate(test_set, min_key=brain.tested_key)
    write_outputs(folder, name, brain.outputs, data.rows, card)
    if adapts:
        write_adapted_set(folder, name)
    return name


def _name(data: CorpusData, target: Target, taken: Collection[str]) -> str:
    """Name a test set; those of the run itself are ``taken``: ``tiny`` is then ``tiny-all``."""
    name = drawn_name(data, target)
    if name not in taken:
        return name
    logger.info(f"{name} is a set of the run itself; this one is called {name}-all.")
    return f"{name}-all"


def _is_done(folder: Path, name: str, facts: dict) -> bool:
    path = card_path(folder / "predictions" / f"{name}.jsonl")
    card = read_json(path, "prediction card") if path.is_file() else {}
    return all(key in card and card[key] == value for key, value in facts.items())


def _origin(folder: Path, data: CorpusData, target: Target) -> dict:
    """Role and protocol of a test set, by what the run was trained and validated on."""
    splits = splits_of(folder)
    seen = data.rows.keys() & {*splits["train"], *splits["valid"]}
    origin = {"role": "test", "protocol": protocol_on(splits["protocol"], data, target)}
    if not seen:
        return origin
    note = f"{len(seen)} of {len(data.rows)} utterances were trained or validated on."
    logger.warning(f"{data.name}: {note}")
    return {**origin, "role": "train", "notes": note}


# -- predictions files


def write_validation(
    folder: Path,
    outputs: Sequence[Mapping],
    data: ExperimentData,
    encoder: str,
    temperature: float | None = None,
    of_votes: bool = False,
) -> None:
    """Write the predictions on the validation set, and the temperature that fits them best.

    The checkpoint and the temperature are chosen on this set, so it is never a result. The
    probabilities of votes have no temperature: a single label for each utterance would make
    them sharper than the raters are.

    Parameters
    ----------
    folder : Path
        The run folder.
    outputs : sequence of mapping
        :attr:`ser_brain.training.brain.SERBrain.outputs`.
    data : ExperimentData
    encoder : str
        The encoder's name.
    temperature : float, optional
        Known already; it is not fitted then.
    of_votes : bool
        Whether the model has learned the shares of the raters' votes.
    """
    card = {**model_facts(data.config, encoder), "role": VALIDATION, **data.protocol.as_dict()}
    path = write_outputs(folder, VALIDATION, outputs, data.valid, card)
    predictions = read_predictions(path, embeddings=False)
    if predictions.log_probs_NC is None:
        return
    if temperature is None and not of_votes:
        temperature = fit_temperature(predictions.log_probs_NC, predictions.true_N)
        if temperature is not None:
            logger.info(f"temperature {temperature:.2f}, fitted on the validation set")
    if temperature is not None:
        card["temperature"] = temperature
        write_outputs(folder, VALIDATION, outputs, data.valid, card)


def write_test_set(
    folder: Path, name: str, outputs: Sequence[Mapping], data: ExperimentData, encoder: str
) -> Path:
    """Write the predictions on one test set; parameters as :func:`write_validation`."""
    card = {
        **model_facts(data.config, encoder),
        **temperature_of(folder),
        "role": "test",
        **data.protocol.as_dict(),
        "synthetic": data.synthetic(name),
    }
    return write_outputs(folder, name, outputs, data.tests[name], card)


def model_facts(config: ExperimentConfig, encoder: str) -> dict:
    """What the card of every predictions file of a model contains."""
    return {
        "encoder": encoder,
        "experiment": config.experiment,
        "seed": config.seed,
        "emotions": config.labels.emotions,
        "va_range": config.labels.va_range,
        **stated(config.labels.dimensions),
    }


def write_outputs(
    folder: Path,
    name: str,
    outputs: Sequence[Mapping],
    rows: Mapping[str, dict],
    card: Mapping,
) -> Path:
    """Write predictions and embeddings of the set ``name``; ``rows`` are its id -> row."""
    joined = prediction_rows(outputs, rows, card)
    embeddings_ND = np.stack([output["embedding"] for output in outputs])
    return write_predictions(inside(folder, "predictions"), name, joined, embeddings_ND, card)


def prediction_rows(
    outputs: Sequence[Mapping], rows: Mapping[str, dict], card: Mapping
) -> list[dict]:
    """Join each utterance's row of the corpus with the model's output for it.

    The card has ``emotions`` and ``dimensions``, in the order of the model's outputs. The
    result is what :func:`ser_brain.evaluation.predictions.write_predictions` writes.
    """
    named = card["emotions"], card.get("dimensions", VALENCE_AROUSAL)
    return [_prediction_row(output, rows[output["id"]], *named) for output in outputs]


def _prediction_row(
    output: Mapping, row: Mapping, emotions: Sequence[str], dimensions: Sequence[str]
) -> dict:
    joined = {"id": output["id"], **{key: row[key] for key in (*COPIED, *dimensions)}}
    joined |= {key: row[key] for key in COPIED_IF_KNOWN if key in row}
    if "log_probabilities" in output:
        log_probs = [float(value) for value in output["log_probabilities"]]
        joined["log_probabilities"] = dict(zip(emotions, log_probs, strict=True))
        joined["predicted_emotion"] = emotions[log_probs.index(max(log_probs))]
    if "valence_arousal" in output:
        for name, value in zip(dimensions, output["valence_arousal"], strict=True):
            joined[f"predicted_{name}"] = float(value)
    return joined


# -- the model of a run folder


def load_run(folder: str | Path, device: str | None = None) -> tuple[SERBrain, dict]:
    """Build the model of a run folder. Its best checkpoint is loaded by ``brain.evaluate``.

    The settings of the folder are parsed, not executed: only the encoder, the heads and the
    Brain are built, and only where they are classes of this project.

    Parameters
    ----------
    folder : str or Path
    device : str, optional
        Such as ``cuda:0``. By default a GPU if there is one.

    Returns
    -------
    brain : SERBrain
    hparams : dict
        The plain values of the settings, and ``encoder`` and ``modules``.

    Raises
    ------
    SERError
        If the folder holds no run, its model needs code from elsewhere, or the machine has no
        such device.
    """
    require_run(folder)
    settings = Path(folder) / SETTINGS
    if device is not None:
        require_device(device)
    found = checked_settings(read_settings(settings, [("output_folder", str(folder))]))
    missing = [key for key in NEEDED if key not in found]
    if missing:
        raise SERError(
            f"{settings} is not the settings of a run: it has no {', '.join(missing)}."
        )
    builder = _Builder(settings)
    modules = {name: builder.module(value) for name, value in found["modules"].items()}
    plain = {key: value for key, value in found.items() if not isinstance(value, Tagged)}
    hparams = {**DEFAULTS, **plain}
    hparams |= {"encoder": modules["encoder"], "modules": modules}
    hparams |= {key: builder.module(found[key]) for key in modules if key in found}
    device = device or infer_device()
    use_fast_products(device)
    brain = builder.class_of(found["brain"], SERBrain)(
        modules=modules,
        hparams=hparams,
        run_opts={"device": device, "eval_precision": _precision_of(Path(folder), device)},
        checkpointer=AtomicCheckpointer(
            Path(folder) / "save", recoverables={"modules": nn.ModuleDict(modules)}
        ),
    )
    return brain, hparams


class _Builder:
    """Builds the modules that a settings file describes, if they are this project's."""

    def __init__(self, settings: Path) -> None:
        self._settings = settings
        self._built: dict[
            int, nn.Module
        ] = {}  # a setting that is referred to twice is one module

    def module(self, value: object) -> nn.Module:
        """Build the module that a setting describes.

        Raises
        ------
        SERError
            If it is not a module of ``ser_brain`` or ``recipes``, or cannot be built.
        """
        if not isinstance(value, Tagged):
            raise self._foreign(value)
        if id(value) not in self._built:
            known = value.tag == LOAD_ENCODER
            make = load_encoder if known else self.class_of(value, nn.Module)
            given = self._arguments(value.value) or ()
            try:
                module = make(**given) if isinstance(given, dict) else make(*given)
            except (*BUILD_ERRORS, RuntimeError) as error:
                raise SERError(
                    f"Cannot build {value.tag} of {self._settings}: {error}."
                ) from error
            self._built[id(value)] = module
        return self._built[id(value)]

    def class_of(self, value: object, base: type) -> type:
        """Import the class that a setting names; refuse any but a subclass of ``base`` here."""
        named = OURS.fullmatch(value.tag) if isinstance(value, Tagged) else None
        if named is not None:
            try:
                found = getattr(importlib.import_module(named[2]), named[3], None)
            except ImportError:
                found = None
            if isinstance(found, type) and issubclass(found, base):
                return found
        raise self._foreign(value)

    def _arguments(self, value: object) -> object:
        if isinstance(value, dict):
            return {key: self._arguments(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._arguments(item) for item in value]
        if not isinstance(value, Tagged):
            return value
        if value.tag == GETATTR and isinstance(value.value, list) and len(value.value) == 2:
            owner, name = value.value  # such as <encoder.dim>
            size = getattr(self.module(owner), str(name), None)
            if isinstance(size, int | float):
                return size
        return self.module(value)

    def _foreign(self, value: object) -> SERError:
        found = value.tag if isinstance(value, Tagged) else repr(value)
        return SERError(
            f"{self._settings} builds its model from {found}, which is no part of ser_brain or "
            "recipes. Code that a run folder names is not run; put it into recipes/."
        )


def _precision_of(folder: Path, device: str) -> str:
    """The precision that a run was tested in, which its further test sets are tested in too."""
    precision = recorded_options(folder).get("eval_precision", "fp32")
    if precision == "fp16" and is_cpu(device):
        logger.warning(f"{folder} was tested in fp16, which needs a GPU. Using fp32.")
        precision = "fp32"
    if precision not in ("fp32", "bf16", "fp16"):
        raise SERError(f"{folder / RECORD} is damaged: its eval_precision is {precision!r}.")
    return precision
