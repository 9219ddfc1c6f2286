"""Train, test and report one experiment.

    python train.py hparams/multiobjective.yaml

trains on the demo corpus. Every setting of the YAML file can be given as --key=value:

    python train.py hparams/finetune/classification.yaml --corpus=emodb --data_folder=DIR \\
        --encoder_source=facebook/wav2vec2-base --folds=5 --fold=1

To continue an interrupted run, give the same command again.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from data_prep import lines_of
from data_prep.common.prepare import prepare_all, require_folder
from ser_brain.core.errors import shown
from ser_brain.core.files import write_json
from ser_brain.core.lock import NAME, held
from ser_brain.core.log import show_progress
from ser_brain.core.process import exit_code_of
from ser_brain.data.corpora import CorpusSetting, parse_corpora, parse_manifest
from ser_brain.data.experiment_config import ExperimentConfig
from ser_brain.training import command_line, config, run
from ser_brain.training.command_line import NEXT_STEP, explain
from ser_brain.training.experiment_log import require_logger


def start(arguments: list[str], figures: bool = True) -> None:
    """Check the command, lock the output folder, and run the experiment in it."""
    if not arguments or {"-h", "--help"} & set(arguments):
        print(command_line.help_text(__doc__, arguments), flush=True)
        return
    path, overrides = command_line.read(arguments)
    file = config.find_settings(path)
    settings = config.read_settings(file, overrides, command_line.RUN_OPTIONS)
    config.require_experiment(settings, file)
    plain = config.checked_settings(settings)
    require_logger(plain["experiment_logger"])
    ExperimentConfig.from_settings(plain)
    require_corpora(plain)

    # Importing torch takes seconds, so every mistake that can be found without it comes first.
    from speechbrain.utils.distributed import if_main_process

    from ser_brain.training import device

    run_opts = command_line.parse(arguments)[-1]
    device.init_process_group(run_opts)
    folder = Path(plain["output_folder"])
    with contextlib.ExitStack() as stack:
        if if_main_process():
            stack.enter_context(held(folder / NAME, folder))
            stack.enter_context(run.undone_unless_begun(folder))
        run_experiment(folder, settings, config.with_brain(plain), run_opts, figures)


def run_experiment(
    folder: Path, settings: str, plain: dict, run_opts, figures: bool = True
) -> None:
    """Corpora -> split -> datasets -> Brain -> fit -> evaluate -> report."""
    from speechbrain.utils.distributed import if_main_process, run_on_main

    from ser_brain.reporting.report import write_report
    from ser_brain.reporting.summary import summary_text
    from ser_brain.training import device
    from ser_brain.training.adapted import write_adapted
    from ser_brain.training.checkpoints import require_room
    from ser_brain.training.loaders import dataio_prep
    from ser_brain.training.predict_corpus import write_test_set, write_validation

    run_on_main(run.claim, [folder, settings])
    if if_main_process():
        show_progress(folder / run.LOG)
    # Before the encoder is loaded: often a corpus cannot be split so, or lacks the labels.
    data = load_data(plain)
    splits = data.as_dict()
    run_on_main(run.require_same_corpora, [folder, splits])
    hparams = config.load_settings(settings)
    datasets = dataio_prep(data, hparams)

    brain = hparams["brain"](
        modules=hparams["modules"],
        hparams=hparams,
        run_opts=device.set_up(run_opts, hparams["fast_precision"]),
        checkpointer=hparams["checkpointer"],
    )
    epochs = 0 if brain.test_only else hparams["number_of_epochs"]
    require_room(folder, brain.modules, epochs, hparams["weight_averaging"] is not None)
    # Nothing of the folder has changed so far; from here on the run has begun.
    facts = {"protocol": str(data.protocol), "seed": hparams["seed"]}
    facts |= {"run_options": brain.run_options}
    record = run_on_main(run.begin, [folder, settings], facts)
    run_on_main(write_json, [folder / run.SPLITS, splits])
    if if_main_process():
        data.log_findings()

    brain.fit(hparams["epoch_counter"], datasets["train"], datasets["valid"])
    # The best checkpoint scores the validation set, which fits the temperature. The test sets
    # are scored by the same, or by heads that are fitted once more to both.
    encoder = hparams["encoder"].name
    brain.evaluate(datasets["valid"], min_key=hparams["validation_metric"])
    validated = brain.outputs
    brain.refit(datasets["train"], datasets["valid"])
    of_emotions = brain.temperature, brain.learns_votes
    run_on_main(write_validation, [folder, validated, data, encoder, *of_emotions])
    for name, test_set in datasets["tests"].items():
        brain.evaluate(test_set, min_key=brain.tested_key)
        run_on_main(write_test_set, [folder, name, brain.outputs, data, encoder])
    if hparams["adaptation"] is not None:
        write_adapted(folder, brain, datasets, data, hparams)
    run_on_main(record.finish)
    if if_main_process():
        page, results = write_report(folder, figures=figures)
        print(shown(f"{summary_text(results)}\nreport: {page}"))


def require_corpora(plain: dict) -> None:
    """Stop at a corpus, an option of it, a folder or a manifest that does not exist."""
    for corpus in corpora_of(plain):
        if corpus.manifest:
            parse_manifest(corpus.manifest)
        else:
            require_folder(corpus.corpus, corpus.data_folder, **corpus.options)


def load_data(hparams: dict):
    """Corpora -> manifests -> labelled and split: an ExperimentData.

    ``hparams`` are built, or plain with the class of the Brain.
    """
    from speechbrain.utils.distributed import run_on_main

    from ser_brain.data.experiment import load_experiment, require_tasks

    where = (hparams["manifest_folder"], hparams["allow_partial"])
    prepared = run_on_main(prepare_all, [corpora_of(hparams), *where])
    experiment = ExperimentConfig.from_settings(hparams, require_tasks(hparams["brain"]))
    return load_experiment(experiment, prepared)


def corpora_of(hparams: dict) -> list[CorpusSetting]:
    """Read the corpora that the settings name."""
    corpora, corpus = hparams["corpora"], hparams["corpus"]
    return parse_corpora(lines_of(corpora, corpus, hparams["data_folder"]))


def main(figures: bool = True) -> int:
    """Run the command, with the figures of its report or without; return its exit code."""
    show_progress()
    return exit_code_of(lambda: start(sys.argv[1:], figures), NEXT_STEP, explain)


if __name__ == "__main__":
    sys.exit(main())
