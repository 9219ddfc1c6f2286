"""Runs the parts of ``ser folds`` as forks that have imported everything: no start-up.

A part has what ``python -m ser_brain.training.fold_child`` has at its start: standard input (a
pipe from its parent), its output, default signal handlers, and no other file of its parent. See
:func:`ser_brain.training.cross_validation._start`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import traceback

from ser_brain.training import fold_child

FIRST_FD, FDS = 3, 1024


class ForkedPart(subprocess.Popen):
    """Replaces ``subprocess.Popen``; the fork never starts another program."""

    def __init__(self, command: list[str], **rest: object) -> None:
        super().__init__(command, preexec_fn=lambda: _be(command[2:]), **rest)


def _be(arguments: list[str]) -> None:
    """Act as the process of ``python -m``; does not return."""
    code = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.closerange(FIRST_FD, FDS)
        sys.argv = arguments
        fold_child.main()
        code = 0
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:  # before signals were as by default
        code = 128 + signal.SIGTERM
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)
