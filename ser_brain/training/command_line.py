"""The command line of train.py: a settings file, settings, and SpeechBrain's run options.

What needs torch imports it where it is used: help is shown, and a slip is told, without.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.training.config import find_settings, read_settings, split_keys

if TYPE_CHECKING:
    from speechbrain.utils.run_opts import RunOptions

# SpeechBrain's, all of them; with what the help says of those that are of use here.
RUN_OPTIONS: Mapping[str, str] = {
    "device": "where to compute: cpu, cuda or cuda:1 (default: a GPU if there is one)",
    "precision": "of training: fp32, bf16, or fp16 on a GPU (default: see fast_precision)",
    "eval_precision": "of validation and test: fp32, bf16 or fp16 (default: fp32)",
    "max_grad_norm": "clip gradients to this norm; below 0, do not clip (default: 5.0)",
    "grad_accumulation_factor": "batches that make one optimiser step (default: 1)",
    "compile": "compile the modules with torch.compile",
    "test_only": "do not train; test the checkpoint that is there",
    "noprogressbar": "show no progress bars on a terminal",
    "distributed_backend": "nccl for GPUs, gloo for CPUs; with torchrun (default: nccl)",
    "find_unused_parameters": "with torchrun, let a step leave some weights out",
    **dict.fromkeys(
        (
            "auto_mix_prec",
            "bfloat16_mix_prec",
            "ckpt_interval_minutes",
            "ckpt_interval_steps",
            "compile_mode",
            "compile_module_keys",
            "compile_using_dynamic_shape_tracing",
            "compile_using_fullgraph",
            "data_parallel_backend",
            "debug",
            "debug_batches",
            "debug_epochs",
            "debug_persistently",
            "jit",
            "jit_module_keys",
            "log_config",
            "nonfinite_patience",
            "optimizer_step_limit",
            "profile_steps",
            "profile_training",
            "profile_warmup",
            "remove_vector_weight_decay",
            "skip_nonfinite_grads",
            "tqdm_colored_bar",
        ),
        "",
    ),
}

# Those that take no value: what follows one is no part of it.
FLAGS = (
    *("auto_mix_prec", "bfloat16_mix_prec", "compile", "compile_using_fullgraph"),
    *("compile_using_dynamic_shape_tracing", "data_parallel_backend", "debug"),
    *("debug_persistently", "find_unused_parameters", "jit", "noprogressbar"),
    *("profile_training", "remove_vector_weight_decay", "skip_nonfinite_grads"),
    *("test_only", "tqdm_colored_bar"),
)
EXAMPLE = "hparams/classification.yaml"


def read(arguments: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """The settings file and the overrides of a command line.

    Raises
    ------
    SERError
        For a key without a value, or anything else than one settings file.
    """
    file, overrides, _ = _parted(arguments, RUN_OPTIONS)
    if file is None:
        raise SERError(f"No settings file; name one first, such as {EXAMPLE}. See --help.")
    return file, overrides


def parse(arguments: Sequence[str]) -> tuple[str, list[tuple[str, str]], RunOptions]:
    """Read the command line.

    Returns
    -------
    path : str
        The settings file.
    overrides : list of (key, value)
        Of settings.
    run_options : RunOptions
        SpeechBrain's.

    Raises
    ------
    SERError
        For an option with a bad value, or a device that is not there.
    """
    import speechbrain as sb

    from ser_brain.training.device import require_options

    read(arguments)
    overrides, rest = parse_overrides(arguments, RUN_OPTIONS)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            path, run_options, left = sb.parse_arguments(rest)
    except SystemExit as end:
        if not end.code:
            raise
        last = (said.getvalue().strip().splitlines() or ["bad command line"])[-1]
        raise SERError(f"{last.partition('error: ')[2] or last}; see --help.") from None
    if left:  # such as the True of `--noprogressbar True`
        raise SERError(f"Unexpected argument {left!r}; settings are given as --KEY=VALUE.")
    require_options(run_options)
    if run_options["device"] is not None:
        require_device(run_options["device"])
    return path, overrides, run_options


def gpus() -> list[str]:
    """The GPUs of this machine, as devices."""
    import torch

    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def require_device(name: str) -> None:
    """Stop if this machine lacks a device.

    Raises
    ------
    SERError
        With the devices that are there.
    """
    import torch

    there = ", ".join(["cpu", *gpus()])
    try:
        device = torch.device(name)
    except RuntimeError:
        raise SERError(f"Bad device {name!r}; this machine has: {there}.") from None
    if device.type not in ("cpu", "cuda"):
        raise SERError(
            f"Bad device {name!r}: only CPUs and CUDA GPUs are supported; this machine has: "
            f"{there}."
        )
    if device.type == "cuda" and (device.index or 0) >= len(gpus()):
        raise SERError(f"No device {name!r}; this machine has: {there}.")


def parse_overrides(
    arguments: Sequence[str], run_options: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Part a command line into overrides of the YAML and everything else.

    Parameters
    ----------
    arguments : sequence of str
        ``--key=value`` or ``--key value``.
    run_options : sequence of str
        Names that are SpeechBrain's, not the YAML's.

    Returns
    -------
    overrides : list of (key, value)
    rest : list of str
        For SpeechBrain's own parser.

    Raises
    ------
    SERError
        For a key without a value, or anything else than one settings file.

    Examples
    --------
    >>> parse_overrides(["a.yaml", "--seed=3", "--device=cpu"], ["device"])
    ([('seed', '3')], ['a.yaml', '--device=cpu'])
    """
    return _parted(arguments, run_options)[1:]


