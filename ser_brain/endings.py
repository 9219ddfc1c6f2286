"""How a training ends, however it ends: one line that says how to go on, and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from ser_brain.errors import SERError
from ser_brain.interruption import exit_code, sigterm_raises
from ser_brain.log import get_logger

logger = get_logger(__name__)

GO_ON = "The same command goes on after the last finished epoch"
DONE, OTHER_ENDED, MISTAKE = 0, 1, 2


def exit_code_of(train: Callable[[], None]) -> int:
    """Train, and say what ended it.

    Returns
    -------
    int
        0 when done, 1 where another process of the run has ended, 2 for a mistake to mend, 130
        or 143 when stopped. What nobody foresaw is raised.
    """
    try:
        with sigterm_raises():
            train()
    except SERError as error:
        logger.error(error)
        return MISTAKE
    except BrokenPipeError:  # The reader (head, less) has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        logger.error(f"No space left on the disk ({error.filename or 'while writing'}).")
        return MISTAKE
    except RuntimeError as error:
        from ser_brain import ranks  # brings torch, which a mistake is told without

        if not ranks.lost_another(error):
            raise
        logger.error(
            f"Another process of this run has ended; so does this one. {GO_ON}, with as many "
            "processes as you like."
        )
        return OTHER_ENDED
    except KeyboardInterrupt as stop:
        logger.error(f"Interrupted. {GO_ON}.")
        return exit_code(stop)
    return DONE
