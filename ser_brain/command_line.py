"""The command line of train.py: a settings file, settings, and SpeechBrain's run options."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence

import speechbrain as sb
import torch
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from ser_brain.computing import require_options
from ser_brain.errors import SERError

# SpeechBrain's: device, precision ... The two stand in no list, but its parser takes them.
RUN_OPTIONS = (*HELP_TEXTS, "jit_module_keys", "compile_module_keys")


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
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def require_device(name: str) -> None:
    """Stop if this machine lacks a device.

    Raises
    ------
    SERError
        With the devices that are there.
    """
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
                        f"Unexpected argument {argument!r}; settings are given as --KEY=VALUE."
                    )
                file = argument
            may_be_value = False
            rest.append(argument)
            continue
        may_be_value = key in run_options and not equals
        if key in run_options or key == "help":
            rest.append(argument)
            continue
        if not equals:
            if not waiting or waiting[0].startswith("--"):
                raise SERError(f"--{key} needs a value: --{key}=VALUE.")
            value = waiting.pop(0)
        overrides.append((key, value))
    return overrides, rest