def _parted(
    arguments: Sequence[str], run_options: Sequence[str]
) -> tuple[str | None, list[tuple[str, str]], list[str]]:
    """The settings file before what :func:`parse_overrides` gives."""
    overrides, rest = [], []
    waiting = list(arguments)
    file, may_be_value = None, False
    while waiting:
        argument = waiting.pop(0)
        key, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--"):
            if not may_be_value and argument != "-h":
                if file is not None or argument.startswith("-"):
                    raise SERError(
                        f"Unexpected argument {argument!r}; settings are given as --KEY=VALUE, "
                        "those with spaces in quotes: '--KEY=VALUE'."
                    )
                file = argument
            may_be_value = False
            rest.append(argument)
            continue
        may_be_value = key in run_options and key not in FLAGS and not equals
        if key in run_options or key == "help":
            rest.append(argument)
            continue
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise SERError(f"--{key} needs a value: --{key}=VALUE.")
            value = waiting.pop(0)
        overrides.append((key, value))
    return file, overrides, rest


def help_text(introduction: str, arguments: Sequence[str], home: Path) -> str:
    """What ``train.py --help`` shows: every setting with its value, then the run options.

    Parameters
    ----------
    introduction : str
        What the command does.
    arguments : sequence of str
        Where they name a settings file, its values are shown, else those of ``base.yaml``.
    home : Path
        The project's folder.

    Raises
    ------
    SERError
        If there is no such settings file.
    """
    base = home / "hparams" / "base.yaml"
    named = [each for each in arguments if not each.startswith("-")][:1]
    file = find_settings(named[0], home) if named else base
    values = split_keys(read_settings(file), str(file))
    comments = split_keys(base.read_text(encoding="utf-8"), str(base)) if base.is_file() else {}
    lines = [
        "usage: python train.py SETTINGS.yaml [--KEY=VALUE ...] [RUN OPTION ...]",
        *("", introduction.strip(), ""),
        *_wrapped(
            f"settings, with their values in {named[0] if named else 'hparams/base.yaml'}; "
            "<key> stands for the value of another. Change one with --KEY=VALUE:"
        ),
    ]
    built, titles = [], []
    for key in dict.fromkeys((*comments, *values)):
        block = values.get(key, "")
        title = re.search("^# ---- (.*)$", comments.get(key, ""), re.MULTILINE)
        titles = ["", f"{title[1]}:"] if title else titles
        if re.search(r"!(new|name|apply):|: *(#.*)?\n +\w+:", block):
            built += [key] if not key.startswith("__") else []
        elif block:
            lines += titles
            lines += _entry(f"--{key}={_value(block)}", _comment(comments.get(key, block)))
            titles = []
    lines += ["", *_wrapped(f"Built, and so replaced in a YAML file only: {', '.join(built)}.")]
    lines += ["", "run options, which are SpeechBrain's:"]
    for option, text in RUN_OPTIONS.items():
        value = "" if option in FLAGS else "=VALUE"
        lines += _entry(f"--{option}{value}", text) if text else []
    return "\n".join(lines)


def _value(block: str) -> str:
    """The value of a setting in one line."""
    text = "\n".join(line for line in block.splitlines() if not line.startswith("#"))
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()]
    first, *items = lines
    value = first.partition(":")[2]
    value = f"[{', '.join(item.removeprefix('- ') for item in items)}]" if items else value
    return value.strip().replace("!ref ", "")


def _comment(block: str) -> str:
    """What a file says of a setting: above it, and behind it."""
    above = [line[1:].strip() for line in block.splitlines() if re.match("#(?! ----)", line)]
    behind = re.findall(r"^[^#\n]*?\s#\s?(.*)$", block, re.MULTILINE)
    return " ".join([*above, *behind])


def _entry(flag: str, text: str) -> Iterator[str]:
    """A setting or option, and below it what it means."""
    yield from _wrapped(flag, indent="  ")
    yield from _wrapped(text, indent=" " * 8)


def _wrapped(text: str, indent: str = "") -> list[str]:
    width = min(shutil.get_terminal_size((96, 0)).columns, 96)
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )


logger = get_logger(__name__)
NEXT_STEP = "The same command goes on after the last finished epoch."
OTHER_ENDED = 1


def explain(error: Exception) -> int | None:
    """Log that another process of the run has ended, if an error comes from that.

    For :func:`ser_brain.core.process.exit_code_of`.
    """
    if not isinstance(error, RuntimeError):
        return None
    from ser_brain.training import device

    if not device.lost_another(error):
        return None
    logger.error(
        "Another process of this run has ended, so this one stops too. "
        f"{NEXT_STEP} It may use any number of processes."
    )
    return OTHER_ENDED
