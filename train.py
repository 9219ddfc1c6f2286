"""Train, test and report one experiment.

    python train.py hparams/multiobjective.yaml

trains on the demo corpus. Every setting of the YAML file can be given as --key=value:

    python train.py hparams/finetune/classification.yaml --corpus=emodb --data_folder=DIR \\
        --encoder_source=facebook/wav2vec2-base --folds=5 --fold=1

A run that was interrupted goes on where it stopped when the same command is given again.
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path

import numpy as np
import speechbrain as sb
from speechbrain.utils.distributed import ddp_init_group, if_main_process, run_on_main
from speechbrain.utils.run_opts import RunOptions

from data_prep._run import prepare
from ser_brain import config, corpora, experiment, run_folder
from ser_brain.audit import describe
from ser_brain.dataio import make_dataset, require_lengths
from ser_brain.errors import SERError
from ser_brain.files import read_json, write_json
from ser_brain.log import get_logger, show_progress
from ser_brain.predictions import write_predictions
from ser_brain.report import summary_table, write_report
from ser_brain.splits import SplitSetting

logger = get_logger("train")


def run(arguments: list[str]) -> None:
    """Settings -> corpora -> split -> fit -> test -> report."""
    run_options = list(RunOptions().as_dict())
    overrides, rest = config.parse_overrides(arguments, run_options)
    path, run_opts, _ = sb.parse_arguments(rest)
    file = config.find_settings(path, Path(__file__).parent)
    settings = config.read_settings(file, overrides, run_options)
    ddp_init_group(run_opts)
    hparams = config.load_settings(settings)
    folder = Path(hparams["output_folder"])
    run_on_main(run_folder.claim, [folder, settings])
    if if_main_process():
        show_progress(folder / "train_log.txt")

    data, protocol = load_data(hparams)
    record = run_folder.RunRecord(folder, protocol=protocol, seed=hparams["seed"])
    run_on_main(write_json, [folder / "splits.json", {"protocol": protocol, **data.as_dict()}])
    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    run_folder.require_disk(folder, brain.checkpoint_bytes())
    brain.train(dataset(data.train, hparams), dataset(data.valid, hparams))
    for name, rows in data.tests.items():
        outputs = brain.run_on(dataset(rows, hparams))
        run_on_main(write_test_set, [folder, name, outputs, data, protocol, hparams])
    record.finish()
    if if_main_process():
        page = write_report(folder)
        print(summary_table(read_json(page.parent / "results.json", "results")))
        print(f"report: {page}")


def load_data(hparams: dict) -> tuple[experiment.ExperimentData, str]:
    """Prepare the corpora, choose labels, split and audit; the data and its protocol."""
    settings = corpora.parse_corpora(hparams["corpora"])
    prepared = run_on_main(prepare_all, [settings, hparams])
    choice = corpora.LabelChoice(
        *(hparams[key] for key in ("emotions", "emotion_map", "va_range", "vad_source")),
        required_label=hparams["required_label"],
    )
    labelled = [
        corpora.label_corpus(manifest, data_folder, setting, choice)
        for setting, (manifest, data_folder) in zip(settings, prepared, strict=True)
    ]
    split = SplitSetting(
        hparams["split"],
        hparams["seed"],
        hparams["split_fractions"],
        hparams["folds"],
        hparams["fold"],
    )
    classes = hparams["emotions"] if "nll" in hparams["loss_weights"] else None
    data = experiment.assemble(labelled, split, classes)
    encoder = hparams["encoder"]
    for rows in (data.train, data.valid, *data.tests.values()):
        require_lengths(rows, encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    protocol = experiment.protocol_string(
        data, split, list(hparams["loss_weights"]), len(choice.emotions), choice.vad_source
    )
    if if_main_process():
        logger.info(f"protocol: {protocol}")
        for line in describe(data.audits):
            logger.info(line)
    return data, protocol


def prepare_all(
    settings: list[corpora.CorpusSetting], hparams: dict
) -> list[tuple[Path, Path]]:
    """Manifest and data folder of each corpus."""
    prepared: dict[str, tuple[Path, Path]] = {}
    for setting in settings:
        if setting.source not in prepared:
            prepared[setting.source] = prepare(
                setting.corpus,
                setting.data_folder,
                hparams["manifest_folder"],
                hparams["allow_partial"],
                **setting.options,
            )
    return [prepared[setting.source] for setting in settings]


def dataset(rows: dict[str, dict], hparams: dict):
    """A SpeechBrain dataset at the encoder's rate."""
    return make_dataset(rows, hparams["emotions"], hparams["encoder"].sample_rate_hz)


def write_test_set(
    folder: Path,
    name: str,
    outputs: list[dict],
    data: experiment.ExperimentData,
    protocol: str,
    hparams: dict,
) -> None:
    """Write the predictions file of one test set."""
    card = {
        "role": "test",
        "protocol": protocol,
        "synthetic": data.synthetic(name),
        "encoder": hparams["encoder"].name,
        **{key: hparams[key] for key in ("experiment", "seed", "emotions", "va_range")},
    }
    rows = experiment.prediction_rows(outputs, data.tests[name], hparams["emotions"])
    embeddings_ND = np.stack([output["embedding"] for output in outputs])
    write_predictions(folder / "predictions", name, rows, embeddings_ND, card)


def main() -> int:
    """Run the command; 0 when done, 2 for a mistake the user can mend."""
    if len(sys.argv) == 1 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.argv[1:] = ["--help"]
    show_progress()
    try:
        run(sys.argv[1:])
    except SERError as error:
        logger.error(error)
        return 2
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        logger.error(f"No space left on the disk ({error.filename or 'while writing'}).")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
