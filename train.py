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

from data_prep import lines_of
from data_prep.common.prepare import prepare, require_folder
from ser_brain.core.errors import shown
from ser_brain.core.files import read_json, write_json
from ser_brain.core.lock import NAME, held
from ser_brain.core.log import get_logger, show_progress
from ser_brain.core.process import exit_code_of
from ser_brain.data.corpora import CorpusSetting, parse_corpora
from ser_brain.data.splits import absence
from ser_brain.training import command_line, config
from ser_brain.training import run as run_folder
from ser_brain.training.run import begin

HOME = Path(__file__).parent
logger = get_logger("train")


def run(arguments: list[str]) -> None:
    """Read the settings and run them, alone in the output folder."""
    path, overrides = command_line.read(arguments)
    file = config.find_settings(path, HOME)
    settings = config.read_settings(file, overrides, command_line.RUN_OPTIONS)
    config.require_experiment(settings, file, HOME)
    plain = config.checked_settings(settings)
    named = lines_of(plain["corpora"], plain["corpus"], plain["data_folder"])
    for setting in parse_corpora(named):
        require_folder(setting.corpus, setting.data_folder, **setting.options)

    # From here on torch is needed, which takes seconds: what a user mistypes is told before.
    from speechbrain.utils.distributed import if_main_process

    from ser_brain.training import device

    run_opts = command_line.parse(arguments)[-1]
    device.join(run_opts)
    folder = Path(plain["output_folder"])
    with contextlib.ExitStack() as stack:
        if if_main_process():
            stack.enter_context(held(folder / NAME, folder))
            stack.enter_context(run_folder.nothing_left(folder))
        run_in(folder, settings, config.load_settings(settings), run_opts)


def run_in(folder: Path, settings: str, hparams: dict, run_opts) -> None:
    """Corpora -> split -> fit -> test -> report."""
    from speechbrain.utils.distributed import if_main_process, run_on_main

    from ser_brain.data import audit
    from ser_brain.data.dataset import require_lengths
    from ser_brain.data.experiment import load_experiment
    from ser_brain.reporting.report import summary_table, write_report
    from ser_brain.training import device
    from ser_brain.training.checkpoints import require_room
    from ser_brain.training.predict_corpus import write_test_set, write_validation

    run_on_main(run_folder.claim, [folder, settings])
    if if_main_process():
        show_progress(folder / run_folder.LOG)

    data = load_experiment(hparams, run_on_main(prepare_all, [hparams]))
    encoder = hparams["encoder"]
    limits = (encoder.min_samples, encoder.max_samples, encoder.sample_rate_hz)
    for rows in (data.train, data.valid, *data.tests.values()):
        require_lengths(rows, *limits, hparams["max_clip_s"])

    run_opts = device.set_up(run_opts, hparams["fast_precision"])
    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts=run_opts,
        checkpointer=hparams["checkpointer"],
    )
    require_room(folder, brain.modules, 0 if brain.test_only else hparams["number_of_epochs"])

    facts = {"protocol": data.protocol, "seed": hparams["seed"]}
    facts |= {"run_options": brain.run_options}
    record = run_on_main(begin, [folder, settings], facts)
    run_on_main(write_json, [folder / "splits.json", data.as_dict()])
    if if_main_process():
        logger.info(f"protocol: {data.protocol}")
        audit.log(data.audits)
        for part, classes in data.absent.items():
            logger.warning(absence(part, classes))

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
    named = lines_of(hparams["corpora"], hparams["corpus"], hparams["data_folder"])
    settings = parse_corpora(named)
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


def show_help(arguments: list[str]) -> None:
    """Print the settings, with the values of the settings file that is named."""
    print(command_line.help_text(__doc__, arguments, HOME), flush=True)


def main() -> int:
    """Run the command; 0 when done, 2 for a mistake of the user, 130 or 143 when stopped."""
    arguments = sys.argv[1:]
    show_progress()
    command = show_help if not arguments or {"-h", "--help"} & set(arguments) else run
    return exit_code_of(
        lambda: command(arguments), command_line.NEXT_STEP, command_line.explain
    )


if __name__ == "__main__":
    sys.exit(main())
