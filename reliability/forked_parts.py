"""Lets ``ser folds`` fork its parts from this process, which has imported everything.

Its own fork server would be started, and import everything, in every try.
"""

from __future__ import annotations

import contextlib
import multiprocessing.context
import os
import stat
from pathlib import Path


class ForkedPart(multiprocessing.context.ForkProcess):
    """A part without its parent's files: an inherited lock would stay after the parent."""

    def run(self) -> None:
        """Close the files, and run the part."""
        for number in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
            with contextlib.suppress(OSError):
                if number > 2 and stat.S_ISREG(os.fstat(number).st_mode):
                    os.close(number)
        super().run()


class ForkedParts(multiprocessing.context.ForkContext):
    """Replaces :data:`ser_brain.training.fold_processes.CONTEXT`."""

    Process = ForkedPart
