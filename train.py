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

from speechbrain.utils.distributed import ddp_init_group, if_main_process, run_on_main

from data_prep._run import prepare
from ser_brain import audit, command_line, config, run_folder
from ser_brain.corpora import CorpusSetting, parse_corpora
from ser_brain.dataio import require_lengths
from ser_brain.errors import SERError
from ser_brain.experiment import load_experiment
from ser_brain.files import read_json, write_json
from ser_brain.log import get_logger, show_progress
from ser_brain.outputs import write_test_set, write_validation
from ser_brain.report import summary_table, write_report

logger = get_logger("train")


def run(arguments: list[str]) -> None:
    """Settings -> corpora -> split -> fit -> test -> report."""
    path, overrides, run_opts = command_line.parse(arguments)
    file = config.find_settings(path, Path(__file__).parent)
    settings = config.read_settings(file, overrides, command_line.RUN_OPTIONS)
    ddp_init_group(run_opts)
    hparams = config.load_settings(settings)
    folder, encoder = Path(hparams["output_folder"]), hparams["encoder"]
    run_on_main(run_folder.claim, [folder, settings])
    if if_main_process():
        show_progress(folder / "train_log.txt")

    data = load_experiment(hparams, run_on_main(prepare_all, [hparams]))
    for rows in (data.train, data.valid, *data.tests.values()):
        require_lengths(rows, encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    facts = {"protocol": data.protocol, "seed": hparams["seed"]}
    record = run_on_main(run_folder.RunRecord, [folder], facts)
    run_on_main(write_json, [folder / "splits.json", data.as_dict()])
    if if_main_process():
        logger.info(f"protocol: {data.protocol}")
        audit.log(data.audits)

    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    run_folder.require_disk(folder, brain.checkpoint_bytes())

    brain.train(data.train, data.valid)
    run_on_main(write_validation, [folder, brain.run_on(data.valid), data, hparams])
    for name, rows in data.tests.items():
        run_on_main(write_test_set, [folder, name, brain.run_on(rows), data, hparams])
    run_on_main(record.finish)
    if if_main_process():
        page = write_report(folder)
        print(summary_table(read_json(page.parent / "results.json", "results")))
        print(f"report: {page}")


def prepare_all(hparams: dict) -> list[tuple[CorpusSetting, Path, Path]]:
    """Each line of ``corpora`` with its manifest and data folder."""
    settings = parse_corpora(hparams["corpora"])
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
    return [(setting, *prepared[setting.source]) for setting in settings]


def main() -> int:
    """Run the command; 0 when done, 2 for a mistake the user can mend, 130 for Ctrl-C."""
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
    except KeyboardInterrupt:
        logger.error("Interrupted. The same command goes on after the last finished epoch.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
