"""One part of ``ser folds``: train.py in a process that ends when ``ser folds`` does.

Where the system can fork, the process is a copy of one that has imported everything and done
nothing (:mod:`multiprocessing`'s fork server), so a part begins at once, and what one part does
to its process never reaches another.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from ser_brain.core.process import send_here

GRACE_S = 20.0  # for train.py to end in order


def run_part(
    script: str,
    arguments: Sequence[str],
    output: str,
    environment: Mapping[str, str],
    figures: bool,
) -> None:
    """Run a part, and exit with its code.

    Parameters
    ----------
    script : str
        Path of train.py.
    arguments : sequence of str
        Its command line.
    output : str
        File to which everything that is printed is appended.
    environment : mapping
        All environment variables.
    figures : bool
        Draw the figures of the report.
    """
    with open(output, "ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # after Ctrl-C, ser folds ends its parts
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.clear()
    os.environ.update(environment)
    if "torch" in sys.modules and "OMP_NUM_THREADS" in environment:  # read on import only
        sys.modules["torch"].set_num_threads(int(environment["OMP_NUM_THREADS"]))
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(Path(script).resolve().parent))  # as python SCRIPT does
    sys.exit(runpy.run_path(script)["main"](figures))


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    send_here(signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)
