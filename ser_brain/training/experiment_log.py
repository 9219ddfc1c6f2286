"""Epochs in TensorBoard or Weights & Biases, through SpeechBrain's loggers.

``train_log.jsonl`` of the run folder stays the record; this is a copy for looking at.
"""

from __future__ import annotations

import importlib.util
import shutil
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ser_brain.core.errors import SERError
from ser_brain.core.files import inside, write_text

TENSORBOARD, WANDB = "tensorboard", "wandb"  # values of the setting experiment_logger
RUN_ID = "wandb_run_id.txt"


def require_logger(name: str | None) -> None:
    """Stop if the package of a logger is missing.

    Raises
    ------
    SERError
        Saying how to install it.
    """
    if name is not None and importlib.util.find_spec(name) is None:
        raise SERError(
            f"experiment_logger is {name}, which is not installed: pip install "
            f"'ser-recipes[{name}]', or give --experiment_logger=null."
        )


class ExperimentLog:
    """A logger of a run's epochs, which has each of them once, also of a continued run.

    It starts with its first epoch. Only the main process may write.

    Parameters
    ----------
    name : {"tensorboard", "wandb"} or None
        TensorBoard's files are written to ``tensorboard/`` in the run folder, anew when a run
        is continued. Weights & Biases takes project, account and mode from its own environment
        variables (``WANDB_PROJECT``, ``WANDB_MODE=offline`` ...), and continues the run whose
        id is in the run folder. None logs nothing.
    folder : str or Path
        The run folder.
    settings : mapping
        Shown by Weights & Biases, where they are plain values.

    Raises
    ------
    SERError
        If the package is missing, or Weights & Biases cannot start.
    """

    def __init__(self, name: str | None, folder: str | Path, settings: Mapping) -> None:
        require_logger(name)
        self.name, self.folder, self.settings = name, Path(folder), settings
        self.last = -1  # the last epoch it has; 0 is the start, where that is validated
        self.logger = None

    def write(self, read_epochs: Callable[[], Sequence[Mapping]]) -> None:
        """Add those of a run's epochs that it lacks; they are lines of ``train_log.jsonl``."""
        if self.name is None:
            return
        if self.logger is None:
            start = self._start_tensorboard if self.name == TENSORBOARD else self._start_wandb
            start(self.folder, self.settings)
        for epoch in read_epochs():
            if epoch["epoch"] > self.last:
                self._write(epoch)
                self.last = epoch["epoch"]

    def complete(self, read_epochs: Callable[[], Sequence[Mapping]]) -> None:
        """Add to TensorBoard what an interruption, or another logger, kept from it.

        Weights & Biases is left alone: a run that only tests again must not need it.
        """
        if self.name == TENSORBOARD:
            self.write(read_epochs)

    def _write(self, epoch: Mapping) -> None:
        number, train, valid = (epoch[key] for key in ("epoch", "train", "valid"))
        rates = {f"lr/{part}": rate for part, rate in epoch["lr"].items()}
        meta = {"epoch": number, "seconds": epoch["seconds"], **rates}
        if self.name == TENSORBOARD:
            # SpeechBrain counts calls. The epoch is the step, also of what some epochs lack.
            before = {"train": train, "valid": valid}
            counts = {stage: dict.fromkeys(s, number - 1) for stage, s in before.items()}
            self.logger.global_step = {**counts, "meta": number - 1}
        self.logger.log_stats(meta, train, valid)
        if self.name == TENSORBOARD:
            self.logger.writer.flush()

    def close(self) -> None:
        """Write what is not written yet, and end; a further epoch starts it again."""
        if self.logger is not None:
            end = (
                self.logger.writer.close if self.name == TENSORBOARD else self.logger.run.finish
            )
            end()
        self.logger, self.last = None, -1

    def _start_tensorboard(self, folder: Path, settings: Mapping) -> None:
        from speechbrain.utils.train_logger import TensorboardLogger

        place = inside(folder, TENSORBOARD)
        if place.is_dir():  # of the run before it was interrupted; write() repeats its epochs
            shutil.rmtree(place)
        self.logger = TensorboardLogger(str(place))

    def _start_wandb(self, folder: Path, settings: Mapping) -> None:
        import wandb
        from speechbrain.utils.train_logger import WandBLogger

        kept = inside(folder, RUN_ID)
        if not kept.is_file():
            write_text(kept, uuid.uuid4().hex)
        plain = (bool, int, float, str, list, dict, type(None))
        try:
            self.logger = WandBLogger(
                wandb.init,
                id=kept.read_text(encoding="utf-8").strip(),
                resume="allow",
                dir=str(folder),
                config={k: v for k, v in settings.items() if isinstance(v, plain)},
            )
        except TypeError as error:  # SpeechBrain 1.1 calls the exception that it caught
            reason = " ".join(str(error.__context__ or error).split())
            raise SERError(f"Weights & Biases cannot start: {reason}") from error
        # A continued run has the epochs before its next step.
        self.last = self.logger.run.step - 1
