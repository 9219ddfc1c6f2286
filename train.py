"""Train, test and report one experiment.

    python train.py hparams/multiobjective.yaml

trains on the demo corpus. Every setting of the YAML file can be given as --key=value:

    python train.py hparams/finetune/classification.yaml --corpus=emodb --data_folder=DIR \\
        --encoder_source=facebook/wav2vec2-base --folds=5 --fold=1

A run that was interrupted goes on where it stopped when the same command is given again.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from speechbrain.utils.distributed import if_main_process, run_on_main
from speechbrain.utils.run_opts import RunOptions

from data_prep._run import prepare
from ser_brain import audit, command_line, computing, config, ranks, run_folder
from ser_brain.checkpoint_room import require_room
from ser_brain.corpora import CorpusSetting, parse_corpora
from ser_brain.dataio import require_lengths
from ser_brain.endings import exit_code_of
from ser_brain.experiment import load_experiment
from ser_brain.files import read_json, write_json
from ser_brain.lock import NAME, held
from ser_brain.log import get_logger, show_progress
from ser_brain.outputs import write_test_set, write_validation
from ser_brain.redaction import shown
from ser_brain.report import summary_table, write_report
from ser_brain.run_record import begin

logger = get_logger("train")


def run(arguments: list[str]) -> None:
    """Read the settings and run them, alone in the output folder."""
    path, overrides, run_opts = command_line.parse(arguments)
    file = config.find_settings(path, Path(__file__).parent)
    settings = config.read_settings(file, overrides, command_line.RUN_OPTIONS)
    ranks.join(run_opts)
    hparams = config.load_settings(settings)
    folder = Path(hparams["output_folder"])
    with held(folder / NAME, folder) if if_main_process() else contextlib.nullcontext():
        run_in(folder, settings, hparams, run_opts)


def run_in(folder: Path, settings: str, hparams: dict, run_opts: RunOptions) -> None:
    """Corpora -> split -> fit -> test -> report."""
    run_on_main(run_folder.claim, [folder, settings])
    if if_main_process():
        show_progress(folder / run_folder.LOG)

    data = load_experiment(hparams, run_on_main(prepare_all, [hparams]))
    encoder = hparams["encoder"]
    limits = (encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    for rows in (data.train, data.valid, *data.tests.values()):
        require_lengths(rows, *limits, hparams["max_clip_s"])

    run_opts = computing.set_up(run_opts, hparams["fast_precision"])
    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    require_room(folder, brain.modules)

    facts = {"protocol": data.protocol, "seed": hparams["seed"]}
    facts |= {"precision": run_opts.precision}
    record = run_on_main(begin, [folder, settings], facts)
    run_on_main(write_json, [folder / "splits.json", data.as_dict()])
    if if_main_process():
        logger.info(f"protocol: {data.protocol}")
        audit.log(data.audits)

    brain.train(data.train, data.valid)
    run_on_main(write_validation, [folder, brain.run_on(data.valid), data, hparams])
    for name, rows in data.tests.items():
        run_on_main(write_test_set, [folder, name, brain.run_on(rows), data, hparams])
    run_on_main(record.finish)
    if if_main_process():
        page = write_report(folder)
        results = read_json(page.parent / "results.json", "results")
        print(shown(f"{summary_table(results)}\nreport: {page}"))


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
                wait=True,
                **setting.options,
            )
    return [(setting, *prepared[setting.source]) for setting in settings]


def main() -> int:
    """Run the command; 0 when done, 2 for a mistake to mend, 130 or 143 when stopped."""
    if len(sys.argv) == 1 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        sys.argv[1:] = ["--help"]
    show_progress()
    return exit_code_of(lambda: run(sys.argv[1:]))


if __name__ == "__main__":
    sys.exit(main())
