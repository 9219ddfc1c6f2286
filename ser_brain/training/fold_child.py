"""Run a script that ends when the process that started it does, however that ends.

    python -m ser_brain.training.fold_child SCRIPT ARGUMENT ...

Standard input is a pipe from that process, which closes with it.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

from ser_brain.core.process import send_here

GRACE_S = 20.0  # for the script to end in order


def main() -> None:
    """Watch the pipe, and run the script."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.argv = sys.argv[1:]
    sys.path[0] = os.path.dirname(os.path.abspath(sys.argv[0]))  # as python SCRIPT sets it
    runpy.run_path(sys.argv[0], run_name="__main__")


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)  # nothing is ever written, so this returns when it closes
    send_here(signal.SIGTERM)
    time.sleep(GRACE_S)
    os._exit(1)


if __name__ == "__main__":
    main()
