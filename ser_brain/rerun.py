"""A trained run on further corpora: load it, predict, leave the predictions in its folder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from speechbrain.utils.distributed import infer_device

from ser_brain.balance import balanced_ids
from ser_brain.brain import SERBrain
from ser_brain.command_line import require_device
from ser_brain.computing import is_cpu, use_fast_products
from ser_brain.config import load_settings, read_settings
from ser_brain.corpora import CorpusSetting
from ser_brain.dataio import require_lengths
from ser_brain.errors import SERError
from ser_brain.experiment import label_choice
from ser_brain.files import read_json, remove_partial
from ser_brain.labelling import CorpusData, label_corpus
from ser_brain.lock import NAME, held
from ser_brain.log import get_logger
from ser_brain.manifest import data_folder_of, read_card
from ser_brain.on_argument import Target
from ser_brain.outputs import model_facts, temperature_of, write_outputs
from ser_brain.prediction_card import card_path
from ser_brain.recordings import require_files
from ser_brain.run_folder import RECORD, SETTINGS, recorded_options
from ser_brain.runs import parts_of

logger = get_logger(__name__)


def load_run(folder: str | Path, device: str | None = None) -> tuple[SERBrain, dict]:
    """Build the model of a run folder; its best checkpoint is loaded when it is first run.

    Parameters
    ----------
    folder : str or Path
    device : str, optional
        Such as ``cuda:0``; a GPU if there is one otherwise.

    Returns
    -------
    brain : SERBrain
    hparams : dict
        The run's settings, built.

    Raises
    ------
    SERError
        If the folder holds no run, or the machine lacks the device.
    """
    settings = Path(folder) / SETTINGS
    if not settings.is_file():
        raise SERError(f"{folder} is no run folder: it holds no {SETTINGS}.")
    if device is not None:
        require_device(device)
    hparams = load_settings(read_settings(settings, [("output_folder", str(folder))]))
    device = device or infer_device()
    use_fast_products(device)
    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts={"device": device, "eval_precision": _precision_of(Path(folder), device)},
        checkpointer=hparams["checkpointer"],
    )
    return brain, hparams


def _precision_of(folder: Path, device: str) -> str:
    """The precision that a run was tested in: its further test sets are, too."""
    precision = recorded_options(folder).get("eval_precision", "fp32")
    if precision == "fp16" and is_cpu(device):
        logger.warning(f"{folder} was tested in fp16, which needs a GPU; this is fp32.")
        precision = "fp32"
    if precision not in ("fp32", "bf16", "fp16"):
        raise SERError(f"{folder / RECORD} is damaged: its eval_precision is {precision!r}.")
    return precision


def predict_on(
    folder: str | Path, targets: Sequence[Target], device: str | None = None
) -> list[str]:
    """Run the best checkpoint on further corpora, unless their predictions are there.

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
        The test set that each target became; its predictions lie in the run folder. Where it
        holds utterances the run was trained or validated on, its role says ``train``.

    Raises
    ------
    SERError
        If the run, a manifest or its audio cannot be used, or another process writes to the
        run folder.
    """
    parts, _ = parts_of(Path(folder))
    names = []
    for part in parts.values():
        brain, hparams = load_run(part, device)
        with held(part / NAME, part):
            remove_partial(part / "predictions")
            names = [_predict(part, brain, hparams, target) for target in targets]
    return names


def _predict(folder: Path, brain: SERBrain, hparams: dict, target: Target) -> str:
    corpus_card = read_card(target.manifest)
    setting = CorpusSetting(
        corpus_card["name"], "test", None, target.label_source, target.where
    )
    data_folder = data_folder_of(target.manifest, target.data_folder)
    data = label_corpus(target.manifest, data_folder, setting, label_choice(hparams))
    if target.balanced:
        drawn = balanced_ids(data.rows, hparams["emotions"], hparams["seed"])
        data = replace(data, rows={i: data.rows[i] for i in drawn})
    name = _name(data, target)
    checkpoint = brain.checkpointer.find_checkpoint(min_key=hparams["validation_metric"])
    facts = {
        "manifest_sha256": corpus_card["manifest_sha256"],
        "checkpoint": checkpoint and checkpoint.path.name,
        "label_source": target.label_source or corpus_card["default_source"],
        "where": dict(target.where),
        "balanced": target.balanced,
    }
    if _is_done(folder, name, facts):
        logger.info(f"{folder}: the predictions on {name} are up to date.")
        return name
    encoder = hparams["encoder"]
    lengths = (encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    require_files(data.rows)
    require_lengths(data.rows, *lengths, hparams.get("max_clip_s", math.inf))
    card = {
        **model_facts(hparams),
        **temperature_of(folder),
        **_origin(folder, data, facts),
        **facts,
        "synthetic": bool(corpus_card["synthetic"]),
    }
    write_outputs(folder, name, brain.run_on(data.rows), data.rows, card)
    return name


def _name(data: CorpusData, target: Target) -> str:
    """The corpus, with what of it is not as a corpus is usually tested."""
    source = target.label_source
    own_source = [source] if source not in (None, data.card["default_source"]) else []
    return "-".join([data.name, *own_source, *(["balanced"] if target.balanced else [])])


def _is_done(folder: Path, name: str, facts: dict) -> bool:
    path = card_path(folder / "predictions" / f"{name}.jsonl")
    card = read_json(path, "prediction card") if path.is_file() else {}
    return all(key in card and card[key] == value for key, value in facts.items())


def _origin(folder: Path, data: CorpusData, facts: dict) -> dict:
    """Role and protocol: what the run was trained on, and what it is tested on here."""
    splits = read_json(folder / "splits.json", "split")
    seen = data.rows.keys() & {*splits["train"], *splits["valid"]}
    tested = "/".join(
        [data.name, facts["label_source"], *(["balanced"] if facts["balanced"] else [])]
    )
    origin = {"role": "test", "protocol": f"{splits['protocol']} on {tested}"}
    if not seen:
        return origin
    note = f"{len(seen)} of {len(data.rows)} utterances were trained or validated on."
    logger.warning(f"{data.name}: {note}")
    return {**origin, "role": "train", "notes": note}
