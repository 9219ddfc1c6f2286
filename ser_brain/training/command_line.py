"""The command line of train.py: a settings file, settings, and SpeechBrain's run options.

Torch is imported where it is needed: the help and the report of a typing error do without it.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ser_brain.core.errors import SERError
from ser_brain.core.log import get_logger
from ser_brain.training.config import HOME, find_settings, read_settings, split_keys
from ser_brain.training.run_options import FLAGS, HELP, RUN_OPTIONS, require_options

if TYPE_CHECKING:
    from speechbrain.utils.run_opts import RunOptions

logger = get_logger(__name__)
NEXT_STEP = "The same command continues after the last finished epoch."
LOST_PROCESS = 1  # exit code


def read(arguments: Sequence[str]) -> tuple[str, list[tuple[str, str]]]:
    """Read the settings file and the overrides of a command line.

    Raises
    ------
    SERError
        For a key without a value, or anything but one settings file.
    """
    file, overrides, _ = _split_arguments(arguments, RUN_OPTIONS)
    if file is None:
        raise SERError(
            "No settings file; name one first, such as hparams/classification.yaml. See --help."
        )
    return file, overrides


def parse(arguments: Sequence[str]) -> tuple[str, list[tuple[str, str]], RunOptions]:
    """Read the settings file, the overrides and SpeechBrain's run options.

    Raises
    ------
    SERError
        As :func:`read`; for a run option with a bad value, or a missing device.
    """
    import speechbrain as sb

    from ser_brain.training.device import require_device

    read(arguments)
    overrides, rest = parse_overrides(arguments, RUN_OPTIONS)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stderr(printed):
            path, run_options, left = sb.parse_arguments(rest)
    except SystemExit as end:
        if not end.code:
            raise
        last = (printed.getvalue().strip().splitlines() or ["bad command line"])[-1]
        raise SERError(f"{last.partition('error: ')[2] or last}; see --help.") from None
    if left:  # such as the True of `--noprogressbar True`
        raise SERError(f"Unexpected argument {left!r}; settings are given as --KEY=VALUE.")
    require_options(run_options)
    if run_options["device"] is not None:
        require_device(run_options["device"])
    return path, overrides, run_options


def parse_overrides(
    arguments: Sequence[str], run_options: Sequence[str]
) -> tuple[list[tuple[str, str]], list[str]]:
    """Separate overrides of settings, ``--key=value`` or ``--key value``, from the rest.

    Parameters
    ----------
    arguments : sequence of str
    run_options : sequence of str
        Names that are SpeechBrain's options, not settings.

    Returns
    -------
    overrides : list of (key, value)
    rest : list of str
        For SpeechBrain's own parser.

    Raises
    ------
    SERError
        For a key without a value, or more than one settings file.

    Examples
    --------
    >>> parse_overrides(["a.yaml", "--seed=3", "--device=cpu"], ["device"])
    ([('seed', '3')], ['a.yaml', '--device=cpu'])
    """
    return _split_arguments(arguments, run_options)[1:]


def _split_arguments(
    arguments: Sequence[str], run_options: Sequence[str]
) -> tuple[str | None, list[tuple[str, str]], list[str]]:
    """The settings file, the overrides and the rest."""
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


def explain(error: Exception) -> int | None:
    """Log that another process of the run has ended, if that caused an error.

    Passed to :func:`ser_brain.core.process.exit_code_of`.
    """
    if not isinstance(error, RuntimeError):
        return None
    from ser_brain.training.device import is_lost_process

    if not is_lost_process(error):
        return None
    logger.error(
        "Another process of this run has ended, so this one stops too. "
        f"{NEXT_STEP} It may use any number of processes."
    )
    return LOST_PROCESS


# -- help


def help_text(introduction: str, arguments: Sequence[str]) -> str:
    """Write the text of ``train.py --help``: every setting with its value, and run options.

    Parameters
    ----------
    introduction : str
        What the command does.
    arguments : sequence of str
        If they name a settings file, its values are shown, otherwise those of ``base.yaml``.

    Raises
    ------
    SERError
        If there is no such settings file.
    """
    base = HOME / "hparams" / "base.yaml"
    named = [each for each in arguments if not each.startswith("-")][:1]
    file = find_settings(named[0]) if named else base
    values = split_keys(read_settings(file), str(file))
    comments = split_keys(base.read_text(encoding="utf-8"), str(base))
    lines = [
        "usage: python train.py SETTINGS.yaml [--KEY=VALUE ...] [RUN OPTION ...]",
        *("", introduction.strip(), ""),
        *_wrapped(
            f"settings, with their values in {named[0] if named else 'hparams/base.yaml'}; "
            "<key> means the value of another setting. Change one with --KEY=VALUE:"
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
    lines += ["", *_wrapped(f"Built from classes; change in a YAML file: {', '.join(built)}.")]
    lines += ["", "run options, which are SpeechBrain's:"]
    for option, text in HELP.items():
        lines += _entry(f"--{option}{'' if option in FLAGS else '=VALUE'}", text)
    return "\n".join(lines)


def _value(block: str) -> str:
    """The value of a setting, on one line."""
    text = "\n".join(line for line in block.splitlines() if not line.startswith("#"))
    lines = [re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()]
    first, *items = lines
    value = first.partition(":")[2]
    value = f"[{', '.join(item.removeprefix('- ') for item in items)}]" if items else value
    return value.strip().replace("!ref ", "")


def _comment(block: str) -> str:
    """The comments above and behind a setting."""
    above = [line[1:].strip() for line in block.splitlines() if re.match("#(?! ----)", line)]
    behind = re.findall(r"^[^#\n]*?\s#\s?(.*)$", block, re.MULTILINE)
    return " ".join([*above, *behind])


def _entry(flag: str, text: str) -> Iterator[str]:
    yield from _wrapped(flag, indent="  ")
    yield from _wrapped(text, indent=" " * 8)


def _wrapped(text: str, indent: str = "") -> list[str]:
    width = min(shutil.get_terminal_size((96, 0)).columns, 96)
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False
    )
